package engine_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
)

// change returns the chaos connectors with some files changed.
func change(t *testing.T, edit func(fstest.MapFS)) fs.FS {
	t.Helper()
	files, err := chaosFS()
	if err != nil {
		t.Fatal(err)
	}
	copied := fstest.MapFS{}
	for name, f := range files.(fstest.MapFS) {
		copied[name] = &fstest.MapFile{Data: bytes.Clone(f.Data)}
	}
	edit(copied)
	return copied
}

func replaceText(f fstest.MapFS, name, old, new string) {
	f[name].Data = bytes.Replace(f[name].Data, []byte(old), []byte(new), 1)
}

// A module made by hand: exports the contract's functions, all returning 0, and
// imports one function.
func handMade(module, name string) []byte { return handMadeOf(1, module, name) }

// handMadeOf is handMade with so many pages of memory, less than 128 times 128.
func handMadeOf(pages int, module, name string) []byte {
	section := func(id byte, body ...byte) []byte { return append([]byte{id, byte(len(body))}, body...) }
	str := func(s string) []byte { return append([]byte{byte(len(s))}, s...) }

	wasm := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	wasm = append(wasm, section(1, 1, 0x60, 0, 1, 0x7f)...) // type 0: () -> i32
	imports := append([]byte{1}, append(str(module), append(str(name), 0, 0)...)...)
	wasm = append(wasm, section(2, imports...)...)
	wasm = append(wasm, section(3, 1, 0)...) // function 1 of type 0
	wasm = append(wasm, section(5, 1, 0, byte(pages&0x7f|0x80), byte(pages>>7))...)
	exports := []byte{9}
	for _, e := range []string{"rb_abi_version", "rb_open", "rb_check", "rb_discover", "rb_partition", "rb_run", "rb_finish", "rb_close"} {
		exports = append(exports, append(str(e), 0, 1)...)
	}
	exports = append(exports, append(str("memory"), 2, 0)...)
	wasm = append(wasm, section(7, exports...)...)
	return append(wasm, section(10, 1, 4, 0, 0x41, 0, 0x0b)...) // i32.const 0
}

func TestBadConnectors(t *testing.T) {
	tests := []struct {
		name string
		edit func(fstest.MapFS)
		want []string
	}{
		{"unknown connector", func(f fstest.MapFS) { delete(f, "chaos-source.json") },
			[]string{"chaos.yaml:3:", `unknown connector "chaos-source"`, "available: chaos-dest"}},
		{"missing module", func(f fstest.MapFS) { delete(f, "chaos-source.wasm") },
			[]string{"source (chaos-source)", "chaos-source.wasm is missing", "build the connector again"}},
		{"another role", func(f fstest.MapFS) {
			replaceText(f, "chaos-source.json", `"source","version"`, `"destination","version"`)
		},
			[]string{"chaos.yaml:3:", "is a destination and cannot be the source"}},
		{"another ABI in the manifest", func(f fstest.MapFS) { replaceText(f, "chaos-source.json", `"abi":2`, `"abi":99`) },
			[]string{"built for ABI version 99, this host speaks version 2", "rebuild"}},
		{"manifest not JSON", func(f fstest.MapFS) { f["chaos-source.json"].Data = []byte("{") },
			[]string{`manifest of connector "chaos-source" is not valid JSON`}},
		{"another name", func(f fstest.MapFS) { replaceText(f, "chaos-source.json", `"chaos-source"`, `"other"`) },
			[]string{`says its name is "other"`}},
		// It would get the value that belongs to the host: a password.
		{"a key of its broker's", func(f fstest.MapFS) {
			replaceText(f, "chaos-source.json", `"broker":""`, `"broker":"postgres"`)
			replaceText(f, "chaos-source.json", `"name":"mode"`, `"name":"password"`)
		}, []string{"chaos.yaml:3:", `manifest of connector "chaos-source" declares config key "password"`, `broker "postgres"`}},
		{"another ABI in the module", func(f fstest.MapFS) {
			f["chaos-source.wasm"].Data = handMade("rapidbyte", "yield")
		}, []string{"speaks ABI version 0, this host speaks version 2"}},
		{"unknown import", func(f fstest.MapFS) { f["chaos-source.wasm"].Data = handMade("rapidbyte", "read_disk") },
			[]string{"imports unknown function rapidbyte.read_disk"}},
		{"import of sockets", func(f fstest.MapFS) {
			f["chaos-source.wasm"].Data = handMade("wasi_snapshot_preview1", "sock_accept")
		}, []string{"unknown function wasi_snapshot_preview1.sock_accept"}},
		{"import with another signature", func(f fstest.MapFS) { f["chaos-source.wasm"].Data = handMade("rapidbyte", "phase") },
			[]string{"imports rapidbyte.phase with another signature"}},
		{"not a module", func(f fstest.MapFS) { f["chaos-source.wasm"].Data = []byte("hello") },
			[]string{"module is not valid"}},
		{"cut off", func(f fstest.MapFS) { f["chaos-source.wasm"].Data = f["chaos-source.wasm"].Data[:100_000] },
			[]string{"module is not valid"}},
		{"not a connector", func(f fstest.MapFS) { f["chaos-source.wasm"].Data = []byte{0, 'a', 's', 'm', 1, 0, 0, 0} },
			[]string{"does not export rb_abi_version: it is not a connector"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := change(t, tt.edit)
			e := newEngine(t, engine.Compiled, func(o *engine.Options) { o.Connectors = files })
			_, err := e.Run(t.Context(), parse(t), engine.RunOptions{})
			if err == nil {
				t.Fatal("the run succeeded")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error is %q, want it to say %q", err, want)
				}
			}
		})
	}
}

