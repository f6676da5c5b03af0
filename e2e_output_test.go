package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/ipc"

	"github.com/rapidbyte-go/rapidbyte/engine"
)

const everyType = `
CREATE TABLE every_type (id bigint PRIMARY KEY, s smallint, i int, l bigint, f real, d double precision, b boolean,
	t text, v varchar(10), y bytea, u uuid, a date, p timestamp, z timestamptz, n numeric, j jsonb);
INSERT INTO every_type VALUES
	(1, -32768, -2147483648, -9223372036854775808, -1.5, 0.1, true, 'é' || chr(10) || '"', 'ten letter', '\x00ff', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
		'2026-11-23', '2026-11-23 02:03:04.000005', '2026-11-23 02:03:04.5+02', 1.10, '{"k": [1]}'),
	(2, 32767, 2147483647, 9223372036854775807, 'NaN', 'Infinity', false, '', '', '', '00000000-0000-0000-0000-000000000000',
		'infinity', '-infinity', 'infinity', 'NaN', 'null'),
	(3, 0, 0, 0, 3.25, '-Infinity', true, repeat('long ', 5000), 'x', repeat('ab', 9000)::bytea, 'ffffffff-ffff-ffff-ffff-ffffffffffff',
		'0044-03-15 BC', '0001-01-01 00:00:00', '1970-01-01 00:00:00+00', 123456789012345678901234567890.123456789, '1');
INSERT INTO every_type (id) SELECT i FROM generate_series(4, 20000) AS i;
UPDATE every_type SET t = 'row ' || id, i = id WHERE id > 3 AND id % 3 = 0;`

const everyTypePipeline = `
version: "1.0"
pipeline: every_type
source:
  use: source-postgres
  config: {host: "${RAPIDBYTE_PG_HOST:-localhost}", port: "${RAPIDBYTE_PG_PORT:-5432}", user: "${RAPIDBYTE_PG_USER:-postgres}",
    password: "${RAPIDBYTE_PG_PASSWORD:-}", database: "${RAPIDBYTE_PG_DATABASE:-postgres}", schema: public}
  streams: [{name: every_type, sync_mode: full_refresh}]
destination:
  use: dest-postgres
  config: {host: "${RAPIDBYTE_PG_HOST:-localhost}", port: "${RAPIDBYTE_PG_PORT:-5432}", user: "${RAPIDBYTE_PG_USER:-postgres}",
    password: "${RAPIDBYTE_PG_PASSWORD:-}", database: "${RAPIDBYTE_PG_DATABASE:-postgres}", schema: raw, load_method: copy}
  write_mode: append
resources: {compression: lz4}
`

// A run's tap holds every value that is in Postgres, and its trace adds up to the
// breakdown that it printed.
func TestTapAndTrace(t *testing.T) {
	conn := server(t, 1)
	if _, err := conn.Exec(t.Context(), everyType); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, arrow, trace := filepath.Join(dir, "p.yaml"), filepath.Join(dir, "rows.arrow"), filepath.Join(dir, "trace.json")
	if err := os.WriteFile(file, []byte(everyTypePipeline), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := rapidbyte(t, "run", "--tap", arrow, "--trace", trace, file)
	if code != exitDone || !strings.Contains(stderr, "tap: "+arrow+"\n") || !strings.Contains(stderr, "trace: "+trace+"\n") {
		t.Fatalf("exit code %d: %s", code, stderr)
	}

	// What Postgres has.
	want := make(map[string][]string) // by id
	if _, err := conn.Exec(t.Context(), "SET timezone = 'UTC'"); err != nil {
		t.Fatal(err)
	}
	const columns = "id s i l f d b t v y u a p z n j"
	list := strings.ReplaceAll(columns, " ", "::text, ") + "::text"
	rows, err := conn.Query(t.Context(), "SELECT array_replace(ARRAY["+list+"], NULL, '<null>') FROM raw.every_type")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var values []string
		if err := rows.Scan(&values); err != nil {
			t.Fatal(err)
		}
		want[values[0]] = values
	}
	if rows.Err() != nil || len(want) != 20000 {
		t.Fatalf("%d rows, %v", len(want), rows.Err())
	}

	// What the file has.
	f, err := os.Open(arrow)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := ipc.NewFileReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if r.NumRecords() < 3 {
		t.Errorf("%d batches, want several", r.NumRecords())
	}
	differences := 0
	for i := range r.NumRecords() {
		record, err := r.Record(i)
		if err != nil {
			t.Fatal(err)
		}
		for row := range int(record.NumRows()) {
			id := fmt.Sprint(valueOf(record.Column(0), row, r.Schema().Field(0)))
			for c, name := range strings.Fields(columns) {
				got := "<null>"
				if v := valueOf(record.Column(c), row, r.Schema().Field(c)); v != nil {
					got = fmt.Sprint(v)
				}
				if r.Schema().Field(c).Name != name || len(want[id]) == 0 || got != want[id][c] {
					differences++
					t.Logf("row %s, %s: the file has %.60q, Postgres %.60q", id, name, got, want[id])
				}
			}
			delete(want, id)
		}
	}
	if differences > 0 || len(want) > 0 {
		t.Errorf("%d values differ and %d rows are missing", differences, len(want))
	}
	addsUp(t, trace, stdout)
}

// addsUp compares a trace with the JSON line of the same run.
func addsUp(t *testing.T, path, stdout string) {
	t.Helper()
	_, line, _ := strings.Cut(stdout, "@@BENCH_JSON@@")
	printed := make(map[string]any)
	if err := json.Unmarshal([]byte(line), &printed); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		TraceEvents []struct {
			Ph, Name string
			Tid      int
			Ts, Dur  float64
			Args     struct{ Name any }
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	tracks, ends, sums := make(map[int]string), make(map[int]float64), make(map[string]float64)
	for _, e := range file.TraceEvents {
		switch {
		case e.Name == "thread_name":
			tracks[e.Tid], _, _ = strings.Cut(fmt.Sprint(e.Args.Name), ": ")
		case e.Ph == "X":
			if e.Ts < ends[e.Tid]-1e-4 { // a tenth of a nanosecond
				t.Errorf("%s at %f begins before %f", e.Name, e.Ts, ends[e.Tid])
			}
			ends[e.Tid] = e.Ts + e.Dur
			sums[tracks[e.Tid]+"/"+e.Name] += e.Dur / 1e6
		}
	}
	for _, m := range engine.Metrics() {
		stage := map[string]string{"source_duration_secs": "source", "source_fetch_secs": "source", "dest_duration_secs": "destination", "wasm_overhead_secs": "destination"}[m.Parent]
		if stage == "" || m.Key == "source_fetch_secs" || m.Key == "wasm_overhead_secs" {
			continue
		}
		name := strings.ToLower(m.Label[:1]) + m.Label[1:]
		if m.Label == "VM setup" {
			name = m.Label
		}
		if got, want := sums[stage+"/"+name], printed[m.Key].(float64); math.Abs(got-want) > 1e-6 {
			t.Errorf("%s: the trace adds up to %.9f s, the breakdown says %.9f s", m.Key, got, want)
		}
	}
}
