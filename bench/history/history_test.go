package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func sample(run, sha string, rows int) *Record {
	return &Record{
		Timestamp: time.Date(2026, 3, 1, 12, 30, 0, 123e6, time.UTC),
		Mode:      "copy", Rows: rows, AOT: true, GitSHA: sha, GitBranch: "main",
		Run: run, Bench: "Pipeline/rows=10/load=copy/compression=none", Iter: 1, Load: "copy",
		Compression: "none", Runtime: "compiled",
		Machine: "0123abcd", PGVersion: "15.18", PGProvider: "local", PGConf: "quiet-1", Dataset: "bench_events/1",
		GoVersion: "go1.26", Verified: "checksum", Metrics: map[string]float64{"ns/op": 12.5},
		Result: json.RawMessage(`{"duration_secs":1.25,"records_read":10,"transform_module_load_ms":[1,2]}`),
	}
}

func TestAppendThenReadGivesTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "results.jsonl")
	want := sample("r1", "abc1234", 10)
	if err := Append(path, want); err != nil {
		t.Fatal(err)
	}
	if err := Append(path, sample("r2", "abc1234", 20), sample("r2", "abc1234", 30)); err != nil {
		t.Fatal(err)
	}

	got, bad, err := Read(path)
	if err != nil || len(bad) != 0 || len(got) != 3 {
		t.Fatalf("Read = %d records, bad %v, error %v; want 3, none, none", len(got), bad, err)
	}
	want.Line = 1
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("read %+v\nwrote %+v", got[0], want)
	}
	if got[2].Rows != 30 || got[2].Line != 3 {
		t.Errorf("third record is rows %d on line %d, want 30 on 3", got[2].Rows, got[2].Line)
	}
}

// The file is the seed's: its tools read a flat object with these keys.
func TestLineHasTheSeedsFields(t *testing.T) {
	r := sample("r1", "abc1234", 10)
	r.Result = json.RawMessage(`{"duration_secs":1.25,"mode":"not ours","compression":"zstd"}`)
	line, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}

	var got map[string]any
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	for key, want := range map[string]any{
		"timestamp": "2026-03-01T12:30:00.123Z", "mode": "copy", "bench_rows": 10.0, "aot": true,
		"git_sha": "abc1234", "git_branch": "main", "duration_secs": 1.25, "compression": "none",
	} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	if n := strings.Count(string(line), `"mode"`); n != 1 {
		t.Errorf("the key mode is there %d times in %s", n, line)
	}
}

func TestValueReadsTheResult(t *testing.T) {
	r := sample("r1", "abc1234", 10)
	if v, ok := r.Value("duration_secs"); !ok || v != 1.25 {
		t.Errorf("duration_secs = %v, %v; want 1.25", v, ok)
	}
	for _, key := range []string{"absent", "transform_module_load_ms"} {
		if _, ok := r.Value(key); ok {
			t.Errorf("%s is a number", key)
		}
	}
	if _, ok := (&Record{}).Value("duration_secs"); ok {
		t.Error("a record without a result has a duration")
	}
}

func TestReadNamesBadLinesAndUsesTheRest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	good, err := json.Marshal(sample("r1", "abc1234", 10))
	if err != nil {
		t.Fatal(err)
	}
	long := `{"timestamp":"` + strings.Repeat("x", maxLine) + `"}`
	lines := []string{
		string(good), `{"timestamp":"2026-03-`, string(good), `{"some":"other tool"}`, ``,
		`{"timestamp":"2026-03-01T00:00:00Z","mode":"copy"}`, long, `[1]`, `{"timestamp":"2026-03-01T00:00:00Z"}`, string(good),
	}
	// The last line lacks its end, as after a crash of a program that knows no better.
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}

	records, bad, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 3 || records[2].Line != 10 {
		t.Errorf("got %d records, want those of lines 1, 3 and 10", len(records))
	}
	want := []struct {
		line int
		text string
	}{
		{2, "unexpected end of JSON input"}, {4, "no timestamp"}, {6, "no bench_rows"},
		{7, "longer than 1048576 bytes"}, {8, "cannot unmarshal"}, {9, "no mode"},
	}
	if len(bad) != len(want) {
		t.Fatalf("bad lines are %v, want %d of them", bad, len(want))
	}
	for i, w := range want {
		if bad[i].Line != w.line || !strings.Contains(bad[i].Error(), w.text) || !strings.HasPrefix(bad[i].Error(), path+":") {
			t.Errorf("bad line %d is %q, want line %d of the file with %q", i, bad[i], w.line, w.text)
		}
	}
}

