package paired

import (
	"math"
	"math/bits"
	"testing"
)

// Critical values of the signed-rank statistic: the largest w with P(W <= w) at most the one-sided level, -1 for none.
// McCornack, "Extended Tables of the Wilcoxon Matched Pair Signed Rank Statistic", JASA 60 (1965) 864-871, whose
// probabilities are exact. (Older tables, reprinted in many textbooks, are off by one in places: 4 for n=8 at 0.025.)
var criticalValues = []struct {
	n                    int
	w05, w025, w01, w005 int
}{
	{4, -1, -1, -1, -1},
	{5, 0, -1, -1, -1},
	{6, 2, 0, -1, -1},
	{7, 3, 2, 0, -1},
	{8, 5, 3, 1, 0},
	{9, 8, 5, 3, 1},
	{10, 10, 8, 5, 3},
	{11, 13, 10, 7, 5},
	{12, 17, 13, 9, 7},
	{13, 21, 17, 12, 9},
	{14, 25, 21, 15, 12},
	{15, 30, 25, 19, 15},
	{16, 35, 29, 23, 19},
	{17, 41, 34, 27, 23},
	{18, 47, 40, 32, 27},
	{19, 53, 46, 37, 32},
	{20, 60, 52, 43, 37},
	{25, 100, 89, 76, 68},
	{30, 151, 137, 120, 109},
}

func TestRankSumsAgainstPublishedTable(t *testing.T) {
	for _, row := range criticalValues {
		for _, c := range []struct {
			level float64
			want  int
		}{{0.05, row.w05}, {0.025, row.w025}, {0.01, row.w01}, {0.005, row.w005}} {
			got := -1
			for w, p := range rankSums(row.n) {
				if p <= c.level {
					got = w
				}
			}
			if got != c.want {
				t.Errorf("n=%d one-sided level %v: critical value %d, want %d", row.n, c.level, got, c.want)
			}
		}
	}
}

// Every exact p-value is compared with a count over all 2^n assignments of signs, with ties and zeros in the data.
func TestSignedRankCountsSigns(t *testing.T) {
	for _, d := range [][]float64{
		{1, 2, 3, 4, 5, 6, 7},
		{1, -2, 3, -4, 5, 6, 7, -8},
		{2, 2, -2, 3, 3, -3, 1},
		{0, 0, 1, -1, 2, 2, 2, -5, 7},
		{0, 3},
		{-1},
	} {
		test := SignedRank(d)
		ranks, positive := pratt(d)
		less, greater := 0, 0
		for signs := range 1 << len(ranks) {
			sum := 0.0
			for i, r := range ranks {
				if signs>>i&1 == 1 {
					sum += r
				}
			}
			if sum <= positive {
				less++
			}
			if sum >= positive {
				greater++
			}
		}
		all := float64(int(1) << len(ranks))
		if test.W != positive || test.N != len(ranks) || test.Zeros != len(d)-len(ranks) {
			t.Errorf("%v: W=%v N=%d zeros=%d, want W=%v N=%d", d, test.W, test.N, test.Zeros, positive, len(ranks))
		}
		near(t, "p against negative", test.Less, float64(less)/all, 1e-12)
		near(t, "p against positive", test.Greater, float64(greater)/all, 1e-12)
		near(t, "two-sided p", test.P, min(1, 2*float64(min(less, greater))/all), 1e-12)
	}
}

// pratt ranks the differences the slow way: one plus the number of smaller sizes, plus half of the equals beside it.
func pratt(d []float64) (ranks []float64, positive float64) {
	for _, x := range d {
		if x == 0 {
			continue
		}
		rank := 0.5
		for _, y := range d {
			switch {
			case math.Abs(y) < math.Abs(x):
				rank++
			case math.Abs(y) == math.Abs(x):
				rank += 0.5
			}
		}
		ranks = append(ranks, rank)
		if x > 0 {
			positive += rank
		}
	}
	return ranks, positive
}

