package matrix

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchproc"
)

// Matrix is what one run of the suite measured.
type Matrix struct {
	// Conditions are the configuration keys of the file, such as "machine", in its order.
	Conditions []benchfmt.Config
	Series     []*Series // in the order of their first line
}

// Series is cells that differ in nothing but their row count.
type Series struct {
	Family  string // "Pipeline" or "Floor"
	Load    string // "insert" or "copy"
	Variant string // the codec of a pipeline, the client of a floor
	Cells   []Cell // by row count
	Line    Line
}

// Name returns "pipeline insert lz4".
func (s *Series) Name() string {
	return strings.ToLower(s.Family) + " " + s.Load + " " + s.Variant
}

// Cell is the runs of one case.
type Cell struct {
	Rows  int
	Times []float64 // of single runs in nanoseconds, in the order they were made
}

// Read reads benchmark lines, as the suite writes them into the folder of BENCH_SAMPLES, and fits the lines. Lines of
// families that move no rows from end to end are passed over. It is an error if a line cannot be read, if the lines were
// not all measured under the same conditions, or if there is none. name is the file's, for errors.
func Read(r io.Reader, name string) (*Matrix, error) {
	var parser benchproc.ProjectionParser
	projection, err := parser.Parse(".name,/load,/compression,/via,/rows", nil)
	if err != nil {
		return nil, fmt.Errorf("matrix: %w", err)
	}
	fields := projection.Fields()

	m := &Matrix{}
	for lines := benchfmt.NewReader(r, name); lines.Scan(); {
		var result *benchfmt.Result
		switch record := lines.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, fmt.Errorf("matrix: %w", record)
		case *benchfmt.Result:
			result = record
		default:
			continue
		}
		file, line := result.Pos()
		key := projection.Project(result)
		family := key.Get(fields[0])
		if family != "Pipeline" && family != "Floor" {
			continue
		}
		rows, err := strconv.Atoi(key.Get(fields[4]))
		if err != nil || rows < 1 {
			return nil, fmt.Errorf("matrix: %s:%d: %s has no row count", file, line, result.Name)
		}
		seconds, ok := result.Value("sec/op")
		if !ok || !(seconds >= shortest && seconds <= longest) {
			return nil, fmt.Errorf("matrix: %s:%d: %s has no time", file, line, result.Name)
		}
		if m.Conditions == nil {
			m.Conditions = result.Clone().Config
		} else if differs := difference(m.Conditions, result.Config); differs != "" {
			return nil, fmt.Errorf("matrix: %s:%d: lines with another %s cannot stand in one table", file, line, differs)
		}
		m.series(family, key.Get(fields[1]), key.Get(fields[2])+key.Get(fields[3])).add(rows, 1e9*seconds)
	}
	if len(m.Series) == 0 {
		return nil, fmt.Errorf("matrix: %s: %w", name, errEmpty)
	}

	for _, s := range m.Series {
		slices.SortFunc(s.Cells, func(a, b Cell) int { return a.Rows - b.Rows })
		s.Line = FitLine(s.Cells)
	}
	return m, nil
}

// A run outside of these, in seconds, was not measured by any clock; squares of times within them are numbers.
const (
	shortest = 1e-9
	longest  = 1e9
)

var errEmpty = errors.New("no line of a pipeline or a floor")

// difference returns the first key in which the configurations differ.
func difference(a, b []benchfmt.Config) string {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return b[i].Key
		case i >= len(b) || a[i].Key != b[i].Key || string(a[i].Value) != string(b[i].Value):
			return a[i].Key
		}
	}
	return ""
}

func (m *Matrix) series(family, load, variant string) *Series {
	for _, s := range m.Series {
		if s.Family == family && s.Load == load && s.Variant == variant {
			return s
		}
	}
	s := &Series{Family: family, Load: load, Variant: variant}
	m.Series = append(m.Series, s)
	return s
}

func (s *Series) add(rows int, ns float64) {
	i := slices.IndexFunc(s.Cells, func(c Cell) bool { return c.Rows == rows })
	if i < 0 {
		i = len(s.Cells)
		s.Cells = append(s.Cells, Cell{Rows: rows})
	}
	s.Cells[i].Times = append(s.Cells[i].Times, ns)
}
