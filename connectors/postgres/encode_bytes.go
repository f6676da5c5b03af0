package postgres

import (
	"math/bits"
	"unsafe"
)

// longValue is the length from which a copy by the runtime beats one by words.
// Its call alone costs a guest as much as copying some hundred bytes.
const longValue = 512

// encodeBytes writes values of varying length, none of them null, and advances
// the cursors.
func encodeBytes(base unsafe.Pointer, cur []uint32, delta uint32, offsets []int32, values unsafe.Pointer) {
	offsets = offsets[:len(cur)+1]
	for i := 0; i < len(cur); i++ {
		if i += encodeShort(base, cur[i:], delta, offsets[i:], values); i == len(cur) {
			return
		}
		cur[i] += delta + encodeLong(unsafe.Add(base, cur[i]+delta), unsafe.Add(values, offsets[i]), uint32(offsets[i+1]-offsets[i]), 0)
	}
}

// encodeShort is encodeBytes up to the first value that is long, and returns how
// many it wrote. It calls nothing: a call in a loop of a guest costs more than the
// call, because the loop can be come back to (package finish).
//
//go:noinline
func encodeShort(base unsafe.Pointer, cur []uint32, delta uint32, offsets []int32, values unsafe.Pointer) int {
	cursors, ends := unsafe.Pointer(unsafe.SliceData(cur)), unsafe.Pointer(unsafe.SliceData(offsets[1:]))
	// All numbers have 64 bits: a guest has no others and cuts each to 32.
	start, skip := uint64(offsets[0]), uint64(delta)
	for i := range cur {
		at, end := unsafe.Add(cursors, i*4), uint64(*(*uint32)(unsafe.Add(ends, i*4)))
		n, c := end-start, uint64(*(*uint32)(at))+skip
		if n >= longValue {
			return i
		}
		p, q := unsafe.Add(base, c), unsafe.Add(values, start)
		*(*uint32)(at) = uint32(c + 4 + n)
		start = end

		length := n<<24 | n>>8<<16 // big endian, if it is less than 64 KiB
		if n >= 8 {
			// The last word overlaps the one before it instead of reaching over the end, and
			// so does the last of what blocks of four words leave over.
			*(*uint32)(p) = uint32(length)
			p = unsafe.Add(p, 4)
			rest := int(n) - 8
			store64(p, rest, load64(q, rest))
			for rest > 24 {
				copy32(p, q)
				p, q, rest = unsafe.Add(p, 32), unsafe.Add(q, 32), rest-32
			}
			if rest > 0 {
				store64(p, 0, load64(q, 0))
				if rest > 8 {
					store64(p, 8, load64(q, 8))
					store64(p, rest-8, load64(q, rest-8))
				}
			}
			continue
		}
		if n >= 4 {
			first, last := *(*uint32)(q), *(*uint32)(unsafe.Add(q, n-4))
			*(*uint64)(p) = length&(1<<32-1) | uint64(first)<<32
			*(*uint32)(unsafe.Add(p, n)) = last
			continue
		}
		*(*uint32)(p) = uint32(length)
		if n > 0 {
			// Of one byte all three are the same, of two bytes two.
			first, middle, last := *(*uint8)(q), *(*uint8)(unsafe.Add(q, n>>1)), *(*uint8)(unsafe.Add(q, n-1))
			*(*uint8)(unsafe.Add(p, 4)) = first
			*(*uint8)(unsafe.Add(p, 4+n>>1)) = middle
			*(*uint8)(unsafe.Add(p, 3+n)) = last
		}
	}
	return len(cur)
}

// copy32 copies 32 bytes from q to p.
func copy32(p, q unsafe.Pointer) {
	store64(p, 0, load64(q, 0))
	store64(p, 8, load64(q, 8))
	store64(p, 16, load64(q, 16))
	store64(p, 24, load64(q, 24))
}

// encodeBytesNull writes values of varying length, some of them null if there
// is a validity bitmap, each after version bytes of value 1 (none or one), and
// advances the cursors.
func encodeBytesNull(base unsafe.Pointer, cur []uint32, delta uint32, offsets []int32, values, validity unsafe.Pointer, lo int, version uint32) {
	offsets = offsets[:len(cur)+1]
	for i := 0; i < len(cur); i++ {
		if i += encodeShortNull(base, cur[i:], delta, offsets[i:], values, validity, lo+i, version); i == len(cur) {
			return
		}
		cur[i] += delta + encodeLong(unsafe.Add(base, cur[i]+delta), unsafe.Add(values, offsets[i]), uint32(offsets[i+1]-offsets[i]), version)
	}
}

// encodeLong writes one value of n bytes and returns how many it took.
func encodeLong(p, q unsafe.Pointer, n, version uint32) uint32 {
	*(*uint32)(p) = bits.ReverseBytes32(version + n)
	if version != 0 {
		*(*uint8)(unsafe.Add(p, 4)) = 1
	}
	copy(unsafe.Slice((*byte)(unsafe.Add(p, 4+version)), n), unsafe.Slice((*byte)(q), n))
	return 4 + version + n
}

// encodeShortNull is encodeBytesNull up to the first value that is long, and
// returns how many it wrote. Like encodeShort it calls nothing.
//
//go:noinline
func encodeShortNull(base unsafe.Pointer, cur []uint32, delta uint32, offsets []int32, values, validity unsafe.Pointer, lo int, version uint32) int {
	cursors, ends := unsafe.Pointer(unsafe.SliceData(cur)), unsafe.Pointer(unsafe.SliceData(offsets[1:]))
	start := uint64(offsets[0])
	for i := range cur {
		at, end := unsafe.Add(cursors, i*4), uint64(*(*uint32)(unsafe.Add(ends, i*4)))
		n, c := end-start, uint64(*(*uint32)(at))+uint64(delta)
		p, q := unsafe.Add(base, c), unsafe.Add(values, start)
		if validity != nil && validBit(validity, lo+i) == 0 {
			*(*uint32)(p) = lengthNull
			*(*uint32)(at) = uint32(c + 4)
			start = end
			continue
		}
		if n >= longValue {
			return i
		}
		start = end
		*(*uint32)(p) = bits.ReverseBytes32(version + uint32(n))
		if version != 0 {
			*(*uint8)(unsafe.Add(p, 4)) = 1
		}
		*(*uint32)(at) = uint32(c+4+n) + version

		// As in encodeShort nothing is written outside the value.
		p = unsafe.Add(p, 4+version)
		switch {
		case n >= 8:
			last := int(n) - 8
			store64(p, last, load64(q, last))
			for k := 0; k < last; k += 8 {
				store64(p, k, load64(q, k))
			}
		case n >= 4:
			first, last := *(*uint32)(q), *(*uint32)(unsafe.Add(q, n-4))
			*(*uint32)(p) = first
			*(*uint32)(unsafe.Add(p, n-4)) = last
		case n > 0:
			first, middle, last := *(*uint8)(q), *(*uint8)(unsafe.Add(q, n>>1)), *(*uint8)(unsafe.Add(q, n-1))
			*(*uint8)(p) = first
			*(*uint8)(unsafe.Add(p, n>>1)) = middle
			*(*uint8)(unsafe.Add(p, n-1)) = last
		}
	}
	return len(cur)
}
