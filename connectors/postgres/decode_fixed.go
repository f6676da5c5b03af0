package postgres

import (
	"math"
	"math/bits"
	"unsafe"
)

// The kernels. Each converts one column of n rows: the field of row i begins
// with its length at base + pos[i], pos counting in uint32; its value goes to
// place i of dst. They check nothing but what they return: all their lengths OR-ed
// together, 0 if every one was right. A NULL's is not; its place is filled with
// what lies there, and cleared later.
//
// They take two, four or eight rows at a time, and never fewer: pos has places for
// the rows missing, up to kernelRows, and dst has room for their values.
//
// What makes them fast in a sandbox is what they do not have: calls, bounds
// checks, and jumps. A jump costs as much as twenty additions there, because all
// that is in registers moves; a call several times that. A kernel is never inlined:
// in a large function the registers would not be enough.

// fieldAt returns where the field of row i lies.
func fieldAt(base, pos unsafe.Pointer, i int) unsafe.Pointer {
	return unsafe.Add(base, *(*uint32)(unsafe.Add(pos, 4*i)))
}

// wordAt returns the first eight bytes of the field of row i: the length, and in
// the upper half four bytes of the value.
func wordAt(base, pos unsafe.Pointer, i int) uint64 { return *(*uint64)(fieldAt(base, pos, i)) }

// differ returns all bits in which one of four words is not as wanted.
func differ(want, a, b, c, d uint64) uint64 {
	return (a ^ want) | (b ^ want) | (c ^ want) | (d ^ want)
}

// swapPair returns the values of four bytes in the upper halves of two words, bytes
// swapped, that of the first in the lower half.
func swapPair(a, b uint64) uint64 {
	const lowBytes, lowPairs = 0x00ff00ff00ff00ff, 0x0000ffff0000ffff
	v := a>>32 | b&^math.MaxUint32
	v = v>>8&lowBytes | v&lowBytes<<8
	return v>>16&lowPairs | v&lowPairs<<16
}

// highBits returns the highest bits of the eight bytes of v, that of the lowest byte
// first.
func highBits(v uint64) uint8 { return uint8(v & 0x8080808080808080 * 0x0002040810204081 >> 56) }

// clearTail clears the bits behind bit n in the last byte of a bitmap.
func clearTail(bitmap unsafe.Pointer, n int) {
	if n&7 != 0 {
		*(*uint8)(unsafe.Add(bitmap, n>>3)) &= 1<<(n&7) - 1
	}
}

// decodeBool writes a bitmap of whole bytes.
//
//go:noinline
func decodeBool(dst, base, pos unsafe.Pointer, n int) (bad uint32) {
	const low7 = 0x7f7f7f7f7f7f7f7f
	all := uint64(0)
	for i := 0; i < n; i += 8 {
		p := unsafe.Add(pos, 4*i)
		a, b, c, d := wordAt(base, p, 0), wordAt(base, p, 1), wordAt(base, p, 2), wordAt(base, p, 3)
		all |= differ(length1, a, b, c, d)
		v := a>>32&0xff | b>>24&(0xff<<8) | c>>16&(0xff<<16) | d>>8&(0xff<<24)
		a, b, c, d = wordAt(base, p, 4), wordAt(base, p, 5), wordAt(base, p, 6), wordAt(base, p, 7)
		all |= differ(length1, a, b, c, d)
		v |= a&(0xff<<32) | b<<8&(0xff<<40) | c<<16&(0xff<<48) | d<<24&(0xff<<56)
		*(*uint8)(unsafe.Add(dst, i>>3)) = highBits((v&low7 + low7) | v) // any value but 0 is true
	}
	clearTail(dst, n)
	return uint32(all)
}

//go:noinline
func decodeInt2(dst, base, pos unsafe.Pointer, n int) (bad uint32) {
	const lowBytes = 0x00ff00ff00ff00ff
	all := uint64(0)
	for i := 0; i < n; i += 4 {
		p := unsafe.Add(pos, 4*i)
		a, b, c, d := wordAt(base, p, 0), wordAt(base, p, 1), wordAt(base, p, 2), wordAt(base, p, 3)
		all |= differ(length2, a, b, c, d)
		v := a>>32&0xffff | b>>16&(0xffff<<16) | c&(0xffff<<32) | d<<16&(0xffff<<48)
		*(*uint64)(unsafe.Add(dst, 2*i)) = v>>8&lowBytes | v&lowBytes<<8
	}
	return uint32(all)
}

//go:noinline
func decodeInt4(dst, base, pos unsafe.Pointer, n int) (bad uint32) {
	all := uint64(0)
	for i := 0; i < n; i += 4 {
		p, to := unsafe.Add(pos, 4*i), unsafe.Add(dst, 4*i)
		a, b, c, d := wordAt(base, p, 0), wordAt(base, p, 1), wordAt(base, p, 2), wordAt(base, p, 3)
		all |= differ(length4, a, b, c, d)
		*(*uint64)(to) = swapPair(a, b)
		*(*uint64)(unsafe.Add(to, 8)) = swapPair(c, d)
	}
	return uint32(all)
}

//go:noinline
func decodeInt8(dst, base, pos unsafe.Pointer, n int) (bad uint32) {
	for i := 0; i < n; i += 2 {
		p, to := unsafe.Add(pos, 4*i), unsafe.Add(dst, 8*i)
		a, b := fieldAt(base, p, 0), fieldAt(base, p, 1)
		bad |= (*(*uint32)(a) ^ length8) | (*(*uint32)(b) ^ length8)
		*(*uint64)(to) = bits.ReverseBytes64(*(*uint64)(unsafe.Add(a, 4)))
		*(*uint64)(unsafe.Add(to, 8)) = bits.ReverseBytes64(*(*uint64)(unsafe.Add(b, 4)))
	}
	return bad
}

