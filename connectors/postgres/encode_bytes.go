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
	start := offsets[0]
	for i := range cur {
		end := offsets[i+1]
		n := uint32(end - start)
		c := cur[i] + delta
		p, q := unsafe.Add(base, c), unsafe.Add(values, start)
		*(*uint32)(p) = bits.ReverseBytes32(n)
		cur[i] = c + 4 + n
		start = end

		// The same as copyBytes, without the call.
		p = unsafe.Add(p, 4)
		if n >= 8 && n < longValue {
			last := n - 8
			*(*uint64)(unsafe.Add(p, last)) = *(*uint64)(unsafe.Add(q, last))
			for ; last >= 32; last -= 32 {
				a, b := *(*uint64)(q), *(*uint64)(unsafe.Add(q, 8))
				*(*uint64)(p) = a
				*(*uint64)(unsafe.Add(p, 8)) = b
				a, b = *(*uint64)(unsafe.Add(q, 16)), *(*uint64)(unsafe.Add(q, 24))
				*(*uint64)(unsafe.Add(p, 16)) = a
				*(*uint64)(unsafe.Add(p, 24)) = b
				p, q = unsafe.Add(p, 32), unsafe.Add(q, 32)
			}
			for k := uint32(0); k < last; k += 8 {
				*(*uint64)(unsafe.Add(p, k)) = *(*uint64)(unsafe.Add(q, k))
			}
			continue
		}
		if n >= 4 && n < 8 {
			a, b := *(*uint32)(q), *(*uint32)(unsafe.Add(q, n-4))
			*(*uint32)(p) = a
			*(*uint32)(unsafe.Add(p, n-4)) = b
			continue
		}
		if n > 0 {
			copyBytes(p, q, n)
		}
	}
}

// encodeBytesNull writes values of varying length, some of them null if there
// is a validity bitmap, each after version bytes of value 1 (none or one), and
// advances the cursors.
func encodeBytesNull(base unsafe.Pointer, cur []uint32, delta uint32, offsets []int32, values, validity unsafe.Pointer, lo int, version uint32) {
	offsets = offsets[:len(cur)+1]
	start := offsets[0]
	for i := range cur {
		end := offsets[i+1]
		c := cur[i] + delta
		p, q := unsafe.Add(base, c), unsafe.Add(values, start)
		n := uint32(end - start)
		start = end
		if validity != nil && validBit(validity, lo+i) == 0 {
			*(*uint32)(p) = lengthNull
			cur[i] = c + 4
			continue
		}
		*(*uint32)(p) = bits.ReverseBytes32(version + n)
		if version != 0 {
			*(*uint8)(unsafe.Add(p, 4)) = 1
		}
		cur[i] = c + 4 + version + n
		copyBytes(unsafe.Add(p, 4+version), q, n)
	}
}

// copyBytes copies n bytes from q to p and touches no other. The last word
// overlaps the one before it instead of reaching over the end.
func copyBytes(p, q unsafe.Pointer, n uint32) {
	switch {
	case n >= longValue:
		copy(unsafe.Slice((*byte)(p), n), unsafe.Slice((*byte)(q), n))
	case n >= 8:
		last := n - 8
		*(*uint64)(unsafe.Add(p, last)) = *(*uint64)(unsafe.Add(q, last))
		for k := uint32(0); k < last; k += 8 {
			*(*uint64)(unsafe.Add(p, k)) = *(*uint64)(unsafe.Add(q, k))
		}
	case n >= 4:
		a, b := *(*uint32)(q), *(*uint32)(unsafe.Add(q, n-4))
		*(*uint32)(p) = a
		*(*uint32)(unsafe.Add(p, n-4)) = b
	default:
		for k := uint32(0); k < n; k++ {
			*(*uint8)(unsafe.Add(p, k)) = *(*uint8)(unsafe.Add(q, k))
		}
	}
}
