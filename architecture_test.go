package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rapidbyte-go/rapidbyte"

// A rule says what packages may not import, and why. Paths without a dot are
// this module's; a trailing /... covers what is below.
type rule struct {
	from   []string
	except []string
	ban    []string
	direct bool // only direct imports count; else what is reached through others, too
	guest  bool // as compiled for wasip1
	why    string
}

// The architecture. Do not relax a rule to make a change fit: move the change.
var rules = []rule{
	{
		from: []string{"hostfuncs/abi"}, ban: []string{"*.*"},
		why: "it is compiled into every guest and into every host: the standard library is all it may cost",
	},
	{
		from:  []string{"connectors/sdk", "connectors/sdk/arrowipc", "connectors/postgres", "connectors/source-postgres", "connectors/dest-postgres", "connectors/transform-identity"},
		ban:   []string{"*.*", module + "/engine/...", module + "/hostfuncs", module + "/bench/..."},
		guest: true,
		why:   "a guest's size is its load time; wazero, Arrow, YAML or pgx in a guest cost seconds to compile",
	},
	{
		from:  []string{"connectors/sdk", "connectors/sdk/arrowipc", "connectors/postgres", "connectors/source-postgres", "connectors/dest-postgres", "connectors/transform-identity"},
		ban:   []string{"fmt", "encoding/json", "net", "regexp", "crypto/tls"},
		guest: true,
		why:   "each of these adds half a megabyte or more to a guest",
	},
	{
		from: []string{"..."}, except: []string{"engine/pgtest"},
		ban: []string{"github.com/testcontainers/...", "github.com/fergusstrange/..."}, direct: true,
		why: "containers and downloads belong to the test server; their dependencies are many",
	},
	{
		from: []string{"..."}, except: []string{"hostfuncs/frame"},
		ban: []string{"github.com/pierrec/...", "github.com/klauspost/..."}, direct: true,
		why: "there is one place that compresses",
	},
	{
		from: []string{"engine", "engine/pipeline", "engine/state", "hostfuncs", "hostfuncs/frame", "hostfuncs/broker"},
		ban:  []string{"github.com/apache/arrow/...", module + "/connectors/...", module + "/engine/pgtest"},
		why:  "the host moves opaque batches, and connectors reach it through an fs.FS",
	},
	{
		from: []string{"engine", "engine/pipeline", "hostfuncs", "hostfuncs/frame"}, ban: []string{"github.com/jackc/..."}, direct: true,
		why: "only the broker speaks to databases",
	},
	{
		from: []string{"connectors/..."}, ban: []string{module + "/engine/..."},
		why: "a connector must not know its host",
	},
	{
		from: []string{"..."}, except: []string{"engine/pipeline"}, ban: []string{"github.com/goccy/go-yaml/..."}, direct: true,
		why: "there is one place that reads YAML",
	},
	{
		from: []string{"engine", "bench/..."}, ban: []string{"modernc.org/..."},
		why: "SQLite is a minute of compiling, which the benchmarks do not need",
	},
	{
		from: []string{"...", "."}, except: []string{"bench/..."}, ban: []string{module + "/bench/..."},
		why: "the suite measures the product; nothing but the magefile stands on it",
	},
}

// maxDepth is how many packages of ours may stand on one another, the lowest
// counted as zero: abi, broker, hostfuncs, engine, lab, compare, main.
const maxDepth = 6

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
	GoFiles    []string
	Dir        string
}

