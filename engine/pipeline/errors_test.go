package pipeline

import (
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden messages")

// variables are those of testdata/errors.txt.
func variables(name string) (string, bool) {
	v, ok := map[string]string{
		"HOST": "db.example", "PASSWORD": "hunter2-secret", "PORT": "5432", "WORD": "secret-word", "EMPTY": "",
	}[name]
	return v, ok
}

func TestErrors(t *testing.T) {
	const golden = "testdata/errors.txt"
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}

	head, rest, _ := strings.Cut(string(data), "=== ")
	rewritten := head
	for _, section := range strings.Split(rest, "\n=== ") {
		title, body, _ := strings.Cut(section, "\n")
		input, want, ok := strings.Cut(body+"\n", "-----\n")
		if !ok {
			t.Fatalf("%s: case %q has no line of dashes", golden, title)
		}
		want = strings.TrimRight(want, "\n")

		got := ""
		t.Run(title, func(t *testing.T) {
			_, err := Parse("p.yaml", []byte(input), variables)
			if err == nil {
				t.Fatal("Parse found no problem")
			}
			got = err.Error()
			for _, secret := range []string{"hunter2", "secret-word"} {
				if strings.Contains(got, secret) {
					t.Errorf("the message shows a secret:\n%s", got)
				}
			}
			if got != want && !*update {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
		rewritten += "=== " + title + "\n" + input + "-----\n" + got + "\n"
	}

	if *update {
		if err := os.WriteFile(golden, []byte(rewritten), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestErrorsAreFoundByType(t *testing.T) {
	_, err := Parse("p.yaml", []byte("version: \"1.0\"\npipeline: \"\"\n"), nil)

	var all Errors
	if !errors.As(err, &all) || len(all) != 3 {
		t.Fatalf("Parse = %v, want Errors with 3 problems", err)
	}
	var one *Error
	if !errors.As(err, &one) || one.Path != "source" {
		t.Errorf("first problem is %+v, want that of the path source", one)
	}
	sorted := slices.IsSortedFunc(all, func(a, b *Error) int { return a.Line - b.Line })
	if !sorted {
		t.Errorf("problems are not in the order of the file:\n%v", err)
	}
}

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		in   Error
		want string
	}{
		{Error{File: "p.yaml", Line: 3, Column: 7, Message: "m"}, "p.yaml:3:7: m"},
		{Error{File: "p.yaml", Message: "m"}, "p.yaml: m"},
		{Error{Line: 3, Column: 7, Message: "m"}, "3:7: m"},
		{Error{Message: "m"}, "m"},
	} {
		if got := c.in.Error(); got != c.want {
			t.Errorf("%+v reads %q, want %q", c.in, got, c.want)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	large := dir + "/large.yaml"
	if err := os.WriteFile(large, []byte(strings.Repeat("#\n", maxFile)), 0o600); err != nil {
		t.Fatal(err)
	}

	for path, want := range map[string]string{
		dir + "/none.yaml": "pipeline: open " + dir + "/none.yaml: no such file or directory; name the file that describes the pipeline, such as testdata/pipelines/bench_pg.yaml",
		dir:                "pipeline: read " + dir + ": is a directory",
		large:              large + ":1:1: the file has 262145 bytes; a pipeline has at most 262144",
	} {
		if _, err := Load(path, nil); err == nil || err.Error() != want {
			t.Errorf("Load(%s) = %v, want %s", path, err, want)
		}
	}
}
