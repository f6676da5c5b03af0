package targets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/atomicfile"
	"github.com/rapidbyte-go/rapidbyte/bench/lab"
	"github.com/rapidbyte-go/rapidbyte/bench/matrix"
	"github.com/rapidbyte-go/rapidbyte/bench/page"
)

// MatrixOptions are the flags of the matrix target; nil is the default.
type MatrixOptions struct {
	Rows  *string // row counts, with commas or spaces; BENCH_MATRIX_ROWS, or 1000,10000,100000
	Iters *int    // runs of each case; BENCH_MATRIX_ITERS, or 6: benchstat gives no interval with fewer
	CSV   *string // file to write the cells and lines to
	HTML  *string // file to write the report to
}

// matrixPivots are the tables of the grid: the whole of it with a column for each load method, and the pipelines with a
// column for each codec.
var matrixPivots = [][]string{
	{"-row", "/rows@num .name /compression /via", "-col", "/load@(insert copy)", "-filter", ".name:(Pipeline OR Floor) .unit:ns/row"},
	{"-row", "/rows@num /load@(insert copy)", "-col", "/compression@(none lz4 zstd)", "-filter", ".name:Pipeline .unit:ns/row"},
}

// Matrix measures every load method with every codec, and the floors, at several row counts, and ends with benchstat's
// tables and the fixed cost and cost of a row.
func (r *Repo) Matrix(ctx context.Context, o MatrixOptions) error {
	ctx, stop := untilStopped(ctx)
	defer stop()
	rows, iters, err := o.grid()
	if err != nil {
		return err
	}
	// What cannot be written should be known before a minute of measuring.
	csvFile, htmlFile := value(o.CSV, ""), value(o.HTML, "")
	for _, file := range []string{csvFile, htmlFile} {
		if file == "" {
			continue
		}
		if err := atomicfile.Check(file); err != nil {
			return usage("%v; nothing was measured", err)
		}
	}
	dir, err := newFolder(filepath.Join(r.Dir, "target", "matrix"))
	if err != nil {
		return fmt.Errorf("no folder for the samples, so nothing was measured: %w", err)
	}
	defer os.Remove(dir) // only if nothing came into it

	env := []string{"BENCH_ROWS=" + rows, "BENCH_SAMPLES=" + dir, "RAPIDBYTE_PG_REQUIRE=1"}
	if err := r.goBench(ctx, env, "-bench=^Benchmark(Pipeline|Floor)$", "-benchtime="+strconv.Itoa(iters)+"x"); err != nil {
		return err
	}
	fmt.Fprintln(r.Stdout)
	samples := filepath.Join(dir, lab.SamplesText)
	pivots, err := r.pivots(ctx, samples)
	if err != nil {
		return err
	}
	m, err := readMatrix(samples)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(r.Stdout, pivots); err != nil {
		return err
	}
	if err := m.WriteText(r.Stdout); err != nil {
		return err
	}

	if csvFile != "" {
		if err := atomicfile.Write(csvFile, m.WriteCSV); err != nil {
			return err
		}
	}
	if htmlFile != "" {
		subtitle := fmt.Sprintf("go tool mage matrix -rows=%s -iters=%d, %s", rows, iters, time.Now().UTC().Format(time.DateTime+" UTC"))
		if err := page.WriteFile(htmlFile, m.Page(subtitle, pivots)); err != nil {
			return err
		}
	}
	fmt.Fprintf(r.Stderr, "samples: %s\n", samples)
	return nil
}

// grid returns the row counts, as BENCH_ROWS takes them, and the number of runs.
func (o MatrixOptions) grid() (rows string, iters int, err error) {
	name := "-rows"
	rows = value(o.Rows, "")
	if o.Rows == nil {
		name, rows = "BENCH_MATRIX_ROWS", os.Getenv("BENCH_MATRIX_ROWS")
		if rows == "" {
			rows = "1000,10000,100000"
		}
	}
	lookup := func(variable string) (string, bool) {
		if variable == "BENCH_ROWS" {
			return rows, true
		}
		return os.LookupEnv(variable)
	}
	if rows == "" {
		err = fmt.Errorf("%s=%q: no value in it", name, rows)
	} else {
		_, err = lab.GridFromEnv(lookup)
	}
	if err != nil {
		return "", 0, usage("%s", strings.ReplaceAll(err.Error(), "BENCH_ROWS="+strconv.Quote(rows), name+"="+strconv.Quote(rows)))
	}

	iters = 6
	name = "BENCH_MATRIX_ITERS"
	text := os.Getenv(name)
	switch {
	case o.Iters != nil:
		name, iters = "-iters", *o.Iters
		text = strconv.Itoa(iters)
	case text != "":
		if iters, err = strconv.Atoi(text); err != nil {
			iters = 0
		}
	}
	if iters < 1 {
		return "", 0, usage("%s=%s: want a number from 1", name, text)
	}
	split := func(c rune) bool { return c == ',' || c == ' ' }
	return strings.Join(strings.FieldsFunc(rows, split), ","), iters, nil
}

// pivots returns benchstat's tables of the samples.
func (r *Repo) pivots(ctx context.Context, samples string) (string, error) {
	var out, complaints bytes.Buffer
	quiet := &Repo{Dir: r.Dir, Stderr: &complaints}
	for i, flags := range matrixPivots {
		if i > 0 {
			out.WriteByte('\n')
		}
		args := append([]string{"tool", "benchstat"}, flags...)
		err := quiet.run(ctx, &out, nil, "go", append(args, samples)...)
		// It ends well even if it could not read a file.
		if err == nil && bytes.Contains(complaints.Bytes(), []byte(samples)) {
			err = errors.New("it could not read all")
		}
		if err != nil {
			return "", fmt.Errorf("benchstat: %w: %s", err, bytes.TrimSpace(complaints.Bytes()))
		}
	}
	return out.String(), nil
}

func readMatrix(file string) (*matrix.Matrix, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return matrix.Read(f, file)
}

// newFolder makes a folder named after the time in parent, which is made if it is missing. Samples are appended, so two
// sweeps must not share one.
func newFolder(parent string) (string, error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	first := filepath.Join(parent, time.Now().UTC().Format("20060102T150405Z"))
	dir := first
	for n := 2; ; n++ {
		if err := os.Mkdir(dir, 0o755); !errors.Is(err, os.ErrExist) {
			return dir, err
		}
		dir = first + "-" + strconv.Itoa(n)
	}
}
