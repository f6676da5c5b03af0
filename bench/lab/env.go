package lab

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
	"github.com/rapidbyte-go/rapidbyte/connectors"
	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
)

// Env is everything a benchmark stands on: one server, one seeded source for
// each table and row count, and the engine. It is used by one goroutine at a time, as
// benchmarks are.
type Env struct {
	Server  *pgtest.Server
	Grid    Grid
	Machine Machine
	Commit  Commit
	Run     string // id of this process's results; BENCH_RUN overrides it
	Results string // results file, from BENCH_RESULTS; "" keeps none
	Samples string // folder of the side files, from BENCH_SAMPLES; "" keeps none

	dir       string // for what must not outlive the process
	mu        sync.Mutex
	databases []string // made here and to be dropped; guarded by mu

	files   fs.FS              // the connectors
	engine  *engine.Engine     // of the grid's runtime
	native  *engine.Engine     // of the native one, to compare with
	sources map[string]*Source // by database
	lock    *pgx.Conn
	turns   *turns    // with another process on the same server; nil: none
	drop    bool      // databases made here go when the environment is closed
	sampled bool      // the side files have their head
	profile *recorder // of heap, locks and waiting; nil: as package testing does it
}

// suiteLock is the advisory lock that keeps a second suite off the server. The
// number is arbitrary.
const suiteLock = 0x72627465_62656e63

// Open prepares the environment on server, which stays the caller's. It fails
// if another suite is using the server: two at once would measure each other.
func Open(ctx context.Context, server *pgtest.Server, grid Grid) (*Env, error) {
	root, err := Root()
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	e := &Env{
		Server:  server,
		Grid:    grid,
		Machine: ThisMachine(),
		Commit:  CommitOf(root),
		Run:     os.Getenv("BENCH_RUN"),
		Results: os.Getenv("BENCH_RESULTS"),
		Samples: os.Getenv("BENCH_SAMPLES"),
		sources: make(map[string]*Source),
		// A server of the user's keeps no trace of us; one that was started for
		// the occasion goes whole, and keeps the rows for the next process.
		drop: server.Provider == "dsn",
	}
	if e.Run == "" {
		e.Run = time.Now().UTC().Format("20060102T150405Z-") + strings.ToLower(rand.Text()[:6])
	}
	switch e.Results {
	case "":
		e.Results = filepath.Join(root, history.File)
	case "off":
		e.Results = ""
	default:
		e.Results = under(root, e.Results)
	}
	if e.Samples != "" {
		e.Samples = under(root, e.Samples)
	}
	if e.turns, err = turnsFromEnv(os.LookupEnv); err != nil {
		return nil, err
	}
	if e.profile, err = recorderFor(os.Getenv("BENCH_PROFILE")); err != nil {
		return nil, err
	}
	if e.dir, err = os.MkdirTemp("", "rapidbyte-bench-"); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	if err := e.takeServer(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// under returns path as seen from root: go test runs a package's tests in the
// package's folder, which is not where the user stands.
func under(root, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(root, path)
}

// takeServer locks the server and learns where its data lies.
func (e *Env) takeServer(ctx context.Context) (err error) {
	if e.lock, err = pgx.Connect(ctx, e.Server.DSN()); err != nil {
		return fmt.Errorf("lab: connect to the server: %w", err)
	}
	// Two that take turns share the server, with nobody else.
	lock := "pg_advisory_lock"
	if e.turns != nil {
		lock = "pg_advisory_lock_shared"
	}
	// A process that has just ended may hold the lock for a moment longer.
	_, err = e.lock.Exec(ctx, fmt.Sprintf("SET lock_timeout = '5s'; SELECT %s(%d)", lock, suiteLock))
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "55P03" {
		return errors.New("lab: another benchmark is using this server; let it finish, or use another server")
	}
	if err != nil {
		return fmt.Errorf("lab: lock the server: %w", err)
	}

	e.Machine.Storage = storage(ctx, e.lock)
	return nil
}

// MachineOf describes this machine as the suite does that uses the server at
// dsn: with the file system its data is on, if that is here.
func MachineOf(ctx context.Context, dsn string) (Machine, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return Machine{}, fmt.Errorf("lab: connect to the server: %w", err)
	}
	m := ThisMachine()
	m.Storage = storage(ctx, conn)
	return m, conn.Close(ctx)
}

// PostmasterOf returns the process id of the server at dsn, or 0 if it does not
// run on this machine.
func PostmasterOf(ctx context.Context, dsn string) (int, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return 0, fmt.Errorf("lab: connect to the server: %w", err)
	}
	pid := postmasterOf(int(conn.PgConn().PID()), conn.Config().Database)
	return pid, conn.Close(ctx)
}

// storage returns the type of the file system the server's data is on, "" if it
// does not tell or is on another machine.
func storage(ctx context.Context, conn *pgx.Conn) string {
	var data string
	var pid int
	err := conn.QueryRow(ctx, "SELECT current_setting('data_directory', true), pg_backend_pid()").Scan(&data, &pid)
	if err != nil || postmasterOf(pid, conn.Config().Database) == 0 {
		return ""
	}
	return storageOf(data)
}

// Close gives everything back: connections, compiled modules, temporary files,
// and on a server of the user's the databases.
func (e *Env) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	var errs []error
	for _, s := range e.sources {
		errs = append(errs, s.conn.Close(ctx))
	}
	if e.turns != nil && e.lock != nil {
		errs = append(errs, e.leaveToOther(ctx))
	}
	if e.lock != nil {
		errs = append(errs, e.lock.Close(ctx))
	}
	for _, eng := range []*engine.Engine{e.engine, e.native} {
		if eng != nil {
			errs = append(errs, eng.Close(ctx))
		}
	}
	return errors.Join(append(errs, e.Abandon(ctx))...)
}

