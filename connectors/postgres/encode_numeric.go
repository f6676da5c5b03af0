package postgres

import (
	"math/bits"
	"unsafe"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
)

// The binary format of numeric. Its digits are groups of four decimal digits,
// the first with weight 10000^weight; zero groups at either end are left out.
//
//	+---------+--------+------+--------+-------------+
//	| ndigits | weight | sign | dscale | group, ...  |   two bytes each,
//	|         |        |      |        |             |   big endian
//	+---------+--------+------+--------+-------------+
//
// The scale is the number of decimal digits behind the point that are shown,
// zeros among them, so text and binary hold the same.
const (
	numericHeader = 8

	signPlus     = 0x0000
	signMinus    = 0x4000
	signNaN      = 0xC000
	signInfinity = 0xD000
	signMinusInf = 0xF000
	// scaleInfinity is the scale a server sends with an infinity: what its storage
	// format happens to have there. It means nothing to one that receives it.
	scaleInfinity = 0x20

	maxIntegerDigits  = 131072
	maxFractionDigits = 16383
)

// numericColumn is a column of numbers in binary format, converted from text
// as a whole so that it is encoded like any other column of varying length.
type numericColumn struct {
	bytes   []byte
	offsets []int32 // rows + 1 of the last batch
}

// convert fills the column from c, a column of text. It returns the first row
// whose text is not as Postgres writes numbers, or -1.
func (n *numericColumn) convert(c *arrowipc.Column, rows int) (bad int) {
	// Half of its text and twelve bytes are enough for any number: the header and
	// two groups that are not full.
	need := rows*(numericHeader+4) + int(c.Offsets[rows]-c.Offsets[0])/2
	if need > len(n.bytes) {
		n.bytes = make([]byte, max(need, 2*len(n.bytes)))
	}
	if rows+1 > len(n.offsets) {
		n.offsets = make([]int32, max(rows+1, 2*len(n.offsets)))
	}

	at := 0
	for row := range rows {
		n.offsets[row] = int32(at)
		if c.Nulls > 0 && c.Validity[row>>3]>>(row&7)&1 == 0 {
			continue
		}
		size := putNumeric(n.bytes[at:], c.Data[c.Offsets[row]:c.Offsets[row+1]])
		if size == 0 {
			return row
		}
		at += size
	}
	n.offsets[rows] = int32(at)
	return -1
}

// putNumeric writes the number that text says to dst, which has room for half
// the text and twelve bytes, and returns the bytes written. It returns 0 for a
// text that Postgres does not write: one with an exponent, a plus sign, blanks,
// or no digit on either side of a point.
func putNumeric(dst, text []byte) int {
	// Sign, and where the digits before and behind the point lie.
	sign := uint16(signPlus)
	digits := text
	if len(digits) > 0 && digits[0] == '-' {
		sign, digits = signMinus, digits[1:]
	}
	if len(digits) == 0 || digits[0] > '9' {
		return putSpecial(dst, text)
	}
	point := len(digits)
	for i, c := range digits {
		if c-'0' > 9 {
			point = i
			break
		}
	}
	scale := 0
	if point < len(digits) {
		scale = len(digits) - point - 1
		if digits[point] != '.' || scale == 0 {
			return 0
		}
	}
	if point == 0 || point > maxIntegerDigits || scale > maxFractionDigits {
		return 0
	}

	// Groups of the digits before the point; the first may be short. Zeros in
	// front are not kept.
	weight := (point+3)/4 - 1
	out := numericHeader
	at := 0
	if short := point & 3; short != 0 {
		group := uint16(0)
		for ; at < short; at++ {
			group = group*10 + uint16(digits[at]-'0')
		}
		if group != 0 {
			put16(dst, out, group)
			out += 2
		} else {
			weight--
		}
	}
	for ; at < point; at += 4 {
		group, ok := fourDigits(digits[at:])
		if !ok {
			return 0
		}
		if group == 0 && out == numericHeader {
			weight--
			continue
		}
		put16(dst, out, group)
		out += 2
	}

	// Groups of the digits behind the point; the last may be short.
	if scale > 0 {
		for at = point + 1; at+4 <= len(digits); at += 4 {
			group, ok := fourDigits(digits[at:])
			if !ok {
				return 0
			}
			if group == 0 && out == numericHeader {
				weight--
				continue
			}
			put16(dst, out, group)
			out += 2
		}
		if at < len(digits) {
			group, unit := uint16(0), uint16(1000)
			for ; at < len(digits); at++ {
				d := digits[at] - '0'
				if d > 9 {
					return 0
				}
				group += uint16(d) * unit
				unit /= 10
			}
			if group != 0 {
				put16(dst, out, group)
				out += 2
			}
		}
	}

	// Zeros at the end are not kept either, and zero itself has no sign.
	for out > numericHeader && dst[out-1]|dst[out-2] == 0 {
		out -= 2
	}
	if out == numericHeader {
		sign, weight = signPlus, 0
	}
	putHeader(dst, (out-numericHeader)/2, weight, sign, scale)
	return out
}

// putSpecial writes the numbers that have no digits.
func putSpecial(dst, text []byte) int {
	switch string(text) {
	case "NaN":
		putHeader(dst, 0, 0, signNaN, 0)
	case "Infinity":
		putHeader(dst, 0, 0, signInfinity, scaleInfinity)
	case "-Infinity":
		putHeader(dst, 0, 0, signMinusInf, scaleInfinity)
	default:
		return 0
	}
	return numericHeader
}

func putHeader(dst []byte, groups, weight int, sign uint16, scale int) {
	_ = dst[numericHeader-1]
	put16(dst, 0, uint16(groups))
	put16(dst, 2, uint16(weight))
	put16(dst, 4, sign)
	put16(dst, 6, uint16(scale))
}

// put16 stores v big endian at dst[at], where there are two bytes.
func put16(dst []byte, at int, v uint16) {
	_ = dst[at+1]
	*(*uint16)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(dst)), at)) = bits.ReverseBytes16(v)
}

// fourDigits returns the number that the first four bytes of b say in decimal
// digits, and whether they do.
func fourDigits(b []byte) (group uint16, ok bool) {
	_ = b[3]
	v := *(*uint32)(unsafe.Pointer(unsafe.SliceData(b))) - 0x30303030

	// Every byte is at most 9 if neither it nor it plus 118 has its high bit set.
	ok = (v|(v+0x76767676))&0x80808080 == 0

	// The first digit is in the lowest byte: pairs first, then the pair of pairs.
	v = (v*10 + v>>8) & 0x00ff00ff
	return uint16(v*100 + v>>16), ok
}
