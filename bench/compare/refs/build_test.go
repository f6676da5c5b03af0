package refs

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestBuildRunsAndIsCached(t *testing.T) {
	f := newFixture(t)
	r := f.open()
	b := f.build(r, "main")
	if b.Cached || len(b.Files) != 1 || b.Files[0].Name != "bench.test" || b.Files[0].Size == 0 {
		t.Errorf("first build: %+v", b)
	}
	out, err := exec.Command(b.Binary, "-test.run=^$", "-test.bench=.", "-test.benchtime=2x").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "BenchmarkWork") {
		t.Errorf("the binary does not run: %v\n%s", err, out)
	}

	again := f.build(r, "HEAD")
	if !again.Cached || again.Binary != b.Binary || again.Code != b.Code || again.Ref.Name != "HEAD" {
		t.Errorf("second build: %+v, want the first from the cache", again)
	}

	// A damaged build is noticed and made anew.
	if err := os.Chmod(b.Binary, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(b.Binary, 100); err != nil {
		t.Fatal(err)
	}
	if repaired := f.build(r, "main"); repaired.Cached || repaired.Files[0] != b.Files[0] {
		t.Errorf("after damage: %+v, want a new build equal to %+v", repaired, b)
	}
}

// Which changes of a commit make its code differ, and which do not.
func TestIdentical(t *testing.T) {
	f := newFixture(t)
	f.Write("lib/table.txt", "1 2 3\n")
	f.Write("lib/table.go", "package lib\n\nimport _ \"embed\"\n\n//go:embed table.txt\nvar Table string\n")
	f.Write("testdata/pipeline.yaml", "rows: 10\n")
	f.Write("bench/testdata/golden.txt", "1\n")
	f.Commit("more inputs")
	r := f.open()
	base := f.build(r, "main")

	for _, c := range []struct {
		name   string
		change func()
		want   string
	}{
		{"nothing", func() {}, "equal byte for byte"},
		{"another package and prose", func() {
			f.Write("cmd/main.go", "package main\n\nfunc main() {}\n")
			f.Write("lib/lib_test.go", "package lib\n")
			f.Write("README.md", "# read\n")
		}, "equal byte for byte"},
		{"a comment that moves lines", func() { f.Edit("lib/lib.go", "\nfunc Work", "\n// Work adds one.\n//\n// It does.\nfunc Work") },
			"only comments and line numbers"},
		{"a comment within a function and another package", func() {
			f.Edit("lib/lib.go", "\treturn", "\t// Here it comes:\n\treturn")
			f.Write("cmd/main.go", "package main\n\nfunc main() {}\n")
		}, "only comments and line numbers"},
		{"a comment in the suite", func() { f.Edit("bench/bench_test.go", "func Bench", "// BenchmarkWork works.\nfunc Bench") },
			"only comments and line numbers"},
		{"code", func() { f.Edit("lib/lib.go", "n + 1", "n + 2") }, ""},
		{"the suite", func() { f.Edit("bench/bench_test.go", "Work(1)", "Work(2)") }, ""},
		{"a directive", func() { f.Edit("lib/lib.go", "\nfunc Work", "\n//go:noinline\nfunc Work") }, ""},
		{"an embedded file", func() { f.Write("lib/table.txt", "1 2 4\n") }, ""},
		{"data of the suite", func() {
			f.Write("bench/testdata/golden.txt", "2\n")
			f.Edit("lib/lib.go", "\nfunc Work", "\n// Work adds one.\nfunc Work")
		}, ""},
		{"a pipeline", func() {
			f.Write("testdata/pipeline.yaml", "rows: 11\n")
			f.Edit("lib/lib.go", "\nfunc Work", "\n// Work adds one.\nfunc Work")
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.Git("checkout", "--quiet", "-B", "change", "main")
			c.change()
			f.Commit(c.name)
			how, ok := Identical(base, f.build(r, "change"))
			if ok != (c.want != "") || !strings.Contains(how, c.want) {
				t.Errorf("identical=%v %q, want %q", ok, how, c.want)
			}
		})
	}
	if how, ok := Identical(base, f.build(r, "main")); !ok || how != "the same commit" {
		t.Errorf("a commit and itself: %v %q", ok, how)
	}
}