// leaveToOther leaves the databases to the process this one takes turns with, unless that has ended.
func (e *Env) leaveToOther(ctx context.Context) error {
	var last bool
	err := e.lock.QueryRow(ctx, "SELECT pg_advisory_unlock_shared($1) AND pg_try_advisory_lock($1)", int64(suiteLock)).Scan(&last)
	if err != nil {
		return fmt.Errorf("lab: look for the other process: %w", err)
	}
	if !last {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.databases = nil
	}
	return nil
}

// Abandon removes what would outlive the process: temporary files, and on a
// server of the user's the databases. Unlike Close it may be called at any
// time from any goroutine, as when the process is told to stop.
func (e *Env) Abandon(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	errs := []error{os.RemoveAll(e.dir)}
	for _, database := range e.databases {
		errs = append(errs, e.Server.DropDatabase(ctx, database))
	}
	e.databases = nil
	return errors.Join(errs...)
}

// owe notes a database that goes with the environment.
func (e *Env) owe(database string) {
	if !e.drop {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.databases = append(e.databases, database)
}

// Engine returns the engine all warm runs share; its modules are compiled once.
func (e *Env) Engine(ctx context.Context) (*engine.Engine, error) {
	if e.engine != nil {
		return e.engine, nil
	}
	var err error
	e.engine, err = e.NewEngine(ctx, "")
	return e.engine, err
}

// nativeEngine returns the engine that runs the same connectors linked in.
func (e *Env) nativeEngine(ctx context.Context) (*engine.Engine, error) {
	if e.native != nil {
		return e.native, nil
	}
	var err error
	e.native, err = e.newEngine(ctx, engine.Native, "off")
	return e.native, err
}

// NewEngine returns an engine of its own with the grid's runtime and the given
// folder for compiled modules, "off" for none. The caller closes it.
func (e *Env) NewEngine(ctx context.Context, cacheDir string) (*engine.Engine, error) {
	kind, err := engine.ParseRuntime(e.Grid.Runtime)
	if err != nil {
		return nil, err
	}
	return e.newEngine(ctx, kind, cacheDir)
}

func (e *Env) newEngine(ctx context.Context, kind engine.Runtime, cacheDir string) (*engine.Engine, error) {
	if e.files == nil {
		var err error
		if e.files, err = connectors.Open(ctx); err != nil {
			return nil, err
		}
	}
	return engine.New(engine.Options{
		Runtime: kind, Connectors: e.files, Native: connectors.Native(), CacheDir: cacheDir,
	})
}

// TempDir returns a new empty folder that goes with the environment.
func (e *Env) TempDir() (string, error) { return os.MkdirTemp(e.dir, "") }

// Pipeline returns the pipeline that moves the rows of s, as a user would write
// it in a file.
func (e *Env) Pipeline(s *Source, load, compression string) (*pipeline.Pipeline, error) {
	return e.pipelineWith(s, load, map[string]any{"compression": compression})
}

// pipelineWith is Pipeline with any resources.
func (e *Env) pipelineWith(s *Source, load string, resources map[string]any) (*pipeline.Pipeline, error) {
	source, err := json.Marshal(pgtest.SourceConfig(s.DSN))
	if err != nil {
		return nil, err
	}
	dest := pgtest.SourceConfig(s.DSN)
	dest["schema"], dest["load_method"] = s.schema(), load
	destination, err := json.Marshal(dest)
	if err != nil {
		return nil, err
	}
	limits, err := json.Marshal(resources)
	if err != nil {
		return nil, err
	}

	// JSON is YAML.
	text := fmt.Sprintf(`version: "1.0"
pipeline: bench_pg
source:
  use: source-postgres
  config: %s
  streams:
    - name: %s
      sync_mode: full_refresh
destination:
  use: dest-postgres
  config: %s
  write_mode: append
resources: %s
`, source, s.Name, destination, limits)
	return pipeline.Parse("bench.yaml", []byte(text), os.LookupEnv)
}

// Config returns the keys that describe machine, server and workload. Results
// are compared only where all are equal, so nothing about the code under test
// may be among them. One process has one dataset here, whatever it runs; the
// others are told apart by the names of their cases.
func (e *Env) Config() []Param {
	return []Param{
		{"dataset", Dataset},
		{"runtime", e.Grid.Runtime},
		{"pg-version", e.Server.Version},
		{"pg-provider", e.Server.Provider},
		{"pg-conf", e.Server.Profile + "-" + e.Server.ConfHash},
		{"machine", e.Machine.ID()},
	}
}

// WriteHead writes what must stand before the first benchmark line: what the
// units mean, the configuration, and as comments, which no reader takes for
// configuration, what differs from run to run.
func (e *Env) WriteHead(w io.Writer) error {
	var head strings.Builder
	for _, u := range Units() {
		head.WriteString(u.Lines())
	}
	for _, p := range e.Config() {
		fmt.Fprintf(&head, "%s: %s\n", p.Key, p.Value)
	}
	fmt.Fprintf(&head, "# %s\n", e.Machine)
	fmt.Fprintf(&head, "# commit %s (%s) dirty=%v %s wazero=%s run=%s\n", e.Commit.SHA, e.Commit.Branch, e.Commit.Dirty,
		runtime.Version(), moduleVersion("github.com/tetratelabs/wazero"), e.Run)
	_, err := io.WriteString(w, head.String())
	return err
}

// moduleVersion returns the version of a module the suite is built with: test
// binaries do not carry it, so it is read from the module file, as long as that
// is there.
func moduleVersion(path string) string {
	root, err := Root()
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(readFile(filepath.Join(root, "go.mod"))) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) > 1 && fields[0] == path {
			return fields[1]
		}
	}
	return "unknown"
}
