package state

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/engine"
)

func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	database := func(name, statements string) string {
		path := filepath.Join(dir, name)
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(statements); err != nil {
			t.Fatal(err)
		}
		return path
	}

	file := write("file", "x")
	for name, c := range map[string]struct{ path, want string }{
		"text":            {write("text.db", strings.Repeat("this is no database\n", 100)), "PATH: open: file is not a database (26); the file is damaged or not a state file: move it away, a new one is made"},
		"another program": {database("foreign.db", "CREATE TABLE x (y)"), "PATH: open: the file is a SQLite database of another program; name another file with state.connection"},
		"another id":      {database("id.db", "PRAGMA application_id = 7"), "PATH: open: the file is a SQLite database of another program; name another file with state.connection"},
		"newer":           {database("newer.db", "PRAGMA application_id = 1380078420; PRAGMA user_version = 9"), "PATH: open: the file was written by a newer rapidbyte; use that one, or name another file with state.connection (its schema is 9, this program knows 1)"},
		"a folder":        {dir, "open PATH: is a directory; name a file that can be written with state.connection"},
		"below a file":    {filepath.Join(file, "state.db"), "mkdir " + file + ": not a directory; name a file that can be written with state.connection"},
		"cannot be made":  {"/proc/rapidbyte/state.db", "mkdir /proc/rapidbyte: no such file or directory; name a file that can be written with state.connection"},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(c.path, "/proc") {
				if _, err := os.Stat("/proc/version"); err != nil {
					t.Skip("needs Linux's /proc")
				}
			}
			s, err := Open(c.path)
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			if got, want := err.Error(), "state: "+strings.ReplaceAll(c.want, "PATH", c.path); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// Damage that is past the header shows when the place is read.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context(), engine.RunRecord{ID: "1", Status: engine.StatusRunning}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(data); i++ {
		data[i] = 0xff
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	_, err = s.Runs(t.Context(), Filter{})
	if err == nil || !strings.Contains(err.Error(), path+": list runs: ") || !strings.HasSuffix(err.Error(), "; the file is damaged or not a state file: move it away, a new one is made") {
		t.Errorf("Runs of a damaged file = %v", err)
	}
}
