package profile

import (
	"context"
	"fmt"

	"github.com/google/pprof/profile"

	"github.com/rapidbyte-go/rapidbyte/bench/lab"
	"github.com/rapidbyte-go/rapidbyte/bench/profile/flame"
)

// Comparison is one case of two programs.
type Comparison struct {
	Base, Head *CPU
	Graph      *flame.Graph // differential, in nanoseconds of CPU a row
}

// Version is a program with the name it goes by in a comparison.
type Version struct {
	Name string
	Program
}

// Compare profiles a case of two programs in turn, base, head, head, base, n runs each time, and lays head's tree over base's.
// Its error matches ErrEmpty if either side was too short to be seen.
func Compare(ctx context.Context, base, head Version, c lab.Case, n int) (*Comparison, error) {
	var parts [2][]*profile.Profile
	for _, side := range []int{0, 1, 1, 0} {
		version := []Version{base, head}[side]
		cpu, err := version.CPU(ctx, c, n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", version.Name, err)
		}
		parts[side] = append(parts[side], cpu.Profile)
	}
	var sides [2]*CPU
	for side, profiles := range parts {
		merged, err := profile.Merge(profiles)
		if err != nil {
			return nil, fmt.Errorf("profile: %w", err)
		}
		if len(merged.Sample) == 0 {
			return nil, fmt.Errorf("%w: %s", ErrEmpty, []Version{base, head}[side].Name)
		}
		sides[side] = &CPU{Profile: merged, Runs: 2 * n, Rows: c.Rows()}
	}

	before, after := sides[0].Tree(), sides[1].Tree()
	g := &flame.Graph{
		Title:    fmt.Sprintf("%s against %s: CPU time a row", head.Name, base.Name),
		Subtitle: fmt.Sprintf("%s: %.0f ns/row before, %.0f now; %d runs of each, in turn", c, before.Value, after.Value, 2*n),
		Unit:     "ns/row", Tree: flame.Diff(before, after), Diff: true, Sample: sides[1].Sample(),
		Notes: []string{
			fmt.Sprintf("%d samples before, %d now. What so few samples could differ by chance stays grey.", sides[0].Samples(), sides[1].Samples()),
		},
	}
	return &Comparison{sides[0], sides[1], g}, nil
}

// Samples returns how often the profiler found a timed run at work.
func (c *CPU) Samples() int {
	var n int64
	for _, s := range c.Profile.Sample {
		n += s.Value[0]
	}
	return int(n)
}

// Sample is what one of them stands for, in nanoseconds a row.
func (c *CPU) Sample() float64 { return float64(c.Profile.Period) * c.perRow() }
