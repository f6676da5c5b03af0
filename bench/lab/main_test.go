package lab

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// openEnv returns an environment on the shared server that keeps its results in
// the test's folder.
func openEnv(tb testing.TB) *Env {
	tb.Helper()
	e, err := Open(tb.Context(), pgtest.Shared(tb), DefaultGrid())
	if err != nil {
		tb.Fatal(err)
	}
	e.Results = filepath.Join(tb.TempDir(), "results.jsonl")
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	return e
}

// openSource returns the dataset with a few rows, the destination empty.
func openSource(tb testing.TB, e *Env, rows int) *Source {
	tb.Helper()
	s, err := e.Source(tb.Context(), rows)
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.Reset(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return s
}
