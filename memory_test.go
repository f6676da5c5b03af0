package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The least max_memory that a pipeline can have, in bytes, and what a batch may have of it.
const (
	leastMemory = 32 << 20
	leastBatch  = leastMemory / 4
)

// inLeastMemory writes a pipeline that copies a table from the schema public to raw with the least max_memory, and returns
// the file. Only that bounds what is under way, not the number of batches.
func inLeastMemory(t *testing.T, table string) (file string) {
	t.Helper()
	text := fmt.Sprintf(`version: "1.0"
pipeline: narrow
source:
  use: source-postgres
  config: {host: "${RAPIDBYTE_PG_HOST}", port: "${RAPIDBYTE_PG_PORT}", user: "${RAPIDBYTE_PG_USER}", database: "${RAPIDBYTE_PG_DATABASE}"}
  streams: [{name: %s, sync_mode: full_refresh}]
destination:
  use: dest-postgres
  config: {host: "${RAPIDBYTE_PG_HOST}", port: "${RAPIDBYTE_PG_PORT}", user: "${RAPIDBYTE_PG_USER}", database: "${RAPIDBYTE_PG_DATABASE}", schema: raw, load_method: copy}
  write_mode: append
resources: {max_memory: %d, max_inflight_batches: 1000}
`, table, leastMemory)
	file = filepath.Join(t.TempDir(), "narrow.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// A table of ten times max_memory passes, whole, and what guests and frames have together stays below it.
func TestTableOfTenTimesMaxMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("moves a table of 337 MB")
	}
	conn := server(t, 1)
	const big = `create unlogged table public.big as select g id, repeat(md5(g::text), 32) payload from generate_series(1, 325000) g`
	if _, err := conn.Exec(t.Context(), big); err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(t.TempDir(), "trace.json")
	code, stdout, stderr := rapidbyte(t, "run", "--trace", trace, inLeastMemory(t, "big"))
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var same bool
	const compare = `select (select count(*) || ' ' || sum(hashtextextended(b::text, 0)) from public.big b) =
		(select count(*) || ' ' || sum(hashtextextended(b::text, 0)) from raw.big b)`
	if err := conn.QueryRow(t.Context(), compare).Scan(&same); err != nil || !same {
		t.Errorf("the tables are the same: %v (%v)", same, err)
	}

	_, line, _ := strings.Cut(stdout, "@@BENCH_JSON@@")
	var result struct {
		Rows    int64 `json:"records_written"`
		Wire    int64 `json:"source_conn_bytes"`
		Guests  int64 `json:"guest_memory_bytes"`
		Batches int64 `json:"batch_count"`
		Channel int64 `json:"channel_bytes"`
	}
	if err := json.Unmarshal([]byte(line), &result); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	if result.Rows != 325000 || result.Wire < 10*leastMemory {
		t.Errorf("%d rows of %d bytes passed, want 325000 of ten times %d", result.Rows, result.Wire, leastMemory)
	}

	// Of frames there are those in the channel, one that waits for room in it, and one that is being decoded.
	channel := mostInChannel(t, trace)
	frames := channel + 2*result.Channel/result.Batches
	t.Logf("of %d bytes the guests had %d and frames %d, of which %d in the channel", leastMemory, result.Guests, frames, channel)
	if channel == 0 || channel > leastBatch || result.Guests > leastMemory-leastMemory/4 || result.Guests+frames > leastMemory {
		t.Errorf("guests had %d bytes and the channel %d, want three quarters and one quarter of %d at most, and all frames counted no more than that together",
			result.Guests, channel, leastMemory)
	}
}

// mostInChannel returns the most bytes that a trace saw in the channel.
func mostInChannel(t *testing.T, file string) int64 {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var trace struct {
		Events []struct {
			Name string         `json:"name"`
			Args map[string]any `json:"args"`
		} `json:"traceEvents"`
	}
	if err := json.Unmarshal(text, &trace); err != nil {
		t.Fatal(err)
	}
	var most float64
	for _, e := range trace.Events {
		if n, ok := e.Args["bytes"].(float64); ok && e.Name == "channel source to destination, bytes" {
			most = max(most, n)
		}
	}
	return int64(most)
}

// A row for which max_memory is too small ends the run with an error that says so, and with nothing in the destination.
func TestRowTooLargeForMaxMemory(t *testing.T) {
	conn := server(t, 1)
	for _, tt := range []struct {
		name  string
		bytes int
		want  []string
	}{
		{"more than a batch may have", 20 << 20, []string{
			fmt.Sprintf("over the limit of %d for a batch", leastBatch), "raise resources.max_batch_bytes"}},
		{"more than the guests may have", 7 << 20, []string{
			fmt.Sprintf("ran out of memory during run: the guests of this run may use %d bytes together", leastMemory-leastMemory/4), "raise resources.max_memory"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wide := fmt.Sprintf(`drop table if exists public.wide; drop schema if exists raw cascade;
				create table public.wide as select g id, repeat('x', case g when 90 then %d else 10 end) t from generate_series(1, 100) g`, tt.bytes)
			if _, err := conn.Exec(t.Context(), wide); err != nil {
				t.Fatal(err)
			}
			code, _, stderr := rapidbyte(t, "run", inLeastMemory(t, "wide"))
			for _, want := range append(tt.want, `stream "wide"`) {
				if code != exitFailed || !strings.Contains(stderr, want) {
					t.Errorf("exit code %d and no %q in\n%s", code, want, stderr)
				}
			}
			var made bool
			if err := conn.QueryRow(t.Context(), `select to_regclass('raw.wide') is not null`).Scan(&made); err != nil || made {
				t.Errorf("the destination has a table: %v (%v)", made, err)
			}
		})
	}
}