// decodeDate moves days since 2000 to days since 1970 and keeps the infinities.
// It reports a date that does not fit.
func decodeDate(dst, base, pos unsafe.Pointer, n int) (bad uint32, wrong bool) {
	bad, far := moveDates(dst, base, pos, n)
	if !far {
		return bad, false
	}

	const last = math.MaxInt32 - epochDays // the sum is infinity
	for i := range n {
		x := wordAt(base, pos, i)
		v := int32(bits.ReverseBytes32(uint32(x >> 32)))
		w := v + epochDays
		if v == math.MinInt32 || v >= last {
			w = v
			if !isInfiniteDate(v) && uint32(x) == length4 {
				wrong = true
			}
		}
		*(*int32)(unsafe.Add(dst, i*4)) = w
	}
	return bad, wrong
}

// moveDates is decodeDate for dates that are not far away. It reports one that is:
// the two highest bits of its days are not equal.
//
//go:noinline
func moveDates(dst, base, pos unsafe.Pointer, n int) (bad uint32, far bool) {
	const signs = 1<<63 | 1<<31
	all, odd := uint64(0), uint64(0)
	for i := 0; i < n; i += 2 {
		p := unsafe.Add(pos, 4*i)
		a, b := wordAt(base, p, 0), wordAt(base, p, 1)
		all |= (a ^ length4) | (b ^ length4)
		v := swapPair(a, b)
		odd |= v ^ v<<1
		// Two sums in one, without a carry between them.
		*(*uint64)(unsafe.Add(dst, 4*i)) = (v&^signs + (epochDays<<32 | epochDays)) ^ v&signs
	}
	return uint32(all), odd&signs != 0
}

// decodeTimestamp moves microseconds since 2000 to microseconds since 1970 and
// keeps the infinities. It reports a time that does not fit.
func decodeTimestamp(dst, base, pos unsafe.Pointer, n int) (bad uint32, wrong bool) {
	bad, far := moveTimestamps(dst, base, pos, n)
	if !far {
		return bad, false
	}

	const last = math.MaxInt64 - epochMicros // the sum is infinity
	for i := range n {
		p := fieldAt(base, pos, i)
		v := int64(bits.ReverseBytes64(*(*uint64)(unsafe.Add(p, 4))))
		w := v + epochMicros
		if v == math.MinInt64 || v >= last {
			w = v
			if !isInfiniteTimestamp(v) && *(*uint32)(p) == length8 {
				wrong = true
			}
		}
		*(*int64)(unsafe.Add(dst, i*8)) = w
	}
	return bad, wrong
}

// moveTimestamps is decodeTimestamp for times that are not far away. It reports one
// that is: the two highest bits of its microseconds are not equal.
//
//go:noinline
func moveTimestamps(dst, base, pos unsafe.Pointer, n int) (bad uint32, far bool) {
	odd := uint64(0)
	for i := 0; i < n; i += 2 {
		p, to := unsafe.Add(pos, 4*i), unsafe.Add(dst, 8*i)
		a, b := fieldAt(base, p, 0), fieldAt(base, p, 1)
		bad |= (*(*uint32)(a) ^ length8) | (*(*uint32)(b) ^ length8)
		v := bits.ReverseBytes64(*(*uint64)(unsafe.Add(a, 4)))
		w := bits.ReverseBytes64(*(*uint64)(unsafe.Add(b, 4)))
		odd |= (v ^ v<<1) | (w ^ w<<1)
		*(*uint64)(to) = v + epochMicros
		*(*uint64)(unsafe.Add(to, 8)) = w + epochMicros
	}
	return bad, int64(odd) < 0
}

//go:noinline
func decodeUUID(dst, base, pos unsafe.Pointer, n int) (bad uint32) {
	for i := 0; i < n; i += 2 {
		p, to := unsafe.Add(pos, 4*i), unsafe.Add(dst, 16*i)
		a, b := fieldAt(base, p, 0), fieldAt(base, p, 1)
		bad |= (*(*uint32)(a) ^ length16) | (*(*uint32)(b) ^ length16)
		copy16(to, unsafe.Add(a, 4))
		copy16(unsafe.Add(to, 16), unsafe.Add(b, 4))
	}
	return bad
}

// decodeNulls writes the validity bitmap, whole bytes, for fields of any type: the
// inverted signs of their lengths, each the highest bit of the first byte.
//
//go:noinline
func decodeNulls(dst, base, pos unsafe.Pointer, n int) {
	for i := 0; i < n; i += 8 {
		p := unsafe.Add(pos, 4*i)
		v := signAt(base, p, 0) | signAt(base, p, 1)<<8 | signAt(base, p, 2)<<16 | signAt(base, p, 3)<<24 |
			signAt(base, p, 4)<<32 | signAt(base, p, 5)<<40 | signAt(base, p, 6)<<48 | signAt(base, p, 7)<<56
		*(*uint8)(unsafe.Add(dst, i>>3)) = highBits(^v)
	}
	clearTail(dst, n)
}

// signAt returns the byte with the sign of the length of the field of row i.
func signAt(base, pos unsafe.Pointer, i int) uint64 { return uint64(*(*uint8)(fieldAt(base, pos, i))) }

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
