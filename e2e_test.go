package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// server gives the test a seeded database, and the environment that the shipped
// pipelines read their connection from.
func server(t *testing.T, rows int) *pgx.Conn {
	t.Helper()
	dsn := pgtest.Shared(t).NewDatabase(t)
	if err := pgtest.Seed(t.Context(), dsn, "public.bench_events", rows); err != nil {
		t.Fatal(err)
	}
	for key, value := range pgtest.SourceConfig(dsn) {
		t.Setenv("RAPIDBYTE_PG_"+strings.ToUpper(key), fmt.Sprint(value))
	}
	// A home of its own keeps the runs out of the user's records. The caches of
	// Go and of compiled connectors stay where they are.
	out, err := exec.Command("go", "env", "-json", "GOCACHE", "GOMODCACHE", "GOPATH").Output()
	if err != nil {
		t.Fatal(err)
	}
	caches := make(map[string]string)
	if err := json.Unmarshal(out, &caches); err != nil {
		t.Fatal(err)
	}
	if caches["XDG_CACHE_HOME"], err = os.UserCacheDir(); err != nil {
		t.Fatal(err)
	}
	for key, value := range caches {
		t.Setenv(key, value)
	}
	t.Setenv("HOME", t.TempDir())

	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// rapidbyte runs the real program with the real connectors.
func rapidbyte(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// The seed's keys, which the JSON line must keep.
const seedKeys = `records_read records_written bytes_read bytes_written duration_secs source_duration_secs
	dest_duration_secs dest_connect_secs dest_flush_secs dest_commit_secs dest_vm_setup_secs dest_recv_secs
	wasm_overhead_secs source_connect_secs source_query_secs source_fetch_secs source_module_load_ms
	dest_module_load_ms source_emit_nanos source_compress_nanos source_emit_count dest_recv_nanos
	dest_decompress_nanos dest_recv_count transform_count transform_duration_secs transform_module_load_ms retry_count`

// Every pipeline that comes with the project moves every row as it is.
func TestShippedPipelines(t *testing.T) {
	const rows = 5000
	conn := server(t, rows)
	checksum := func(table string) (sum string) {
		t.Helper()
		err := conn.QueryRow(t.Context(), `SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM `+table+` t`).Scan(&sum)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	want := checksum("public.bench_events")

	files, err := filepath.Glob("testdata/pipelines/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pipelines (%v)", err)
	}
	for _, file := range files {
		code, stdout, stderr := rapidbyte(t, "run", file)
		if code != exitDone {
			t.Fatalf("%s: exit code %d: %s", file, code, stderr)
		}
		if got := checksum("raw.bench_events"); got != want {
			t.Errorf("%s: the destination has %s, the source %s", file, got, want)
		}
		if _, err := conn.Exec(t.Context(), "DROP SCHEMA raw CASCADE"); err != nil {
			t.Fatal(err)
		}

		_, line, ok := strings.Cut(stdout, "@@BENCH_JSON@@")
		metrics := make(map[string]any)
		if err := json.Unmarshal([]byte(line), &metrics); err != nil || !ok {
			t.Fatalf("%s: no JSON line in %q (%v)", file, stdout, err)
		}
		for _, key := range strings.Fields(seedKeys) {
			if _, ok := metrics[key]; !ok {
				t.Errorf("%s: no key %q", file, key)
			}
		}
		if metrics["records_read"] != float64(rows) || metrics["records_written"] != float64(rows) {
			t.Errorf("%s: read %v and wrote %v of %d rows", file, metrics["records_read"], metrics["records_written"], rows)
		}
		compressed := strings.Contains(file, "lz4") || strings.Contains(file, "zstd")
		for _, key := range []string{"source_compress_nanos", "dest_decompress_nanos"} {
			if got := metrics[key].(float64) > 0; got != compressed {
				t.Errorf("%s: %s is %v", file, key, metrics[key])
			}
		}
		if !strings.Contains(stdout, "completed successfully") || !strings.Contains(stderr, ": completed after ") {
			t.Errorf("%s: stdout is %q, stderr is %q", file, stdout, stderr)
		}
	}

	code, stdout, _ := rapidbyte(t, "runs", "--json", "--limit=0")
	if n := strings.Count(stdout, `"status":"completed"`); code != exitDone || n != len(files) {
		t.Errorf("%d runs of %d are recorded as completed: %s", n, len(files), stdout)
	}
}

func TestLookAtServer(t *testing.T) {
	server(t, 100)
	const file = "testdata/pipelines/bench_pg.yaml"
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"check", file}, []string{"source (source-postgres): ok: PostgreSQL ", "destination (dest-postgres): ok: PostgreSQL "}},
		{[]string{"discover", file}, []string{"bench_events: about 100 rows, primary key id\n", "\n  payload ", "@@CATALOG_JSON@@{"}},
		{[]string{"preview", "-n", "2", file}, []string{"bench_events: 7 columns\n", "timestamp without time zone", "\n1   purchase    2        7919    true       payload-1-xxxxxxx"}},
		{[]string{"connectors"}, []string{"\ndest-postgres ", "\nsource-postgres ", "\ntransform-identity "}},
		{[]string{"connectors", "dest-postgres"}, []string{"\n  password ", "\n  load_method ", "insert|copy"}},
	} {
		code, stdout, stderr := rapidbyte(t, c.args...)
		if code != exitDone {
			t.Errorf("%q: exit code %d: %s", c.args, code, stderr)
		}
		for _, want := range c.want {
			if !strings.Contains("\n"+stdout, want) {
				t.Errorf("%q does not say %q:\n%s", c.args, want, stdout)
			}
		}
	}
}

