package refs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The finishers of made-up commits. Each is a Go file of its package, in which %s is what the guests end in.
const (
	finishNow = `package finish

// Guest finishes a guest.
func Guest(wasm []byte) ([]byte, error) { return append(wasm, %q...), nil }
`
	finishBefore = `package connectors

// FinishGuest finishes a guest.
func FinishGuest(wasm []byte) ([]byte, error) { return append(wasm, %q...), nil }
`
	finishFails = `package finish

import "syscall"

// Guest fails.
func Guest(wasm []byte) ([]byte, error) { return nil, syscall.%s }
`
)

// newGuests returns a repository whose first commit has two guests that nothing finishes.
func newGuests(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	for _, name := range []string{"echo", "say"} {
		f.Write("connectors/"+name+"/main.go", "package main\n\nfunc main() {}\n")
		f.Write("connectors/"+name+"/manifest.json", "{}\n")
	}
	f.Write("connectors/names.go", "package connectors\n\n// Names is what else is in the package.\nvar Names []string\n")
	f.Commit("guests")
	return f
}

// branch commits the files on top of the first commit with guests.
func (f *fixture) branch(name string, files map[string]string) {
	f.t.Helper()
	f.Git("checkout", "--quiet", "-B", name, "main")
	for file, text := range files {
		f.Write(file, text)
	}
	f.Commit(name)
}

// Every module is finished by the code of its own commit, and nothing else is.
func TestBuildFinishesGuests(t *testing.T) {
	f := newGuests(t)
	r := f.open()
	plain := f.build(r, "main")
	for _, c := range []struct {
		name, want string
		files      map[string]string
	}{
		{"now", "one", map[string]string{"connectors/finish/finish.go": fmt.Sprintf(finishNow, "one")}},
		{"another", "two", map[string]string{"connectors/finish/finish.go": fmt.Sprintf(finishNow, "two")}},
		{"before", "three", map[string]string{"connectors/finish.go": fmt.Sprintf(finishBefore, "three")}},
		{"both", "four", map[string]string{
			"connectors/finish/finish.go": fmt.Sprintf(finishNow, "four"),
			"connectors/finish.go":        fmt.Sprintf(finishBefore, "five"),
		}},
		{"with other packages of the module", "six", map[string]string{
			"connectors/finish/finish.go": "package finish\n\nimport \"example.com/fake/connectors/internal/tail\"\n\n" +
				"func Guest(wasm []byte) ([]byte, error) { return append(wasm, tail.Tail...), nil }\n",
			"connectors/internal/tail/tail.go": "package tail\n\nconst Tail = \"six\"\n",
		}},
		{"neither", "", map[string]string{
			"connectors/finish.go":      "package connectors\n\n// func FinishGuest( will be here.\n",
			"connectors/finish_test.go": "package connectors\n\nfunc FinishGuest(wasm []byte) ([]byte, error) { return nil, nil }\n",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			branch := strings.ReplaceAll(c.name, " ", "-")
			f.branch(branch, c.files)
			w := f.checkout(r, branch)
			b, err := w.Build(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"echo.wasm", "say.wasm", "echo.json", "say.json"} {
				want := read(t, filepath.Join(plain.Guests, name))
				if strings.HasSuffix(name, ".wasm") {
					want += c.want
				}
				if got := read(t, filepath.Join(b.Guests, name)); got != want {
					t.Errorf("%s has %d bytes and ends in %q, want %d that end in %q", name, len(got), got[max(0, len(got)-5):], len(want), c.want)
				}
			}
			if again := f.build(r, branch); !again.Cached {
				t.Error("finished guests are not taken from the cache")
			}

			// A build leaves a worktree as it is.
			if status, err := git(t.Context(), w.Dir, nil, "status", "--porcelain", "--ignored"); err != nil || status != "" {
				t.Errorf("the build left in the worktree: %s %v", status, err)
			}
			if left, _ := filepath.Glob(filepath.Join(r.Dir(), "finish-*")); len(left) != 0 {
				t.Errorf("the build left %v", left)
			}
		})
	}
}

// The module of the guests need not be at the root of the repository.
func TestBuildFinishesGuestsBelowTheRoot(t *testing.T) {
	f := newGuests(t)
	f.Write("connectors/finish/finish.go", fmt.Sprintf(finishNow, "one"))
	f.Git("add", "--all")
	for _, name := range []string{"go.mod", "lib", "bench", "connectors"} {
		if err := os.MkdirAll(filepath.Join(f.Dir, "go"), 0o755); err != nil {
			t.Fatal(err)
		}
		f.Git("mv", name, "go/"+name)
	}
	f.Commit("below")
	options := f.options()
	options.Repo = filepath.Join(f.Dir, "go")
	r, err := Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if wasm := read(t, filepath.Join(f.build(r, "main").Guests, "echo.wasm")); !strings.HasSuffix(wasm, "one") {
		t.Error("the guest is not finished")
	}
}

