package postgres

import (
	"math"
	"math/bits"
	"unsafe"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// The loops of this file write the values of one column of a fixed width, each
// after its length. Length and a value of four bytes are one store. Loops with
// Null in their name look at the validity bitmap and advance the cursors;
// those without leave them alone and take four rows a turn, whose cursors are
// two loads, then those that are left over one by one.
//
// Nulls come as they like, and a jump that was not foreseen costs more than a
// row. So the shorter loops with Null have none: a null is a length of -1, and
// its value, all ones too, is written over that instead of behind it.

// The lengths 1, 2, 4, 8, 16 and -1 as they lie in memory.
const (
	length1    = 1 << 24
	length2    = 2 << 24
	length4    = 4 << 24
	length8    = 8 << 24
	length16   = 16 << 24
	lengthNull = 0xffffffff
)

// Postgres' own limits of dates and timestamps, counted from 1970 like Arrow's
// values: 4714-11-24 BC to 5874897-12-31, and to 294276-12-31, which is past
// what Arrow's microseconds reach. Postgres' infinities are the ends of the
// integers.
const (
	minDate      = -2451545 + epochDays
	maxDate      = 2145031948 + epochDays
	minTimestamp = -211813488000000000 + epochMicros
	maxTimestamp = math.MaxInt64 - 1
)

// encodeFixed writes values without nulls from row lo. It reports whether all
// of them are in Postgres' range.
func (f *encodeField) encodeFixed(base unsafe.Pointer, cur []uint32, lo int) (ok bool) {
	switch f.kind {
	case kindBool:
		encodeBool(base, cur, f.values, lo)
	case kindInt2:
		encodeInt2(base, cur, unsafe.Add(f.values, lo*2))
	case kindInt4:
		encodeInt4(base, cur, unsafe.Add(f.values, lo*4))
	case kindInt8:
		encodeInt8(base, cur, unsafe.Add(f.values, lo*8))
	case kindDate:
		return encodeDate(base, cur, unsafe.Add(f.values, lo*4))
	case kindTimestamp:
		return encodeTimestamp(base, cur, unsafe.Add(f.values, lo*8))
	case kindUUID:
		encodeUUID(base, cur, unsafe.Add(f.values, lo*16))
	}
	return true
}

// encodeFixedNull writes values some of which are null.
func (f *encodeField) encodeFixedNull(base unsafe.Pointer, cur []uint32, delta uint32, lo int) (ok bool) {
	switch f.kind {
	case kindBool:
		encodeBoolNull(base, cur, delta, f.values, f.validity, lo)
	case kindInt2:
		encodeInt2Null(base, cur, delta, unsafe.Add(f.values, lo*2), f.validity, lo)
	case kindInt4:
		encodeInt4Null(base, cur, delta, unsafe.Add(f.values, lo*4), f.validity, lo)
	case kindInt8:
		encodeInt8Null(base, cur, delta, unsafe.Add(f.values, lo*8), f.validity, lo)
	case kindDate:
		return encodeDateNull(base, cur, delta, unsafe.Add(f.values, lo*4), f.validity, lo)
	case kindTimestamp:
		return encodeTimestampNull(base, cur, delta, unsafe.Add(f.values, lo*8), f.validity, lo)
	case kindUUID:
		encodeUUIDNull(base, cur, delta, unsafe.Add(f.values, lo*16), f.validity, lo)
	}
	return true
}

// encodeCount writes the count of values that begins a row in COPY.
func encodeCount(base unsafe.Pointer, cur []uint32, count uint16) {
	count = bits.ReverseBytes16(count)
	i, cursors := 0, unsafe.Pointer(unsafe.SliceData(cur))
	for ; i+4 <= len(cur); i += 4 {
		c := unsafe.Add(cursors, i*4)
		at, next := load64(c, 0), load64(c, 8)
		*(*uint16)(unsafe.Add(base, uint32(at))) = count
		*(*uint16)(unsafe.Add(base, at>>32)) = count
		*(*uint16)(unsafe.Add(base, uint32(next))) = count
		*(*uint16)(unsafe.Add(base, next>>32)) = count
	}
	for ; i < len(cur); i++ {
		*(*uint16)(unsafe.Add(base, cur[i])) = count
	}
}

func encodeBool(base unsafe.Pointer, cur []uint32, bitmap unsafe.Pointer, lo int) {
	i, cursors := 0, unsafe.Pointer(unsafe.SliceData(cur))
	for ; i < len(cur) && (lo+i)&7 != 0; i++ { // up to a whole byte of the bitmap
		putBool(base, uint64(cur[i]), validBit(bitmap, lo+i))
	}
	for ; i+8 <= len(cur); i += 8 {
		c, b := unsafe.Add(cursors, i*4), uint32(*(*uint8)(unsafe.Add(bitmap, (lo+i)>>3)))
		at := load64(c, 0)
		putBool(base, uint64(uint32(at)), b&1)
		putBool(base, at>>32, b>>1&1)
		at = load64(c, 8)
		putBool(base, uint64(uint32(at)), b>>2&1)
		putBool(base, at>>32, b>>3&1)
		at = load64(c, 16)
		putBool(base, uint64(uint32(at)), b>>4&1)
		putBool(base, at>>32, b>>5&1)
		at = load64(c, 24)
		putBool(base, uint64(uint32(at)), b>>6&1)
		putBool(base, at>>32, b>>7)
	}
	for ; i < len(cur); i++ {
		putBool(base, uint64(cur[i]), validBit(bitmap, lo+i))
	}
}

func putBool(base unsafe.Pointer, at uint64, bit uint32) {
	p := unsafe.Add(base, at)
	*(*uint32)(p) = length1
	*(*uint8)(unsafe.Add(p, 4)) = uint8(bit)
}

func encodeInt2(base unsafe.Pointer, cur []uint32, values unsafe.Pointer) {
	i, cursors := 0, unsafe.Pointer(unsafe.SliceData(cur))
	for ; i+4 <= len(cur); i += 4 {
		c, v := unsafe.Add(cursors, i*4), unsafe.Add(values, i*2)
		at, next := load64(c, 0), load64(c, 8)
		putInt2(base, uint64(uint32(at)), v)
		putInt2(base, at>>32, unsafe.Add(v, 2))
		putInt2(base, uint64(uint32(next)), unsafe.Add(v, 4))
		putInt2(base, next>>32, unsafe.Add(v, 6))
	}
	for ; i < len(cur); i++ {
		putInt2(base, uint64(cur[i]), unsafe.Add(values, i*2))
	}
}

func putInt2(base unsafe.Pointer, at uint64, v unsafe.Pointer) {
	p := unsafe.Add(base, at)
	*(*uint32)(p) = length2
	*(*uint16)(unsafe.Add(p, 4)) = bits.ReverseBytes16(*(*uint16)(v))
}

func encodeInt4(base unsafe.Pointer, cur []uint32, values unsafe.Pointer) {
	const upper = 0xffffffff << 32
	i, cursors := 0, unsafe.Pointer(unsafe.SliceData(cur))
	for ; i+4 <= len(cur); i += 4 {
		// Two values in reverse: the first is the upper half then.
		c, v := unsafe.Add(cursors, i*4), unsafe.Add(values, i*4)
		at, w := load64(c, 0), bits.ReverseBytes64(load64(v, 0))
		*(*uint64)(unsafe.Add(base, uint32(at))) = length4 | w&upper
		*(*uint64)(unsafe.Add(base, at>>32)) = length4 | w<<32
		at, w = load64(c, 8), bits.ReverseBytes64(load64(v, 8))
		*(*uint64)(unsafe.Add(base, uint32(at))) = length4 | w&upper
		*(*uint64)(unsafe.Add(base, at>>32)) = length4 | w<<32
	}
	for ; i < len(cur); i++ {
		v := *(*uint32)(unsafe.Add(values, i*4))
		*(*uint64)(unsafe.Add(base, cur[i])) = length4 | uint64(bits.ReverseBytes32(v))<<32
	}
}

func encodeInt8(base unsafe.Pointer, cur []uint32, values unsafe.Pointer) {
	i, cursors := 0, unsafe.Pointer(unsafe.SliceData(cur))
	for ; i+4 <= len(cur); i += 4 {
		c, v := unsafe.Add(cursors, i*4), unsafe.Add(values, i*8)
		at, next := load64(c, 0), load64(c, 8)
		putInt8(base, uint64(uint32(at)), load64(v, 0))
		putInt8(base, at>>32, load64(v, 8))
		putInt8(base, uint64(uint32(next)), load64(v, 16))
		putInt8(base, next>>32, load64(v, 24))
	}
	for ; i < len(cur); i++ {
		putInt8(base, uint64(cur[i]), load64(values, i*8))
	}
}

func putInt8(base unsafe.Pointer, at, v uint64) {
	p := unsafe.Add(base, at)
	*(*uint32)(p) = length8
	*(*uint64)(unsafe.Add(p, 4)) = bits.ReverseBytes64(v)
}

// encodeDate writes days as if all were days, and again one by one if there may
// be others among them.
func encodeDate(base unsafe.Pointer, cur []uint32, values unsafe.Pointer) (ok bool) {
	odd := int32(0) // negative: a value is far away or none
	i, cursors := 0, unsafe.Pointer(unsafe.SliceData(cur))
	for ; i+4 <= len(cur); i += 4 {
		c, v := unsafe.Add(cursors, i*4), unsafe.Add(values, i*4)
		at, next := load64(c, 0), load64(c, 8)
		odd |= putDate(base, uint64(uint32(at)), v)
		odd |= putDate(base, at>>32, unsafe.Add(v, 4))
		odd |= putDate(base, uint64(uint32(next)), unsafe.Add(v, 8))
		odd |= putDate(base, next>>32, unsafe.Add(v, 12))
	}
	for ; i < len(cur); i++ {
		odd |= putDate(base, uint64(cur[i]), unsafe.Add(values, i*4))
	}
	return odd >= 0 || encodeAnyDate(base, cur, values)
}

// putDate returns a number that is negative for a value that is no day of
// Postgres.
func putDate(base unsafe.Pointer, at uint64, value unsafe.Pointer) (odd int32) {
	v := *(*int32)(value)
	*(*uint64)(unsafe.Add(base, at)) = length4 | uint64(bits.ReverseBytes32(uint32(v-epochDays)))<<32
	return (v - minDate) | (maxDate - v)
}

// encodeAnyDate is encodeDate for values that may be infinite or out of range.
func encodeAnyDate(base unsafe.Pointer, cur []uint32, values unsafe.Pointer) (ok bool) {
	ok = true
	for i := range cur {
		v := *(*int32)(unsafe.Add(values, i*4))
		d := v - epochDays
		if uint32(v-minDate) > maxDate-minDate {
			ok = ok && isInfiniteDate(v)
			d = v
		}
		*(*uint64)(unsafe.Add(base, cur[i])) = length4 | uint64(bits.ReverseBytes32(uint32(d)))<<32
	}
	return ok
}

// encodeTimestamp writes times as encodeDate writes days.
func encodeTimestamp(base unsafe.Pointer, cur []uint32, values unsafe.Pointer) (ok bool) {
	odd := int64(0)
	i, cursors := 0, unsafe.Pointer(unsafe.SliceData(cur))
	for ; i+4 <= len(cur); i += 4 {
		c, v := unsafe.Add(cursors, i*4), unsafe.Add(values, i*8)
		at, next := load64(c, 0), load64(c, 8)
		odd |= putTimestamp(base, uint64(uint32(at)), v)
		odd |= putTimestamp(base, at>>32, unsafe.Add(v, 8))
		odd |= putTimestamp(base, uint64(uint32(next)), unsafe.Add(v, 16))
		odd |= putTimestamp(base, next>>32, unsafe.Add(v, 24))
	}
	for ; i < len(cur); i++ {
		odd |= putTimestamp(base, uint64(cur[i]), unsafe.Add(values, i*8))
	}
	return odd >= 0 || encodeAnyTimestamp(base, cur, values)
}

// putTimestamp returns a number that is negative for every value that is no time
// of Postgres, and for times so far away that the difference overflows.
func putTimestamp(base unsafe.Pointer, at uint64, value unsafe.Pointer) (odd int64) {
	v := *(*int64)(value)
	putInt8(base, at, uint64(v-epochMicros))
	return v - minTimestamp
}

// encodeAnyTimestamp is encodeTimestamp for values that may be infinite or out
// of range.
func encodeAnyTimestamp(base unsafe.Pointer, cur []uint32, values unsafe.Pointer) (ok bool) {
	ok = true
	for i := range cur {
		v := *(*int64)(unsafe.Add(values, i*8))
		d := v - epochMicros
		if uint64(v-minTimestamp) > maxTimestamp-minTimestamp {
			ok = ok && isInfiniteTimestamp(v)
			d = v
		}
		putInt8(base, uint64(cur[i]), uint64(d))
	}
	return ok
}

func encodeUUID(base unsafe.Pointer, cur []uint32, values unsafe.Pointer) {
	i, cursors := 0, unsafe.Pointer(unsafe.SliceData(cur))
	for ; i+4 <= len(cur); i += 4 {
		c, v := unsafe.Add(cursors, i*4), unsafe.Add(values, i*16)
		at, next := load64(c, 0), load64(c, 8)
		putUUID(base, uint64(uint32(at)), v)
		putUUID(base, at>>32, unsafe.Add(v, 16))
		putUUID(base, uint64(uint32(next)), unsafe.Add(v, 32))
		putUUID(base, next>>32, unsafe.Add(v, 48))
	}
	for ; i < len(cur); i++ {
		putUUID(base, uint64(cur[i]), unsafe.Add(values, i*16))
	}
}

func putUUID(base unsafe.Pointer, at uint64, v unsafe.Pointer) {
	p := unsafe.Add(base, at)
	*(*uint32)(p) = length16
	*(*uint64)(unsafe.Add(p, 4)) = load64(v, 0)
	*(*uint64)(unsafe.Add(p, 12)) = load64(v, 8)
}

func encodeBoolNull(base unsafe.Pointer, cur []uint32, delta uint32, bitmap, validity unsafe.Pointer, lo int) {
	for i := range cur {
		c, valid := cur[i]+delta, validBit(validity, lo+i)
		p, null := unsafe.Add(base, c), valid-1
		*(*uint32)(p) = length1 | null
		*(*uint8)(unsafe.Add(p, 4*valid)) = uint8(validBit(bitmap, lo+i) | null)
		cur[i] = c + 4 + valid
	}
}

func encodeInt2Null(base unsafe.Pointer, cur []uint32, delta uint32, values, validity unsafe.Pointer, lo int) {
	for i := range cur {
		c, valid := cur[i]+delta, validBit(validity, lo+i)
		p, null := unsafe.Add(base, c), valid-1
		*(*uint32)(p) = length2 | null
		*(*uint16)(unsafe.Add(p, 4*valid)) = bits.ReverseBytes16(*(*uint16)(unsafe.Add(values, i*2))) | uint16(null)
		cur[i] = c + 4 + 2*valid
	}
}

func encodeInt4Null(base unsafe.Pointer, cur []uint32, delta uint32, values, validity unsafe.Pointer, lo int) {
	for i := range cur {
		c, valid := cur[i]+delta, validBit(validity, lo+i)
		p, null := unsafe.Add(base, c), valid-1
		*(*uint32)(p) = length4 | null
		*(*uint32)(unsafe.Add(p, 4*valid)) = bits.ReverseBytes32(*(*uint32)(unsafe.Add(values, i*4))) | null
		cur[i] = c + 4 + 4*valid
	}
}

func encodeInt8Null(base unsafe.Pointer, cur []uint32, delta uint32, values, validity unsafe.Pointer, lo int) {
	for i := range cur {
		c, valid := cur[i]+delta, validBit(validity, lo+i)
		p, null := unsafe.Add(base, c), valid-1
		v := bits.ReverseBytes64(load64(values, i*8))
		*(*uint32)(p) = length8 | null
		*(*uint32)(unsafe.Add(p, 4*valid)) = uint32(v) | null
		*(*uint32)(unsafe.Add(p, 8*valid)) = uint32(v>>32) | null
		cur[i] = c + 4 + 8*valid
	}
}

func encodeDateNull(base unsafe.Pointer, cur []uint32, delta uint32, values, validity unsafe.Pointer, lo int) (ok bool) {
	ok = true
	for i := range cur {
		c := cur[i] + delta
		p := unsafe.Add(base, c)
		if validBit(validity, lo+i) == 0 {
			*(*uint32)(p) = lengthNull
			cur[i] = c + 4
			continue
		}
		v := *(*int32)(unsafe.Add(values, i*4))
		d := v - epochDays
		if uint32(v-minDate) > maxDate-minDate {
			ok = ok && isInfiniteDate(v)
			d = v
		}
		*(*uint64)(p) = length4 | uint64(bits.ReverseBytes32(uint32(d)))<<32
		cur[i] = c + 4 + 4
	}
	return ok
}

func encodeTimestampNull(base unsafe.Pointer, cur []uint32, delta uint32, values, validity unsafe.Pointer, lo int) (ok bool) {
	ok = true
	for i := range cur {
		c := cur[i] + delta
		p := unsafe.Add(base, c)
		if validBit(validity, lo+i) == 0 {
			*(*uint32)(p) = lengthNull
			cur[i] = c + 4
			continue
		}
		v := *(*int64)(unsafe.Add(values, i*8))
		d := v - epochMicros
		if uint64(v-minTimestamp) > maxTimestamp-minTimestamp {
			ok = ok && isInfiniteTimestamp(v)
			d = v
		}
		*(*uint32)(p) = length8
		*(*uint64)(unsafe.Add(p, 4)) = bits.ReverseBytes64(uint64(d))
		cur[i] = c + 4 + 8
	}
	return ok
}

func encodeUUIDNull(base unsafe.Pointer, cur []uint32, delta uint32, values, validity unsafe.Pointer, lo int) {
	for i := range cur {
		c := cur[i] + delta
		p, q := unsafe.Add(base, c), unsafe.Add(values, i*16)
		if validBit(validity, lo+i) == 0 {
			*(*uint32)(p) = lengthNull
			cur[i] = c + 4
			continue
		}
		*(*uint32)(p) = length16
		*(*uint64)(unsafe.Add(p, 4)) = *(*uint64)(q)
		*(*uint64)(unsafe.Add(p, 12)) = *(*uint64)(unsafe.Add(q, 8))
		cur[i] = c + 4 + 16
	}
}

func isInfiniteDate(v int32) bool      { return v == math.MaxInt32 || v == math.MinInt32 }
func isInfiniteTimestamp(v int64) bool { return v == math.MaxInt64 || v == math.MinInt64 }

// outOfRange returns the error of the first value of rows lo to hi that is
// outside Postgres' range.
func (f *encodeField) outOfRange(lo, hi int, first int64) *abi.Error {
	for row := lo; row < hi; row++ {
		if f.validity != nil && validBit(f.validity, row) == 0 {
			continue
		}
		var bad bool
		if f.kind == kindDate {
			v := *(*int32)(unsafe.Add(f.values, row*4))
			bad = (v < minDate || v > maxDate) && !isInfiniteDate(v)
		} else {
			v := *(*int64)(unsafe.Add(f.values, row*8))
			bad = v < minTimestamp && !isInfiniteTimestamp(v)
		}
		if bad {
			return f.badValue("is before 4714-11-24 BC or after the last day that Postgres knows", first+int64(row))
		}
	}
	return f.badValue("is outside the range of its type", first+int64(lo))
}
