package compare

import (
	"math"
	"testing"
)

// ledgerPairs returns pairs whose two sides have the given values, in milliseconds where they are times.
func ledgerPairs(base, head map[string]float64) []Pair {
	process := func(values map[string]float64) *Process {
		p := &Process{Values: map[string][]float64{}}
		for unit, v := range values {
			p.Values[unit] = []float64{v}
		}
		return p
	}
	var pairs []Pair
	for range 8 {
		pairs = append(pairs, Pair{Base: process(base), Head: process(head)})
	}
	return pairs
}

// three is a ledger of three stages, to see waits handed on twice.
var three = Ledger{
	{Name: "source", Phases: []Phase{{Name: "guest", Unit: "sg"}, {Name: "wait", Unit: "ss", Waits: Downstream}}},
	{Name: "transform", Phases: []Phase{{Name: "guest", Unit: "tg"}, {Name: "wait", Unit: "ts", Waits: Upstream}}},
	{Name: "dest", Phases: []Phase{{Name: "guest", Unit: "dg", Work: []string{"calls", "bytes"}}, {Name: "flush", Unit: "df"}, {Name: "wait", Unit: "ds", Waits: Upstream}}},
}

func TestExplain(t *testing.T) {
	base := map[string]float64{"sec/op": 100, "sg": 40, "ss": 60, "tg": 20, "ts": 80, "dg": 30, "df": 30, "ds": 40, "calls": 10, "bytes": 10}
	for _, c := range []struct {
		name   string
		change map[string]float64
		want   map[string]float64 // share of each part
	}{
		{"the destination itself", map[string]float64{"sec/op": 10, "df": 10, "ss": 10}, map[string]float64{"dest flush": 1}},
		{"the source, through two waits", map[string]float64{"sec/op": 10, "sg": 10, "ts": 10, "ds": 10}, map[string]float64{"source guest": 1}},
		{"the transform", map[string]float64{"sec/op": 10, "tg": 10, "ds": 10, "ss": 10}, map[string]float64{"transform guest": 1}},
		{"half and half", map[string]float64{"sec/op": 10, "df": 5, "sg": 5, "ts": 5, "ds": 5}, map[string]float64{"dest flush": 0.5, "source guest": 0.5}},
		{"faster", map[string]float64{"sec/op": -10, "sg": -10, "ts": -10, "ds": -10}, map[string]float64{"source guest": 1}},
		{"a wait that nobody caused", map[string]float64{"sec/op": 10, "ds": 10}, map[string]float64{"dest wait": 1}},
		{"hidden behind the wait", map[string]float64{"sec/op": 4, "df": 10, "ds": -6, "sg": -1, "ts": -6},
			map[string]float64{"dest flush": 2.5, "source guest": -1.5}},
		{"outside", map[string]float64{"sec/op": 10}, map[string]float64{"outside the stages": 1}},
		{"moved between phases", map[string]float64{"sec/op": 2, "dg": 12, "df": -10}, map[string]float64{"dest guest": 6, "dest flush": -5}},
	} {
		head := map[string]float64{}
		for unit, v := range base {
			head[unit] = v + c.change[unit]
		}
		e := three.explain(ledgerPairs(base, head), "sec/op")
		if e == nil {
			t.Errorf("%s: no explanation", c.name)
			continue
		}
		sum := 0.0
		got := map[string]float64{}
		for i, p := range e.Parts {
			got[p.Name()] = float64(p.Share)
			sum += float64(p.Sec)
			if i > 0 && p.Share > e.Parts[i-1].Share {
				t.Errorf("%s: parts out of order: %+v", c.name, e.Parts)
			}
		}
		if math.Abs(sum-c.change["sec/op"]) > 1e-9 || float64(e.Total) != c.change["sec/op"] {
			t.Errorf("%s: parts sum to %v, total %v, want %v", c.name, sum, e.Total, c.change["sec/op"])
		}
		for name, want := range c.want {
			if math.Abs(got[name]-want) > 1e-9 {
				t.Errorf("%s: share of %s is %v, want %v (%v)", c.name, name, got[name], want, got)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: parts %v, want %v", c.name, got, c.want)
		}
	}

	if e := three.explain(ledgerPairs(base, base), "sec/op"); e != nil {
		t.Errorf("no change was explained by %+v", e)
	}
	bare := map[string]float64{"sec/op": 1}
	if e := three.explain(ledgerPairs(bare, map[string]float64{"sec/op": 2}), "sec/op"); e != nil {
		t.Errorf("without a ledger: %+v", e)
	}
}

func TestExplainNamesTheWork(t *testing.T) {
	base := map[string]float64{"sec/op": 100, "dg": 30, "calls": 100, "bytes": 1000}
	head := map[string]float64{"sec/op": 108, "dg": 38, "calls": 108, "bytes": 1001}
	e := three.explain(ledgerPairs(base, head), "sec/op")
	if got, want := e.Text(0.08), "100 % of +8.0 % is dest guest, calls +8.0 %"; got != want {
		t.Errorf("got %q, want %q: a counter that hardly moved is not worth a word", got, want)
	}
}

// One wild pair on each side does not decide what is blamed.
func TestExplainResistsOutliers(t *testing.T) {
	base := map[string]float64{"sec/op": 100, "dg": 30, "df": 30}
	head := map[string]float64{"sec/op": 110, "dg": 30, "df": 40}
	pairs := ledgerPairs(base, head)
	pairs[3].Head.Values = map[string][]float64{"sec/op": {900}, "dg": {830}, "df": {30}}
	pairs[5].Base.Values = map[string][]float64{"sec/op": {900}, "dg": {830}, "df": {30}}
	e := three.explain(pairs, "sec/op")
	if len(e.Parts) != 1 || e.Parts[0].Name() != "dest flush" || math.Abs(float64(e.Total)-10) > 1e-9 {
		t.Errorf("explained by %+v", e)
	}
}

// Each unit of the default ledger is in it once, and no phase is a total.
func TestDefaultLedger(t *testing.T) {
	seen := map[string]bool{}
	for _, stage := range DefaultLedger() {
		for _, phase := range stage.Phases {
			if seen[phase.Unit] || !isTime(phase.Unit) || phase.Unit == stage.Total {
				t.Errorf("%s %s: unit %s", stage.Name, phase.Name, phase.Unit)
			}
			seen[phase.Unit] = true
		}
	}
}

// CPU time that the source burns while the destination waits for its server is in no wait of the destination; that the
// server then answers later is no use of CPU. What nothing computes was burned while waiting for a server.
func TestExplainCPU(t *testing.T) {
	base := map[string]float64{"sec/op": 100, "cpu-sec/op": 60, "sg": 40, "ss": 60, "dg": 30, "df": 30, "dc": 1, "ds": 40}
	two := Ledger{
		{Name: "source", Phases: []Phase{{Name: "guest", Unit: "sg"}, {Name: "wait", Unit: "ss", Waits: Downstream}}},
		{Name: "dest", Phases: []Phase{
			{Name: "guest", Unit: "dg"}, {Name: "flush", Unit: "df", Waits: AtServer}, {Name: "commit", Unit: "dc", Waits: AtServer},
			{Name: "wait", Unit: "ds", Waits: Upstream},
		}},
	}
	for _, c := range []struct {
		name   string
		change map[string]float64
		want   map[string]float64
	}{
		{"the source's guest", map[string]float64{"cpu-sec/op": 10, "sg": 10, "df": 14, "ds": -2}, map[string]float64{"source guest": 1}},
		{"mostly the source's guest", map[string]float64{"cpu-sec/op": 10, "sg": 8, "df": 14},
			map[string]float64{"source guest": 0.8, "dest flush": 0.2}},
		{"while waiting", map[string]float64{"cpu-sec/op": 10, "sg": 1, "dg": -1, "df": 12, "dc": 4, "ss": 9},
			map[string]float64{"source guest": 0.1, "dest guest": -0.1, "dest flush": 0.75, "dest commit": 0.25}},
		{"no phase burns more than it takes", map[string]float64{"cpu-sec/op": 10, "df": 4}, map[string]float64{"dest flush": 0.4, "outside the stages": 0.6}},
		{"less", map[string]float64{"cpu-sec/op": -10, "dg": -10, "df": 5}, map[string]float64{"dest guest": 1}},
	} {
		head := map[string]float64{}
		for unit, v := range base {
			head[unit] = v + c.change[unit]
		}
		e := two.explain(ledgerPairs(base, head), "cpu-sec/op")
		if e == nil || len(e.Parts) != len(c.want) {
			t.Errorf("%s: explained by %+v", c.name, e)
			continue
		}
		for _, p := range e.Parts {
			if share, ok := c.want[p.Name()]; !ok || math.Abs(float64(p.Share)-share) > 1e-9 {
				t.Errorf("%s: %s has a share of %v, want %v", c.name, p.Name(), p.Share, share)
			}
		}
	}
}

// Of processes that took turns, runs are weighed and not processes: one bad run of many does not count.
func TestExplainTurns(t *testing.T) {
	pairs := ledgerPairs(map[string]float64{"sec/op": 100, "sg": 40, "df": 30}, map[string]float64{"sec/op": 110, "sg": 40, "df": 40})
	for i := range pairs {
		p := &pairs[i]
		p.Alternated = true
		for _, side := range []*Process{p.Base, p.Head} {
			for unit, v := range side.Values {
				side.Values[unit] = []float64{v[0], v[0], v[0], v[0], v[0], v[0], v[0], v[0]}
			}
		}
		p.Head.Values["sec/op"][3], p.Head.Values["sg"][3] = 500, 430
	}
	e := three.explain(pairs, "sec/op")
	if e == nil || e.Parts[0].Name() != "dest flush" || math.Abs(float64(e.Total)-10) > 1e-9 || math.Abs(float64(e.Parts[0].Share)-1) > 1e-9 {
		t.Errorf("explained by %+v", e)
	}
}
