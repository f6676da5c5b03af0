package targets

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/magefile/mage/mg"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
)

// recorded points BENCH_RESULTS at a file with three commits of two row counts.
func recorded(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "results.jsonl")
	t.Setenv("BENCH_RESULTS", file)
	for i, sha := range []string{"aaaa111", "bbbb222", "bbbb333"} {
		for _, rows := range []int{1000, 5000} {
			err := history.Append(file, &history.Record{
				Timestamp: time.Date(2026, 3, 1+i, 0, 0, 0, 0, time.UTC), Mode: "copy", Rows: rows, GitSHA: sha, Run: sha,
				Load: "copy", Compression: "none", Runtime: "compiled", Machine: "m1", PGVersion: "15.18", PGProvider: "local",
				PGConf: "quiet-1", Dataset: "bench_events/1", Metrics: map[string]float64{"ns/op": 1e6 * float64(10+i)},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return file
}

func TestResultsFlags(t *testing.T) {
	recorded(t)
	r, stdout, stderr := here(t)
	for _, tt := range []struct {
		name       string
		options    ResultsOptions
		want, lack []string
	}{
		{"default", ResultsOptions{}, []string{"bbbb222     bbbb333      Change", "COPY, 1000 rows", "COPY, 5000 rows", "+9.1%"}, []string{"aaaa111"}},
		{"-last=5", ResultsOptions{Last: ptr(5)}, []string{"aaaa111     bbbb222     bbbb333\n"}, []string{"Change"}},
		{"-last=1", ResultsOptions{Last: ptr(1)}, []string{"bbbb333\n"}, []string{"bbbb222", "Change"}},
		{"-sha", ResultsOptions{SHA: ptr("aaaa,BBBB333ffff")}, []string{"aaaa111     bbbb333      Change"}, []string{"bbbb222"}},
		{"-rows", ResultsOptions{Rows: ptr(5000)}, []string{"COPY, 5000 rows"}, []string{"1000 rows"}},
	} {
		stdout.Reset()
		if err := r.Results(t.Context(), tt.options); err != nil || stderr.Len() > 0 {
			t.Errorf("%s: %v %s", tt.name, err, stderr)
		}
		for _, want := range tt.want {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%s: no %q in\n%s", tt.name, want, stdout)
			}
		}
		for _, lack := range tt.lack {
			if strings.Contains(stdout.String(), lack) {
				t.Errorf("%s: %q is in\n%s", tt.name, lack, stdout)
			}
		}
	}
}

func TestResultsUsage(t *testing.T) {
	file := recorded(t)
	r, stdout, _ := here(t)
	for _, tt := range []struct {
		options ResultsOptions
		want    []string
	}{
		{ResultsOptions{SHA: ptr("dddd")}, []string{"-sha=dddd: no run of that commit", `"bbbb333"    2026-03-03 00:00:00, 2 runs`, "aaaa111"}},
		{ResultsOptions{SHA: ptr("aaaa111 dddd")}, []string{"-sha=dddd"}},
		{ResultsOptions{SHA: ptr("bbbb")}, []string{"could be any of bbbb222, bbbb333"}},
		{ResultsOptions{SHA: ptr("aaa")}, []string{"4 digits or more"}},
		{ResultsOptions{SHA: ptr(" ")}, []string{"name one or more"}},
		{ResultsOptions{Rows: ptr(0)}, []string{"-rows=0: want 1 to"}},
		{ResultsOptions{Rows: ptr(-3)}, []string{"-rows=-3: want 1 to"}},
		{ResultsOptions{Rows: ptr(77)}, []string{"-rows=77: no such run is recorded; there are 1000, 5000"}},
		{ResultsOptions{Last: ptr(0)}, []string{"-last=0: want 1 or more"}},
		{ResultsOptions{HTML: ptr(filepath.Dir(file))}, []string{"-html=", "is a folder"}},
	} {
		err := r.Results(t.Context(), tt.options)
		if err == nil || mg.ExitStatus(err) != 2 {
			t.Errorf("got %v with exit code %d, want 2 and %q", err, mg.ExitStatus(err), tt.want)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		}
	}

	// A commit that was measured with other row counts only.
	if err := history.Append(file, &history.Record{Timestamp: time.Now(), Mode: "copy", Rows: 9, GitSHA: "cccc444"}); err != nil {
		t.Fatal(err)
	}
	err := r.Results(t.Context(), ResultsOptions{SHA: ptr("cccc444"), Rows: ptr(1000)})
	if err == nil || mg.ExitStatus(err) != 2 || !strings.Contains(err.Error(), "no run of these commits has 1000 rows; there are 9") {
		t.Errorf("got %v", err)
	}
	t.Setenv("BENCH_RESULTS", "off")
	if err := r.Results(t.Context(), ResultsOptions{}); err == nil || mg.ExitStatus(err) != 2 || !strings.Contains(err.Error(), "BENCH_RESULTS=off") {
		t.Errorf("got %v", err)
	}
	if stdout.Len() > 0 {
		t.Errorf("something was shown: %s", stdout)
	}
}

func TestResultsOfBadFiles(t *testing.T) {
	file := recorded(t)
	r, stdout, stderr := here(t)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	// Bad lines among good ones are named, and the good ones used.
	text := append([]byte("{\"torn\":\n[1]\n"), good...)
	for range 20 {
		text = append(text, "not ours\n"...)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	htmlFile := filepath.Join(t.TempDir(), "r.html")
	if err := r.Results(t.Context(), ResultsOptions{HTML: &htmlFile}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{file + ":1: ", file + ":2: ", file + ":9: ", "and 12 more lines", "these lines were not used"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("no %q in\n%s", want, stderr)
		}
	}
	if !strings.Contains(stdout.String(), "bbbb222     bbbb333") {
		t.Errorf("the good lines are not used:\n%s", stdout)
	}
	if page, err := os.ReadFile(htmlFile); err != nil || !strings.Contains(string(page), "bbbb333") || !strings.Contains(string(page), ":28: ") {
		t.Errorf("the page: %v", err)
	}

	// Nothing that can be used.
	stdout.Reset()
	for text, want := range map[string]string{"": "has no record: run the benchmarks first", "\n\n": "has no record", "not ours\n": "has no record"} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		err := r.Results(t.Context(), ResultsOptions{})
		if err == nil || mg.ExitStatus(err) != 1 || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%q gives %v, want exit code 1 and %q", text, err, want)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := r.Results(t.Context(), ResultsOptions{}); err == nil || mg.ExitStatus(err) != 1 || !strings.Contains(err.Error(), "run the benchmarks first") {
		t.Errorf("a missing file gives %v", err)
	}
	if stdout.Len() > 0 {
		t.Errorf("something was shown: %s", stdout)
	}
}

// A page that cannot be written is wrong usage, as everywhere, and is said before anything is shown.
func TestResultsHTMLWhereNothingCanBe(t *testing.T) {
	recorded(t)
	r, stdout, _ := here(t)
	plain := filepath.Join(t.TempDir(), "plain") // stops root as well
	if err := os.WriteFile(plain, nil, 0o444); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(plain, "r.html")
	if err := r.Results(t.Context(), ResultsOptions{HTML: &file}); err == nil || mg.ExitStatus(err) != 2 || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v with exit code %d, want the file and 2", err, mg.ExitStatus(err))
	}
	if stdout.Len() > 0 {
		t.Errorf("something was shown: %s", stdout)
	}
}

func TestComplainNamesFew(t *testing.T) {
	var out bytes.Buffer
	r := &Repo{Stderr: &out}
	r.complain(nil)
	if out.Len() > 0 {
		t.Errorf("nothing bad gives %q", &out)
	}
	r.complain([]*history.LineError{{File: "f", Line: 3, Err: fmt.Errorf("odd")}})
	if out.String() != "f:3: odd\nthese lines were not used\n" {
		t.Errorf("got %q", &out)
	}
}

// Commits stand in the repository's order, whichever was measured first.
func TestResultsInTheRepositorysOrder(t *testing.T) {
	r, stdout, _ := here(t)
	commits := r.commits(t.Context())
	if len(commits) < 2 {
		t.Skip("no repository with two commits")
	}
	file := filepath.Join(t.TempDir(), "results.jsonl")
	t.Setenv("BENCH_RESULTS", file)
	older, newer := commits[0][:7], commits[len(commits)-1][:7]
	for i, sha := range []string{newer, older} {
		err := history.Append(file, &history.Record{
			Timestamp: time.Date(2026, 3, 1+i, 0, 0, 0, 0, time.UTC), Mode: "copy", Rows: 10, GitSHA: sha, Metrics: map[string]float64{"ns/op": 1e9},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Results(t.Context(), ResultsOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := older + "     " + newer; !strings.Contains(stdout.String(), want) {
		t.Errorf("no %q in\n%s", want, stdout)
	}
	outside := &Repo{Dir: t.TempDir()}
	if got := outside.commits(t.Context()); len(got) > 0 {
		t.Errorf("outside of a repository there are %d commits", len(got))
	}
}
