package targets

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/magefile/mage/mg"

	"github.com/rapidbyte-go/rapidbyte/bench/profile"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// newFiles removes what is new in a folder of target when the test ends.
func newFiles(t *testing.T, r *Repo, folder string) {
	t.Helper()
	pattern := filepath.Join(r.Dir, "target", folder, "*")
	before, _ := filepath.Glob(pattern)
	t.Cleanup(func() {
		after, _ := filepath.Glob(pattern)
		for _, file := range after {
			if !strings.Contains("\n"+strings.Join(before, "\n")+"\n", "\n"+file+"\n") {
				os.RemoveAll(file)
			}
		}
	})
}

// named returns the file that an output names on a line of its own.
func named(t *testing.T, r *Repo, output, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^  (target/profiles/` + pattern + `)$`).FindStringSubmatch(output)
	if found == nil {
		t.Fatalf("no file %s is named in\n%s", pattern, output)
	}
	return filepath.Join(r.Dir, found[1])
}

// wellFormed fails unless the file is XML to its end.
func wellFormed(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(string(text)))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return string(text)
		} else if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
}

// From the flags to the files, on a real server: every kind of profile, and guests by name.
func TestProfile(t *testing.T) {
	pgtest.Shared(t)
	r, stdout, stderr := here(t)
	newFiles(t, r, "profiles")
	err := r.Profile(t.Context(), ProfileOptions{Rows: ptr(2000), Load: ptr("copy"), Compression: ptr("lz4"), Guest: ptr(true), Iters: ptr(30)})
	if err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	const name = `flamegraph_2000rows_copy_\d{8}T\d{6}`
	out := stdout.String()
	for _, want := range []string{
		// Of so few looks one stage may have none.
		`(?m)^  (source|destination) +guest +\d+ +[\d.]+ %$`, `(?m)^  (source|destination) +host +\d+ +[\d.]+ %$`,
		`(?m)^heap +[1-9][\d.]* B/row$`, `(?m)^block +[1-9][\d.]* ns/row$`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("nothing matches %s in\n%s", want, out)
		}
	}
	for file, want := range map[string]string{
		name + `\.svg`: "stage source", name + `_heap\.svg`: "B/row", name + `_block\.svg`: "ns/row",
		// The connectors' functions, as Go has them.
		name + `_native\.svg`: "connectors/postgres.",
	} {
		if text := wellFormed(t, named(t, r, out, file)); !strings.Contains(text, want) {
			t.Errorf("%s has no %q", file, want)
		}
	}
	if _, err := profile.FindPerf(t.Context()); err != nil {
		if !strings.Contains(out, "have no names: no perf") || !strings.Contains(out, "backends are not in it: no perf") {
			t.Errorf("perf does not work (%v), and nobody says so:\n%s", err, out)
		}
	} else if text := wellFormed(t, named(t, r, out, name+`\.svg`)); !strings.Contains(text, ", by perf") || !strings.Contains(text, ">Postgres<") {
		t.Errorf("perf works, but neither guests nor backends are shown:\n%s", out)
	}

	// The raw file is one that Go's own tool reads, with the labels in it.
	top := exec.Command("go", "tool", "pprof", "-top", "-tagfocus=timed=yes", "-tagroot=stage", named(t, r, out, name+`\.pprof`))
	top.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir())
	text, err := top.CombinedOutput()
	if err != nil || !regexp.MustCompile(`100% +source|% +source\n`).Match(text) {
		t.Errorf("pprof: %v\n%s", err, text)
	}
}

func TestBenchEndsWithAFlameGraph(t *testing.T) {
	pgtest.Shared(t)
	t.Setenv("BENCH_RESULTS", "off")
	r, stdout, stderr := here(t)
	newFiles(t, r, "profiles")
	if err := r.Bench(t.Context(), BenchOptions{Rows: ptr(300), Iters: ptr(1), Profile: ptr(true)}); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	wellFormed(t, named(t, r, stdout.String(), `flamegraph_300rows_insert_\d{8}T\d{6}\.svg`))
}

// What cannot work is said before anything is built or started.
func TestProfileRefuses(t *testing.T) {
	r, stdout, stderr := here(t)
	for want, o := range map[string]ProfileOptions{
		"-iters=0: want":             {Iters: ptr(0)},
		"-rows=0: want 1 to":         {Rows: ptr(0)},
		"-load=upsert: want":         {Load: ptr("upsert")},
		"-load=insert,copy: want":    {Load: ptr("insert,copy")},
		"-compression=gzip: want":    {Compression: ptr("gzip")},
		"-compression=: want":        {Compression: ptr("")},
		"-rows=100000001: want 1 to": {Rows: ptr(100_000_001)},
	} {
		if err := r.Profile(t.Context(), o); err == nil || mg.ExitStatus(err) != 2 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v with exit code %d, want 2", want, err, mg.ExitStatus(err))
		}
	}

	err := r.Profile(t.Context(), ProfileOptions{Diff: ptr("no-such-ref")})
	if err == nil || mg.ExitStatus(err) != 1 || !strings.Contains(err.Error(), "no-such-ref") {
		t.Errorf("an unknown ref: %v with exit code %d, want 1", err, mg.ExitStatus(err))
	}

	// Not even the superuser writes below a file.
	r.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(r.Dir, "target"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, o := range []ProfileOptions{{}, {Diff: ptr("HEAD")}} {
		err := r.Profile(t.Context(), o)
		if err == nil || mg.ExitStatus(err) != 1 || !strings.Contains(err.Error(), "target/profiles") {
			t.Errorf("a folder that cannot be written: %v with exit code %d, want its name and 1", err, mg.ExitStatus(err))
		}
	}
	if entries, _ := os.ReadDir(r.Dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	if stdout.Len()+stderr.Len() > 0 {
		t.Errorf("something was started: %s%s", stdout, stderr)
	}
}