func TestReadOfNothing(t *testing.T) {
	_, _, err := Read(filepath.Join(t.TempDir(), "none.jsonl"))
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "run the benchmarks first") {
		t.Errorf("got %v, want fs.ErrNotExist with a hint", err)
	}
	if _, _, err := Read(t.TempDir()); err == nil {
		t.Error("reading a folder is no error")
	}
}

func TestAppendClosesATornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	if err := os.WriteFile(path, []byte(`{"timestamp":"20`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Append(path, sample("r1", "abc1234", 10)); err != nil {
		t.Fatal(err)
	}
	records, bad, err := Read(path)
	if err != nil || len(records) != 1 || len(bad) != 1 || bad[0].Line != 1 {
		t.Errorf("got %d records, bad %v, %v; want the new one, and line 1 bad", len(records), bad, err)
	}
}

func TestAppendFromManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if err := Append(path, sample("r", "abc1234", 10), sample("r", "abc1234", 11)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()

	records, bad, err := Read(path)
	if err != nil || len(bad) != 0 || len(records) != writers*each*2 {
		t.Fatalf("got %d records, bad %v, %v; want %d", len(records), bad, err, writers*each*2)
	}
	for i := 0; i < len(records); i += 2 {
		if records[i].Rows != 10 || records[i+1].Rows != 11 {
			t.Fatalf("the two records of one call were torn apart at line %d", i+1)
		}
	}
}

func TestAppendToFullDevice(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	err := Append("/dev/full", sample("r1", "abc1234", 10))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "/dev/full") ||
		!strings.Contains(err.Error(), "nothing was added; make room") {
		t.Errorf("got %v, want ENOSPC, the path and what to do", err)
	}
}

func TestAppendToReadOnlyPlace(t *testing.T) {
	// A plain file where a folder is needed stops root as well.
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := Append(filepath.Join(file, "results.jsonl"), sample("r", "s", 1)); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want an error that names %s", err, file)
	}

	if os.Geteuid() == 0 {
		return // root may write everywhere
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	err := Append(filepath.Join(dir, "results.jsonl"), sample("r", "s", 1))
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "BENCH_RESULTS") {
		t.Errorf("got %v, want a permission error with a hint", err)
	}
}

func TestFilter(t *testing.T) {
	records := []*Record{
		sample("r1", "aaaa111", 10), sample("r1", "aaaa111", 20),
		sample("r2", "bbbb222", 10),
		sample("r3", "aaaa111", 10), sample("r3", "aaaa111", 20),
		sample("", "cccc333", 10),
	}
	for _, tt := range []struct {
		name   string
		filter Filter
		want   []int
	}{
		{"all", Filter{}, []int{0, 1, 2, 3, 4, 5}},
		{"rows", Filter{Rows: 20}, []int{1, 4}},
		{"sha", Filter{SHAs: []string{"aaaa"}}, []int{0, 1, 3, 4}},
		{"full sha of a short one", Filter{SHAs: []string{"BBBB222fffffffffffff"}}, []int{2}},
		{"two shas", Filter{SHAs: []string{"bbbb222", "cccc333"}}, []int{2, 5}},
		{"sha too short", Filter{SHAs: []string{"aaa"}}, nil},
		{"unknown sha", Filter{SHAs: []string{"dddd"}}, nil},
		{"run", Filter{Run: "r3"}, []int{3, 4}},
		{"last commit", Filter{Last: 1}, []int{5}},
		{"last two commits", Filter{Last: 2}, []int{2, 5}},
		{"last of what is left", Filter{Last: 1, Rows: 20}, []int{1, 4}},
		{"more than there are", Filter{Last: 99}, []int{0, 1, 2, 3, 4, 5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.filter.Select(records)
			var want []*Record
			for _, i := range tt.want {
				want = append(want, records[i])
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %d records, want those at %v", len(got), tt.want)
			}
		})
	}
}

