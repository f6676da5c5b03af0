package state

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/engine"
)

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestValues(t *testing.T) {
	ctx := t.Context()
	s := open(t, filepath.Join(t.TempDir(), "state.db"))

	if v, ok, err := s.Get(ctx, "k"); v != nil || ok || err != nil {
		t.Errorf("Get of nothing = %q, %v, %v", v, ok, err)
	}
	for _, want := range [][]byte{[]byte("one"), {}, {0, 255, '\''}, bytes.Repeat([]byte("x"), 1<<20)} {
		if err := s.Put(ctx, "k", want); err != nil {
			t.Fatal(err)
		}
		if v, ok, err := s.Get(ctx, "k"); !bytes.Equal(v, want) || !ok || err != nil {
			t.Errorf("Get = %.20q, %v, %v; want %.20q", v, ok, err, want)
		}
	}
	if err := s.Put(ctx, "nil", nil); err != nil {
		t.Errorf("Put of nil: %v", err)
	}
}

func TestCAS(t *testing.T) {
	ctx := t.Context()
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	for i, c := range []struct {
		old, value []byte
		want       bool
		after      string
	}{
		{[]byte("a"), []byte("b"), false, ""},
		{[]byte{}, []byte("b"), false, ""}, // empty is not none
		{nil, []byte("a"), true, "a"},
		{nil, []byte("b"), false, "a"},
		{[]byte("b"), []byte("c"), false, "a"},
		{[]byte("a"), []byte{}, true, ""},
		{nil, []byte("d"), false, ""}, // none is not empty
		{[]byte{}, []byte("d"), true, "d"},
	} {
		ok, err := s.CAS(ctx, "k", c.old, c.value)
		after, _, _ := s.Get(ctx, "k")
		if ok != c.want || err != nil || string(after) != c.after {
			t.Errorf("%d: CAS(%q, %q) = %v, %v and leaves %q; want %v and %q", i, c.old, c.value, ok, err, after, c.want, c.after)
		}
	}
}

func TestRuns(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)

	start := time.Now().Truncate(time.Microsecond)
	first := engine.RunRecord{ID: "1", Pipeline: "p", Stream: "a", Status: engine.StatusRunning, Started: start}
	second := engine.RunRecord{ID: "1", Pipeline: "p", Stream: "b", Status: engine.StatusRunning, Started: start}
	third := engine.RunRecord{ID: "2", Pipeline: "q'; --", Stream: "a", Status: engine.StatusRunning, Started: start.Add(time.Second)}
	for _, r := range []engine.RunRecord{first, second, third} {
		if err := s.Start(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	first.Status, first.Finished = engine.StatusCompleted, start.Add(3*time.Second)
	first.RowsRead, first.RowsWritten, first.BytesRead, first.BytesWritten = 1<<40, 2, 3, 4
	second.Status, second.Finished, second.Error = engine.StatusFailed, start.Add(time.Second), "line\nand 'quote'"
	for _, r := range []engine.RunRecord{first, second} {
		if err := s.Finish(ctx, r); err != nil {
			t.Fatal(err)
		}
	}

	for _, c := range []struct {
		filter Filter
		want   []engine.RunRecord
	}{
		{Filter{}, []engine.RunRecord{third, first, second}},
		{Filter{Limit: 2}, []engine.RunRecord{third, first}},
		{Filter{Pipeline: "p"}, []engine.RunRecord{first, second}},
		{Filter{Pipeline: "q'; --"}, []engine.RunRecord{third}},
		{Filter{Pipeline: "none"}, nil},
	} {
		other := open(t, path) // what is read is what is in the file
		got, err := other.Runs(ctx, c.filter)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("Runs(%+v) = %+v, %v\nwant %+v", c.filter, got, err, c.want)
		}
	}
}

func TestRecordsThatCannotBe(t *testing.T) {
	ctx := t.Context()
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	r := engine.RunRecord{ID: "1", Pipeline: "p", Stream: "a", Status: engine.StatusRunning, Started: time.Now()}

	if err := s.Finish(ctx, r); !errors.Is(err, errNoRun) {
		t.Errorf("Finish without Start = %v, want %v", err, errNoRun)
	}
	if err := s.Start(ctx, r); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(ctx, r); err == nil {
		t.Error("the same stream of the same run was started twice")
	}

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Put(cancelled, "k", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Put under a cancelled context = %v", err)
	}
}

// A process that is killed cannot say that its run ended.
func TestInterrupted(t *testing.T) {
	ctx := t.Context()
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	me := s.me
	for name, p := range map[string]process{
		"mine":              me,
		"another machine's": {"elsewhere", "", "", 1 << 30, ""},
		"another space's":   {me.host, me.boot, "pid:[1]", 1 << 30, ""},
		"number is gone":    {me.host, me.boot, me.space, 1 << 30, me.born},
		"number used again": {me.host, me.boot, me.space, me.pid, "1"},
		"before a boot":     {me.host, "earlier", me.space, me.pid, me.born},
	} {
		s.me = p
		if err := s.Start(ctx, engine.RunRecord{ID: name, Status: engine.StatusRunning, Started: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	s.me = me

	runs, err := s.Runs(ctx, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		want := StatusInterrupted
		switch r.ID {
		case "mine", "another machine's", "another space's":
			want = engine.StatusRunning
		}
		if r.Status != want {
			t.Errorf("a run of which the process is %s is %q, want %q", r.ID, r.Status, want)
		}
	}
}

func TestOnlyForTheOwner(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "state.db")
	s := open(t, path)
	if err := s.Put(t.Context(), "k", nil); err != nil {
		t.Fatal(err)
	}

	for name, want := range map[string]fs.FileMode{
		dir: 0o700, filepath.Dir(dir): 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600,
	} {
		info, err := os.Stat(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has permissions %o, want %o", name, got, want)
		}
	}
}

func TestOddNames(t *testing.T) {
	for _, name := range []string{"a b.db", "100%.db", "x?mode=ro.db", "#1.db", "ü&é.db", "'.db", "state%20.db"} {
		dir := t.TempDir()
		s := open(t, filepath.Join(dir, name))
		if err := s.Put(t.Context(), "k", nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), name) {
				t.Errorf("%s: the folder holds %s", name, e.Name())
			}
		}
	}
}
