package postgres

import (
	"math/bits"
	"unsafe"
)

// The other direction, and a drawing of the format, is in encode_numeric.go. The
// text is exactly what Postgres shows, so that nothing is lost: neither trailing
// zeros nor any of 131072 places before the point and 16383 behind it.

// A scale has 14 bits.
const maxScale = 0x3fff

const (
	textNaN              = "NaN"
	textInfinity         = "Infinity"
	textNegativeInfinity = "-Infinity"
)

// numericText returns how many bytes the text of n numerics takes, NULLs
// counting nothing, or -1 if one is malformed. The arguments are those of a
// kernel.
func numericText(base, pos unsafe.Pointer, stride, n int) (size int) {
	for range n {
		p := unsafe.Add(base, *(*uint32)(pos))
		pos = unsafe.Add(pos, stride)
		length := int32(bits.ReverseBytes32(*(*uint32)(p)))
		if length < 0 {
			continue
		}
		text := numericLen(unsafe.Slice((*byte)(unsafe.Add(p, 4)), length))
		if text < 0 {
			return -1
		}
		size += text
	}
	return size
}

// decodeNumeric is the kernel for numerics that numericText has accepted.
func decodeNumeric(dst, offsets unsafe.Pointer, end int, base, pos unsafe.Pointer, stride, n int) int {
	for range n {
		p := unsafe.Add(base, *(*uint32)(pos))
		pos = unsafe.Add(pos, stride)
		length := int32(bits.ReverseBytes32(*(*uint32)(p)))
		if length >= 0 {
			end += writeNumeric(unsafe.Add(dst, end), unsafe.Slice((*byte)(unsafe.Add(p, 4)), length))
		}
		offsets = unsafe.Add(offsets, 4)
		*(*int32)(offsets) = int32(end)
	}
	return end
}

// be16 loads a big-endian integer from b[i:].
func be16(b []byte, i int) uint16 { return uint16(b[i])<<8 | uint16(b[i+1]) }

// numericLen returns the length of the text of the numeric b, or -1 if b is
// malformed.
func numericLen(b []byte) int {
	if len(b) < numericHeader {
		return -1
	}
	digits, weight, scale := int(int16(be16(b, 0))), int(int16(be16(b, 2))), int(be16(b, 6))
	if digits < 0 || numericHeader+2*digits != len(b) || scale > maxScale {
		return -1
	}

	n := 0
	switch be16(b, 4) {
	case signPlus:
	case signMinus:
		n++
	case signNaN:
		return len(textNaN)
	case signInfinity:
		return len(textInfinity)
	case signMinusInf:
		return len(textNegativeInfinity)
	default:
		return -1
	}

	for i := numericHeader; i < len(b); i += 2 {
		if be16(b, i) > 9999 {
			return -1
		}
	}

	// Before the point: the first digit without leading zeros, the others with.
	n++
	if weight >= 0 {
		n += 4 * weight
		if digits > 0 {
			first := be16(b, numericHeader)
			if first >= 10 {
				n++
			}
			if first >= 100 {
				n++
			}
			if first >= 1000 {
				n++
			}
		}
	}
	if scale > 0 {
		n += 1 + scale
	}
	return n
}

// decimals holds the numbers from 00 to 99.
const decimals = "00010203040506070809" + "10111213141516171819" + "20212223242526272829" +
	"30313233343536373839" + "40414243444546474849" + "50515253545556575859" +
	"60616263646566676869" + "70717273747576777879" + "80818283848586878889" + "90919293949596979899"

// writeNumeric writes the text of b, whose length numericLen has returned, to
// dst and returns that length.
func writeNumeric(dst unsafe.Pointer, b []byte) int {
	digits, weight, scale := int(be16(b, 0)), int(int16(be16(b, 2))), int(be16(b, 6))
	out := dst
	switch be16(b, 4) {
	case signMinus:
		*(*byte)(out) = '-'
		out = unsafe.Add(out, 1)
	case signNaN:
		return copy(unsafe.Slice((*byte)(dst), len(textNaN)), textNaN)
	case signInfinity:
		return copy(unsafe.Slice((*byte)(dst), len(textInfinity)), textInfinity)
	case signMinusInf:
		return copy(unsafe.Slice((*byte)(dst), len(textNegativeInfinity)), textNegativeInfinity)
	}

	// Before the point. Digits that are not there are zeros: 1e20 has one.
	if weight < 0 {
		*(*byte)(out) = '0'
		out = unsafe.Add(out, 1)
	} else {
		out = writeFirst(out, digitAt(b, 0, digits))
		for d := 1; d <= weight; d++ {
			writeDigit(out, digitAt(b, d, digits))
			out = unsafe.Add(out, 4)
		}
	}

	// Behind it: exactly scale places, so the last digit may be cut off.
	if scale > 0 {
		*(*byte)(out) = '.'
		out = unsafe.Add(out, 1)
		d := weight + 1
		for ; scale >= 4; scale -= 4 {
			writeDigit(out, digitAt(b, d, digits))
			out = unsafe.Add(out, 4)
			d++
		}
		if scale > 0 {
			var last [4]byte
			writeDigit(unsafe.Pointer(&last), digitAt(b, d, digits))
			out = unsafe.Add(out, copy(unsafe.Slice((*byte)(out), scale), last[:scale]))
		}
	}
	return int(uintptr(out) - uintptr(dst))
}

// digitAt returns digit d of the numeric b, 0 if it has none at that place.
func digitAt(b []byte, d, digits int) uint32 {
	if uint(d) >= uint(digits) {
		return 0
	}
	return uint32(be16(b, numericHeader+2*d))
}

// writeDigit writes digit, below 10000, as four decimal digits.
func writeDigit(out unsafe.Pointer, digit uint32) {
	high, low := digit/100, digit%100
	*(*byte)(out) = decimals[2*high]
	*(*byte)(unsafe.Add(out, 1)) = decimals[2*high+1]
	*(*byte)(unsafe.Add(out, 2)) = decimals[2*low]
	*(*byte)(unsafe.Add(out, 3)) = decimals[2*low+1]
}

// writeFirst writes digit, below 10000, without leading zeros and returns the
// place behind it.
func writeFirst(out unsafe.Pointer, digit uint32) unsafe.Pointer {
	if digit >= 1000 {
		writeDigit(out, digit)
		return unsafe.Add(out, 4)
	}
	for unit := uint32(100); unit > 0; unit /= 10 {
		if digit >= unit || unit == 1 {
			*(*byte)(out) = '0' + byte(digit/unit%10)
			out = unsafe.Add(out, 1)
		}
	}
	return out
}
