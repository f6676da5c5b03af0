package postgres

import (
	"math"
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
func numericText(base, pos unsafe.Pointer, n int) (size int) {
	for i := range n {
		p := fieldAt(base, pos, i)
		length := int(int32(bits.ReverseBytes32(*(*uint32)(p))))
		if length < 0 {
			continue
		}
		text := numericLen(unsafe.Add(p, 4), length)
		if text < 0 {
			return -1
		}
		size += text
	}
	return size
}

// decodeNumeric is the kernel for numerics that numericText has accepted.
func decodeNumeric(dst, offsets unsafe.Pointer, end int, base, pos unsafe.Pointer, n int) int {
	for i := range n {
		p := fieldAt(base, pos, i)
		if int32(bits.ReverseBytes32(*(*uint32)(p))) >= 0 {
			end += writeNumeric(unsafe.Add(dst, end), unsafe.Add(p, 4))
		}
		*(*int32)(unsafe.Add(offsets, 4*(i+1))) = int32(end)
	}
	return end
}

// numericHead loads the four parts before the digits.
func numericHead(p unsafe.Pointer) (digits, weight int, sign uint16, scale int) {
	const low = 0x00ff00ff00ff00ff
	h := *(*uint64)(p)
	h = h&low<<8 | h>>8&low
	return int(uint16(h)), int(int16(h >> 16)), uint16(h >> 32), int(uint16(h >> 48))
}

// numericDigit loads digit d of the numeric at p.
func numericDigit(p unsafe.Pointer, d int) uint32 {
	return uint32(bits.ReverseBytes16(*(*uint16)(unsafe.Add(p, numericHeader+2*d))))
}

// numericLen returns the length of the text of the numeric at p, length bytes
// and eight more that may be read, or -1 if it is malformed.
func numericLen(p unsafe.Pointer, length int) int {
	digits, weight, sign, scale := numericHead(p)
	if length != numericHeader+2*digits || digits > math.MaxInt16 || scale > maxScale {
		return -1
	}
	n := 1
	switch sign {
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

	for d := range digits {
		if numericDigit(p, d) > 9999 {
			return -1
		}
	}

	// Before the point: the first digit without leading zeros, the others with.
	if weight >= 0 {
		n += 4 * weight
		if digits > 0 {
			first := numericDigit(p, 0)
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

// writeNumeric writes the text of the numeric at p, whose length numericLen has
// returned, to dst and returns that length.
func writeNumeric(dst, p unsafe.Pointer) int {
	digits, weight, sign, scale := numericHead(p)
	out := dst
	switch sign {
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
	d := 0
	if weight < 0 {
		*(*byte)(out) = '0'
		out = unsafe.Add(out, 1)
		d = weight + 1
	} else {
		digit := uint32(0)
		if digits > 0 {
			digit = numericDigit(p, 0)
		}
		out = writeFirst(out, digit)
		for d = 1; d <= weight; d++ {
			digit := uint32(0)
			if d < digits {
				digit = numericDigit(p, d)
			}
			writeDigit(out, digit)
			out = unsafe.Add(out, 4)
		}
	}

	// Behind it: exactly scale places, so the last digit may be cut off.
	if scale > 0 {
		*(*byte)(out) = '.'
		out = unsafe.Add(out, 1)
		for scale > 0 {
			digit := uint32(0)
			if d >= 0 && d < digits {
				digit = numericDigit(p, d)
			}
			d++
			if scale < 4 {
				return int(uintptr(writeCut(out, digit, scale)) - uintptr(dst))
			}
			writeDigit(out, digit)
			out = unsafe.Add(out, 4)
			scale -= 4
		}
	}
	return int(uintptr(out) - uintptr(dst))
}

// decimals holds the numbers from 00 to 99.
const decimals = "00010203040506070809" + "10111213141516171819" + "20212223242526272829" +
	"30313233343536373839" + "40414243444546474849" + "50515253545556575859" +
	"60616263646566676869" + "70717273747576777879" + "80818283848586878889" + "90919293949596979899"

// decimal returns i, below 100, as two decimal digits the way they lie in memory.
func decimal(i uint32) uint16 {
	return *(*uint16)(unsafe.Add(unsafe.Pointer(unsafe.StringData(decimals)), 2*i))
}

// writeDigit writes digit, below 10000, as four decimal digits.
func writeDigit(out unsafe.Pointer, digit uint32) {
	high := digit * 5243 >> 19 // digit / 100
	*(*uint16)(out) = decimal(high)
	*(*uint16)(unsafe.Add(out, 2)) = decimal(digit - 100*high)
}

// writeCut writes the first n, up to 3, of the four decimal digits of digit and
// returns the place behind them.
func writeCut(out unsafe.Pointer, digit uint32, n int) unsafe.Pointer {
	high := digit * 5243 >> 19
	pair := decimal(high)
	*(*byte)(out) = byte(pair)
	if n > 1 {
		*(*byte)(unsafe.Add(out, 1)) = byte(pair >> 8)
	}
	if n > 2 {
		*(*byte)(unsafe.Add(out, 2)) = byte(decimal(digit - 100*high))
	}
	return unsafe.Add(out, n)
}

// writeFirst writes digit, below 10000, without leading zeros and returns the
// place behind it.
func writeFirst(out unsafe.Pointer, digit uint32) unsafe.Pointer {
	if digit < 10 {
		*(*byte)(out) = '0' + byte(digit)
		return unsafe.Add(out, 1)
	}
	if digit < 100 {
		*(*uint16)(out) = decimal(digit)
		return unsafe.Add(out, 2)
	}
	high := digit * 5243 >> 19
	if digit < 1000 {
		*(*byte)(out) = '0' + byte(high)
		*(*uint16)(unsafe.Add(out, 1)) = decimal(digit - 100*high)
		return unsafe.Add(out, 3)
	}
	writeDigit(out, digit)
	return unsafe.Add(out, 4)
}