// What finishes the guests is part of what is compared, though here nothing else is made of it.
func TestIdenticalFinishing(t *testing.T) {
	f := newGuests(t)
	r := f.open()
	one, before := fmt.Sprintf(finishNow, "one"), fmt.Sprintf(finishBefore, "one")
	f.branch("now", map[string]string{"connectors/finish/finish.go": one})
	f.branch("before", map[string]string{"connectors/finish.go": before})
	for _, c := range []struct {
		name, base, want string
		files            map[string]string
	}{
		{"another result", "now", "", map[string]string{"connectors/finish/finish.go": fmt.Sprintf(finishNow, "two")}},
		{"another result before", "before", "", map[string]string{"connectors/finish.go": fmt.Sprintf(finishBefore, "two")}},
		{"none", "now", "", nil},
		{"none before", "before", "", nil},
		{"the same result", "now", "equal byte for byte", map[string]string{
			"connectors/finish/finish.go": strings.Replace(one, "wasm, ", "wasm[:len(wasm):len(wasm)], ", 1),
		}},
		{"moved", "before", "equal byte for byte", map[string]string{"connectors/finish/finish.go": one}},
		{"comments", "now", "only comments", map[string]string{
			"connectors/finish/finish.go": strings.Replace(one, "// Guest", "// Guest really", 1),
			"connectors/echo/main.go":     "package main\n\n// main does nothing.\nfunc main() {}\n",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.branch("change", c.files)
			how, ok := Identical(f.build(r, c.base), f.build(r, "change"))
			if ok != (c.want != "") || !strings.Contains(how, c.want) {
				t.Errorf("identical=%v %q, want %q", ok, how, c.want)
			}
		})
	}
}

func TestFinishErrors(t *testing.T) {
	f := newGuests(t)
	r := f.open()
	for _, c := range []struct {
		name, file, text string
		says             string
		full             bool
	}{
		{name: "an error", file: "finish/finish.go", text: fmt.Sprintf(finishFails, "EBADMSG"), says: "finish echo.wasm: bad message"},
		{name: "a full disk", file: "finish/finish.go", text: fmt.Sprintf(finishFails, "ENOSPC"), says: "finish echo.wasm: no space left", full: true},
		{name: "a panic", file: "finish/finish.go", says: "panic: odd section",
			text: "package finish\n\nfunc Guest(wasm []byte) ([]byte, error) { panic(\"odd section\") }\n"},
		{name: "no types", file: "finish/finish.go", says: "undefined: undefinedName",
			text: "package finish\n\nfunc Guest(wasm []byte) ([]byte, error) { return undefinedName, nil }\n"},
		{name: "no function", file: "finish/finish.go", text: "package finish\n\nfunc Other() {}\n", says: "undefined: own.Guest"},
		{name: "no types before", file: "finish.go", says: "undefined: undefinedName",
			text: "package connectors\n\nfunc FinishGuest(wasm []byte) ([]byte, error) { return undefinedName, nil }\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.branch("broken", map[string]string{"connectors/" + c.file: c.text})
			_, err := f.checkout(r, "broken").Build(t.Context())
			var build *BuildError
			if !errors.As(err, &build) {
				t.Fatalf("%v, want a BuildError", err)
			}
			if build.Ref.Name != "broken" || build.What != "guests" || !strings.Contains(build.Output, c.says) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want one of the guests that says %q", err, c.says)
			}
			if errors.Is(err, ErrDiskFull) != c.full {
				t.Errorf("blamed on a full disk: %v, want %v", !c.full, c.full)
			}
		})
	}
	for _, pattern := range []string{filepath.Join(f.Cache, "*"), filepath.Join(r.Dir(), "finish-*")} {
		if left, _ := filepath.Glob(pattern); len(left) != 0 {
			t.Errorf("failed builds left %v", left)
		}
	}
}

// If the finishing of this repository moved and nobody changed this package, comparisons would silently measure guests as
// they were linked.
func TestFindsTheFinisherOfThisRepository(t *testing.T) {
	f, err := findFinisher(filepath.Join("..", "..", ".."))
	if want := (finisher{"./connectors/finish", "Guest"}); err != nil || f != want {
		t.Errorf("found %v, %v, want %v", f, err, want)
	}
}
