package postgres

import (
	"math/bits"
	"unsafe"
)

// The kernels for columns whose width varies: they append the values to dst,
// which has room for all of them and kernelSlack bytes more, from byte end on, write
// the offset behind each value to offsets[1:], and return the new end. They may read
// up to kernelSlack bytes behind where a value begins.
//
// decodeShort and decodeMiddle are for values whose ends are known and that are not
// long: the end of row i is at base + ends[i], and base + pos[i] is its value and not
// its length. They copy more than the value, always as much, without looking how
// long it is: what is too much is overwritten by the next one. They take exactly n
// rows, a multiple of those they take at a time.

// What decodeShort and decodeMiddle copy, and the rows they take at a time.
const (
	shortCopy, shortRows   = 16, 4
	middleCopy, middleRows = 128, 2
)

// decodeShort takes values of shortCopy bytes at most.
//
//go:noinline
func decodeShort(dst, offsets unsafe.Pointer, end int, base, pos, ends unsafe.Pointer, n, delta int) int {
	for i := 0; i < n; i += shortRows {
		p, q, to := unsafe.Add(pos, 4*i), unsafe.Add(ends, 4*i), unsafe.Add(offsets, 4*i)
		at := int(*(*uint32)(p))
		copy16(unsafe.Add(dst, end), unsafe.Add(base, at))
		end += int(*(*uint32)(q)) - at - delta
		*(*int32)(unsafe.Add(to, 4)) = int32(end)

		at = int(*(*uint32)(unsafe.Add(p, 4)))
		copy16(unsafe.Add(dst, end), unsafe.Add(base, at))
		end += int(*(*uint32)(unsafe.Add(q, 4))) - at - delta
		*(*int32)(unsafe.Add(to, 8)) = int32(end)

		at = int(*(*uint32)(unsafe.Add(p, 8)))
		copy16(unsafe.Add(dst, end), unsafe.Add(base, at))
		end += int(*(*uint32)(unsafe.Add(q, 8))) - at - delta
		*(*int32)(unsafe.Add(to, 12)) = int32(end)

		at = int(*(*uint32)(unsafe.Add(p, 12)))
		copy16(unsafe.Add(dst, end), unsafe.Add(base, at))
		end += int(*(*uint32)(unsafe.Add(q, 12))) - at - delta
		*(*int32)(unsafe.Add(to, 16)) = int32(end)
	}
	return end
}

// decodeMiddle takes values of middleCopy bytes at most.
//
//go:noinline
func decodeMiddle(dst, offsets unsafe.Pointer, end int, base, pos, ends unsafe.Pointer, n, delta int) int {
	for i := 0; i < n; i += middleRows {
		p, q, to := unsafe.Add(pos, 4*i), unsafe.Add(ends, 4*i), unsafe.Add(offsets, 4*i)
		at := int(*(*uint32)(p))
		copy128(unsafe.Add(dst, end), unsafe.Add(base, at))
		end += int(*(*uint32)(q)) - at - delta
		*(*int32)(unsafe.Add(to, 4)) = int32(end)

		at = int(*(*uint32)(unsafe.Add(p, 4)))
		copy128(unsafe.Add(dst, end), unsafe.Add(base, at))
		end += int(*(*uint32)(unsafe.Add(q, 4))) - at - delta
		*(*int32)(unsafe.Add(to, 8)) = int32(end)
	}
	return end
}

func copy16(to, from unsafe.Pointer) {
	*(*uint64)(to) = *(*uint64)(from)
	*(*uint64)(unsafe.Add(to, 8)) = *(*uint64)(unsafe.Add(from, 8))
}

// copy128 is one instruction in a sandbox, memory.copy.
func copy128(to, from unsafe.Pointer) { *(*bytes128)(to) = *(*bytes128)(from) }

// bytes128 is no array, because those the compiler would give to memmove: they might
// overlap.
type bytes128 struct{ b [middleCopy]byte }

// decodeBytes takes the values as they are but for the first skip bytes, which
// every value must have. A NULL has length 0. What pos holds is where the fields
// begin, as for the kernels of fixed width.
func decodeBytes(dst, offsets unsafe.Pointer, end int, base, pos unsafe.Pointer, n int, skip int32) int {
	for i := 0; ; i++ {
		var done int
		done, end = decodeAnyMiddle(dst, unsafe.Add(offsets, 4*i), end, base, unsafe.Add(pos, 4*i), n-i, skip)
		if i += done; i == n {
			return end
		}
		q := fieldAt(base, pos, i)
		size := int(int32(bits.ReverseBytes32(*(*uint32)(q))) - skip)
		copy(unsafe.Slice((*byte)(unsafe.Add(dst, end)), size), unsafe.Slice((*byte)(unsafe.Add(q, 4+skip)), size))
		end += size
		*(*int32)(unsafe.Add(offsets, 4*(i+1))) = int32(end)
	}
}

// decodeAnyMiddle is decodeBytes up to the first value of more than middleCopy
// bytes, and returns how many it took, too. It calls nothing: a call in a loop of a
// guest costs more than the call, because the loop can be come back to (package
// finish).
//
//go:noinline
func decodeAnyMiddle(dst, offsets unsafe.Pointer, end int, base, pos unsafe.Pointer, n int, skip int32) (done, newEnd int) {
	for i := range n {
		q := fieldAt(base, pos, i)
		length := int32(bits.ReverseBytes32(*(*uint32)(q)))
		size := int((length - skip) &^ (length >> 31))
		if size > middleCopy {
			return i, end
		}
		q = unsafe.Add(q, 4+skip)
		to := unsafe.Add(dst, end)
		end += size
		*(*int32)(unsafe.Add(offsets, 4*(i+1))) = int32(end)

		// 16, 32 or 128 bytes without looking how many it is: what is too much is
		// overwritten by the next value. A call of memmove is dearer than any of these.
		if size <= 2*shortCopy {
			copy16(to, q)
			if size > shortCopy {
				copy16(unsafe.Add(to, shortCopy), unsafe.Add(q, shortCopy))
			}
		} else {
			copy128(to, q)
		}
	}
	return n, end
}

// jsonbVersion is the first byte of every jsonb in binary format; text follows.
const jsonbVersion = 1

// jsonbText returns how many bytes the text of n jsonb values takes, NULLs
// counting nothing, or -1 if one is malformed. The arguments are those of a
// kernel.
func jsonbText(base, pos unsafe.Pointer, n int) (size int) {
	for i := range n {
		q := fieldAt(base, pos, i)
		length := int32(bits.ReverseBytes32(*(*uint32)(q)))
		if length < 0 {
			continue
		}
		if length == 0 || *(*byte)(unsafe.Add(q, 4)) != jsonbVersion {
			return -1
		}
		size += int(length) - 1
	}
	return size
}
