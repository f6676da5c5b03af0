package bench

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/lab"
	"github.com/rapidbyte-go/rapidbyte/engine"
)

// The guide names every variable the suite reads, every unit it reports and
// every target, and none that does not exist.
func TestGuideIsComplete(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	guide := string(text)
	variable := regexp.MustCompile(`\bBENCH_[A-Z_]+\b`)

	read := map[string]bool{}
	err = filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, name := range variable.FindAllString(string(source), -1) {
			read[name] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := variable.FindAllString(guide, -1)
	for name := range read {
		if !slices.Contains(named, name) {
			t.Errorf("%s is not in the guide", name)
		}
	}
	for _, name := range named {
		if name != "BENCH_JSON" && !read[name] {
			t.Errorf("the guide names %s, which nothing reads", name)
		}
	}

	for _, u := range lab.Units() {
		if !strings.Contains(guide, "`"+u.Name+"`") {
			t.Errorf("unit %s is not in the guide", u.Name)
		}
	}
	for _, key := range seedKeys {
		if !strings.Contains(guide, key) {
			t.Errorf("key %s is not in the guide", key)
		}
	}
	for _, m := range engine.Metrics() {
		if m.Parent != "" && !strings.Contains(guide, m.Key) {
			t.Errorf("share %s is not in the guide", m.Key)
		}
	}

	magefile, err := os.ReadFile("../magefile.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range regexp.MustCompile(`go tool mage (?:-\S+ )*([a-z]+)`).FindAllStringSubmatch(guide, -1) {
		if !regexp.MustCompile(`(?mi)^func ` + target[1] + `\(`).Match(magefile) {
			t.Errorf("the guide calls the target %s, which the magefile does not have", target[1])
		}
	}
}
