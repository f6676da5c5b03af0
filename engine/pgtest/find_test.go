package pgtest

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBinariesIn(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	file := func(path, text string, mode os.FileMode) {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	file("client/psql", "\x7fELF", 0o755)
	file("half/postgres", "\x7fELF", 0o755)
	file("other-half/initdb", "\x7fELF", 0o755)
	file("unexecutable/initdb", "\x7fELF", 0o644)
	file("unexecutable/postgres", "\x7fELF", 0o644)
	file("wrapper/initdb", "#!/bin/sh", 0o755)
	file("wrapper/postgres", "#!/bin/sh", 0o755)
	file("15/initdb", "\x7fELF", 0o755)
	file("15/postgres", "\x7fELF", 0o755)
	if err := os.Mkdir(filepath.Join(root, "links"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.Symlink(filepath.Join(root, "15", name), filepath.Join(root, "links", name)); err != nil {
			t.Fatal(err)
		}
	}

	for _, tt := range []struct {
		dirs []string
		want string // the folder of the result; "" means none
	}{
		{[]string{"client", "half", "other-half", "unexecutable", "missing"}, ""},
		{[]string{"client", "15"}, "15"},
		{[]string{"wrapper", "15"}, "15"},
		{[]string{"wrapper", "client"}, "wrapper"},
		{[]string{"links"}, "15"},
	} {
		var dirs []string
		for _, dir := range tt.dirs {
			dirs = append(dirs, filepath.Join(root, dir))
		}
		b, ok := binariesIn(dirs)
		want := binaries{}
		if tt.want != "" {
			want = binaries{filepath.Join(root, tt.want, "initdb"), filepath.Join(root, tt.want, "postgres")}
		}
		if b != want || ok != (tt.want != "") {
			t.Errorf("in %v: got %v, %t, want %v", tt.dirs, b, ok, want)
		}
	}
}

func TestMajorIn(t *testing.T) {
	for path, want := range map[string]int{
		"/usr/lib/postgresql/9.6/bin":         9,
		"/usr/lib/postgresql/15/bin":          15,
		"/usr/pgsql-17/bin":                   17,
		"/opt/homebrew/opt/postgresql@16/bin": 16,
		"/opt/homebrew/opt/postgresql/bin":    0,
	} {
		if got := majorIn(path); got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
}
