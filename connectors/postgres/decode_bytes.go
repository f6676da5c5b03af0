package postgres

import (
	"math/bits"
	"unsafe"
)

// The kernels for columns whose width varies: they append the values to dst,
// which has room for all of them and 16 bytes more, from byte end on, write the
// offset behind each value to offsets[1:], and return the new end. They may read
// up to 16 bytes behind a value.

// decodeBytes takes the values as they are but for the first skip bytes, which
// every value must have. A NULL has length 0.
func decodeBytes(dst, offsets unsafe.Pointer, end int, base, pos unsafe.Pointer, stride, n int, skip int32) int {
	for range n {
		q := unsafe.Add(base, *(*uint32)(pos))
		pos = unsafe.Add(pos, stride)
		length := int32(bits.ReverseBytes32(*(*uint32)(q)))
		size := int((length - skip) &^ (length >> 31))
		q = unsafe.Add(q, 4+skip)
		to := unsafe.Add(dst, end)
		end += size
		offsets = unsafe.Add(offsets, 4)
		*(*int32)(offsets) = int32(end)

		// Up to 16 bytes as two words, without looking how many: what is too much
		// is overwritten by the next value. Up to 64 as words that overlap in the
		// middle. A call of memmove is as dear as copying that much.
		if size <= 16 {
			*(*uint64)(to) = *(*uint64)(q)
			*(*uint64)(unsafe.Add(to, 8)) = *(*uint64)(unsafe.Add(q, 8))
		} else if size <= 64 {
			back := size - 16
			if size > 32 {
				*(*uint64)(unsafe.Add(to, 16)) = *(*uint64)(unsafe.Add(q, 16))
				*(*uint64)(unsafe.Add(to, 24)) = *(*uint64)(unsafe.Add(q, 24))
				*(*uint64)(unsafe.Add(to, back-16)) = *(*uint64)(unsafe.Add(q, back-16))
				*(*uint64)(unsafe.Add(to, back-8)) = *(*uint64)(unsafe.Add(q, back-8))
			}
			*(*uint64)(to) = *(*uint64)(q)
			*(*uint64)(unsafe.Add(to, 8)) = *(*uint64)(unsafe.Add(q, 8))
			*(*uint64)(unsafe.Add(to, back)) = *(*uint64)(unsafe.Add(q, back))
			*(*uint64)(unsafe.Add(to, back+8)) = *(*uint64)(unsafe.Add(q, back+8))
		} else {
			copy(unsafe.Slice((*byte)(to), size), unsafe.Slice((*byte)(q), size))
		}
	}
	return end
}

// jsonbVersion is the first byte of every jsonb in binary format; text follows.
const jsonbVersion = 1

// jsonbText returns how many bytes the text of n jsonb values takes, NULLs
// counting nothing, or -1 if one is malformed. The arguments are those of a
// kernel.
func jsonbText(base, pos unsafe.Pointer, stride, n int) (size int) {
	for range n {
		q := unsafe.Add(base, *(*uint32)(pos))
		pos = unsafe.Add(pos, stride)
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
