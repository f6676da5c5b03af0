package atomicfile_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/atomicfile"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func TestWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "folder", "f")
	for _, want := range []string{"first", "second"} {
		if err := errors.Join(atomicfile.Check(file), atomicfile.Write(file, text(want))); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		got, err2 := os.ReadFile(file)
		if err := errors.Join(err, err2); err != nil || string(got) != want || info.Mode().Perm() != 0o644 {
			t.Errorf("%q with %v, %v; want %q", got, info.Mode(), err, want)
		}
	}

	torn := errors.New("torn")
	err := atomicfile.Write(file, func(w io.Writer) error { return errors.Join(text("half")(w), torn) })
	got, _ := os.ReadFile(file)
	beside, _ := os.ReadDir(filepath.Dir(file))
	if !errors.Is(err, torn) || !strings.Contains(err.Error(), file) || string(got) != "second" || len(beside) != 1 {
		t.Errorf("%v; the file holds %q, beside it %v", err, got, beside)
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "is a folder", filepath.Join(file, "f"): "elsewhere"} {
		if err := atomicfile.Check(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left %v", left)
	}
}