// Two data sets that textbooks work through.
func TestSignedRankWorkedExamples(t *testing.T) {
	// Hollander & Wolfe, "Nonparametric Statistical Methods", example 3.1: depression scale before and after a
	// tranquilliser. T+ = 40 for before minus after, one-sided p = 0.0195 (10/512).
	depression := hollanderWolfe()
	test := SignedRank(depression)
	near(t, "Hollander & Wolfe T+", test.W, 40, 0)
	near(t, "Hollander & Wolfe one-sided p", test.Greater, 10.0/512, 1e-12)

	// Darwin's 15 pairs of maize, in eighths of an inch: Fisher, "The Design of Experiments", section 17. The rank sum
	// of the positive differences is 96, and 676 of the 32768 assignments of signs give that or more.
	maize := []float64{49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48}
	test = SignedRank(maize)
	near(t, "Darwin's maize W", test.W, 96, 0)
	near(t, "Darwin's maize two-sided p", test.P, 0.04126, 5e-6)
}

func hollanderWolfe() []float64 {
	before := []float64{1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30}
	after := []float64{0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29}
	d := make([]float64, len(before))
	for i := range d {
		d[i] = before[i] - after[i]
	}
	return d
}

func TestSignedRankWithoutSigns(t *testing.T) {
	for _, d := range [][]float64{nil, {0}, {0, 0, 0}} {
		if test := SignedRank(d); test.P != 1 || test.Less != 1 || test.Greater != 1 || test.N != 0 {
			t.Errorf("%v: %+v, want every p to be 1", d, test)
		}
	}
}

func TestRankSumsLargeN(t *testing.T) {
	const n = 200
	cdf := rankSums(n)
	near(t, "whole mass", cdf[len(cdf)-1], 1, 1e-12)
	near(t, "smallest p", cdf[0]*math.Pow(2, n), 1, 1e-12)

	// Against the normal approximation with continuity correction, good to three digits here.
	mean, sd := float64(n*(n+1))/4, math.Sqrt(float64(n*(n+1)*(2*n+1))/24)
	w := int(mean - 1.96*sd)
	near(t, "tail", cdf[w], 0.5*math.Erfc((mean-float64(w)-0.5)/sd/math.Sqrt2), 2e-4)
}

func TestLogRatio(t *testing.T) {
	for _, c := range []struct {
		base, head, want float64
	}{
		{2, 2, 0}, {1, math.E, 1}, {math.E, 1, -1}, {0, 0, 0}, {0, 1, 50}, {1, 0, -50}, {5e-324, math.MaxFloat64, 50},
	} {
		got, err := LogRatio(c.base, c.head)
		if err != nil {
			t.Errorf("LogRatio(%v, %v): %v", c.base, c.head, err)
		}
		near(t, "log ratio", got, c.want, 1e-12)
	}
	for _, bad := range [][2]float64{{-1, 1}, {1, -1}, {math.NaN(), 1}, {1, math.NaN()}, {math.Inf(1), math.Inf(1)}} {
		if got, err := LogRatio(bad[0], bad[1]); err == nil {
			t.Errorf("LogRatio(%v, %v) = %v without an error", bad[0], bad[1], got)
		}
	}
}

func FuzzSignedRank(f *testing.F) {
	f.Add([]byte{1, 2, 3, 200})
	f.Add([]byte{0, 0, 0})
	f.Add([]byte{128, 128, 127, 129})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 40 {
			return
		}
		d, mirrored := make([]float64, len(raw)), make([]float64, len(raw))
		for i, b := range raw {
			d[i] = float64(int8(b))
			mirrored[i] = -d[i]
		}
		a, b := SignedRank(d), SignedRank(mirrored)
		if a.P != b.P || a.Less != b.Greater || a.N != b.N {
			t.Errorf("%v: %+v, mirrored %+v", d, a, b)
		}
		if !(a.P > 0 && a.P <= 1) {
			t.Errorf("%v: p=%v is not in (0, 1]", d, a.P)
		}
		if a.P < math.Pow(2, 1-float64(a.N))*(1-1e-9) && bits.OnesCount(uint(a.N)) > 0 {
			t.Errorf("%v: p=%v is below the smallest possible for %d signs", d, a.P, a.N)
		}
		i := Estimate(d, 0.95)
		if len(d) > 0 && !(i.Lo <= i.Centre && i.Centre <= i.Hi && i.Level >= 0.95) {
			t.Errorf("%v: interval %+v is out of order or too narrow", d, i)
		}
	})
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > tolerance {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
