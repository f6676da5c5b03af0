package lab

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Grid says which cases the suite runs and how it reports them.
type Grid struct {
	Rows         []int
	Loads        []string // "insert", "copy"
	Compressions []string // "none", "lz4", "zstd"
	Networks     []string // of BenchmarkNetwork, as [ParseNetwork] reads them; nil for the usual few
	Parallel     []string // resources.parallelism of BenchmarkPartitions; nil for the usual few
	Runtime      string   // "compiled", "interpreted", "native"
	AllMetrics   bool     // report every metric, not only the default ones
	// Warmups is the number of untimed runs before the timed ones, from 1 to 3.
	// A comparison varies it: a fixed number would always meet the guest's
	// garbage collector in the same phase.
	Warmups int
}

// DefaultGrid is the grid of the plain command.
func DefaultGrid() Grid {
	return Grid{
		Rows:         []int{1000, 10000, 100000},
		Loads:        []string{"insert", "copy"},
		Compressions: []string{"none", "lz4", "zstd"},
		Runtime:      "compiled",
		Warmups:      1,
	}
}

// MaxRows is the largest row count a grid takes: some 12 GB of table.
const MaxRows = 100_000_000

// GridFromEnv reads the BENCH_* variables over the default grid. Lists are
// separated by commas or spaces. All mistakes are reported, each with the name
// of its variable.
func GridFromEnv(lookup func(string) (string, bool)) (Grid, error) {
	g := DefaultGrid()
	var errs []error
	read := func(name string, set func(values []string) error) {
		value, ok := lookup(name)
		if !ok || value == "" {
			return
		}
		values := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
		err := errors.New("no value in it")
		if len(values) > 0 {
			err = set(values)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s=%q: %w", name, value, err))
		}
	}

	read("BENCH_ROWS", func(values []string) (err error) {
		g.Rows, err = parseRows(values)
		return err
	})
	read("BENCH_LOAD", func(values []string) error {
		g.Loads = values
		return oneOf(values, "insert", "copy")
	})
	read("BENCH_COMPRESSION", func(values []string) error {
		g.Compressions = values
		return oneOf(values, "none", "lz4", "zstd")
	})
	read("BENCH_NETWORK", func(values []string) error {
		g.Networks = values
		return networks(values)
	})
	read("BENCH_PARTITIONS", func(values []string) error {
		g.Parallel = values
		return parallelisms(values)
	})
	read("BENCH_RUNTIME", func(values []string) error {
		if len(values) != 1 {
			return errors.New("takes one value: the runtime is not part of a case's name, so two would print the same names")
		}
		g.Runtime = values[0]
		return oneOf(values, "compiled", "interpreted", "native")
	})
	read("BENCH_METRICS", func(values []string) error {
		g.AllMetrics = slices.Equal(values, []string{"all"})
		if len(values) != 1 {
			return errors.New("want default or all")
		}
		return oneOf(values, "default", "all")
	})
	read("BENCH_SEED", func(values []string) error {
		seed, err := strconv.ParseUint(values[0], 10, 64)
		if err != nil || len(values) != 1 {
			return errors.New("want one whole number")
		}
		g.Warmups = 1 + int(seed%3)
		return nil
	})
	return g, errors.Join(errs...)
}

func parseRows(values []string) ([]int, error) {
	var rows []int
	for _, v := range values {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > MaxRows {
			return nil, fmt.Errorf("%q is not a row count from 1 to %d", v, MaxRows)
		}
		if slices.Contains(rows, n) {
			return nil, fmt.Errorf("%d is there twice", n)
		}
		rows = append(rows, n)
	}
	return rows, nil
}

func oneOf(values []string, allowed ...string) error {
	for i, v := range values {
		if !slices.Contains(allowed, v) {
			return fmt.Errorf("%q is not one of %s", v, strings.Join(allowed, ", "))
		}
		if slices.Contains(values[:i], v) {
			return fmt.Errorf("%q is there twice", v)
		}
	}
	return nil
}

// Pipelines returns the cases of BenchmarkPipeline, rows outermost.
func (g Grid) Pipelines() []Case {
	var cases []Case
	for _, rows := range g.Rows {
		for _, load := range g.Loads {
			for _, compression := range g.Compressions {
				cases = append(cases, NewCase("Pipeline", strconv.Itoa(rows), load, compression))
			}
		}
	}
	return cases
}

// Colds returns the cases of BenchmarkPipelineCold. Starting cold costs the
// same whatever is moved afterwards, so one small run of each kind is enough.
func (g Grid) Colds() []Case {
	var cases []Case
	for _, cache := range []string{"cold", "disk"} {
		cases = append(cases, NewCase("PipelineCold",
			strconv.Itoa(slices.Min(g.Rows)), g.Loads[len(g.Loads)-1], g.Compressions[0], cache))
	}
	return cases
}

// Floors returns the cases of BenchmarkFloor. psql has no way to insert row by
// row, so it appears with copy only.
func (g Grid) Floors() []Case {
	var cases []Case
	for _, rows := range g.Rows {
		for _, load := range g.Loads {
			cases = append(cases, NewCase("Floor", strconv.Itoa(rows), load, "pgx"))
			if load == "copy" {
				cases = append(cases, NewCase("Floor", strconv.Itoa(rows), load, "psql"))
			}
		}
	}
	return cases
}