// list runs go list over the whole module, as for the host or as for guests.
func list(t *testing.T, guest bool) map[string]listed {
	t.Helper()
	patterns := []string{"./..."}
	if guest {
		patterns = []string{"./hostfuncs/abi", "./connectors/sdk/...", "./connectors/postgres", "./connectors/source-postgres", "./connectors/dest-postgres", "./connectors/transform-identity"}
	}
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps,GoFiles,Dir"}, patterns...)...)
	cmd.Env = os.Environ()
	if guest {
		cmd.Env = append(cmd.Env, "GOOS=wasip1", "GOARCH=wasm")
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := make(map[string]listed)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
}

// match reports whether path is meant by pattern: a path, one with /... below
// it, or *.* for everything outside the standard library and this module.
func match(pattern, path string) bool {
	if pattern == "*.*" {
		first, _, _ := strings.Cut(path, "/")
		return strings.Contains(first, ".") && path != module && !strings.HasPrefix(path, module+"/")
	}
	base, below := strings.CutSuffix(pattern, "/...")
	return path == base || below && strings.HasPrefix(path, base+"/")
}

// ours turns a rule's own path into an import path.
func ours(p string) string {
	switch p {
	case ".":
		return module
	case "...":
		return module + "/..."
	}
	return module + "/" + p
}

func TestImportRules(t *testing.T) {
	packages := map[bool]map[string]listed{false: list(t, false), true: list(t, true)}
	for _, r := range rules {
		matched := false
		for path, p := range packages[r.guest] {
			in := func(list []string) bool {
				return slices.ContainsFunc(list, func(pattern string) bool { return match(ours(pattern), path) })
			}
			if !in(r.from) || in(r.except) {
				continue
			}
			matched = true
			imports := p.Deps
			if r.direct {
				imports = p.Imports
			}
			for _, i := range imports {
				for _, ban := range r.ban {
					if match(ban, i) {
						t.Errorf("%s imports %s: %s", path, i, r.why)
					}
				}
			}
		}
		if !matched {
			t.Errorf("rule for %v matches no package", r.from)
		}
	}
}

func TestImportDepth(t *testing.T) {
	packages := list(t, false)
	depth := make(map[string]int)
	var measure func(path string) int
	measure = func(path string) int {
		if d, ok := depth[path]; ok {
			return d
		}
		d := 0
		for _, i := range packages[path].Imports {
			if _, ok := packages[i]; ok {
				d = max(d, measure(i)+1)
			}
		}
		depth[path] = d
		return d
	}
	for path := range packages {
		if d := measure(path); d > maxDepth {
			t.Errorf("%s stands on %d layers of this module, want at most %d", path, d, maxDepth)
		}
	}
}

// Every export says what it is, every package too, and no file outgrows a
// reader.
func TestEveryExportIsDocumented(t *testing.T) {
	fset := token.NewFileSet()
	for path, p := range list(t, false) {
		documented := false
		for _, name := range p.GoFiles {
			full := filepath.Join(p.Dir, name)
			f, err := parser.ParseFile(fset, full, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			documented = documented || f.Doc != nil
			if lines := fset.File(f.Pos()).LineCount(); lines > 600 {
				t.Errorf("%s/%s has %d lines: a file is one concept, 600 lines at most", path, name, lines)
			}
			for _, d := range f.Decls {
				for _, missing := range undocumented(d) {
					t.Errorf("%s: %s has no comment", fset.Position(d.Pos()), missing)
				}
			}
		}
		if !documented && len(p.GoFiles) > 0 {
			t.Errorf("package %s has no comment", path)
		}
	}
}

// undocumented returns the exported names of a declaration that no comment
// covers. A group's comment covers its members, as does one behind the line.
func undocumented(d ast.Decl) []string {
	var names []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	name, ok := typ.(*ast.Ident)
	return ok && name.IsExported()
}

// Nothing that belongs to one machine, and nothing unfinished, is in the tree.
func TestTreeIsClean(t *testing.T) {
	words := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (path == ".git" || path == "target") {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(path); d.IsDir() || ext != ".go" && ext != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for n, line := range strings.Split(string(text), "\n") {
			for _, w := range words {
				if slices.Contains(strings.FieldsFunc(line, func(r rune) bool { return r < 'A' || r > 'z' }), w) {
					t.Errorf("%s:%d: %s", path, n+1, w)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