// What goes wrong with a server is found by check, named by run, and shows no
// password.
func TestServerSaysNo(t *testing.T) {
	conn := server(t, 10)
	const password = "Not-The-Password-77"
	if _, err := conn.Exec(t.Context(), "CREATE ROLE e2e_user LOGIN PASSWORD 'the right one'"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := conn.Exec(context.Background(), "DROP ROLE e2e_user"); err != nil {
			t.Error(err)
		}
	})

	for name, c := range map[string]struct {
		env                 map[string]string
		category, says, not string
	}{
		"wrong password":   {map[string]string{"USER": "e2e_user", "PASSWORD": password}, "auth", "password authentication failed", password},
		"no such database": {map[string]string{"DATABASE": "no_such_db"}, "config", "no_such_db", "\x00"},
		"unreachable":      {map[string]string{"HOST": "127.0.0.1", "PORT": "1", "PASSWORD": password}, "transient_network", "127.0.0.1", password},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range c.env {
				t.Setenv("RAPIDBYTE_PG_"+key, value)
			}
			for command, want := range map[string]int{"check": exitCheck, "discover": exitFailed} {
				code, stdout, stderr := rapidbyte(t, command, "--json", "testdata/pipelines/bench_pg.yaml")
				if code != want {
					t.Errorf("%s: exit code %d, want %d: %s", command, code, want, stderr)
				}
				if !strings.Contains(stderr, c.says) || !strings.Contains(stdout, `"category":"`+c.category+`"`) {
					t.Errorf("%s: stdout is %s\nstderr is %s\nwant %q and category %s", command, stdout, stderr, c.says, c.category)
				}
				if strings.Contains(stdout+stderr, c.not) {
					t.Errorf("%s: shows the password: %s%s", command, stdout, stderr)
				}
			}
		})
	}
}

func TestMissingTable(t *testing.T) {
	conn := server(t, 10)
	if _, err := conn.Exec(t.Context(), "DROP TABLE bench_events"); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := rapidbyte(t, "run", "testdata/pipelines/bench_pg_copy.yaml")
	if code != exitFailed || !strings.Contains(stderr, `bench_events`) || !strings.Contains(stderr, "source (source-postgres)") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
