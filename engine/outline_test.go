package engine_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/rapidbyte-go/rapidbyte/engine"
)

// dividing is a connector by hand in which everything divides by zero, in a
// function that has a name.
func dividing() []byte {
	wasm := handMade("rapidbyte", "yield")
	wasm = wasm[:len(wasm)-len("\x0a\x06\x01\x04\x00\x41\x00\x0b")]
	wasm = append(wasm, "\x0a\x09\x01\x07\x00\x41\x01\x41\x00\x6d\x0b"...)
	return append(wasm, "\x00\x0f\x04name\x01\x08\x01\x01\x05apart"...)
}

func TestOutline(t *testing.T) {
	const (
		head  = "\x00asm\x01\x00\x00\x00"
		other = "\x00\x03\x01xy" // a custom section
	)
	for _, tt := range []struct{ name, wasm, want string }{ // no want: an error
		{"two functions", head + other + "\x0a\x0a\x02\x03\x00\x01\x0b\x04\x00\x41\x00\x0b" + other,
			head + other + "\x0a\x09\x02\x03\x00\x00\x0b\x03\x00\x00\x0b" + other},
		{"numbers longer than they need be", head + "\x0a\x88\x80\x00\x81\x00\x84\x00\x00\x41\x00\x0b",
			head + "\x0a\x05\x01\x03\x00\x00\x0b"},
		{"empty", "", ""},
		{"no header", "\x00asm\x01\x00\x00", ""},
		{"another version", "\x00asm\x02\x00\x00\x00\x0a\x05\x01\x03\x00\x01\x0b", ""},
		{"no code", head + other, ""},
		{"no functions", head + "\x0a\x01\x00", ""},
		{"no count", head + "\x0a\x00", ""},
		{"no size", head + "\x0a", ""},
		{"size without end", head + "\x0a\x80\x80", ""},
		{"size over 32 bits", head + "\x0a\x85\x80\x80\x80\x80\x01\x01\x03\x00\x01\x0b", ""},
		{"size over 63 bits", head + "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x03\x00\x01\x0b", ""},
		{"section over the end", head + "\x0a\x06\x01\x03\x00\x01\x0b", ""},
		{"another section over the end", head + "\x00\x06\x01\x03\x00\x01\x0b", ""},
		{"body over the section's end", head + "\x0a\x05\x01\x04\x00\x01\x0b\x0b" + other, ""},
		{"a damaged section behind them", head + "\x0a\x05\x01\x03\x00\x01\x0b\x0b\xff", ""},
		{"bytes behind the bodies", head + "\x0a\x06\x01\x03\x00\x01\x0b\x0b", ""},
		{"more functions than bodies", head + "\x0a\x05\x02\x03\x00\x01\x0b", ""},
		{"far more functions than bytes", head + "\x0a\x09\xff\xff\xff\xff\x07\x03\x00\x01\x0b", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := engine.Outline([]byte(tt.wasm))
			if string(got) != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("outline = %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// Nothing makes an outline panic, and that of a valid module is valid.
func FuzzOutline(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x0a\x09\xff\xff\xff\xff\x07\x03\x00\x01\x0b"))
	f.Add(handMade("rapidbyte", "yield"))
	f.Add(dividing())
	f.Add(append(handMade("rapidbyte", "yield"), "\x0b\x07\x01\x00\x41\x00\x0b\x01x"...)) // with data
	f.Fuzz(func(t *testing.T, wasm []byte) {
		short, err := engine.Outline(wasm)
		if err != nil {
			return
		}
		// Validation is the same before either runtime; this one compiles nothing.
		r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter().WithDebugInfoEnabled(false))
		defer r.Close(t.Context())
		whole, err := r.CompileModule(t.Context(), wasm)
		if err != nil {
			return
		}
		m, err := r.CompileModule(t.Context(), short)
		if err != nil {
			t.Fatalf("outline %q of %q: %v", short, wasm, err)
		}
		if a, b := names(whole), names(m); !slices.Equal(a, b) {
			t.Errorf("exports are %q, of the outline %q", a, b)
		}
	})
}

// names returns a module's exported functions with their types.
func names(m wazero.CompiledModule) (list []string) {
	for export, f := range m.ExportedFunctions() {
		list = append(list, fmt.Sprint(export, f.DebugName(), f.ParamTypes(), f.ResultTypes()))
	}
	slices.Sort(list)
	return list
}

// cached is a folder of modules and an engine option that has it used.
type cached struct {
	t      *testing.T
	dir    string
	files  fs.FS
	strict bool
	said   bytes.Buffer
}

// newCached has the source made of wasm, or leaves it as it is.
func newCached(t *testing.T, wasm []byte) *cached {
	files := change(t, func(f fstest.MapFS) {
		if wasm != nil {
			f["chaos-source.wasm"].Data = wasm
		}
	})
	return &cached{t: t, dir: filepath.Join(t.TempDir(), "cache"), files: files}
}

// engine returns a new engine, as a new process has.
func (c *cached) engine() *engine.Engine {
	return newEngine(c.t, engine.Compiled, func(o *engine.Options) {
		o.CacheDir, o.Connectors = c.dir, c.files
		o.Log = slog.New(slog.NewTextHandler(&c.said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
}

// load loads the source in a new engine.
func (c *cached) load(want engine.LoadSource) *engine.Engine {
	c.t.Helper()
	e := c.engine()
	if load, err := e.Load(c.t.Context(), "chaos-source", c.strict); err != nil || load.Source != want {
		c.t.Errorf("load = %+v, %v, want source %s", load, err, want)
	}
	return e
}

// names returns wazero's files of machine code.
func (c *cached) names() []string {
	c.t.Helper()
	names, err := filepath.Glob(filepath.Join(c.dir, "*", "wazero-*", "*"))
	names = slices.DeleteFunc(names, func(name string) bool { return len(filepath.Base(name)) != 64 })
	if err != nil || len(names) == 0 {
		c.t.Fatalf("no cache files: %v", err)
	}
	return names
}

// linked tells whether the files of machine code are one with two names.
func (c *cached) linked() bool {
	c.t.Helper()
	names := c.names()
	if len(names) != 2 {
		return false
	}
	return sameFile(c.t, names[0], names[1])
}

// other returns another name in the folder that wazero might have given a file.
func other(name string) string {
	base := []byte(filepath.Base(name))
	base[0] = "123456789abcdef0"[strings.IndexByte("0123456789abcdef", base[0])]
	return filepath.Join(filepath.Dir(name), string(base))
}

// split returns the module's own file and the outline's, which only wazero
// can tell apart.
func (c *cached) split() (own, outline string) {
	c.t.Helper()
	wasm, err := fs.ReadFile(c.files, "chaos-source.wasm")
	if err != nil {
		c.t.Fatal(err)
	}
	dir := c.t.TempDir()
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		c.t.Fatal(err)
	}
	defer cache.Close(c.t.Context())
	config := wazero.NewRuntimeConfigCompiler().WithDebugInfoEnabled(false).WithCloseOnContextDone(c.strict).WithCompilationCache(cache)
	r := wazero.NewRuntimeWithConfig(c.t.Context(), config)
	defer r.Close(c.t.Context())
	if _, err := r.CompileModule(c.t.Context(), wasm); err != nil {
		c.t.Fatal(err)
	}
	made, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	for _, name := range c.names() {
		if filepath.Base(name) == filepath.Base(made[0]) {
			own = name
		} else {
			outline = name
		}
	}
	return own, outline
}

func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	ia, errA := os.Stat(a)
	ib, errB := os.Stat(b)
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	return os.SameFile(ia, ib)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// works calls a module that answers 0 to everything: an outline's own code
// would have trapped.
func (c *cached) works(e *engine.Engine) {
	c.t.Helper()
	if result, err := c.call(e, "rb_abi_version"); err != nil || !slices.Equal(result, []uint64{0}) {
		c.t.Errorf("call returned %v, %v, want 0", result, err)
	}
}

// call calls a function of the source, which e has loaded.
func (c *cached) call(e *engine.Engine, export string) ([]uint64, error) {
	r, compiled := e.Compiled("chaos-source", c.strict)
	guest, err := r.InstantiateModule(c.t.Context(), compiled, wazero.NewModuleConfig())
	if err != nil {
		return nil, err
	}
	return guest.ExportedFunction(export).Call(c.t.Context())
}

// The second load is by the outline: it needs no file of the module's own name,
// and does not write one.
func TestLoadByOutline(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprintf("strict=%t", strict), func(t *testing.T) {
			c := newCached(t, handMade("rapidbyte", "yield"))
			c.strict = strict
			c.load(engine.LoadCompiled)
			if !c.linked() {
				t.Fatalf("files are %q, want two that are one", c.names())
			}
			own, _ := c.split()
			must(t, os.Rename(own, other(own)))
			c.works(c.load(engine.LoadDisk))
			if _, err := os.Stat(own); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the module's own file: %v, want none", err)
			}
			if left, _ := filepath.Glob(filepath.Join(c.dir, "*", ".*")); len(left) > 0 {
				t.Errorf("%q is left behind", left)
			}
			if c.said.Len() > 0 {
				t.Errorf("log = %q, want nothing", &c.said)
			}
		})
	}
}

// Whatever state a folder is in, the module is the right one, and the next load
// is by the outline where that can be.
func TestOutlineInOddFolders(t *testing.T) {
	for _, tt := range []struct {
		name   string
		spoil  func(own, outline string) error
		linked bool
		said   string
	}{
		{"no outline", func(_, outline string) error { return os.Remove(outline) }, true, ""},
		{"a leftover of wazero", func(own, outline string) error {
			return errors.Join(os.Remove(outline), os.WriteFile(own+".1.tmp", nil, 0o600))
		}, true, ""},
		{"a leftover beside an outline", func(own, outline string) error { return os.WriteFile(own+".1.tmp", nil, 0o600) }, true, ""},
		{"a file of the desktop", func(own, outline string) error {
			return os.WriteFile(filepath.Join(filepath.Dir(own), ".DS_Store"), nil, 0o600)
		}, true, ""},
		{"a folder aside, an hour old", func(own, outline string) error {
			old := filepath.Join(own, "..", "..", ".outline-1")
			past := time.Now().Add(-2 * time.Hour)
			return errors.Join(os.Remove(outline), os.Mkdir(old, 0o700), os.Chtimes(old, past, past))
		}, true, ""},
		{"many files", func(own, outline string) error {
			return errors.Join(os.WriteFile(other(own), nil, 0o600), os.WriteFile(other(other(own)), nil, 0o600))
		}, false, "4 files of machine code"},
		{"compiled again by another process", func(own, outline string) error { return copied(outline, own) }, true, ""},
		// The outline is not there, but it looks as if it were.
		{"linked to another name", func(own, outline string) error { return os.Rename(outline, other(own)) }, true, "2 files may be"},
		// wazero takes a file without its last table for one of an older version.
		{"old for wazero", func(own, _ string) error {
			info, err := os.Stat(own)
			if err != nil {
				return err
			}
			return os.Truncate(own, info.Size()-2)
		}, true, ""},
		{"another file", func(own, outline string) error {
			return errors.Join(os.Remove(outline), os.WriteFile(other(own), nil, 0o600))
		}, false, "2 files may be"},
		{"no file of the outline", func(own, _ string) error { return os.Remove(outlineOf(own)) }, true, ""},
		{"the outline cut short", func(own, _ string) error { return os.Truncate(outlineOf(own), 20) }, true, ""},
		// What wazero would make of this is more room than there is.
		{"the outline changed", func(own, _ string) error {
			data, err := os.ReadFile(outlineOf(own))
			if err != nil {
				return err
			}
			return os.WriteFile(outlineOf(own), slices.Concat(data[:8], []byte("\x0b\x05\xff\xff\xff\xff\x0f"), data[8:]), 0o600)
		}, true, ""},
		{"the outline of another module", func(own, _ string) error {
			short, err := engine.Outline(dividing())
			return errors.Join(err, engine.WriteOutline(outlineOf(own), short))
		}, true, ""},
		{"something in the outline's place", func(own, outline string) error {
			return errors.Join(os.Remove(outline), os.Mkdir(outline, 0o700))
		}, false, "outline: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCached(t, handMade("rapidbyte", "yield"))
			c.load(engine.LoadCompiled)
			must(t, tt.spoil(c.split()))
			c.works(c.load(engine.LoadDisk))
			c.works(c.load(engine.LoadDisk))
			if got := c.linked(); got != tt.linked {
				t.Errorf("linked is %t: %q", got, c.names())
			}
			if left, _ := filepath.Glob(filepath.Join(c.dir, "*", ".outline-*")); len(left) > 0 {
				t.Errorf("%q is left", left)
			}
			said := c.said.String()
			if strings.Contains(said, "WARN") || !strings.Contains(said, tt.said) || tt.said == "" && said != "" {
				t.Errorf("log = %q, want no warning and %q", said, tt.said)
			}
		})
	}
}

// outlineOf returns the outline's file beside the module's own machine code.
func outlineOf(own string) string { return filepath.Join(own, "..", "..", "outline") }

// counting is a file system that knows a module's checksum and counts how often
// it is read.
type counting struct {
	fs.FS
	sum   [sha256.Size]byte
	reads int
}

func (c *counting) SHA256(name string) ([sha256.Size]byte, bool) {
	return c.sum, name == "chaos-source.wasm"
}

func (c *counting) Open(name string) (fs.File, error) {
	if name == "chaos-source.wasm" {
		c.reads++
	}
	return c.FS.Open(name)
}

// A module whose checksum is known is read once, and again when its outline is
// not to be had.
func TestLoadWithoutReading(t *testing.T) {
	wasm := handMade("rapidbyte", "yield")
	c := newCached(t, wasm)
	files := &counting{FS: c.files, sum: sha256.Sum256(wasm)}
	c.files = files
	for i, reads := range []int{1, 1, 1, 2, 2} {
		want := engine.LoadDisk
		if i == 0 {
			want = engine.LoadCompiled
		}
		if i == 3 {
			own, _ := c.split() // reads it, too
			must(t, os.Truncate(outlineOf(own), 20))
			files.reads = 1
		}
		c.works(c.load(want))
		if files.reads != reads {
			t.Errorf("load %d: the module was read %d times, want %d", i, files.reads, reads)
		}
	}
	if c.said.Len() > 0 {
		t.Errorf("log = %q, want nothing", &c.said)
	}

	// Who does not know the checksum finds the same folder.
	c.files = files.FS
	c.works(c.load(engine.LoadDisk))
}

// Folders that nobody used for long go when another module is compiled, and what
// else lies there stays.
func TestSweepFolders(t *testing.T) {
	c := newCached(t, handMade("rapidbyte", "yield"))
	long := time.Now().Add(-31 * 24 * time.Hour)
	folder := func(name string, lastUse time.Time) string {
		path := filepath.Join(c.dir, name)
		must(t, errors.Join(os.MkdirAll(filepath.Join(path, "wazero"), 0o700), os.Chtimes(path, lastUse, lastUse)))
		return path
	}
	unused := folder(strings.Repeat("0a", 16), long)
	kept := []string{folder(strings.Repeat("0b", 16), long.Add(48*time.Hour)), folder("notes", long), folder("0c", long)}
	exists := func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	}

	c.load(engine.LoadCompiled)
	if exists(unused) {
		t.Error("a folder that nobody used for 31 days is there")
	}
	for _, path := range kept {
		if !exists(path) {
			t.Errorf("%s is gone", filepath.Base(path))
		}
	}

	// Using a folder keeps it, however old it is.
	used := filepath.Dir(filepath.Dir(c.names()[0]))
	must(t, os.Chtimes(used, long, long))
	c.load(engine.LoadDisk)
	c.files = newCached(t, dividing()).files
	c.load(engine.LoadCompiled)
	if !exists(used) {
		t.Error("a folder that was just used is gone")
	}
}

func TestWrongChecksum(t *testing.T) {
	c := newCached(t, handMade("rapidbyte", "yield"))
	c.files = &counting{FS: c.files, sum: sha256.Sum256(nil)}
	for range 2 {
		_, err := c.engine().Load(t.Context(), "chaos-source", false)
		if err == nil || !strings.Contains(err.Error(), "not what its checksum is of") {
			t.Errorf("load ended with %v, want an error about the checksum", err)
		}
	}
}

// Damage to the one file with two names is found, and healed.
func TestDamagedOutline(t *testing.T) {
	c := newCached(t, handMade("rapidbyte", "yield"))
	c.load(engine.LoadCompiled)
	own, outline := c.split()
	if !sameFile(t, own, outline) {
		t.Fatal("there is no outline to damage")
	}
	data, err := os.ReadFile(own)
	must(t, err)
	for i := len(data) / 2; i < len(data); i++ {
		data[i] = 0xff
	}
	must(t, os.WriteFile(own, data, 0o600))
	c.works(c.load(engine.LoadCompiled))
	if !strings.Contains(c.said.String(), "a damaged cache of compiled modules was discarded") {
		t.Errorf("log = %q, want a warning", &c.said)
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, "*")); len(left) > 0 {
		t.Errorf("%q is left, want the folder gone", left)
	}
	for _, want := range []engine.LoadSource{engine.LoadCompiled, engine.LoadDisk} {
		c.works(c.load(want))
		if !c.linked() {
			t.Errorf("files are %q, want two that are one", c.names())
		}
	}
}

