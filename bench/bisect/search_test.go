package bisect

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// Wherever the first slow commit is, it is found, with no more questions than the logarithm says.
func TestSearch(t *testing.T) {
	for last := 1; last <= 70; last++ {
		for first := 1; first <= last; first++ {
			asked := 0
			start := Bracket{0, last}
			got, err := Search(t.Context(), start, 3, func(_ context.Context, q Question) (Answer, error) {
				if asked++; q.Attempt != 1 || q.Commit <= q.Bracket.Fast || q.Commit >= q.Bracket.Slow {
					t.Fatalf("asked %+v", q)
				}
				return answer(q.Commit >= first), nil
			})
			if want := (Bracket{first - 1, first}); err != nil || got != want || !got.Found() || asked > start.Steps() {
				t.Fatalf("%d commits, the first slow one %d: %+v after %d questions, %v", last, first, got, asked, err)
			}
		}
	}
}

func answer(slow bool) Answer {
	if slow {
		return Slow
	}
	return Fast
}

// Commits of no use are passed by, whichever they are. What remains is the commits that nothing tells apart.
func TestSearchSkips(t *testing.T) {
	const last = 7
	for mask := range 1 << (last - 1) {
		for first := 1; first <= last; first++ {
			useless := func(i int) bool { return mask>>(i-1)&1 == 1 }
			count := map[int]int{}
			got, err := Search(t.Context(), Bracket{0, last}, 1, func(_ context.Context, q Question) (Answer, error) {
				if count[q.Commit]++; useless(q.Commit) {
					return Unusable, nil
				}
				return answer(q.Commit >= first), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for i, n := range count {
				if n > 1 {
					t.Fatalf("asked %d times about %d", n, i)
				}
			}
			want := Bracket{first - 1, first}
			for want.Fast > 0 && useless(want.Fast) {
				want.Fast--
			}
			for want.Slow < last && useless(want.Slow) {
				want.Slow++
			}
			if got != want {
				t.Fatalf("useless %06b, the first slow one %d: %+v, want %+v", mask, first, got, want)
			}
		}
	}
}

// Unsure answers are asked for again, a bounded number of times; a commit that cannot be measured only once.
func TestSearchAsksAgain(t *testing.T) {
	var asked []Question
	got, err := Search(t.Context(), Bracket{0, 4}, 3, func(_ context.Context, q Question) (Answer, error) {
		asked = append(asked, Question{q.Commit, q.Attempt, Bracket{}})
		switch {
		case q.Commit == 2: // the middle
			return Unsure, nil
		case q.Commit == 3 && q.Attempt == 1:
			return Unsure, nil
		case q.Commit == 3:
			return Slow, nil
		}
		return Unusable, nil
	})
	if want := (Bracket{0, 3}); err != nil || got != want || got.Found() {
		t.Errorf("%+v, %v", got, err)
	}
	want := []Question{{Commit: 2, Attempt: 1}, {Commit: 2, Attempt: 2}, {Commit: 2, Attempt: 3}, {Commit: 3, Attempt: 1}, {Commit: 3, Attempt: 2}, {Commit: 1, Attempt: 1}}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %+v", asked)
	}
}

// An error, and a cancelled context, end the search with what it knows.
func TestSearchEnds(t *testing.T) {
	broken := errors.New("broken")
	got, err := Search(t.Context(), Bracket{0, 8}, 1, func(_ context.Context, q Question) (Answer, error) {
		if q.Commit == 4 {
			return Slow, nil
		}
		return Fast, broken
	})
	if !errors.Is(err, broken) || got != (Bracket{0, 4}) {
		t.Errorf("%+v, %v", got, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	got, err = Search(ctx, Bracket{0, 8}, 5, func(context.Context, Question) (Answer, error) {
		cancel()
		return Unsure, nil
	})
	if !errors.Is(err, context.Canceled) || got != (Bracket{0, 8}) {
		t.Errorf("%+v, %v", got, err)
	}
}
