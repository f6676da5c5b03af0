package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// inPartitions writes the shipped COPY or INSERT pipeline with a parallelism, and
// with what else is put under the stream, and returns its file.
func inPartitions(t *testing.T, base, parallelism, stream string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/pipelines/" + base + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	whole := strings.Replace(string(text), "      sync_mode: full_refresh\n", "      sync_mode: full_refresh\n"+stream, 1)
	if !strings.Contains(whole, "\nresources:\n") {
		whole += "\nresources:\n"
	}
	whole = strings.Replace(whole, "\nresources:\n", "\nresources:\n  parallelism: "+parallelism+"\n", 1)
	file := filepath.Join(t.TempDir(), base+".yaml")
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// metricsOf returns the JSON line of a run.
func metricsOf(t *testing.T, stdout string) map[string]any {
	t.Helper()
	_, line, _ := strings.Cut(stdout, "@@BENCH_JSON@@")
	metrics := make(map[string]any)
	if err := json.Unmarshal([]byte(line), &metrics); err != nil {
		t.Fatalf("no JSON line in %q: %v", stdout, err)
	}
	return metrics
}

// A stream moved in partitions is there once and whole, in a new table as in one
// that has rows, and nothing else is there.
func TestPartitionedPipelines(t *testing.T) {
	const rows = 20_000
	conn := server(t, rows)
	count := func(sql string) (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	// differ is how many rows of either side are not on the other as often as they should.
	differ := func(times int) int {
		return count(fmt.Sprintf(`SELECT count(*) FROM (SELECT t::text, %d * count(*) FROM public.bench_events t GROUP BY 1) s
			FULL JOIN (SELECT t::text, count(*) FROM raw.bench_events t GROUP BY 1) d USING (t) WHERE s IS DISTINCT FROM d`, times))
	}
	for _, test := range []struct{ base, parallelism, stream string }{
		{"bench_pg_copy", "3", ""},
		{"bench_pg_copy_lz4", "2", "      partition_key: created_at\n"},
		{"bench_pg", "2", ""},
		{"identity", "2", ""},
	} {
		file := inPartitions(t, test.base, test.parallelism, test.stream)
		for times := 1; times <= 2; times++ { // into a new table, and into one that is there
			code, stdout, stderr := rapidbyte(t, "run", file)
			if code != exitDone {
				t.Fatalf("%s: exit code %d: %s", test.base, code, stderr)
			}
			if n := differ(times); n != 0 {
				t.Errorf("%s, run %d: %d rows differ", test.base, times, n)
			}
			m := metricsOf(t, stdout)
			if fmt.Sprint(m["partition_count"]) != test.parallelism || m["records_written"] != float64(rows) {
				t.Errorf("%s, run %d: %v partitions, %v rows", test.base, times, m["partition_count"], m["records_written"])
			}
			if skew, _ := m["partition_skew"].(float64); skew < 1 || skew > 1.3 {
				t.Errorf("%s, run %d: the largest partition is %v times their mean", test.base, times, m["partition_skew"])
			}
		}
		if n := count("SELECT (SELECT count(*) FROM pg_class WHERE relname LIKE '\\_rapidbyte%') + (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database())"); n != 0 {
			t.Errorf("%s: %d things left behind", test.base, n)
		}
		if _, err := conn.Exec(t.Context(), "DROP SCHEMA raw CASCADE"); err != nil {
			t.Fatal(err)
		}
	}
}

// A connection that is lost costs its partition another try, and no row.
func TestPartitionLosesItsConnection(t *testing.T) {
	const rows = 100_000
	conn := server(t, rows)
	file := inPartitions(t, "bench_pg_copy", "2", "")
	for _, victim := range []string{"COPY \"raw\".%", "COPY (SELECT %"} {
		killed := make(chan bool, 1)
		go func() {
			for start := time.Now(); time.Since(start) < 20*time.Second; time.Sleep(time.Millisecond) {
				var n int
				err := conn.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
					WHERE datname = current_database() AND application_name = 'rapidbyte' AND state = 'active' AND query LIKE $1 LIMIT 1) v`, victim).Scan(&n)
				if err != nil || n > 0 {
					killed <- err == nil
					return
				}
			}
			killed <- false
		}()
		code, stdout, stderr := rapidbyte(t, "run", file)
		if !<-killed {
			t.Fatalf("no session ran %s", victim)
		}
		if code != exitDone {
			t.Fatalf("%s: exit code %d: %s", victim, code, stderr)
		}
		m := metricsOf(t, stdout)
		if m["retry_count"] == 0.0 || m["partition_count"] != 2.0 || !strings.Contains(stderr, " is tried again") || strings.Contains(stderr, "the run is tried again") {
			t.Errorf("%s: %v retries, %v partitions, stderr %s", victim, m["retry_count"], m["partition_count"], stderr)
		}
		var left int
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_class WHERE relname LIKE '\\_rapidbyte%'").Scan(&left); err != nil || left > 0 {
			t.Errorf("%s: %d things left behind (%v)", victim, left, err)
		}
		var same bool
		if err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) || ' ' || sum(hashtextextended(t::text, 0)) FROM public.bench_events t)
			= (SELECT count(*) || ' ' || sum(hashtextextended(t::text, 0)) FROM raw.bench_events t)`).Scan(&same); err != nil || !same {
			t.Errorf("%s: the sides differ (%v)", victim, err)
		}
		if _, err := conn.Exec(t.Context(), "DROP SCHEMA raw CASCADE"); err != nil {
			t.Fatal(err)
		}
	}
}
