package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/connectors"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

func writeJSON(t *testing.T, f *File) []byte {
	t.Helper()
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func modules(t *testing.T) fs.FS {
	t.Helper()
	files, err := connectors.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// What is recorded against a real server can be measured without one, and
// counts the same each time; a change of the work is told by function.
func TestGateFindsAChange(t *testing.T) {
	files := modules(t)
	dsn := pgtest.Shared(t).NewDatabase(t)
	if err := pgtest.Seed(t.Context(), dsn, "bench_events", Rows); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var said bytes.Buffer
	if err := Update(t.Context(), files, dir, dsn, &said); err != nil {
		t.Fatal(err)
	}
	if err := Check(t.Context(), files, dir, &said); err != nil {
		t.Fatalf("unchanged work: %v\n%s", err, &said)
	}

	// As if the source had needed fewer instructions and one call less before.
	path := filepath.Join(dir, fileName)
	f, err := readFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	calls := f.Cases["copy"].Work["source host calls"]
	if f.Cases["copy"].Work["source guest instructions"] < 100*Rows || calls == 0 {
		t.Fatalf("implausible work: %v", f.Cases["copy"].Work)
	}
	f.Cases["copy"].Work["source host calls"] = calls - 1
	for name := range f.Cases["copy"].Functions["source-postgres"] {
		if strings.Contains(name, "decodeBytes") {
			f.Cases["copy"].Functions["source-postgres"][name] /= 2
		}
	}
	rewritten := writeJSON(t, f)
	if err := os.WriteFile(path, rewritten, 0o644); err != nil {
		t.Fatal(err)
	}
	said.Reset()
	if err := Check(t.Context(), files, dir, &said); !errors.Is(err, ErrChanged) {
		t.Errorf("changed work: error %v, want ErrChanged", err)
	}
	for _, want := range []string{"source host calls", "decodeBytes", "+100.00%"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("report does not say %q:\n%s", want, &said)
		}
	}

	// Another toolchain, a damaged file and a missing one are told apart.
	for name, tt := range map[string]struct{ text, want string }{
		"toolchain": {strings.Replace(string(text), runtime.Version(), "go1.1", 1), "was made with go1.1"},
		"damaged":   {"{", "is damaged"},
	} {
		if err := os.WriteFile(path, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := Check(t.Context(), files, dir, &said); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want it to say %q", name, err, tt.want)
		}
	}
	if err := Check(t.Context(), files, t.TempDir(), &said); err == nil || !strings.Contains(err.Error(), "make it with -update") {
		t.Errorf("missing file: error %v", err)
	}
}

// A guest that says something else than when it was recorded is told so, not
// waited for.
func TestDivergedReplay(t *testing.T) {
	files := modules(t)
	dsn := pgtest.Shared(t).NewDatabase(t)
	if err := pgtest.Seed(t.Context(), dsn, "bench_events", 100); err != nil {
		t.Fatal(err)
	}
	r, err := Record(t.Context(), files, dsn, "copy", 100)
	if err != nil {
		t.Fatal(err)
	}
	r.Dest = r.Dest[:1]
	if _, err := Measure(t.Context(), files, r); err == nil || !strings.Contains(err.Error(), "record again with -update") {
		t.Errorf("error = %v", err)
	}
}
