package connectors

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rapidbyte-go/rapidbyte/engine"
)

// small builds one connector into a cache of the test's own.
func small(t *testing.T) *builder {
	t.Helper()
	needGo(t)
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return &builder{root: root, cache: filepath.Join(t.TempDir(), "cache"), names: []string{"transform-identity"}}
}

// needGo skips where there is a test binary but no toolchain.
func needGo(t *testing.T) {
	t.Helper()
	if _, err := goCommand(t.Context(), "", "version"); errors.Is(err, errNoGo) {
		t.Skip("no go command")
	}
}

func TestBuild(t *testing.T) {
	b := small(t)

	// What people set for their own builds must not reach the guests: none of
	// these could be built.
	t.Setenv("GOFLAGS", "-race -mod=vendor -cover -tags=embed_connectors")
	t.Setenv("GOOS", "plan9")
	t.Setenv("GOARCH", "386")
	t.Setenv("GOWORK", "/nowhere/go.work")

	dir, err := b.build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := checkFiles(os.DirFS(dir)); err != nil {
		t.Errorf("what was built is refused: %v", err)
	}
	module := filepath.Join(dir, "transform-identity.wasm")
	first, err := os.ReadFile(module)
	if err != nil || !bytes.HasPrefix(first, []byte("\x00asm")) {
		t.Fatalf("the module begins with %q, %v", first[:min(4, len(first))], err)
	}

	// Nothing changed, nothing is built: a build would give the file a new time.
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(module, old, old); err != nil {
		t.Fatal(err)
	}
	if again, err := b.build(t.Context()); again != dir || err != nil {
		t.Fatalf("a second build went to %s, %v; want %s", again, err, dir)
	}
	if info, err := os.Stat(module); err != nil || !info.ModTime().Equal(old) {
		t.Errorf("a second build wrote the module again: %v", err)
	}

	// A spoilt or missing file is built again, to the same bytes.
	for name, spoil := range map[string]func() error{
		"cut":        func() error { return os.Truncate(module, 1000) },
		"missing":    func() error { return os.Remove(module) },
		"no sums":    func() error { return os.Remove(filepath.Join(dir, sumsFile)) },
		"other file": func() error { return os.WriteFile(filepath.Join(dir, "x"), nil, 0o600) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if b.complete(dir) {
			t.Errorf("%s: the folder counts as complete", name)
		}
		if _, err := b.build(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again, err := os.ReadFile(module); err != nil || !bytes.Equal(again, first) {
			t.Errorf("%s: the module built again differs: %v", name, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(b.cache, buildPrefix+"*")); left != nil {
		t.Errorf("left behind: %v", left)
	}

	// A copy elsewhere.
	to := filepath.Join(t.TempDir(), "a", "b")
	if err := b.copyTo(to, dir); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(to); len(entries) != 3 {
		t.Errorf("copied %v, want the module, its manifest and their checksums", entries)
	}
	if copied, err := os.ReadFile(filepath.Join(to, "transform-identity.wasm")); err != nil || !bytes.Equal(copied, first) {
		t.Errorf("the copy differs: %v", err)
	}
}

// The engine is told the checksums of what is built, wherever it lies.
func TestSums(t *testing.T) {
	b := small(t)
	dir, err := b.build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if err := b.copyTo(to, dir); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{dir, to} {
		files, err := withSums(os.DirFS(dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range b.files() {
			content, err := fs.ReadFile(files, name)
			if err != nil {
				t.Fatal(err)
			}
			if sum, ok := files.(engine.Checksums).SHA256(name); !ok || sum != sha256.Sum256(content) {
				t.Errorf("%s: SHA-256 %x, %t, want that of its %d bytes", name, sum, ok, len(content))
			}
		}
		if _, ok := files.(engine.Checksums).SHA256("dest-postgres.wasm"); ok {
			t.Error("a file that is not there has a checksum")
		}
	}

	for _, list := range []string{"x", "0a  a.wasm\n", strings.Repeat("0", 64) + "\n", strings.Repeat("x", 64) + "  a.wasm\n"} {
		if _, err := withSums(fstest.MapFS{sumsFile: {Data: []byte(list)}}); err == nil || !strings.Contains(err.Error(), "SHA256SUMS is damaged") {
			t.Errorf("list %q: error %v, want one that says it is damaged", list, err)
		}
	}
	if _, err := withSums(fstest.MapFS{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no list: error %v, want fs.ErrNotExist", err)
	}
}

// Builders stand for processes here: the lock is one of files, so it holds
// between two of one process as well.
func TestBuildAtOnce(t *testing.T) {
	b := small(t)
	var wg sync.WaitGroup
	dirs := make([]string, 4)
	for i := range dirs {
		wg.Go(func() {
			var err error
			if dirs[i], err = b.build(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, dir := range dirs {
		if dir != dirs[0] || !b.complete(dir) {
			t.Errorf("%s is not the complete %s", dir, dirs[0])
		}
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if second, err := lock(ctx, path); err == nil {
		second()
		t.Skip("no file locks on this system")
	} else if !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for the lock: %v", err)
	}
	unlock()
	third, err := lock(t.Context(), path)
	if err != nil {
		t.Fatalf("the lock was not given back: %v", err)
	}
	third()
}

func TestKeyFollowsTheSources(t *testing.T) {
	needGo(t)
	root := t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	put("go.mod", "module "+modulePath+"\n\ngo 1.24\n")
	put("connectors/c/main.go", "package main\n\nimport _ \""+modulePath+"/dep\"\n\nfunc main() {}\n")
	put("connectors/c/manifest.json", "{}")
	put("dep/dep.go", "package dep\n")
	put("other/other.go", "package other\n")

	b := &builder{root: root, names: []string{"c"}}
	key := func() string {
		k, err := b.key(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	last := key()
	if key() != last {
		t.Error("the key of the same sources changes")
	}
	for _, tt := range []struct {
		name, text string
		changes    bool
	}{
		{"other/other.go", "package other // not linked in\n", false},
		{"dep/dep_test.go", "package dep\n", false},
		{"dep/dep_linux.go", "package dep\n", false},
		{"dep/dep_wasip1.go", "package dep\n", true},
		{"dep/dep.go", "package dep // changed\n", true},
		{"connectors/c/manifest.json", "{ }", true},
		{"go.mod", "module " + modulePath + "\n\ngo 1.25\n", true},
	} {
		put(tt.name, tt.text)
		k := key()
		if (k != last) != tt.changes {
			t.Errorf("%s: the key changes: %v, want %v", tt.name, k != last, tt.changes)
		}
		last = k
	}
}

func TestSweep(t *testing.T) {
	b := &builder{cache: t.TempDir()}
	at := func(name string, age time.Duration) {
		path := filepath.Join(b.cache, name)
		when := time.Now().Add(-age)
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chtimes(path, when, when)); err != nil {
			t.Fatal(err)
		}
	}
	at("mine", 2*keepUnused)
	at("unused", keepUnused+time.Hour)
	at("used", keepUnused-time.Hour)
	at(buildPrefix+"killed", keepBroken+time.Minute)
	at(buildPrefix+"running", keepBroken-time.Minute)
	b.sweep(filepath.Join(b.cache, "mine"))
	entries, _ := os.ReadDir(b.cache)
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got := strings.Join(left, " "); got != buildPrefix+"running mine used" {
		t.Errorf("left: %s", got)
	}
}

func TestBuildErrors(t *testing.T) {
	needGo(t)
	source, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir()
	for _, name := range Names() {
		dir := filepath.Join(broken, "connectors", name)
		text, err := os.ReadFile(filepath.Join(name, "manifest.json"))
		if err := errors.Join(err, os.MkdirAll(dir, 0o755),
			os.WriteFile(filepath.Join(dir, "manifest.json"), text, 0o644),
			os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() { undefined() }\n"), 0o644),
			os.WriteFile(filepath.Join(broken, "go.mod"), []byte("module "+modulePath+"\n\ngo 1.24\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	noManifest := t.TempDir()
	if err := os.MkdirAll(filepath.Join(noManifest, "connectors", Names()[0]), 0o755); err != nil {
		t.Fatal(err)
	}

	for _, tt := range []struct {
		name string
		opt  BuildOptions
		want []string
	}{
		{"no source", BuildOptions{Source: t.TempDir(), CacheDir: t.TempDir()}, []string{"connectors: ", "is not the source of this module"}},
		{"no manifest", BuildOptions{Source: noManifest, CacheDir: t.TempDir()}, []string{"connectors: manifest of dest-postgres: ", "no such file"}},
		{"does not compile", BuildOptions{Source: broken, CacheDir: t.TempDir()}, []string{"connectors: build ", "go build: exit status 1", "main.go:3:15: undefined: undefined"}},
		{"cache is a file", BuildOptions{Source: broken, CacheDir: file}, []string{"connectors: no place to keep built connectors: ", "not a directory", "XDG_CACHE_HOME", DirVariable}},
	} {
		_, err := Build(t.Context(), tt.opt)
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want it to contain %q", tt.name, err, want)
			}
		}
		if left, _ := filepath.Glob(filepath.Join(tt.opt.CacheDir, buildPrefix+"*")); left != nil {
			t.Errorf("%s: left behind: %v", tt.name, left)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Build(ctx, BuildOptions{Source: source, CacheDir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}

	t.Setenv("PATH", t.TempDir())
	t.Setenv("GOROOT", "")
	_, err = Build(t.Context(), BuildOptions{})
	if !errors.Is(err, errNoGo) || !strings.Contains(err.Error(), "install Go from https://go.dev/dl") || !strings.Contains(err.Error(), DirVariable) {
		t.Errorf("no go command: %v", err)
	}
}

func TestFindSource(t *testing.T) {
	needGo(t)
	here, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := findSource(t.Context()); got != here || err != nil {
		t.Errorf("inside the repository: %s, %v; want %s", got, err, here)
	}

	// In a module that depends on this one, here through a replacement by another
	// copy.
	user, other := t.TempDir(), t.TempDir()
	mod := "module example.com/user\n\ngo 1.24\n\nrequire " + modulePath + " v0.0.0\n\nreplace " + modulePath + " => " + other + "\n"
	if err := errors.Join(os.WriteFile(filepath.Join(user, "go.mod"), []byte(mod), 0o644),
		os.WriteFile(filepath.Join(other, "go.mod"), []byte("module "+modulePath+"\n\ngo 1.24\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(user)
	if got, err := findSource(t.Context()); got != other || err != nil {
		t.Errorf("in a module that depends on this one: %s, %v; want %s", got, err, other)
	}

	// Outside any module the place this test was compiled in is left.
	t.Chdir(t.TempDir())
	if got, err := findSource(t.Context()); got != here || err != nil {
		t.Errorf("outside: %s, %v; want %s", got, err, here)
	}
}

func TestIsSource(t *testing.T) {
	for text, want := range map[string]bool{
		"module " + modulePath + "\n":                 true,
		"// c\n\nmodule " + modulePath + "\r\n\ngo 1": true,
		"module " + modulePath + "/sub\n":             false,
		"module example.com\n":                        false,
		"":                                            false,
	} {
		root := t.TempDir()
		if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := isSource(root); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if isSource(t.TempDir()) {
		t.Error("an empty folder is the source")
	}
}

func TestOpenFolder(t *testing.T) {
	manifest, err := os.ReadFile("transform-identity/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  []string // nothing: opened
	}{
		{"good", map[string]string{"transform-identity.wasm": "", "transform-identity.json": string(manifest), "README": "", "SHA256SUMS": ""}, nil},
		{"empty", nil, []string{"it holds no connectors: expected NAME.wasm and NAME.json for each"}},
		{"halves", map[string]string{"a.wasm": "", "b.json": "{}"}, []string{"a.json, the manifest, is missing beside a.wasm", "b.wasm is missing beside b.json"}},
		{"bad manifest", map[string]string{"a.wasm": "", "a.json": "{"}, []string{"manifest of a is not valid: unexpected EOF"}},
		{"wrong name", map[string]string{"a.wasm": "", "a.json": string(manifest)}, []string{`manifest of a: name is "transform-identity", which must be the connector's own`}},
	} {
		dir := t.TempDir()
		for name, text := range tt.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv(DirVariable, dir)
		files, err := Open(t.Context())
		if tt.want == nil {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			} else if _, err := fs.Stat(files, "transform-identity.wasm"); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		for _, want := range append(tt.want, dir, DirVariable) {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want it to contain %q", tt.name, err, want)
			}
		}
	}

	t.Setenv(DirVariable, filepath.Join(t.TempDir(), "absent"))
	if _, err := Open(t.Context()); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), DirVariable) {
		t.Errorf("absent folder: %v", err)
	}
}
