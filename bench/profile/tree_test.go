package profile

import (
	"math"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/rapidbyte-go/rapidbyte/bench/profile/flame"
)

// cpuProfile returns a CPU profile with one sample for each stack: 10 ms, its labels, its calls from the outside in.
func cpuProfile(stacks ...map[string][]string) *profile.Profile {
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 1e7,
	}
	functions := map[string]*profile.Location{}
	for _, stack := range stacks {
		s := &profile.Sample{Value: []int64{1, 1e7}, Label: map[string][]string{}}
		for key, values := range stack {
			if key != "calls" {
				s.Label[key] = values
			}
		}
		for _, name := range stack["calls"] {
			if functions[name] == nil {
				id := uint64(len(functions) + 1)
				f := &profile.Function{ID: id, Name: name}
				functions[name] = &profile.Location{ID: id, Line: []profile.Line{{Function: f}}}
				p.Function, p.Location = append(p.Function, f), append(p.Location, functions[name])
			}
			s.Location = append([]*profile.Location{functions[name]}, s.Location...)
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

func yes(stage string, calls ...string) map[string][]string {
	m := map[string][]string{"timed": {"yes"}, "calls": calls}
	if stage != "" {
		m["stage"], m["connector"] = []string{stage}, []string{stage + "-postgres"}
	}
	return m
}

// text writes a tree with a frame a line, and whether it is heavier by itself.
func text(t *flame.Tree) string {
	var s strings.Builder
	var write func(t *flame.Tree, indent string)
	write = func(t *flame.Tree, indent string) {
		s.WriteString(indent + t.Name + "\n")
		for _, c := range t.Children {
			write(c, indent+" ")
		}
	}
	write(t, "")
	return s.String()
}

func example() *profile.Profile {
	no := yes("source", "main.run", label, "runtime.memmove")
	no["timed"] = []string{"no"}
	return cpuProfile(
		yes("source", "main.run", label, "engine.x", label, module+"engine.(*stage).do", module+"hostfuncs.read", "syscall.Read"),
		yes("source", "runtime._System", external),
		yes("source", copying),
		yes("destination", label, connectors+"postgres.(*decoder).column", "runtime.memmove"),
		yes("destination", label, connectors+"postgres.f", module+"hostfuncs.write"),
		yes("", label, "fmt.Sprint"),
		no,
		map[string][]string{"calls": {"runtime.gcBgMarkWorker"}},
	)
}

func TestCPUTree(t *testing.T) {
	c := &CPU{Profile: timed(example()), Runs: 10, Rows: 1000}
	want := `all
 source
  host
   engine.(*stage).do
    hostfuncs.read
     syscall.Read
  guest
   compiled guest
   runtime.memmove
 destination
  guest
   postgres.(*decoder).column
    runtime.memmove
  host
   postgres.f
    hostfuncs.write
 engine
  host
   fmt.Sprint
`
	tree := c.Tree()
	if got := text(tree); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	// Six samples of 10 ms over 10 runs of 1000 rows.
	if tree.Value != 6000 || c.Samples() != 6 || c.Sample() != 1000 {
		t.Errorf("%g ns/row in %d samples of %g", tree.Value, c.Samples(), c.Sample())
	}
	var sum float64
	for _, s := range Shares(tree) {
		sum += s.Weight
	}
	if sum != tree.Value || len(Shares(tree)) != 5 {
		t.Errorf("the shares %+v are not the whole of %g", Shares(tree), tree.Value)
	}
}

func TestOtherTree(t *testing.T) {
	p := cpuProfile(yes("", "a", "b"), yes("", "a"))
	p.SampleType = []*profile.ValueType{{Type: "alloc_objects"}, {Type: "alloc_space"}, {Type: "inuse_objects"}, {Type: "inuse_space"}}
	for _, s := range p.Sample {
		s.Value = []int64{1, 500, 0, 0}
	}
	if tree := Tree(p, Heap, 100); tree.Value != 10 || text(tree) != "all\n a\n  b\n" {
		t.Errorf("%g B/row in\n%s", tree.Value, text(tree))
	}
	// Nothing recorded at all, as of locks nobody waited for.
	if tree := Tree(&profile.Profile{SampleType: []*profile.ValueType{{Type: "contentions"}, {Type: "delay"}}}, Mutex, 0); tree.Value != 0 {
		t.Errorf("an empty profile weighs %g", tree.Value)
	}
}

func TestShort(t *testing.T) {
	for name, want := range map[string]string{
		"github.com/a/b/engine.(*stage).do.func1":   "engine.(*stage).do.func1",
		"main.f[github.com/a/b.T]":                  "main.f[github.com/a/b.T]",
		"github.com/x/y.g[go.shape.struct { a/b }]": "y.g[go.shape.struct { a/b }]",
		"?": "?",
		"":  ".",
	} {
		if got := short(name); got != want {
			t.Errorf("short(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestNamedGuestsAddUp(t *testing.T) {
	c := &CPU{Profile: timed(example()), Runs: 1, Rows: 1, guests: map[string][]guestShare{
		"source": {{flame.Frame{Name: "f"}, 0.25}, {flame.Frame{Name: "g"}, 0.75}},
	}}
	before := (&CPU{Profile: c.Profile, Runs: 1, Rows: 1}).Tree()
	after := c.Tree()
	if math.Abs(before.Value-after.Value) > 1 || !strings.Contains(text(after), "  guest\n   f\n   g\n   runtime.memmove\n") || strings.Contains(text(after), compiledGuest) {
		t.Errorf("%g became %g:\n%s", before.Value, after.Value, text(after))
	}
}