// copied puts a copy of a file in another's place.
func copied(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(from+".copy", data, 0o600), os.Rename(from+".copy", to))
}

// Engines that load at the same time, while others throw the folder away, cost
// each other time only.
func TestOutlinesAtTheSameTime(t *testing.T) {
	c := newCached(t, handMade("rapidbyte", "yield"))
	var loading, discarding sync.WaitGroup
	done := make(chan struct{})
	discarding.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(3 * time.Millisecond):
				folders, _ := filepath.Glob(filepath.Join(c.dir, "*"))
				for _, f := range folders {
					os.RemoveAll(f) // may find a file that came meanwhile
				}
			}
		}
	})
	load := func() {
		e := newEngine(t, engine.Compiled, func(o *engine.Options) { o.CacheDir, o.Connectors = c.dir, c.files })
		if _, err := e.Load(t.Context(), "chaos-source", false); err != nil {
			t.Error(err)
			return
		}
		c.works(e)
	}
	for range 4 {
		loading.Go(func() {
			for range 25 {
				load()
			}
		})
	}
	loading.Wait()
	close(done)
	discarding.Wait()
	for range 4 { // with nobody who discards
		loading.Go(load)
	}
	loading.Wait()
	load() // if they left two files, this one joins them
	if !c.linked() {
		t.Errorf("files are %q, want two that are one", c.names())
	}
}