func TestBuildErrors(t *testing.T) {
	f := newFixture(t)
	f.Git("checkout", "--quiet", "-b", "broken")
	f.Edit("lib/lib.go", "n + 1", "n + undefinedName")
	f.Commit("broken")
	f.Git("checkout", "--quiet", "-b", "nomodule")
	f.Git("rm", "--quiet", "--cached", "go.mod")
	f.Git("commit", "--quiet", "-m", "no module")
	f.Git("checkout", "--quiet", "-b", "badmodule", "main", "--force")
	f.Write("go.mod", "module example.com/fake\n\nnonsense\n")
	f.Commit("bad go.mod")

	r := f.open()
	for _, c := range []struct{ name, says string }{
		{"broken", "undefined: undefinedName"},
		{"nomodule", "go.mod"},
		{"badmodule", "nonsense"},
	} {
		_, err := f.checkout(r, c.name).Build(t.Context())
		var build *BuildError
		if !errors.As(err, &build) {
			t.Errorf("%s: %v, want a BuildError", c.name, err)
			continue
		}
		if build.Ref.Name != c.name || !strings.Contains(build.Output, c.says) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want the compiler's words with %q", c.name, err, c.says)
		}
		if errors.Is(err, ErrDiskFull) {
			t.Errorf("%s: blamed on a full disk", c.name)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(f.Cache, "*")); len(left) != 0 {
		t.Errorf("failed builds left %v", left)
	}
}

func TestBuildCancelled(t *testing.T) {
	f := newFixture(t)
	w := f.checkout(f.open(), "main")
	if _, err := w.Build(canceled()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled build: %v", err)
	}
}

// A workspace file of the user's shell would put the user's checkout into every build.
func TestBuildIgnoresTheUsersWorkspace(t *testing.T) {
	f := newFixture(t)
	f.Write("go.work", "go 1.26\n\nuse .\n")
	f.Write("lib/lib.go", "package lib // broken")
	t.Setenv("GOWORK", filepath.Join(f.Dir, "go.work"))
	f.build(f.open(), "main")
}

// Guests are compiled for wasip1 and belong to the code; so does the manifest beside them.
func TestBuildGuests(t *testing.T) {
	f := newFixture(t)
	f.Write("connectors/registry.go", "package connectors\n")
	f.Write("connectors/echo/main.go", "package main\n\nfunc main() {}\n\n//go:wasmexport answer\nfunc answer() int32 { return 42 }\n")
	f.Write("connectors/echo/manifest.json", "{}\n")
	f.Commit("a guest")
	f.Git("checkout", "--quiet", "-b", "comment")
	f.Edit("connectors/echo/main.go", "func main", "// main does nothing.\nfunc main")
	f.Commit("comment")
	f.Git("checkout", "--quiet", "-b", "changed")
	f.Edit("connectors/echo/main.go", "42", "43")
	f.Commit("changed")

	r := f.open()
	main := f.build(r, "main")
	var names []string
	for _, file := range main.Files {
		names = append(names, file.Name)
	}
	if got := strings.Join(names, " "); got != "bench.test guests/echo.json guests/echo.wasm" {
		t.Errorf("built %s", got)
	}
	if wasm := read(t, filepath.Join(main.Guests, "echo.wasm")); !strings.HasPrefix(wasm, "\x00asm") {
		t.Error("the guest is not a WASM module")
	}
	if _, ok := Identical(main, f.build(r, "comment")); !ok {
		t.Error("a comment in a guest counts as a difference")
	}
	if _, ok := Identical(main, f.build(r, "changed")); ok {
		t.Error("a changed guest does not count as a difference")
	}
}

func TestTrim(t *testing.T) {
	cache := t.TempDir()
	old := time.Now().Add(-(keepDays + 1) * 24 * time.Hour)
	for i := range keepBuilds + 3 {
		dir := filepath.Join(cache, string(rune('a'+i)))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		used := old.Add(time.Duration(i) * time.Minute)
		if i == 0 {
			used = time.Now()
		}
		if err := os.Chtimes(dir, used, used); err != nil {
			t.Fatal(err)
		}
	}
	trim(cache)
	var left string
	entries, _ := os.ReadDir(cache)
	for _, e := range entries {
		left += e.Name()
	}
	if left != "aefghi" {
		t.Errorf("builds left: %q, want the one used today and the %d used last before", left, keepBuilds-1)
	}
}
