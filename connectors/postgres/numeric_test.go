package postgres

import (
	"encoding/binary"
	"math/big"
	"strings"
)

// referenceNumericText writes a numeric in binary format as text, by way of one
// whole number.
func referenceNumericText(v []byte) string {
	word := func(i int) int { return int(binary.BigEndian.Uint16(v[2*i:])) }
	groups, weight, scale := word(0), int(int16(word(1))), word(3)
	switch word(2) {
	case 0xc000:
		return "NaN"
	case 0xd000:
		return "Infinity"
	case 0xf000:
		return "-Infinity"
	}

	// The number times 10000 to the power of shift is whole, and it has scale
	// places at least.
	shift := max(groups-1-weight, (scale+3)/4, 0)
	n, base := new(big.Int), big.NewInt(10000)
	for i := range groups {
		digit := big.NewInt(int64(word(4 + i)))
		power := new(big.Int).Exp(base, big.NewInt(int64(shift+weight-i)), nil)
		n.Add(n, digit.Mul(digit, power))
	}
	text := n.String()
	text = strings.Repeat("0", max(0, 4*shift+1-len(text))) + text
	whole, fraction := text[:len(text)-4*shift], text[len(text)-4*shift:]

	// Postgres writes every digit up to the weight.
	if want := 4*weight + 1; weight > 0 && len(whole) < want {
		whole = strings.Repeat("0", want-len(whole)) + whole
	}
	if scale > 0 {
		whole += "." + fraction[:scale]
	}
	if word(2) == 0x4000 {
		return "-" + whole
	}
	return whole
}
