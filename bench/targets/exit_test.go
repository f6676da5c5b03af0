//go:build unix

package targets

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeSuite replaces the suite of the clone by the small one that package compare tests itself with, whose times follow
// from constants of its code and from the variable FAKE, and commits that as the branch "fake". On top of it comes
// "shaky", which is faster or slower from pair to pair.
func (c *clone) fakeSuite(t *testing.T) {
	t.Helper()
	c.git(t, "checkout", "--quiet", "-b", "fake", "base")
	tests, err := filepath.Glob(filepath.Join(c.dir, "bench", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range tests {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	const lib = "bench/fakelib"
	from := filepath.Join(c.dir, "bench", "compare", "testdata", "fake")
	if err := os.CopyFS(filepath.Join(c.dir, lib), os.DirFS(filepath.Join(from, "lib"))); err != nil {
		t.Fatal(err)
	}
	suite, err := os.ReadFile(filepath.Join(from, "bench", "bench_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(suite), "example.com/fake/lib", "github.com/rapidbyte-go/rapidbyte/"+lib, 1)
	if err := os.WriteFile(filepath.Join(c.dir, "bench", "fake_test.go"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c.git(t, "add", "--all")
	c.git(t, "commit", "--quiet", "-m", "fake")

	c.git(t, "checkout", "--quiet", "-b", "shaky")
	c.change(t, "shaky", lib+"/lib.go", "const Factor = 1.00", `var Factor = map[bool]float64{true: 1.3, false: 0.8}[strings.Contains("02468", lastDigit())]

func lastDigit() string {
	seed := "0" + os.Getenv("BENCH_SEED")
	return seed[len(seed)-1:]
}`)
	c.change(t, "imports", lib+"/lib.go", "package lib\n", "package lib\n\nimport (\n\t\"os\"\n\t\"strings\"\n)\n")
	// The targets themselves are those of this repository.
	c.git(t, "checkout", "--quiet", "base")
}

// The exit codes that depend on what was measured, delivered to a shell by mage.
func TestExitCodesOfMeasurements(t *testing.T) {
	c := newClone(t)
	c.fakeSuite(t)
	for _, tt := range []struct {
		name string
		fake string
		args []string
		code int
		want []string
	}{
		{"inconclusive, but not strict", "", nil, 0, []string{"inconclusive (", "could have seen"}},
		{"inconclusive and strict", "", []string{"-strict"}, 4, []string{"inconclusive (", "and -strict"}},
		{"wrong data", "wrong data", nil, 5, []string{"wrong data", "9 rows instead of 10", "Pipeline/rows=10/load="}},
		{"a server that is lost", "failure", nil, 1, []string{"connection refused"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("FAKE", tt.fake)
			code, out, problems := c.mage(t, append([]string{"compare", "fake", "shaky", "-cases=^BenchmarkPipeline$", "-seed=1"}, tt.args...)...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(out+problems, want) {
					t.Errorf("nothing says %q", want)
				}
			}
		})
	}
	t.Run("no Postgres", func(t *testing.T) {
		without := *c
		without.env = append(slices.Clone(c.env), "RAPIDBYTE_PG=dsn", "RAPIDBYTE_PG_DSN=", "RAPIDBYTE_PG_HANDED=")
		code, _, problems := without.mage(t, "compare", "fake", "shaky")
		if code != 1 || !strings.Contains(problems, "RAPIDBYTE_PG_DSN") {
			t.Errorf("exit code %d, want 1 and what is missing", code)
		}
	})
	t.Run("wrong data while bisecting", func(t *testing.T) {
		t.Setenv("FAKE", "wrong data")
		code, _, problems := c.mage(t, "bisect", "fake", "shaky", "-case=Pipeline/rows=10/load=copy")
		if code != 5 || !strings.Contains(problems, "9 rows instead of 10") {
			t.Errorf("exit code %d, want 5", code)
		}
	})
}
