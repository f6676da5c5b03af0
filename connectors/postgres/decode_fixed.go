package postgres

import (
	"math"
	"math/bits"
	"unsafe"
)

// The kernels. Each converts one column of n rows: the field of row i begins
// with its length at base + pos[i*stride], pos counting in uint32 and stride in
// bytes; its value goes to place i of dst. They check nothing but what they
// return: all their lengths OR-ed together, 0 if every one was right. A NULL's
// is not; its place is filled with what lies there, and cleared later.
//
// What makes them fast in a sandbox is what they do not have: calls, bounds
// checks, and branches that are taken. A jump costs several times an addition
// there, a call tens of times.

// decodeBool writes a bitmap of whole bytes.
func decodeBool(dst, base, pos unsafe.Pointer, stride, n int) (bad uint32) {
	// Bits come in at the top, so that after eight rows the byte is right. It is
	// stored every time: cheaper than asking whether it is full.
	b := uint32(0)
	for i := range n {
		x := *(*uint64)(unsafe.Add(base, *(*uint32)(pos)))
		pos = unsafe.Add(pos, stride)
		bad |= uint32(x) ^ length1
		bit := (uint32(x>>32)&0xff + 0xff) >> 8 // any value but 0 is true
		b = b>>1 | bit<<7
		*(*uint8)(unsafe.Add(dst, i>>3)) = uint8(b)
	}
	if n&7 != 0 {
		*(*uint8)(unsafe.Add(dst, n>>3)) = uint8(b) >> (8 - n&7)
	}
	return bad
}

func decodeInt2(dst, base, pos unsafe.Pointer, stride, n int) (bad uint32) {
	for i := range n {
		x := *(*uint64)(unsafe.Add(base, *(*uint32)(pos)))
		pos = unsafe.Add(pos, stride)
		bad |= uint32(x) ^ length2
		*(*uint16)(unsafe.Add(dst, i*2)) = bits.ReverseBytes16(uint16(x >> 32))
	}
	return bad
}

func decodeInt4(dst, base, pos unsafe.Pointer, stride, n int) (bad uint32) {
	for i := range n {
		x := *(*uint64)(unsafe.Add(base, *(*uint32)(pos)))
		pos = unsafe.Add(pos, stride)
		bad |= uint32(x) ^ length4
		*(*uint32)(unsafe.Add(dst, i*4)) = bits.ReverseBytes32(uint32(x >> 32))
	}
	return bad
}

func decodeInt8(dst, base, pos unsafe.Pointer, stride, n int) (bad uint32) {
	for i := range n {
		p := unsafe.Add(base, *(*uint32)(pos))
		pos = unsafe.Add(pos, stride)
		bad |= *(*uint32)(p) ^ length8
		*(*uint64)(unsafe.Add(dst, i*8)) = bits.ReverseBytes64(*(*uint64)(unsafe.Add(p, 4)))
	}
	return bad
}

// decodeDate moves days since 2000 to days since 1970 and keeps the infinities.
// It reports a date that does not fit.
func decodeDate(dst, base, pos unsafe.Pointer, stride, n int) (bad uint32, wrong bool) {
	const last = math.MaxInt32 - epochDays // the sum is infinity
	for i := range n {
		x := *(*uint64)(unsafe.Add(base, *(*uint32)(pos)))
		pos = unsafe.Add(pos, stride)
		bad |= uint32(x) ^ length4
		v := int32(bits.ReverseBytes32(uint32(x >> 32)))

		// Both ends in one comparison: the least integer wraps around to the top.
		w := v + epochDays
		if uint32(v-math.MinInt32-1) >= uint32(last+math.MaxInt32) {
			w = v
			if v != math.MaxInt32 && v != math.MinInt32 && uint32(x) == length4 {
				wrong = true
			}
		}
		*(*int32)(unsafe.Add(dst, i*4)) = w
	}
	return bad, wrong
}

// decodeTimestamp moves microseconds since 2000 to microseconds since 1970 and
// keeps the infinities. It reports a time that does not fit.
func decodeTimestamp(dst, base, pos unsafe.Pointer, stride, n int) (bad uint32, wrong bool) {
	const last = math.MaxInt64 - epochMicros // the sum is infinity
	for i := range n {
		p := unsafe.Add(base, *(*uint32)(pos))
		pos = unsafe.Add(pos, stride)
		bad |= *(*uint32)(p) ^ length8
		v := int64(bits.ReverseBytes64(*(*uint64)(unsafe.Add(p, 4))))

		w := v + epochMicros
		if uint64(v-math.MinInt64-1) >= uint64(last+math.MaxInt64) {
			w = v
			if v != math.MaxInt64 && v != math.MinInt64 && *(*uint32)(p) == length8 {
				wrong = true
			}
		}
		*(*int64)(unsafe.Add(dst, i*8)) = w
	}
	return bad, wrong
}

func decodeUUID(dst, base, pos unsafe.Pointer, stride, n int) (bad uint32) {
	for i := range n {
		p := unsafe.Add(base, *(*uint32)(pos))
		pos = unsafe.Add(pos, stride)
		bad |= *(*uint32)(p) ^ length16
		*(*uint64)(unsafe.Add(dst, i*16)) = *(*uint64)(unsafe.Add(p, 4))
		*(*uint64)(unsafe.Add(dst, i*16+8)) = *(*uint64)(unsafe.Add(p, 12))
	}
	return bad
}

// decodeNulls writes the validity bitmap, whole bytes, for fields of any type.
func decodeNulls(dst, base, pos unsafe.Pointer, stride, n int) {
	b := uint32(0)
	for i := range n {
		length := *(*uint32)(unsafe.Add(base, *(*uint32)(pos)))
		pos = unsafe.Add(pos, stride)
		// The sign of the length, in the first of its bytes.
		b = b>>1 | ^length&0x80
		*(*uint8)(unsafe.Add(dst, i>>3)) = uint8(b)
	}
	if n&7 != 0 {
		*(*uint8)(unsafe.Add(dst, n>>3)) = uint8(b) >> (8 - n&7)
	}
}

// clearNulls sets the values of n rows that are NULL to 0: what lies under a
// NULL in the input is other data, which nobody asked for. Every value is
// masked with its bit, which costs less than asking for it.
func clearNulls(data, validity unsafe.Pointer, width, n int) {
	switch width {
	case 2:
		for i := range n {
			bit := uint32(*(*uint8)(unsafe.Add(validity, i>>3))) >> (i & 7) & 1
			*(*uint16)(unsafe.Add(data, i*2)) &= uint16(-bit)
		}
	case 4:
		for i := range n {
			bit := uint32(*(*uint8)(unsafe.Add(validity, i>>3))) >> (i & 7) & 1
			*(*uint32)(unsafe.Add(data, i*4)) &= -bit
		}
	case 8:
		for i := range n {
			bit := uint64(*(*uint8)(unsafe.Add(validity, i>>3))) >> (i & 7) & 1
			*(*uint64)(unsafe.Add(data, i*8)) &= -bit
		}
	case 16:
		for i := range n {
			bit := uint64(*(*uint8)(unsafe.Add(validity, i>>3))) >> (i & 7) & 1
			*(*uint64)(unsafe.Add(data, i*16)) &= -bit
			*(*uint64)(unsafe.Add(data, i*16+8)) &= -bit
		}
	}
}

// clearNullBits is clearNulls for bits.
func clearNullBits(data, validity []byte, n int) {
	for i := range (n + 7) / 8 {
		data[i] &= validity[i]
	}
}
