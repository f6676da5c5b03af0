package postgres

import (
	"bytes"
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
	binary  []byte
	offsets []int32 // rows + 1 of the last batch
	scale   int     // of the last number
}

// reserve makes room for the rows of c, a column of text.
func (n *numericColumn) reserve(c *arrowipc.Column, rows int) {
	// Half of its text and twelve bytes are enough for any number: the header and
	// two groups that are not full.
	need := rows*(numericHeader+4) + int(c.Offsets[rows]-c.Offsets[0])/2
	if need > len(n.binary) {
		n.binary = make([]byte, max(need, 2*len(n.binary)))
	}
	if rows+1 > len(n.offsets) {
		n.offsets = make([]int32, max(rows+1, 2*len(n.offsets)))
	}
}

// convert fills rows lo to hi of the column, after those before lo. It returns
// the first row whose text is not as Postgres writes numbers, or -1.
func (n *numericColumn) convert(c *arrowipc.Column, lo, hi int) (bad int) {
	at := int(n.offsets[lo]) // of row 0 it is 0 for ever
	for row := lo; row < hi; row++ {
		if c.Nulls == 0 || c.Validity[row>>3]>>(row&7)&1 != 0 {
			size := putNumeric(n.binary[at:], c.Data[c.Offsets[row]:c.Offsets[row+1]], n.scale)
			if size == 0 {
				return row
			}
			n.scale = int(n.binary[at+6])<<8 | int(n.binary[at+7])
			at += size
		}
		n.offsets[row+1] = int32(at)
	}
	return -1
}

// putNumeric writes the number that text says to dst, which has room for half
// the text and twelve bytes, and returns the bytes written. It returns 0 for a
// text that Postgres does not write: one with an exponent, a plus sign, blanks,
// or no digit on either side of a point. scale is a guess of the number's scale,
// which saves looking for the point.
func putNumeric(dst, text []byte, scale int) int {
	sign := uint16(signPlus)
	digits := text
	if len(digits) > 0 && digits[0] == '-' {
		sign, digits = signMinus, digits[1:]
	}
	if len(digits) == 0 || digits[0] > '9' {
		return putSpecial(dst, text)
	}
	if point := len(digits) - 1 - scale; scale > 0 && point > 0 && digits[point] == '.' {
		return putDigits(dst, digits, point, scale, sign)
	}
	point := bytes.IndexByte(digits, '.')
	if point < 0 {
		return putDigits(dst, digits, len(digits), 0, sign)
	}
	if scale = len(digits) - 1 - point; scale == 0 {
		return 0
	}
	return putDigits(dst, digits, point, scale, sign)
}

// putDigits writes a number that has point digits, then, unless scale is 0, a
// point and scale digits. It returns 0 if one of them is no digit.
func putDigits(dst, digits []byte, point, scale int, sign uint16) int {
	if point == 0 || point > maxIntegerDigits || scale > maxFractionDigits {
		return 0
	}
	_ = dst[numericHeader+(point+3)/4*2+(scale+3)/4*2-1] // room for all that follows
	p, q := unsafe.Pointer(unsafe.SliceData(dst)), unsafe.Pointer(unsafe.SliceData(digits))
	weight := (point+3)/4 - 1
	out := numericHeader // where the next group goes; zeros in front are not kept
	at := 0
	wrong := uint32(0) // not 0: a byte that is no digit was met

	// The digits before the point; the first group may be short.
	if short := point & 3; short != 0 {
		group := uint32(0)
		for ; at < short; at++ {
			d := uint32(*(*uint8)(unsafe.Add(q, at))) - '0'
			if d > 9 {
				return 0
			}
			group = group*10 + d
		}
		weight, out = putGroup(p, group, weight, out)
	}
	for ; at < point; at += 4 {
		v := *(*uint32)(unsafe.Add(q, at)) - 0x30303030
		wrong |= v | (v + 0x76767676)
		weight, out = putGroup(p, fourDigits(v), weight, out)
	}

	// The digits behind it; the last group may be short.
	if scale > 0 {
		at = point + 1
		for ; at+4 <= len(digits); at += 4 {
			v := *(*uint32)(unsafe.Add(q, at)) - 0x30303030
			wrong |= v | (v + 0x76767676)
			weight, out = putGroup(p, fourDigits(v), weight, out)
		}
		if at < len(digits) {
			group, unit := uint32(0), uint32(1000)
			for ; at < len(digits); at++ {
				d := uint32(*(*uint8)(unsafe.Add(q, at))) - '0'
				if d > 9 {
					return 0
				}
				group += d * unit
				unit /= 10
			}
			weight, out = putGroup(p, group, weight, out)
		}
	}
	if wrong&0x80808080 != 0 {
		return 0
	}

	// Zeros at the end are not kept either, and zero itself has no sign.
	for out > numericHeader && *(*uint16)(unsafe.Add(p, out-2)) == 0 {
		out -= 2
	}
	if out == numericHeader {
		sign, weight = signPlus, 0
	}
	putHeader(dst, (out-numericHeader)/2, weight, sign, scale)
	return out
}

// putGroup stores a group at out, unless it is a zero in front of the number.
func putGroup(p unsafe.Pointer, group uint32, weight, out int) (int, int) {
	*(*uint16)(unsafe.Add(p, out)) = bits.ReverseBytes16(uint16(group))
	if group == 0 && out == numericHeader {
		return weight - 1, out
	}
	return weight, out + 2
}

// fourDigits returns the number that four decimal digits make, the first in the
// lowest byte. Four bytes less '0' are digits if neither they nor they plus 118
// have a high bit set; a byte below '0' borrows and sets its own.
func fourDigits(v uint32) uint32 {
	v = (v*10 + v>>8) & 0x00ff00ff // pairs
	return (v*100 + v>>16) & 0xffff
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
