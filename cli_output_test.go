package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