// Guests that start at the same time and want more together than there is fail
// with an error.
func TestGuestsTooLargeTogether(t *testing.T) {
	files := change(t, func(f fstest.MapFS) {
		wasm := handMadeOf(300, "rapidbyte", "yield") // 19 MiB of the 24 that guests have
		f["chaos-source.wasm"].Data, f["chaos-dest.wasm"].Data = wasm, wasm
	})
	e := newEngine(t, engine.Compiled, func(o *engine.Options) { o.Connectors = files })
	for range 500 {
		_, err := e.Run(t.Context(), parse(t, "resources:", "max_memory: 32mb", "max_batch_bytes: 1mb"), engine.RunOptions{})
		var stage *engine.StageError
		if !errors.As(err, &stage) {
			t.Fatalf("error = %v", err)
		}
	}
}

// All mistakes of a configuration are told at once, each at its line.
func TestBadConfiguration(t *testing.T) {
	text := `version: "1.0"
pipeline: p
source:
  use: chaos-source
  config:
    batches: many
    sise: 12
  streams: [{name: a, sync_mode: full_refresh}]
destination:
  use: chaos-dest
  write_mode: append
  config:
    mode: [1]
`
	p, err := pipeline.Parse("bad.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = newEngine(t, engine.Native, nil).Run(t.Context(), p, engine.RunOptions{})
	if err == nil {
		t.Fatal("the run succeeded")
	}
	for _, want := range []string{
		"bad.yaml:6:14: batches: want a whole number",
		`bad.yaml:7:11: unknown key "sise" for connector chaos-source (it knows batches, mode, size)`,
		"bad.yaml:13:5: mode: want a string, have a list",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error is %q, want it to say %q", err, want)
		}
	}
}

// A cache that is damaged or cannot be used costs a compilation and a warning,
// not the run.
func TestBadCache(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  string
	}{
		{"damaged", func(t *testing.T, dir string) {
			files, err := filepath.Glob(filepath.Join(dir, "*", "*", "*"))
			if err != nil || len(files) == 0 {
				t.Fatalf("no cache files: %v", err)
			}
			for _, f := range files {
				data, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				// Not what would undo itself: two names are one file.
				for i := len(data) / 2; i < len(data); i++ {
					data[i] = 0xff
				}
				if err := os.WriteFile(f, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}, "damaged cache"},
		{"cut off", func(t *testing.T, dir string) {
			files, _ := filepath.Glob(filepath.Join(dir, "*", "*", "*"))
			for _, f := range files {
				if err := os.Truncate(f, 10); err != nil {
					t.Fatal(err)
				}
			}
		}, "damaged cache"},
		{"open to others", func(t *testing.T, dir string) {
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
		}, "writable by others"},
		{"another user's", func(t *testing.T, dir string) {
			if os.Geteuid() != 0 {
				t.Skip("only root can give a folder away")
			}
			if err := os.Chown(dir, 65534, -1); err != nil {
				t.Fatal(err)
			}
		}, "belongs to another user"},
		{"a file in its place", func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "cache folder cannot be made"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			small := change(t, func(f fstest.MapFS) { f["chaos-source.wasm"].Data = handMade("rapidbyte", "yield") })
			load := func(log *slog.Logger) engine.Load {
				e := newEngine(t, engine.Compiled, func(o *engine.Options) { o.Connectors, o.CacheDir, o.Log = small, dir, log })
				load, err := e.Load(t.Context(), "chaos-source", false)
				if err != nil {
					t.Fatal(err)
				}
				return load
			}
			load(nil)
			tt.spoil(t, dir)
			var said bytes.Buffer
			if got := load(slog.New(slog.NewTextHandler(&said, nil))); got.Source != engine.LoadCompiled {
				t.Errorf("load = %+v, want it compiled", got)
			}
			if !strings.Contains(said.String(), tt.want) {
				t.Errorf("log = %q, want a warning that says %q", &said, tt.want)
			}
		})
	}
}