// A trap says the same, names included.
func TestTrapByOutline(t *testing.T) {
	c := newCached(t, dividing())
	var traps []string
	for _, want := range []engine.LoadSource{engine.LoadCompiled, engine.LoadDisk} {
		_, err := c.call(c.load(want), "rb_open")
		if err == nil || !strings.Contains(err.Error(), "integer divide by zero") || !strings.Contains(err.Error(), ".apart(") {
			t.Errorf("%s: call ended with %v", want, err)
		}
		traps = append(traps, fmt.Sprint(err))
	}
	if traps[0] != traps[1] {
		t.Errorf("trap by outline %q, want %q", traps[1], traps[0])
	}
}

// Real connectors move rows and fail as they do when they were just compiled,
// and a strict one is interrupted.
func TestRunsByOutline(t *testing.T) {
	c := newCached(t, nil)
	ran := make(map[engine.LoadSource][]string)
	for _, source := range []engine.LoadSource{engine.LoadCompiled, engine.LoadDisk} {
		e := c.load(source)
		for _, mode := range []string{"", "panic-run", "exit3-open", "recurse-run"} {
			p := parse(t, fmt.Sprintf("mode: %q", mode), "resources:", "max_memory: 64mb", "max_batch_bytes: 1mb")
			result, err := e.Run(t.Context(), p, engine.RunOptions{})
			ran[source] = append(ran[source], fmt.Sprintf("%q: %d rows, %v", mode, result.Streams[0].RowsWritten, err))
		}
	}
	if got, want := ran[engine.LoadDisk], ran[engine.LoadCompiled]; !slices.Equal(got, want) {
		t.Errorf("runs ended with\n%q, want\n%q", got, want)
	}

	p := parse(t, "mode: spin-run")
	p.Source.Strict = true
	for _, want := range []engine.LoadSource{engine.LoadCompiled, engine.LoadDisk} {
		e := c.engine()
		if load, err := e.Load(t.Context(), "chaos-source", true); err != nil || load.Source != want {
			t.Errorf("load = %+v, %v, want source %s", load, err, want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		if _, err := e.Run(ctx, p, engine.RunOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: a strict guest ended with %v, want it to match context.Canceled", want, err)
		}
	}
}