// The last commits of one machine must not push those of another out.
func TestFilterLastIsOfEachGroup(t *testing.T) {
	records := []*Record{sample("r1", "aaaa111", 10), sample("r2", "bbbb222", 10), sample("r3", "cccc333", 10)}
	records[0].Machine = "ffffffff"
	got := Filter{Last: 1}.Select(records)
	if len(got) != 2 || got[0] != records[0] || got[1] != records[2] {
		t.Errorf("got %d records, want the first and the third", len(got))
	}
}

func TestCommits(t *testing.T) {
	records := []*Record{sample("r1", "aaaa111", 10), sample("r1", "bbbb222", 10), sample("r1", "aaaa111", 20), sample("r2", "aaaa111", 10)}
	records[1].Timestamp = records[1].Timestamp.Add(-time.Hour)
	records[2].GitDirty = true
	got := Commits(records)
	var names []string
	for _, c := range got {
		names = append(names, c.Name)
	}
	if strings.Join(names, " ") != "bbbb222 aaaa111 aaaa111+" || got[1].Records != 2 || got[2].SHA != "aaaa111" {
		t.Errorf("got %+v, want bbbb222, aaaa111 with two records and aaaa111 with changes", got)
	}
}

// The newest commit was measured first, and one in between belongs to no branch any more.
func TestPlaceCommits(t *testing.T) {
	records := []*Record{sample("r1", "cccc333", 10), sample("r2", "bbbb222", 10), sample("r3", "ffff999", 10), sample("r4", "aaaa111", 10)}
	for i, r := range records {
		r.Timestamp = r.Timestamp.Add(time.Duration(i) * time.Hour)
	}
	PlaceCommits(records, []string{"aaaa1111" + "00000000", "bbbb2222" + "00000000", "cccc3333" + "00000000"})
	var names []string
	for _, c := range Commits(records) {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, " "); got != "aaaa111 bbbb222 ffff999 cccc333" {
		t.Errorf("got %s", got)
	}
}

// One commit is one, however many digits of its hash a line has, and two that begin alike are two.
func TestCommitsByWholeHash(t *testing.T) {
	one, two := strings.Repeat("a", 39)+"1", strings.Repeat("a", 39)+"2"
	of := func(short, whole string) *Record {
		r := sample("r", short, 10)
		r.GitCommit = whole
		return r
	}
	records := []*Record{of("bbbb222", ""), of("bbbb222", strings.Repeat("b", 4)+"222"+strings.Repeat("0", 33)),
		of("bbbb2220", strings.Repeat("b", 4)+"222"+strings.Repeat("0", 33)), of("aaaaaaa", one), of("aaaaaaa", two), of("aaaaaaa", "")}
	PlaceCommits(records, []string{one})
	var got []string
	for _, c := range Commits(records) {
		got = append(got, fmt.Sprint(c.Name, " ", c.Records))
	}
	slices.Sort(got)
	if want := []string{"aaaaaaa 1", one + " 1", two + " 1", "bbbb222 3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (Filter{SHAs: []string{one}}).Select(records[3:5]); len(got) != 1 || got[0] != records[3] {
		t.Errorf("a whole hash selects %d of two commits that begin alike", len(got))
	}
}

func TestGroupKeepsConditionsApart(t *testing.T) {
	base := sample("r", "s", 1)
	for name, change := range map[string]func(*Record){
		"machine":  func(r *Record) { r.Machine = "x" },
		"version":  func(r *Record) { r.PGVersion = "x" },
		"provider": func(r *Record) { r.PGProvider = "x" },
		"conf":     func(r *Record) { r.PGConf = "x" },
		"dataset":  func(r *Record) { r.Dataset = "x" },
	} {
		other := *base
		change(&other)
		if other.Group() == base.Group() {
			t.Errorf("a record with another %s is in the same group", name)
		}
	}
}
