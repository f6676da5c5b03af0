package plant_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// goTool runs the go command in the module's root.
func goTool(t *testing.T, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(append(os.Environ(), "GOWORK=off"), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// traces are what a program with a plant in it contains: names of functions and of the variable.
var traces = []string{"rapidbyte/hostfuncs/plant.", "RAPIDBYTE_PLANT"}

// No plant gets into a program or a guest unless the tag is given. The same search with the tag shows that it would find
// one.
func TestNothingWithoutTheTag(t *testing.T) {
	if testing.Short() {
		t.Skip("links the program and two guests, with and without the tag")
	}
	wasip1 := []string{"GOOS=wasip1", "GOARCH=wasm"}
	dir := t.TempDir()
	for _, c := range []struct {
		name, path string
		env, args  []string
		tagged     bool // contains plants with the tag
	}{
		{"the program", ".", nil, nil, true},
		{"the source's guest", "./connectors/source-postgres", wasip1, []string{"-buildmode=c-shared"}, true},
		{"the destination's guest", "./connectors/dest-postgres", wasip1, []string{"-buildmode=c-shared"}, false},
	} {
		for _, tag := range []string{"", "plant"} {
			if tag != "" && !c.tagged {
				continue
			}
			file := filepath.Join(dir, "program")
			args := append([]string{"build", "-trimpath", "-buildvcs=false", "-tags=" + tag, "-o", file}, c.args...)
			goTool(t, c.env, append(args, c.path)...)
			program, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, trace := range traces {
				if has := bytes.Contains(program, []byte(trace)); has != (tag != "") {
					t.Errorf("%s, tag %q: contains %q: %v", c.name, tag, trace, has)
				}
			}
		}
	}
}

// The tests of what the tag brings in.
func TestWithTheTag(t *testing.T) {
	out := goTool(t, []string{"RAPIDBYTE_PLANT=codec=2000ns/row"}, "test", "-tags=plant", "-run=TestPlanted", "-v", "./hostfuncs/plant")
	if !strings.Contains(out, "--- PASS: TestPlanted") {
		t.Errorf("nothing was tested:\n%s", out)
	}
}
