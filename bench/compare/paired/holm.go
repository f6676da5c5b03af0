package paired

import (
	"cmp"
	"math"
	"slices"
)

// Holm returns the p-values adjusted for having asked len(p) questions at once, in the order given. Rejecting where the
// adjusted value is at most alpha keeps the probability of even one false rejection at most alpha, whatever the
// dependence between the questions. A NaN counts as 1: a question without data yet still belongs to the family.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	value := func(i int) float64 {
		if math.IsNaN(p[i]) {
			return 1
		}
		return p[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(value(a), value(b)) })

	adjusted := make([]float64, len(p))
	running := 0.0
	for rank, i := range order {
		running = max(running, min(1, float64(len(p)-rank)*value(i)))
		adjusted[i] = running
	}
	return adjusted
}
