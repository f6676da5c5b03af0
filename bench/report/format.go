package report

import (
	"math"
	"strconv"
	"strings"
)

// quantity writes a value with its unit's prefix, for people: "61.7 ms", "3.94 MiB", "34.9k". What is counted for each
// ("/op", "/row") is not repeated: the unit stands beside it.
func quantity(v float64, unit string) string { return rounded(v, unit, 3) }

// rounded is quantity with a number of significant digits.
func rounded(v float64, unit string, n int) string {
	numerator, _, _ := strings.Cut(unit, "/")
	switch {
	case math.IsNaN(v):
		return "-"
	case math.IsInf(v, 0):
		return strconv.FormatFloat(v, 'f', -1, 64)
	case numerator == "sec" || strings.HasSuffix(numerator, "-sec"):
		return prefixed(v, n, []scale{{1, " s"}, {1e-3, " ms"}, {1e-6, " µs"}, {1e-9, " ns"}})
	case inBytes(unit):
		return prefixed(v, n, []scale{{1 << 30, " GiB"}, {1 << 20, " MiB"}, {1 << 10, " KiB"}, {1, " B"}})
	}
	if v == math.Round(v) && math.Abs(v) < 1e4 {
		return strconv.FormatFloat(v, 'f', 0, 64) // a count
	}
	return prefixed(v, n, []scale{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}, {1, ""}})
}

type scale struct {
	factor float64
	name   string
}

// prefixed writes a value in the largest of the scales that it reaches, else in the smallest.
func prefixed(v float64, n int, scales []scale) string {
	if v == 0 {
		return "0"
	}
	s := scales[len(scales)-1]
	for _, larger := range scales {
		if math.Abs(v) >= larger.factor {
			s = larger
			break
		}
	}
	if s.name == "k" {
		s.factor = 1e3
	}
	return digits(v/s.factor, n) + s.name
}

// digits writes n significant digits, and all digits of the whole part.
func digits(v float64, n int) string {
	decimals := n - 1
	for p := math.Abs(v); p >= 9.995 && decimals > 0; p /= 10 {
		decimals--
	}
	for p := math.Abs(v); p > 0 && p < 0.9995 && decimals < 12; p *= 10 {
		decimals++
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// drawn returns a way to write quantities in a chart: without zeros at the end, and round numbers, as on axes, with the digits
// after the third that some have: 102.5 ms, 34.925k.
func drawn(unit string) func(float64) string {
	return func(v float64) string {
		s := rounded(v, unit, 3)
		for n := 3; n <= 5; n++ {
			last := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))+1-float64(n))
			if math.Abs(math.Round(v/last)*last-v) < 1e-9*math.Abs(v) {
				s = rounded(v, unit, n)
				break
			}
		}
		number := strings.TrimRight(s, " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZµ")
		if !strings.Contains(number, ".") {
			return s
		}
		return strings.TrimRight(strings.TrimRight(number, "0"), ".") + s[len(number):]
	}
}

// step is what round values of a unit are multiples of, 0 for 1.
func step(unit string, largest float64) float64 {
	if !inBytes(unit) {
		return 0
	}
	for _, size := range []float64{1 << 30, 1 << 20, 1 << 10} {
		if largest >= size {
			return size
		}
	}
	return 0
}

// inBytes reports whether the unit counts bytes.
func inBytes(unit string) bool {
	numerator, _, _ := strings.Cut(unit, "/")
	return numerator == "B" || strings.HasSuffix(numerator, "-B") || strings.HasSuffix(numerator, "bytes")
}

// minus is as wide as a plus, which a hyphen is not.
const minus = "−"

// signedPercent writes a relative change: "+13.2 %", "−0.04 %". What is infinite has been nothing before.
func signedPercent(change float64) string {
	switch {
	case math.IsNaN(change):
		return "-"
	case math.IsInf(change, 0) || change > 1e6:
		return "∞"
	case math.Abs(change) < 5e-7:
		return "0 %"
	case change < 0:
		return minus + plainPercent(-change)
	}
	return "+" + plainPercent(change)
}

// plainPercent writes a share or the size of a change: one decimal, more where there would be only zeros, none from 100 % on.
func plainPercent(share float64) string {
	if math.IsNaN(share) || math.IsInf(share, 0) {
		return "-"
	}
	if math.Abs(share) < 5e-7 {
		return "0 %"
	}
	decimals := 1
	for p := math.Abs(100 * share); p > 0 && p < 0.1 && decimals < 4; p *= 10 {
		decimals++
	}
	if math.Abs(share) >= 1 {
		decimals = 0
	}
	return strconv.FormatFloat(100*share, 'f', decimals, 64) + " %"
}

// tickPercent is signedPercent without decimals that are zero, for axes.
func tickPercent(change float64) string {
	if change == 0 {
		return "0"
	}
	s := strconv.FormatFloat(100*math.Abs(change), 'g', 3, 64) + " %"
	if change < 0 {
		return minus + s
	}
	return "+" + s
}
