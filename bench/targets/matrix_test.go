package targets

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/magefile/mage/mg"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

func TestMatrixEndsWithTables(t *testing.T) {
	pgtest.Shared(t)
	t.Setenv("BENCH_RESULTS", "off")
	t.Setenv("BENCH_LOAD", "copy")
	t.Setenv("BENCH_COMPRESSION", "none lz4")
	r, stdout, stderr := here(t)
	dir := t.TempDir()
	csvFile, htmlFile := filepath.Join(dir, "new", "m.csv"), filepath.Join(dir, "m.html")
	err := r.Matrix(t.Context(), MatrixOptions{Rows: ptr("100, 300 500"), Iters: ptr(2), CSV: &csvFile, HTML: &htmlFile})
	if err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	_, samples, _ := strings.Cut(strings.TrimSpace(stderr.String()), "samples: ")
	defer os.RemoveAll(filepath.Dir(samples))
	for _, want := range []string{
		"BenchmarkPipeline/rows=500/load=copy/compression=lz4", "\n300 Pipeline none ", "\n500 Floor pgx ", "sec/row", "\n100 copy ",
		"Fixed cost and cost of a row", "\nStraight line: ", "\n  pipeline copy lz4 ", "\n  floor copy pgx ",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if _, err := os.Stat(samples); err != nil {
		t.Error(err)
	}
	for file, want := range map[string]string{csvFile: "\npipeline,copy,lz4,300,2,", htmlFile: "</html>"} {
		if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v, and no %q in\n%s", file, err, want, text)
		}
	}
}

func TestMatrixReadsItsVariables(t *testing.T) {
	for _, tt := range []struct {
		name, rows, iters string
		options           MatrixOptions
		wantRows          string
		wantIters         int
	}{
		{"nothing", "", "", MatrixOptions{}, "1000,10000,100000", 6},
		{"variables", "5000 50000", "5", MatrixOptions{}, "5000,50000", 5},
		{"flags before variables", "5000", "5", MatrixOptions{Rows: ptr("7,9"), Iters: ptr(2)}, "7,9", 2},
	} {
		t.Setenv("BENCH_MATRIX_ROWS", tt.rows)
		t.Setenv("BENCH_MATRIX_ITERS", tt.iters)
		rows, iters, err := tt.options.grid()
		if err != nil || rows != tt.wantRows || iters != tt.wantIters {
			t.Errorf("%s: got %q, %d and %v; want %q, %d", tt.name, rows, iters, err, tt.wantRows, tt.wantIters)
		}
	}
}

func TestMatrixUsage(t *testing.T) {
	r, stdout, _ := here(t)
	for _, tt := range []struct {
		variables map[string]string
		options   MatrixOptions
		want      string
	}{
		{nil, MatrixOptions{Rows: ptr("many")}, `-rows="many": "many" is not a row count`},
		{nil, MatrixOptions{Rows: ptr("10,-1")}, `"-1" is not a row count`},
		{nil, MatrixOptions{Rows: ptr("")}, `-rows="": no value in it`},
		{nil, MatrixOptions{Rows: ptr(",")}, `-rows=",": no value in it`},
		{nil, MatrixOptions{Rows: ptr("10,10")}, "10 is there twice"},
		{nil, MatrixOptions{Iters: ptr(0)}, "-iters=0: want a number from 1"},
		{nil, MatrixOptions{HTML: ptr(".")}, "is a folder"},
		{map[string]string{"BENCH_MATRIX_ROWS": "x"}, MatrixOptions{}, `BENCH_MATRIX_ROWS="x"`},
		{map[string]string{"BENCH_MATRIX_ITERS": "x"}, MatrixOptions{}, "BENCH_MATRIX_ITERS=x: want a number"},
		{map[string]string{"BENCH_LOAD": "x"}, MatrixOptions{}, `BENCH_LOAD="x"`},
	} {
		for name, v := range tt.variables {
			t.Setenv(name, v)
		}
		err := r.Matrix(t.Context(), tt.options)
		if err == nil || mg.ExitStatus(err) != 2 || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v with exit code %d, want 2 and %q", err, mg.ExitStatus(err), tt.want)
		}
		for name := range tt.variables {
			os.Unsetenv(name)
		}
	}
	if stdout.Len() > 0 {
		t.Errorf("something was started: %s", stdout)
	}
}

// A file that cannot be written stops the target before it measures anything.
func TestMatrixLooksAtItsFilesFirst(t *testing.T) {
	r, stdout, _ := here(t)
	plain := filepath.Join(t.TempDir(), "plain") // stops root as well
	if err := os.WriteFile(plain, nil, 0o444); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(plain, "m.csv")
	for _, o := range []MatrixOptions{{CSV: &file}, {HTML: &file}} {
		err := r.Matrix(t.Context(), o)
		if err == nil || mg.ExitStatus(err) != 2 || !strings.Contains(err.Error(), "nothing was measured") || !strings.Contains(err.Error(), file) {
			t.Errorf("got %v, want the file and that nothing was measured", err)
		}
	}
	other := *r
	other.Dir = plain // as a target folder that cannot be made
	if err := other.Matrix(t.Context(), MatrixOptions{}); err == nil || !strings.Contains(err.Error(), "nothing was measured") {
		t.Errorf("got %v, want that the target folder cannot be made", err)
	}
	if stdout.Len() > 0 {
		t.Errorf("something was started: %s", stdout)
	}
}

func TestNewFolderIsNew(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "a", "b")
	seen := map[string]bool{}
	for range 5 {
		dir, err := newFolder(parent)
		if info, statErr := os.Stat(dir); err != nil || statErr != nil || !info.IsDir() || seen[dir] {
			t.Fatalf("got %q, %v, %v", dir, err, statErr)
		}
		seen[dir] = true
	}
}
