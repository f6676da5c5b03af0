package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/connectors"
)

// dyingConnectors puts a transform that fails on request beside the real
// connectors and makes the program use them.
func dyingConnectors(t *testing.T) {
	t.Helper()
	files, err := connectors.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, files); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", filepath.Join(dir, "chaos-transform.wasm"), "./engine/testdata/chaos-transform")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	manifest := `{"name":"chaos-transform","role":"transform","version":"1","abi":2,"description":"fails","broker":"","config":[
		{"name":"mode","type":"string","default":"","doc":"how"},
		{"name":"batches","type":"int","default":2,"doc":"before which batch"},
		{"name":"size","type":"int","default":0,"doc":"not used"}]}`
	if err := os.WriteFile(filepath.Join(dir, "chaos-transform.json"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat(os.DirFS(dir), "dest-postgres.wasm"); err != nil {
		t.Fatal(err)
	}
	t.Setenv(connectors.DirVariable, dir)
}

// Whatever a guest dies of in the middle of a stream, the error says where and
// how, and the table is as it was: rows that were already with the server are
// not there, and rows that were there before still are.
func TestGuestsThatDieLeaveTheTableAsItWas(t *testing.T) {
	conn := server(t, 50_000)
	dyingConnectors(t)
	const before = "create schema raw; create table raw.bench_events as select * from public.bench_events limit 7"
	if _, err := conn.Exec(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	// One row that the source's memory cannot hold, behind all others.
	const wide = "create table public.wide as select g id, repeat('x', case g when 20000 then 60 << 20 else 10 end) t from generate_series(1, 20000) g;" +
		"create table raw.wide (id integer, t text); insert into raw.wide values (1, 'before')"
	if _, err := conn.Exec(t.Context(), wide); err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		name, stream, transform, mode string
		want                          []string
	}{
		{"panic", "bench_events", "{mode: panic-run}", "append", []string{`transform-1 (chaos-transform), stream "bench_events", process`, "panicked in run"}},
		{"panic while replacing", "bench_events", "{mode: panic-run}", "replace", []string{"transform-1 (chaos-transform)", "panicked in run"}},
		{"exit 0", "bench_events", "{mode: exit0-run}", "append", []string{"transform-1 (chaos-transform)", "exited with code 0 in the middle of run"}},
		{"out of memory", "bench_events", "{mode: memory-run}", "append", []string{"transform-1 (chaos-transform)", "ran out of memory", "resources.max_memory"}},
		{"source out of memory", "wide", "{}", "append", []string{"source (source-postgres)", `stream "wide"`, "memory"}},
	}
	for _, load := range []string{"insert", "copy"} {
		for _, tt := range tests {
			t.Run(tt.name+"/"+load, func(t *testing.T) {
				text := fmt.Sprintf(`version: "1.0"
pipeline: dying
source:
  use: source-postgres
  config: {host: "${RAPIDBYTE_PG_HOST}", port: "${RAPIDBYTE_PG_PORT}", user: "${RAPIDBYTE_PG_USER}", database: "${RAPIDBYTE_PG_DATABASE}"}
  streams: [{name: %s, sync_mode: full_refresh}]
transforms: [{use: chaos-transform, config: %s}]
destination:
  use: dest-postgres
  config: {host: "${RAPIDBYTE_PG_HOST}", port: "${RAPIDBYTE_PG_PORT}", user: "${RAPIDBYTE_PG_USER}", database: "${RAPIDBYTE_PG_DATABASE}", schema: raw, load_method: %s}
  write_mode: %s
`, tt.stream, tt.transform, load, tt.mode)
				file := filepath.Join(t.TempDir(), "dying.yaml")
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				code, _, stderr := rapidbyte(t, "run", file)
				if code != exitFailed {
					t.Errorf("exit code %d, want %d", code, exitFailed)
				}
				for _, want := range tt.want {
					if !strings.Contains(stderr, want) {
						t.Errorf("stderr does not say %q:\n%s", want, stderr)
					}
				}
				var rows int
				if err := conn.QueryRow(t.Context(), "select count(*) from raw."+tt.stream).Scan(&rows); err != nil {
					t.Fatal(err)
				}
				if want := map[string]int{"bench_events": 7, "wide": 1}[tt.stream]; rows != want {
					t.Errorf("%d rows are in the table, want the %d that were there", rows, want)
				}
			})
		}
	}
}
