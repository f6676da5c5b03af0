package bisect

import (
	"context"
	"fmt"
	"math/bits"
)

// Answer is what is known about one commit.
type Answer uint8

// The answers.
const (
	Unsure   Answer = iota // measured, and it may be either
	Fast                   // like the good commit
	Slow                   // like the bad one
	Unusable               // cannot be measured: does not build, or does not have the case
)

// String returns the answer in lower case.
func (a Answer) String() string {
	switch a {
	case Unsure:
		return "unsure"
	case Fast:
		return "fast"
	case Slow:
		return "slow"
	case Unusable:
		return "unusable"
	}
	return fmt.Sprintf("Answer(%d)", uint8(a))
}

// MarshalText makes the answer readable in JSON.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Bracket is what a search knows: the commit with the number Fast is fast, that with the number Slow is slow. Numbers
// count from the oldest commit.
type Bracket struct {
	Fast, Slow int
}

// Found reports whether nothing lies between the two: Slow is the first slow commit.
func (b Bracket) Found() bool { return b.Slow-b.Fast == 1 }

// Steps returns how many more answers a search needs if each is of use.
func (b Bracket) Steps() int { return bits.Len(uint(max(b.Slow-b.Fast-1, 0))) }

// Question asks about one commit.
type Question struct {
	Commit  int
	Attempt int // from 1; a later one of the same commit should look harder
	Bracket Bracket
}

// Oracle answers questions. An error ends the search.
type Oracle func(ctx context.Context, q Question) (Answer, error)

// Search narrows the bracket until it is found, or until none of the commits within gives an answer, and returns what is
// left, also with an error. A commit that leaves the oracle unsure is asked about again, up to that many attempts.
//
// When the commit in the middle is of no use the nearest others are tried, the later of two first: what was just mended is
// usually mended for all that follow.
func Search(ctx context.Context, b Bracket, attempts int, ask Oracle) (Bracket, error) {
	skipped := map[int]bool{}
	for {
		commit, ok := b.next(skipped)
		if !ok {
			return b, nil
		}
		answer := Unsure
		for attempt := 1; answer == Unsure && attempt <= max(attempts, 1); attempt++ {
			if err := context.Cause(ctx); err != nil {
				return b, err
			}
			var err error
			if answer, err = ask(ctx, Question{commit, attempt, b}); err != nil {
				return b, err
			}
		}

		switch answer {
		case Fast:
			b.Fast = commit
		case Slow:
			b.Slow = commit
		default:
			skipped[commit] = true
		}
	}
}

// next returns the commit nearest to the middle of the bracket that was not skipped, false if there is none.
func (b Bracket) next(skipped map[int]bool) (int, bool) {
	middle := b.Fast + (b.Slow-b.Fast)/2
	for away := 0; away < b.Slow-b.Fast; away++ {
		for _, commit := range []int{middle + away, middle - away} {
			if b.Fast < commit && commit < b.Slow && !skipped[commit] {
				return commit, true
			}
		}
	}
	return 0, false
}
