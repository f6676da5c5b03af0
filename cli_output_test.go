package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
)

// files lists the present folder without what every test has there.
func files(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("*")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return testPipelines[name] != "" || strings.HasPrefix(name, "state.db") })
}

// A trace is there whole or not at all, whatever became of the run, and shows no
// setting.
func TestTraceFile(t *testing.T) {
	workspace(t)
	if err := os.WriteFile("target.json", []byte("an older one"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target.json", "link.json"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
	}{
		{"--trace good.json good.yaml", exitDone},
		{"--trace link.json good.yaml", exitDone},
		{"--trace fail.json fail.yaml", exitFailed},
		{"--trace unknown.json unknown.yaml", exitUnknown},
		{"--trace none.json state.yaml", exitFailed},
		{"--trace none.json badkey.yaml", exitUsage},
		{"--trace none/none.json good.yaml", exitUsage},
	} {
		var stdout, stderr bytes.Buffer
		if code := testCLI(&stdout, &stderr).run(t.Context(), append([]string{"run", "--runtime=native"}, strings.Fields(c.args)...)); code != c.code {
			t.Errorf("%s: exit code %d, want %d: %s", c.args, code, c.code, &stderr)
		}
	}

	want := []string{"fail.json", "good.json", "link.json", "target.json", "unknown.json"}
	if got := files(t); !slices.Equal(got, want) {
		t.Errorf("the folder has %q, want %q", got, want)
	}
	for _, name := range want {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			TraceEvents []struct{ Ph, Name string }
		}
		if err := json.Unmarshal(text, &file); err != nil || len(file.TraceEvents) < 20 {
			t.Errorf("%s: %d events, %v", name, len(file.TraceEvents), err)
		}
		if strings.Contains(string(text), "hunter2") {
			t.Errorf("%s shows a secret", name)
		}
	}
	if info, err := os.Lstat("link.json"); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is one no more: %v, %v", info, err)
	}
}

// A file that could not be written whole does not get its name.
func TestOutputFileThatFails(t *testing.T) {
	t.Chdir(t.TempDir())
	f, err := createOutput("x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	whole := f.File
	if f.File, err = os.Open(f.Name()); err != nil { // it takes nothing more, like a full disk
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(" and half")); err == nil {
		t.Fatal("a file that is open for reading was written")
	}
	if err := f.finish(); err == nil || !strings.HasPrefix(err.Error(), "x cannot be written: ") {
		t.Errorf("finish returned %v", err)
	}
	if err := whole.Close(); err != nil {
		t.Fatal(err)
	}
	if got := files(t); len(got) > 0 {
		t.Errorf("it leaves %q", got)
	}
}

// Ctrl-C leaves the trace, which tells what was going on, and no rows that were
// not committed.
func TestOutputsOfStoppedRun(t *testing.T) {
	workspace(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	stderr := onFirstWrite{do: func() { cancel(&signalError{os.Interrupt}) }}
	args := []string{"run", "--runtime=native", "--trace", "trace.json", "--tap", "rows.arrow", "block.yaml"}
	if code := testCLI(io.Discard, &stderr).run(ctx, args); code != exitInterrupted {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
	text, err := os.ReadFile("trace.json")
	if err != nil || !json.Valid(text) {
		t.Errorf("the trace is not JSON (%v): %s", err, text)
	}
	if got := files(t); !slices.Equal(got, []string{"trace.json"}) {
		t.Errorf("the folder has %q, want the trace", got)
	}
}

// arrowIDs returns the first column of an Arrow IPC file.
func arrowIDs(t *testing.T, path string) (ids []int32) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := ipc.NewFileReader(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for i := range r.NumRecords() {
		record, err := r.Record(i)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, record.Column(0).(*array.Int32).Int32Values()...)
	}
	return ids
}

// A run never overwrites what it reads and keeps, by whatever name.
func TestOutputsKeepOwnFiles(t *testing.T) {
	workspace(t)
	if err := os.Symlink("good.yaml", "link"); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile("good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--tap", "--trace"} {
		for _, file := range []string{"good.yaml", "./good.yaml", "link", "state.db"} { // there is no state yet
			var stderr bytes.Buffer
			args := []string{"run", "--runtime=native", flag, file, "good.yaml"}
			if code := testCLI(io.Discard, &stderr).run(t.Context(), args); code != exitUsage || !strings.Contains(stderr.String(), " file: name another") {
				t.Errorf("%s %s: exit code %d: %s", flag, file, code, &stderr)
			}
			if _, err := os.Stat("state.db"); err == nil {
				t.Errorf("%s %s: the run was begun", flag, file)
			}
		}
	}
	if after, err := os.ReadFile("good.yaml"); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the pipeline file is another: %v\n%s", err, after)
	}
	if got := files(t); !slices.Equal(got, []string{"link"}) {
		t.Errorf("it leaves %q", got)
	}
}

// What stands under the name of an unfinished file is not written through.
func TestOutputFileIsNew(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Symlink("victim", fmt.Sprintf("x.%d.partial", os.Getpid())); err != nil {
		t.Fatal(err)
	}
	f, err := createOutput("x")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.finish(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("victim"); err == nil {
		t.Error("the link's target was written")
	}
}

// A tap's file holds what was committed, once, and is not there otherwise.
func TestTapFile(t *testing.T) {
	workspace(t)
	for _, c := range []struct {
		args string
		code int
		want []string // files there are, with the three rows of a stream in each
	}{
		{"--tap good.arrow good.yaml", exitDone, []string{"good.arrow"}},
		{"--tap again.arrow again.yaml", exitDone, []string{"again.arrow"}}, // the second attempt's rows only
		{"--tap . two.yaml", exitDone, []string{"a%2Fb.arrow", "events.arrow"}},
		{"--tap . fail.yaml", exitFailed, []string{"first.arrow"}}, // of two streams the first was committed
		{"--tap auth.arrow auth.yaml", exitFailed, nil},
		{"--tap unknown.arrow unknown.yaml", exitUnknown, nil},
		{"--tap two.arrow two.yaml", exitUsage, nil},
		{"--tap no/such/folder.arrow good.yaml", exitUsage, nil},
		{"--tap same --trace ./same good.yaml", exitUsage, nil},
	} {
		var stdout, stderr bytes.Buffer
		if code := testCLI(&stdout, &stderr).run(t.Context(), append([]string{"run", "--runtime=native"}, strings.Fields(c.args)...)); code != c.code {
			t.Errorf("%s: exit code %d, want %d: %s", c.args, code, c.code, &stderr)
		}
		got := files(t)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: there are %q, want %q", c.args, got, c.want)
		}
		for _, name := range got {
			if ids := arrowIDs(t, name); !slices.Equal(ids, []int32{1, 2, 3}) {
				t.Errorf("%s: %s has %v", c.args, name, ids)
			}
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A tap that cannot be written ends the run: nothing is committed that it lacks.
func TestTapThatFails(t *testing.T) {
	workspace(t)
	tap, err := newTap("x.arrow", []pipeline.Stream{{Name: "s"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := tap.message("s", []byte("not Arrow"), 0); err == nil {
		t.Error("a stream without a schema is taken")
	}
	schema := arrowipc.AppendSchema(nil, &arrowipc.Schema{})
	if err := tap.message("s", schema, 0); err != nil {
		t.Fatal(err)
	}
	if err := tap.files["s"].Close(); err != nil { // a disk that is gone
		t.Fatal(err)
	}
	if err := tap.message("s", arrowipc.EOS, 0); err == nil {
		t.Error("a message that cannot be written is taken")
	}
}
