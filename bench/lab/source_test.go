package lab

import (
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

func TestFloorsMoveEveryValue(t *testing.T) {
	e := openEnv(t)
	// Below, at and above the length of an INSERT statement.
	for _, rows := range []int{1, insertRows, 3*insertRows + 7} {
		s := openSource(t, e, rows)
		for name, floor := range map[string]func() (int64, error){
			"copy":   func() (int64, error) { return s.FloorCopy(t.Context()) },
			"insert": func() (int64, error) { return s.FloorInsert(t.Context()) },
			"psql":   func() (int64, error) { return s.FloorPSQL(t.Context()) },
		} {
			if err := s.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			n, err := floor()
			if errors.Is(err, ErrNoPSQL) {
				t.Log(err)
				continue
			}
			if err != nil {
				t.Errorf("%s of %d rows: %v", name, rows, err)
				continue
			}
			if n != int64(rows) {
				t.Errorf("%s says it moved %d rows instead of %d", name, n, rows)
			}
			if err := s.Verify(t.Context(), true); err != nil {
				t.Errorf("%s of %d rows: %v", name, rows, err)
			}
			if err := s.settle(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// The floor must not hang or lie when the server refuses rows.
func TestFloorsReportFailure(t *testing.T) {
	e := openEnv(t)
	s := openSource(t, e, 20000)
	ctx := t.Context()
	if _, err := s.conn.Exec(ctx, `ALTER TABLE raw.bench_events ADD CONSTRAINT no CHECK (id < 100)`); err != nil {
		t.Fatal(err)
	}
	defer s.conn.Exec(ctx, `ALTER TABLE raw.bench_events DROP CONSTRAINT no`)

	floors := map[string]func() (int64, error){
		"copy":   func() (int64, error) { return s.FloorCopy(ctx) },
		"insert": func() (int64, error) { return s.FloorInsert(ctx) },
	}
	if _, err := exec.LookPath("psql"); err == nil {
		floors["psql"] = func() (int64, error) { return s.FloorPSQL(ctx) }
	}
	for name, floor := range floors {
		if _, err := floor(); err == nil {
			t.Errorf("%s reports success although the server refused a row", name)
		}
		if err := s.settle(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var rows int
		if err := s.conn.QueryRow(ctx, `SELECT count(*) FROM raw.bench_events`).Scan(&rows); err != nil || rows != 0 {
			t.Errorf("%s left %d rows behind, %v", name, rows, err)
		}
	}
}

// Killed seeding leaves a database without the comment: it is made anew.
func TestSourceSeedsOnce(t *testing.T) {
	e := openEnv(t)
	s := openSource(t, e, 40)
	ctx := t.Context()
	if _, err := s.conn.Exec(ctx, `CREATE TABLE mark ()`); err != nil {
		t.Fatal(err)
	}
	marked := func() bool {
		s := openSource(t, e, 40)
		var there bool
		if err := s.conn.QueryRow(ctx, `SELECT to_regclass('mark') IS NOT NULL`).Scan(&there); err != nil {
			t.Fatal(err)
		}
		return there
	}

	s.conn.Close(ctx)
	delete(e.sources, s.database)
	if !marked() {
		t.Error("a complete database was seeded again")
	}
	if _, err := e.sources[s.database].conn.Exec(ctx, `COMMENT ON DATABASE rapidbyte_bench_40 IS NULL`); err != nil {
		t.Fatal(err)
	}
	e.sources[s.database].conn.Close(ctx)
	delete(e.sources, s.database)
	if marked() {
		t.Error("an incomplete database was used")
	}
}

// On a server that is not ours nothing may stay.
func TestCloseDropsDatabasesOfGivenServer(t *testing.T) {
	server := pgtest.Shared(t)
	e, err := Open(t.Context(), server, DefaultGrid())
	if err != nil {
		t.Fatal(err)
	}
	e.drop = true
	if _, err := e.Source(t.Context(), 41); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var there bool
	err = conn.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'rapidbyte_bench_41')`).Scan(&there)
	if err != nil || there {
		t.Errorf("the database is still there: %v, %v", there, err)
	}
}

func TestSnapshotSeesWork(t *testing.T) {
	e := openEnv(t)
	s := openSource(t, e, 500)
	ctx := t.Context()
	start, err := before(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	clock := startBackendClock(s.postmaster)
	if _, err := s.FloorCopy(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.settle(ctx); err != nil {
		t.Fatal(err)
	}
	end, err := after(ctx, s, readHost(), readHeap())
	if err != nil {
		t.Fatal(err)
	}

	if end.wal <= start.wal {
		t.Errorf("the log did not grow: %d to %d", start.wal, end.wal)
	}
	if end.heap.objects <= start.heap.objects || end.heap.bytes <= start.heap.bytes {
		t.Errorf("nothing was allocated: %+v to %+v", start.heap, end.heap)
	}
	if between(start, end).Checkpoint {
		t.Error("a checkpoint is seen that was not there")
	}
	if _, err := s.conn.Exec(ctx, `CHECKPOINT`); err != nil {
		t.Fatal(err)
	}
	if end, err = after(ctx, s, readHost(), readHeap()); err != nil {
		t.Fatal(err)
	}
	if got := between(start, end).contamination(time.Second); len(got) == 0 || got[0] != "checkpoint" {
		t.Errorf("after a checkpoint the run is disturbed by %q", got)
	}

	// What the system does not tell cannot be tested.
	if clock == nil {
		t.Log("the server's processes are not visible from here")
		return
	}
	defer clock.close()
	if cpu, ok := clock.read(); !ok || cpu < 0 { // 0 where only whole ticks are counted
		t.Errorf("the server's processes used %v, %v", cpu, ok)
	}
	if end.host.cpu <= 0 {
		t.Error("this process used no CPU time")
	}
}

func TestContaminationLimits(t *testing.T) {
	const wall = time.Second
	for _, tt := range []struct {
		name string
		d    Disturbances
		want string
	}{
		{"quiet", Disturbances{StallCPU: int64(wall), Involuntary: 500, MajorFaults: 2, StallIO: int64(wall) / 20}, ""},
		{"one tick of steal", Disturbances{Steal: int64(clockTick)}, ""},
		{"steal", Disturbances{Steal: int64(wall) / 10}, "steal"},
		{"throttled", Disturbances{Throttled: 1}, "throttled"},
		{"disk", Disturbances{StallIO: int64(wall) / 2}, "io-pressure"},
		{"swapping", Disturbances{MajorFaults: 100}, "page-faults"},
		{"checkpoint", Disturbances{Checkpoint: true}, "checkpoint"},
	} {
		got := tt.d.contamination(wall)
		if (tt.want == "") != (len(got) == 0) || len(got) > 0 && got[0] != tt.want {
			t.Errorf("%s: disturbed by %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestSecondSuiteIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the lock")
	}
	openEnv(t)
	if _, err := Open(t.Context(), pgtest.Shared(t), DefaultGrid()); err == nil {
		t.Error("two suites may use the same server")
	}
}

// go test runs in the package's folder; what the user names is relative to the
// repository.
func TestOpenResolvesPaths(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	abs := filepath.Join(t.TempDir(), "r.jsonl")
	for _, tt := range []struct{ set, want string }{
		{"", filepath.Join(root, "target/bench_results/results.jsonl")}, {"off", ""}, {"x/r.jsonl", filepath.Join(root, "x/r.jsonl")}, {abs, abs},
	} {
		t.Setenv("BENCH_RESULTS", tt.set)
		t.Setenv("BENCH_SAMPLES", "side")
		e, err := Open(t.Context(), pgtest.Shared(t), DefaultGrid())
		if err != nil {
			t.Fatal(err)
		}
		if e.Results != tt.want || e.Samples != filepath.Join(root, "side") {
			t.Errorf("BENCH_RESULTS=%q writes to %q and samples to %q, want %q", tt.set, e.Results, e.Samples, tt.want)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}
