package profile

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/rapidbyte-go/rapidbyte/bench/profile/flame"
)

const (
	module     = "github.com/rapidbyte-go/rapidbyte/"
	connectors = module + "connectors/"
	external   = "runtime._ExternalCode" // what Go's profiler makes of code that is not Go's: compiled guests
	copying    = "runtime.memmove"
	label      = "runtime/pprof.Do" // below it is what a label's owner called
)

// Names of the groups in a tree, below a stage.
const (
	hostGroup     = "host"
	guestGroup    = "guest"
	compiledGuest = "compiled guest"
	databaseGroup = "Postgres"
	engineGroup   = "engine"   // timed, and of no stage
	unlabelled    = "no label" // this process, and of nobody
)

// Tree returns the profile's timed runs in nanoseconds of CPU a row: stages, in each the host and the guest apart, then calls.
func (c *CPU) Tree() *flame.Tree {
	t := &flame.Tree{Frame: flame.Frame{Name: "all", Full: "CPU time of the timed runs"}}
	value := valueIndex(c.Profile, "cpu")
	for _, s := range c.Profile.Sample {
		stage := engineGroup
		if l := s.Label["stage"]; len(l) > 0 {
			stage = l[0]
		}
		weight, calls := float64(s.Value[value]), append([]flame.Frame{{Name: stage, Full: "stage " + stage, Rank: rank(stage)}}, sides(frames(s))...)
		if last := len(calls) - 1; c.guests[stage] != nil && calls[last].Name == compiledGuest {
			for _, g := range c.guests[stage] {
				t.Add(weight*g.part, append(calls[:last:last], g.frame)...)
			}
			continue
		}
		t.Add(weight, calls...)
	}
	t.Scale(c.perRow())
	return t
}

// rank puts the stages into the order in which rows pass them, and what belongs to none behind.
func rank(stage string) int {
	switch stage {
	case "source":
		return 0
	case "destination":
		return 2
	case engineGroup:
		return 3
	case unlabelled:
		return 4
	case databaseGroup:
		return 5
	}
	return 1
}

func (c *CPU) perRow() float64 { return 1 / (float64(c.Runs) * float64(c.Rows)) }

// Tree returns what a profile of the given kind recorded in so many rows, a row. It knows no stages.
func Tree(p *profile.Profile, kind Kind, rows int) *flame.Tree {
	t := &flame.Tree{Frame: flame.Frame{Name: "all", Full: string(kind) + " of the timed runs"}}
	value := valueIndex(p, kind.value())
	for _, s := range p.Sample {
		t.Add(float64(s.Value[value]), frames(s)...)
	}
	t.Scale(1 / float64(max(rows, 1)))
	return t
}

// valueIndex returns which of a sample's values has the given name; the last if none, which is Go's own default.
func valueIndex(p *profile.Profile, name string) int {
	for i, t := range p.SampleType {
		if t.Type == name {
			return i
		}
	}
	return len(p.SampleType) - 1
}

// frames returns a sample's calls, outermost first, without those above the place where the labels were set: the stage
// stands for them.
func frames(s *profile.Sample) []flame.Frame {
	var list []flame.Frame
	for _, location := range slices.Backward(s.Location) {
		for _, line := range slices.Backward(location.Line) {
			name := "?"
			if line.Function != nil {
				name = cmp.Or(line.Function.Name, "?")
			}
			if name == label {
				list = list[:0]
				continue
			}
			list = append(list, frame(name))
		}
	}
	return list
}

// sides puts the host's and the guest's calls into a group each. Which one a sample belongs to is decided by who called
// last: a host function that a guest called is the host's, and so is what comes of it.
func sides(calls []flame.Frame) []flame.Frame {
	host := flame.Frame{Name: hostGroup, Full: "the host of this stage", Rank: 1}
	guest := flame.Frame{Name: guestGroup, Full: "the connector of this stage", Kind: flame.Guest}
	if len(calls) > 0 && calls[len(calls)-1].Full == external {
		// Nothing is known of the calls in it; the runtime's two stand-ins say no more.
		return []flame.Frame{guest, {Name: compiledGuest, Full: "compiled guest: -guest names its functions", Kind: flame.Guest}}
	}
	if len(calls) == 1 && calls[0].Full == copying {
		// Compiled guests call it directly, and Go's profiler cannot find its way back through them.
		calls[0].Full += ", memory.copy of the compiled guest"
		return []flame.Frame{guest, calls[0]}
	}
	for _, f := range slices.Backward(calls) {
		switch f.Kind {
		case flame.Guest:
			return append([]flame.Frame{guest}, calls...)
		case flame.Host:
			return append([]flame.Frame{host}, calls...)
		}
	}
	return append([]flame.Frame{host}, calls...)
}

// frame returns the frame of a Go function.
func frame(name string) flame.Frame {
	return flame.Frame{Name: short(name), Full: name, Kind: kindOf(name)}
}

// short leaves out the path of a package: "engine.(*stage).do".
func short(name string) string {
	// Type arguments may have slashes of their own.
	head, rest := name, ""
	if i := strings.IndexByte(name, '['); i >= 0 {
		head, rest = name[:i], name[i:]
	}
	return path.Base(head) + rest
}

func kindOf(name string) flame.Kind {
	switch {
	case strings.HasPrefix(name, connectors):
		return flame.Guest
	case strings.HasPrefix(name, module):
		return flame.Host
	case strings.HasPrefix(name, "syscall."), strings.HasPrefix(name, "internal/runtime/syscall"):
		return flame.Kernel
	case strings.HasPrefix(name, "runtime."), strings.HasPrefix(name, "runtime/"), strings.HasPrefix(name, "internal/runtime/"):
		return flame.Runtime
	}
	return flame.Library
}

// AddUnlabelled adds to c's tree what the process used by its own clock beyond what carries a label. Its calls are in the
// process's profile, but nothing tells those of timed runs from others.
func (c *CPU) AddUnlabelled(t *flame.Tree) {
	t.Add(c.Process-t.Value, flame.Frame{Name: unlabelled, Full: "this process's time without a label, by its own clock", Rank: rank(unlabelled)},
		flame.Frame{Name: "Go runtime", Full: "looking for work, and background garbage collection", Kind: flame.Runtime})
}

// Share is what one part of a run costs.
type Share struct {
	Stage, Side string
	Weight      float64 // in the tree's unit
}

// Shares returns the parts of a CPU tree: each stage's host and guest, what belongs to no stage, and the database.
func Shares(t *flame.Tree) []Share {
	var list []Share
	for _, stage := range t.Children {
		if stage.Name == databaseGroup {
			list = append(list, Share{databaseGroup, "backends", stage.Value})
			continue
		}
		for _, side := range stage.Children {
			list = append(list, Share{stage.Name, side.Name, side.Value})
		}
	}
	slices.SortFunc(list, func(a, b Share) int { return cmp.Compare(b.Weight, a.Weight) })
	return list
}
