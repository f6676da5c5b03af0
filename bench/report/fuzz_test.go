package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
	"github.com/rapidbyte-go/rapidbyte/bench/history/trend"
	"github.com/rapidbyte-go/rapidbyte/bench/page"
)

// A results file is a plain file: whatever its lines hold is shown without a panic, and without a byte that a terminal
// would act on.
func FuzzCommits(f *testing.F) {
	for _, r := range []*history.Record{past("abc1234", "copy", 100)[0], past("abc1234", "floor", 50)[0]} {
		line, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(line), string(line))
	}
	f.Add(`{"timestamp":"2026-01-01T00:00:00Z","mode":"copy","bench_rows":1,"metrics":{"ns/op":1e308}}`,
		`{"mode":"floor","load":"copy","via":"pgx","bench_rows":1,"git_sha":"\u001b[31m\nx","metrics":{"ns/op":-1}}`)
	f.Fuzz(func(t *testing.T, first, second string) {
		var records []*history.Record
		for _, line := range []string{first, second} {
			r := &history.Record{}
			if json.Unmarshal([]byte(line), r) == nil {
				records = append(records, r)
			}
		}
		var out bytes.Buffer
		series := trend.Of(records)
		if err := Commits(&out, records); err != nil {
			t.Fatal(err)
		}
		if err := Trend(&out, series); err != nil {
			t.Fatal(err)
		}
		if text := out.String(); strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\n' || c == 0x7f }) {
			t.Errorf("control characters in %q", text)
		}
		if err := page.Write(&out, Results("", records, series, nil)); err != nil {
			t.Fatal(err)
		}
	})
}