// Taxes returns the cases of BenchmarkTax, for the most rows: what a run costs before its first row would hide what the
// sandbox costs. The native runtime has none.
func (g Grid) Taxes() []Case {
	if g.Runtime == "native" {
		return nil
	}
	var cases []Case
	for _, load := range g.Loads {
		cases = append(cases, NewCase("Tax", strconv.Itoa(slices.Max(g.Rows)), load))
	}
	return cases
}

// Peers returns the cases of BenchmarkPeer, for the most rows: whole processes are used for whole tables. Ours moves the
// fewest, too, because its memory should not know how many there are.
func (g Grid) Peers() []Case {
	least, most := slices.Min(g.Rows), slices.Max(g.Rows)
	var cases []Case
	if least < most {
		cases = append(cases, NewCase("Peer", strconv.Itoa(least), "rapidbyte"))
	}
	for _, via := range Peers() {
		cases = append(cases, NewCase("Peer", strconv.Itoa(most), via))
	}
	return cases
}

// Links returns the cases of BenchmarkNetwork, for the most rows: a line's delay
// is to be seen against work. By default they are few, because a slow line takes
// its time; with networks of one's own choice every codec has its turn.
func (g Grid) Links() []Case {
	networks, compressions := g.Networks, g.Compressions
	if networks == nil {
		networks, compressions = []string{"rtt0", "rtt5", "1gbit"}, compressions[:1]
	}
	var cases []Case
	for _, load := range g.Loads {
		for _, compression := range compressions {
			for _, network := range networks {
				cases = append(cases, NewCase("Network", strconv.Itoa(slices.Max(g.Rows)), load, compression, network))
			}
		}
	}
	return cases
}

// Partitions returns the cases of BenchmarkPartitions, for the most rows: what
// more connections cost is to be seen against work. By default a table that is
// there is written in one, two and as many partitions as auto makes, and one that
// the run makes in two; a choice of one's own is made of both tables.
func (g Grid) Partitions() []Case {
	rows := strconv.Itoa(slices.Max(g.Rows))
	if g.Parallel == nil {
		return []Case{
			NewCase("Partitions", rows, "1", "existing"), NewCase("Partitions", rows, "2", "existing"),
			NewCase("Partitions", rows, "auto", "existing"), NewCase("Partitions", rows, "2", "new"),
		}
	}
	var cases []Case
	for _, table := range []string{"existing", "new"} {
		for _, partitions := range g.Parallel {
			cases = append(cases, NewCase("Partitions", rows, partitions, table))
		}
	}
	return cases
}

// Sources returns the cases of BenchmarkSource.
func (g Grid) Sources() []Case {
	var cases []Case
	for _, rows := range g.Rows {
		cases = append(cases, NewCase("Source", strconv.Itoa(rows)))
	}
	return cases
}

// Dests returns the cases of BenchmarkDest.
func (g Grid) Dests() []Case {
	var cases []Case
	for _, rows := range g.Rows {
		for _, load := range g.Loads {
			cases = append(cases, NewCase("Dest", strconv.Itoa(rows), load))
		}
	}
	return cases
}

// Workloads returns the cases of BenchmarkWorkload. Each moves about as many
// bytes as the most rows of the pipelines have: bytes per second compare.
func (g Grid) Workloads() []Case {
	var cases []Case
	for _, w := range Workloads() {
		for _, load := range g.Loads {
			cases = append(cases, NewCase("Workload", w.Name, strconv.Itoa(w.RowsOf(slices.Max(g.Rows)*eventBytes)), load))
		}
	}
	return cases
}

// Codecs returns the cases of BenchmarkCodec.
func (g Grid) Codecs() []Case {
	var cases []Case
	for _, codec := range g.Compressions {
		for _, op := range []string{"compress", "decompress"} {
			cases = append(cases, NewCase("Codec", codec, op))
		}
	}
	return cases
}

// ModuleLoads returns the cases of BenchmarkModuleLoad.
func (g Grid) ModuleLoads() []Case {
	var cases []Case
	for _, module := range []string{"source-postgres", "dest-postgres"} {
		for _, cache := range []string{"cold", "disk", "memory"} {
			cases = append(cases, NewCase("ModuleLoad", module, cache))
		}
	}
	return cases
}

// HostCalls returns the cases of BenchmarkHostCall.
func (g Grid) HostCalls() []Case {
	var cases []Case
	for _, function := range Crossings() {
		cases = append(cases, NewCase("HostCall", function))
	}
	return cases
}

// All returns every case of the suite, in the order it runs them.
func (g Grid) All() []Case {
	return slices.Concat(g.Pipelines(), g.Colds(), g.Floors(), g.Taxes(), g.Peers(), g.Links(), g.Partitions(), g.Sources(), g.Dests(),
		g.Workloads(), g.Codecs(), g.HostCalls(), g.ModuleLoads(), g.Calibrations())
}
