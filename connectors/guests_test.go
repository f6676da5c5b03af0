package connectors

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// sizeBudget is the largest size of each module in bytes. Load time follows size
// (about 13 ms a megabyte from the disk cache, 0.8 s compiled anew), and one
// import of fmt or encoding/json is half a megabyte and more. Measured on
// 2026-11-23 with Go 1.26.8: 2.46, 2.87 and 3.00 MB, of which 0.3 MB are the zeros
// of package finish, which cost less than the segments they replace; the headroom of
// 8 to 15 % is for features and new toolchains, not for imports.
var sizeBudget = map[string]int{
	"transform-identity": 2_900_000,
	"source-postgres":    3_250_000,
	"dest-postgres":      3_350_000,
}

// wasi is what Go's runtime itself needs of WASI: clocks, randomness, standard
// error, its arguments and its end. No files, no sockets.
var wasi = []string{
	"args_get", "args_sizes_get", "clock_time_get", "environ_get", "environ_sizes_get",
	"fd_write", "poll_oneoff", "proc_exit", "random_get", "sched_yield",
}

// contract is every function of the host.
var contract = []string{
	"checkpoint", "config", "conn_close", "conn_open", "conn_read", "conn_ready", "conn_write", "emit_batch", "last_error",
	"log", "metric", "next_batch", "phase", "reply", "state_cas", "state_get", "state_put", "yield",
}

func TestModules(t *testing.T) {
	needGo(t)
	files, err := Build(t.Context(), BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		module, err := fs.ReadFile(files, name+".wasm")
		if err != nil {
			t.Fatal(err)
		}
		imports, exports, names := sections(t, module)

		if budget := sizeBudget[name]; len(module) > budget {
			t.Errorf("%s has %d bytes, %d over its budget: look at what it imports (go list -deps) before the budget is raised",
				name, len(module), len(module)-budget)
		}
		for _, i := range imports {
			namespace, function, _ := strings.Cut(i, ".")
			switch {
			case namespace == abi.Module && slices.Contains(contract, function):
			case namespace == "wasi_snapshot_preview1" && slices.Contains(wasi, function):
			default:
				t.Errorf("%s imports %s, which is not in the contract", name, i)
			}
		}
		for _, e := range abi.Exports() {
			if !slices.Contains(exports, e) {
				t.Errorf("%s does not export %s", name, e)
			}
		}
		if !names {
			t.Errorf("%s has no function names: profiles of it cannot be read", name)
		}
		t.Logf("%s: %d bytes, %d imports: %s", name, len(module), len(imports), strings.Join(imports, " "))
	}
}

// sections returns what a module imports and exports, and whether it names its
// functions.
func sections(t *testing.T, module []byte) (imports, exports []string, names bool) {
	t.Helper()
	for s, err := range wasmbin.Sections(module) {
		if err != nil {
			t.Fatal(err)
		}
		const what = "section"
		d := wasmbin.NewDecoder(module[:s.End], s.Body)
		text := func() string { return string(d.Bytes(d.U32(what), what)) }
		switch s.ID {
		case wasmbin.SectionCustom:
			names = names || text() == "name"
		case wasmbin.SectionImport: // module, name, kind, and for a function its type
			for range d.Count(what) {
				i := text() + "." + text()
				if d.Byte(what) != 0 {
					t.Fatalf("%s is not a function", i)
				}
				d.U32(what)
				imports = append(imports, i)
			}
		case wasmbin.SectionExport: // name, kind, index
			for range d.Count(what) {
				exports = append(exports, text())
				d.Byte(what)
				d.U32(what)
			}
		}
		if d.Err() != nil {
			t.Fatal(d.Err())
		}
	}
	slices.Sort(imports)
	return imports, exports, names
}

// heavy are packages that no guest may reach, not even through another one.
var heavy = []string{"fmt", "encoding/json", "net", "os", "reflect", "regexp", "sort", "text/template", "time", "crypto/tls"}

func TestGuestPackages(t *testing.T) {
	needGo(t)
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		list, err := goCommand(t.Context(), root, "list", "-deps", "./connectors/"+name)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range strings.Fields(list) {
			first, _, _ := strings.Cut(path, "/")
			// Without its build tag, plant is a few constants that compile to nothing.
			own := path == modulePath+"/hostfuncs/abi" || path == modulePath+"/hostfuncs/plant" || strings.HasPrefix(path, modulePath+"/connectors/")
			switch {
			case slices.Contains(heavy, path):
				t.Errorf("%s reaches %s, which makes it larger and slower to load", name, path)
			case strings.Contains(first, ".") && !own:
				t.Errorf("%s reaches %s: guests are built from connectors, hostfuncs/abi and hostfuncs/plant alone", name, path)
			}
		}
	}
}

// A connector is a folder with a main package and a manifest; Names, Native and
// the budgets must list each.
func TestNames(t *testing.T) {
	found, err := filepath.Glob("*/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, path := range found {
		name := filepath.Dir(path)
		want = append(want, name)
		if err := checkManifest(os.DirFS(name), "manifest.json", name); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(name, "main.go")); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(Names(), want) {
		t.Errorf("Names() is %v, the folders are %v", Names(), want)
	}
	native := Native()
	if len(native) != len(want) || len(sizeBudget) != len(want) {
		t.Errorf("%d native connectors, %d budgets, %d folders", len(native), len(sizeBudget), len(want))
	}
	for _, name := range want {
		if native[name] == nil || sizeBudget[name] == 0 {
			t.Errorf("%s is missing among the native ones or the budgets", name)
			continue
		}
		if v := native[name](nil).ABIVersion(); v != abi.Version {
			t.Errorf("%s speaks version %d", name, v)
		}
	}
}
