//go:build !plant

package plant

// On reports whether this program was built to be slowed down. Everything else stands behind it.
const On = false

// Due counts the rows that a place has not been slowed down for yet.
type Due struct{}

// Take returns the rows since the last call, of all seen so far.
func (*Due) Take(int64) int { return 0 }

// Burn takes as much time as was asked for in the place, for one batch of so many rows.
func Burn(string, int) {}

// Is reports whether the plant of that name was asked for.
func Is(string) bool { return false }
