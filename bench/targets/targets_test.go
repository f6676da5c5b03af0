package targets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/magefile/mage/mg"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// here returns this repository, writing to buffers.
func here(t *testing.T) (r *Repo, stdout, stderr *bytes.Buffer) {
	t.Helper()
	r, err := Here()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	r.Stdout, r.Stderr = stdout, stderr
	return r, stdout, stderr
}

func ptr[T any](v T) *T { return &v }

func TestBenchEndsWithTheComparison(t *testing.T) {
	pgtest.Shared(t)
	results := filepath.Join(t.TempDir(), "results.jsonl")
	t.Setenv("BENCH_RESULTS", results)
	r, stdout, stderr := here(t)
	for _, aot := range []bool{true, false} {
		stdout.Reset()
		err := r.Bench(t.Context(), BenchOptions{Rows: ptr(150), Iters: ptr(2), AOT: ptr(aot)})
		if err != nil {
			t.Fatalf("%v\n%s%s", err, stdout, stderr)
		}
		for _, want := range []string{
			`(?m)^BenchmarkPipeline/rows=150/load=insert/compression=none`, `(?m)^BenchmarkPipeline/rows=150/load=copy/compression=none`,
			`(?m)^  Dataset:     150 rows, 0\.\d\d MB \(\d+ B/row\)$`, `(?m)^  Iterations:  2 per mode$`,
			`(?m)^  Metric \(avg\) +INSERT +COPY +Speedup$`, `(?m)^  Total duration +\d+\.\d{3} +\d+\.\d{3} +\d+\.\dx$`,
			`(?m)^  Throughput \(rows/s\) +[\d,]+ +[\d,]+ +\d+\.\dx$`,
			`(?m)^  Pairs:       2 per mode$`, `(?m)^  Wall time +\d+\.\d\dx +\d+\.\d\dx$`, `(?m)^  Time in the guests +\d+\.\d\dx +\d+\.\d\dx$`,
		} {
			if !regexp.MustCompile(want).MatchString(stdout.String()) {
				t.Errorf("aot=%v: nothing matches %s in\n%s", aot, want, stdout)
			}
		}
		if strings.Contains(stdout.String(), "Unit ") {
			t.Error("the lines for other programs are shown")
		}
	}

	records, bad, err := history.Read(results)
	if err != nil || len(bad) > 0 || len(records) != 16 {
		t.Fatalf("%d results, bad %v, %v; want 2 x 2 x 2 x 2", len(records), bad, err)
	}
	for i, record := range records {
		if record.AOT != (i < 8) {
			t.Errorf("line %d says aot=%v", i+1, record.AOT)
		}
	}
}

func TestRunMovesThePipelinesRows(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	pgtest.Shared(t)
	r, stdout, stderr := here(t)
	ownHome(t)

	err := r.Run(t.Context(), filepath.Join(r.Dir, "testdata", "pipelines", "bench_pg_lz4.yaml"), RunOptions{Rows: ptr(700)})
	if err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	for _, want := range []string{
		`(?m)^  Records read: +700$`, `(?m)^  Records written: +700$`,
		`"source_compress_nanos":[1-9]`, `"dest_decompress_nanos":[1-9]`, `"records_written":700`,
	} {
		if !regexp.MustCompile(want).MatchString(stdout.String()) {
			t.Errorf("nothing matches %s in\n%s", want, stdout)
		}
	}
	if !strings.Contains(stderr.String(), "700 rows in bench_events") {
		t.Errorf("what was prepared is not said: %s", stderr)
	}

	// The program's exit code is ours.
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("version: 7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.Run(t.Context(), bad, RunOptions{}); mg.ExitStatus(err) != 2 || !strings.Contains(stderr.String(), "bad.yaml:1:") {
		t.Errorf("a bad file gives %v and\n%s\nwant exit code 2 and the file's line", err, stderr)
	}
}

// ownHome gives programs a home of the test's own, but Go its caches.
func ownHome(t *testing.T) {
	t.Helper()
	for _, name := range []string{"GOCACHE", "GOPATH", "GOMODCACHE"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv(name, strings.TrimSpace(string(out)))
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", t.TempDir())
}

func TestUsageErrors(t *testing.T) {
	r, stdout, _ := here(t)
	for name, err := range map[string]error{
		"-rows=0":   r.Bench(t.Context(), BenchOptions{Rows: ptr(0)}),
		"-rows=-5":  r.Run(t.Context(), "targets.go", RunOptions{Rows: ptr(-5)}),
		"-iters=0":  r.Bench(t.Context(), BenchOptions{Iters: ptr(0)}),
		"none.yaml": r.Run(t.Context(), "none.yaml", RunOptions{}),
	} {
		if err == nil || mg.ExitStatus(err) != 2 || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v with exit code %d, want its name and 2", name, err, mg.ExitStatus(err))
		}
	}
	if stdout.Len() > 0 {
		t.Errorf("something was started: %s", stdout)
	}
}

func TestExitCodePassesThrough(t *testing.T) {
	r, _, _ := here(t)
	err := r.run(t.Context(), r.Stdout, nil, "sh", "-c", "exit 7")
	if mg.ExitStatus(err) != 7 || err.Error() != "sh: exit code 7" {
		t.Errorf("got %v with exit code %d, want 7", err, mg.ExitStatus(err))
	}
	if err := r.run(t.Context(), r.Stdout, nil, "no-such-program"); err == nil || mg.ExitStatus(err) != 1 {
		t.Errorf("a program that is not there gives %v", err)
	}
}

// A program that is stopped takes what it started with it.
func TestCancelReachesGrandchildren(t *testing.T) {
	r, _, _ := here(t)
	ctx, cancel := context.WithCancel(t.Context())
	file := filepath.Join(t.TempDir(), "started")
	done := make(chan error, 1)
	go func() {
		done <- r.run(ctx, r.Stdout, nil, "sh", "-c", `sh -c 'trap "echo stopped >>$0; exit" INT; echo started >$0; while :; do sleep 0.05; done' "$0"; :`, file)
	}()
	waitFor(t, "the program", func() bool { text, _ := os.ReadFile(file); return len(text) > 0 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the cancellation", err)
	}
	waitFor(t, "the grandchild to stop", func() bool {
		text, _ := os.ReadFile(file)
		return strings.Contains(string(text), "stopped")
	})
}

func TestResultLines(t *testing.T) {
	var out bytes.Buffer
	l := &resultLines{w: &out}
	for _, piece := range []string{"Uni", "t x better=lower\nBench", "markX 1 2 ns/op\n", "# a Unit \n\nok", " x"} {
		if n, err := l.Write([]byte(piece)); err != nil || n != len(piece) {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "BenchmarkX 1 2 ns/op\n# a Unit \n\nok x"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestVariablesNameTheDatabase(t *testing.T) {
	got := strings.Join(variables("postgres://joe:secret@db.example:5433/events?sslmode=disable"), " ")
	want := "RAPIDBYTE_PG_HOST=db.example RAPIDBYTE_PG_PORT=5433 RAPIDBYTE_PG_USER=joe RAPIDBYTE_PG_PASSWORD=secret " +
		"RAPIDBYTE_PG_DATABASE=events RAPIDBYTE_PG_SSLMODE=disable"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(fmt.Sprint("waited in vain for ", what))
		}
	}
}
