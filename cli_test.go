package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
	"github.com/rapidbyte-go/rapidbyte/engine/state"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestMain makes the test binary the program, too, for tests that send signals.
func TestMain(m *testing.M) {
	if os.Getenv("RAPIDBYTE_TEST_MAIN") == "" {
		os.Exit(pgtest.Run(m))
	}
	ctx, stop := signals(context.Background())
	code := testCLI(os.Stdout, os.Stderr).run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// testCLI is the program with connectors that need no server.
func testCLI(stdout, stderr io.Writer) *cli {
	return &cli{
		stdout: stdout, stderr: stderr,
		connectors: func(context.Context) (fs.FS, error) {
			return fstest.MapFS{
				"source-test.json": {Data: []byte(`{"name":"source-test","role":"source","version":"1.2","abi":2,"description":"counts","broker":"","config":[
					{"name":"rows","type":"int","default":3,"doc":"how many rows a stream has"},
					{"name":"mode","type":"string","enum":["good","fail","auth","block","stuck"],"default":"good","doc":"what goes wrong"},
					{"name":"token","type":"string","required":true,"doc":"a secret"}]}`)},
				"dest-test.json": {Data: []byte(`{"name":"dest-test","role":"destination","version":"1.2","abi":2,"description":"forgets","broker":"","config":[
					{"name":"mode","type":"string","default":"","doc":"what goes wrong"}]}`)},
			}, nil
		},
		native: func() map[string]func(abi.Host) abi.Guest {
			return map[string]func(abi.Host) abi.Guest{
				"source-test": sdk.SourceGuest(func() sdk.Source { return &testSource{} }),
				"dest-test":   sdk.DestinationGuest(func() sdk.Destination { return &testDest{} }),
			}
		},
	}
}

type testSource struct {
	host *sdk.Host
	rows int
	mode string
}

func (s *testSource) Open(h *sdk.Host, _ *abi.OpenRequest, c sdk.Config) error {
	s.host, s.rows, s.mode = h, int(c.Int("rows")), c.String("mode")
	if s.mode == "auth" {
		return &abi.Error{Category: abi.CategoryAuth, Message: "the server refused the token", Code: "28P01", Hint: "renew it"}
	}
	return nil
}

func (s *testSource) Check() (*abi.CheckReport, error) {
	if s.mode == "fail" {
		return nil, &abi.Error{Category: abi.CategoryPermission, Message: "may not read", Hint: "ask for it"}
	}
	return &abi.CheckReport{Message: "Test 1.0, 2 streams"}, nil
}

func (s *testSource) Discover() (*abi.Catalog, error) {
	columns := []abi.CatalogColumn{{Name: "id", Type: "integer", ArrowType: "int32"}, {Name: "shape", Type: "geometry", Nullable: true}}
	return &abi.Catalog{Streams: []abi.CatalogStream{
		{Name: "events", Columns: columns, PrimaryKey: []string{"id"}, Rows: 1234567},
		{Name: "nothing", Columns: []abi.CatalogColumn{}, PrimaryKey: []string{}, Rows: -1},
	}}, nil
}

func (s *testSource) Read(req *abi.RunRequest) error {
	schema := &arrowipc.Schema{Fields: []arrowipc.Field{{Name: "id", Type: arrowipc.Int32}, {Name: "name", Type: arrowipc.Utf8, Nullable: true}}}
	if err := s.host.Emit(arrowipc.AppendSchema(nil, schema), 0); err != nil {
		return err
	}
	s.host.Phase(abi.PhaseFetch)
	w := arrowipc.NewWriter(schema, int(req.MaxBatchBytes))
	for next := 1; next <= s.rows; next++ {
		if err := w.Begin(1, []arrowipc.Plan{{}, {DataLen: 4}}); err != nil {
			return err
		}
		binary.LittleEndian.PutUint32(w.Column(0).Data, uint32(next))
		copy(w.Column(1).Data, "ab\tc")
		w.Column(1).Offsets[0], w.Column(1).Offsets[1] = 0, 4
		if err := s.host.Emit(w.Finish(), 1); err != nil {
			return err
		}
		s.host.Metric(abi.MetricRowsRead, 1)
	}

	switch s.mode {
	case "block":
		for {
			if err := s.host.Yield(); err != nil {
				return err
			}
			time.Sleep(time.Millisecond)
		}
	case "stuck":
		time.Sleep(time.Minute) // a connector that listens to nothing
	}
	return s.host.Emit(arrowipc.EOS, 0)
}

func (s *testSource) Close() error { return nil }

type testDest struct {
	host *sdk.Host
	mode string
}

func (d *testDest) Open(h *sdk.Host, _ *abi.OpenRequest, c sdk.Config) error {
	d.host, d.mode = h, c.String("mode")
	return nil
}

func (d *testDest) Check() (*abi.CheckReport, error) {
	return &abi.CheckReport{Message: "Test 1.0, room for more"}, nil
}

func (d *testDest) Write(req *abi.RunRequest) error {
	d.host.Phase(abi.PhaseFlush)
	rows := int64(-1) // the schema is none
	for {
		m, err := d.host.Next()
		if err != nil {
			return err
		}
		if kind, err := arrowipc.KindOf(m); err != nil {
			return err
		} else if kind == arrowipc.KindEOS {
			break
		}
		rows++
	}
	switch {
	case d.mode == "fail" && req.Stream != "first":
		return &abi.Error{Category: abi.CategoryData, Message: "row 3 is refused", Column: "id"}
	case d.mode == "again":
		if _, ok, err := d.host.StateGet("failed"); err != nil || ok {
			break
		}
		if err := d.host.StatePut("failed", []byte("once")); err != nil {
			return err
		}
		return &abi.Error{Category: abi.CategoryTransientDB, Message: "busy, try again"}
	case d.mode == "unknown":
		return &abi.Error{Category: abi.CategoryTransientNetwork, Message: "connection lost during commit", CommitState: abi.CommitUnknown}
	}
	d.host.Metric(abi.MetricRowsWritten, rows)
	return nil
}

func (d *testDest) Close() error { return nil }

// The pipelines of the tests, by file name. %s is the state file.
var testPipelines = map[string]string{
	"good.yaml":    pipelineText("", "", "events"),
	"empty.yaml":   pipelineText("rows: 0", "", "events"),
	"fail.yaml":    pipelineText("", "mode: fail", "first", "events"),
	"denied.yaml":  pipelineText("mode: fail", "", "events"),
	"auth.yaml":    pipelineText("mode: auth", "", "events"),
	"block.yaml":   pipelineText("mode: block", "", "events"),
	"stuck.yaml":   pipelineText("mode: stuck", "", "events"),
	"unknown.yaml": pipelineText("", "mode: unknown", "events"),
	"again.yaml":   pipelineText("", "mode: again", "events"),
	"two.yaml":     pipelineText("", "", "events", "a/b"),
	"badkey.yaml":  pipelineText("rwos: 5", "port: 1", "events"),
	"badtype.yaml": pipelineText("rows: many", "", "events"),
	"badenum.yaml": pipelineText("mode: explode", "", "events"),
	"badvar.yaml":  pipelineText(`mode: "${DEMO_MODE}"`, "", "events"),
	"nosuch.yaml":  strings.Replace(pipelineText("", "", "events"), "use: source-test", "use: source-tset", 1),
	"role.yaml":    strings.Replace(pipelineText("", "", "events"), "use: source-test", "use: dest-test", 1),
	"other.yaml":   strings.Replace(pipelineText("rows: 7", "", "events"), "pipeline: demo", "pipeline: other", 1),
	"state.yaml":   strings.Replace(pipelineText("", "", "events"), "%s", "good.yaml/state.db", 1),
	"broken.yaml":  "version: \"1.0\"\npipeline: ${NO_SUCH_NAME}\nsource: {}\ncolour: red\n",
	"syntax.yaml":  "version: [",
}

func pipelineText(source, dest string, streams ...string) string {
	text := "version: \"1.0\"\npipeline: demo\nsource:\n  use: source-test\n  config:\n    token: hunter2-secret\n"
	if source != "" {
		text += "    " + source + "\n"
	}
	text += "  streams:\n"
	for _, s := range streams {
		text += "    - {name: " + s + ", sync_mode: full_refresh}\n"
	}
	text += "destination:\n  use: dest-test\n  write_mode: append\n"
	if dest == "" {
		text += "  config: {}\n"
	} else {
		text += "  config: {" + dest + "}\n"
	}
	return text + "state: {connection: \"%s\"}\n"
}

// workspace makes a folder with the pipelines and goes there.
func workspace(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range testPipelines {
		text = strings.ReplaceAll(text, "%s", filepath.Join(dir, "state.db"))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("HOME", dir)
	t.Setenv("TZ", "UTC")
	t.Setenv("DEMO_MODE", "hunter2-mode")
}

// TestCommandLine runs every line that starts with $ in testdata/cli/*.txt and
// compares what follows: both outputs and the exit code. Each file starts in a
// fresh folder.
func TestCommandLine(t *testing.T) {
	files, err := filepath.Glob("testdata/cli/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no command lines (%v)", err)
	}
	for _, file := range files {
		full, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(full)
			if err != nil {
				t.Fatal(err)
			}
			workspace(t)

			var got strings.Builder
			for line := range strings.Lines(string(data)) {
				switch {
				case strings.HasPrefix(line, "$ rapidbyte"):
					got.WriteString(line)
					session(t, &got, strings.Fields(line)[2:])
				case strings.HasPrefix(line, "# "):
					got.WriteString(line)
				}
			}
			if *update {
				if err := os.WriteFile(full, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got.String() != string(data) {
				t.Errorf("%s differs (go test -update rewrites it), got:\n%s", file, got.String())
			}
		})
	}
}

// session runs one command and writes what came of it.
func session(t *testing.T, w io.Writer, args []string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := testCLI(&stdout, &stderr).run(t.Context(), args)
	for prefix, b := range map[string]*bytes.Buffer{"stdout": &stdout, "stderr": &stderr} {
		if strings.Contains(b.String(), "hunter2") {
			t.Errorf("%s of %q shows a secret:\n%s", prefix, args, b)
		}
	}
	for line := range strings.Lines(steady(t, stdout.String())) {
		fmt.Fprintf(w, "  %s\n", strings.TrimRight(line, "\n"))
	}
	for line := range strings.Lines(steady(t, stderr.String())) {
		fmt.Fprintf(w, "! %s\n", strings.TrimRight(line, "\n"))
	}
	if code != 0 {
		fmt.Fprintf(w, "? %d\n", code)
	}
}

var (
	breakdown = regexp.MustCompile(`(?s)(  Bytes read: ).*(@@BENCH_JSON@@)`)
	metrics   = regexp.MustCompile(`"duration_secs":[^}]*}`)
	times     = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?`)
	ids       = regexp.MustCompile(`\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}`)
	durations = regexp.MustCompile(`\b\d+(\.\d+)?(µs|ms|s)\b( ?) *`)
	logTime   = regexp.MustCompile(`time=\d\d:\d\d:\d\d\.\d+`)
	build     = regexp.MustCompile(`rapidbyte \S+ \(commit .*\)`)
)

// steady replaces what differs from run to run, and checks that JSON is JSON.
func steady(t *testing.T, text string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		_, object, marked := strings.Cut(line, "JSON@@")
		if !marked {
			object = line
		}
		if strings.HasPrefix(object, "{\"") && !json.Valid([]byte(object)) {
			t.Errorf("not valid JSON: %s", object)
		}
	}
	if dir, err := os.Getwd(); err == nil {
		text = strings.ReplaceAll(text, dir, "DIR")
	}
	text = breakdown.ReplaceAllString(text, "$1...\n$2")
	text = metrics.ReplaceAllString(text, "...}")
	text = ids.ReplaceAllString(text, "ID")
	text = times.ReplaceAllString(text, "TIME")
	text = logTime.ReplaceAllString(text, "time=TIME")
	text = durations.ReplaceAllString(text, "0s$3")
	return build.ReplaceAllString(text, "rapidbyte VERSION")
}

// full is a standard output that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// A run whose result cannot be printed is not reported as one that failed to
// move its rows, but its exit code says that something is missing.
func TestOutputThatFails(t *testing.T) {
	workspace(t)
	for _, c := range []struct{ args, want string }{
		{"run --runtime=native good.yaml", "rapidbyte: the run was completed, but its result cannot be printed: no space left on device\n"},
		{"run --runtime=native --json good.yaml", "rapidbyte: no space left on device\n"},
		{"check --runtime=native good.yaml", "rapidbyte: no space left on device\n"},
	} {
		var stderr bytes.Buffer
		code := testCLI(full{}, &stderr).run(t.Context(), strings.Fields(c.args))
		if code != exitFailed || !strings.HasSuffix(stderr.String(), c.want) {
			t.Errorf("%s: exit code %d, stderr:\n%swant %s", c.args, code, &stderr, c.want)
		}
	}
}

// What connectors and the engine log is seen with -v.
func TestVerbose(t *testing.T) {
	workspace(t)
	for flag, want := range map[string]bool{"-v": true, "--log-level=debug": true, "--log-level=warn": false, "-q": false} {
		var stderr bytes.Buffer
		c := testCLI(io.Discard, &stderr)
		native := c.native
		c.native = func() map[string]func(abi.Host) abi.Guest {
			c.logger().Debug("a line")
			return native()
		}
		if code := c.run(t.Context(), []string{"run", "--runtime=native", flag, "good.yaml"}); code != exitDone {
			t.Errorf("%s: exit code %d", flag, code)
		}
		if got := regexp.MustCompile(`(?m)^time=\d\d:\d\d:\d\d\.\d{3} level=DEBUG msg="a line"$`).MatchString(stderr.String()); got != want {
			t.Errorf("%s: a debug line is shown: %v, want %v:\n%s", flag, got, want, &stderr)
		}
	}
}

// onFirstWrite does something when the program first says that it works.
type onFirstWrite struct {
	bytes.Buffer
	once sync.Once
	do   func()
}

func (w *onFirstWrite) Write(p []byte) (int, error) {
	w.once.Do(w.do)
	return w.Buffer.Write(p)
}

func TestExitCodesOfSignals(t *testing.T) {
	workspace(t)
	for signal, want := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		ctx, cancel := context.WithCancelCause(t.Context())
		var stdout bytes.Buffer
		stderr := onFirstWrite{do: func() { cancel(&signalError{signal}) }}
		if got := testCLI(&stdout, &stderr).run(ctx, []string{"run", "--runtime=native", "--json", "block.yaml"}); got != want {
			t.Errorf("exit code after %v is %d, want %d\n%s", signal, got, want, &stderr)
		}
		if want := fmt.Sprintf(`{"status":"cancelled","exit_code":%d,`, want); !strings.HasPrefix(stdout.String(), want) {
			t.Errorf("stdout does not begin with %s:\n%s", want, &stdout)
		}
		if want := "demo: cancelled after"; !strings.Contains(stderr.String(), want) {
			t.Errorf("stderr does not say %q:\n%s", want, &stderr)
		}
	}

	// The records say so.
	store, err := state.Open("state.db")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	runs, err := store.Runs(t.Context(), state.Filter{})
	if err != nil || len(runs) != 2 || runs[0].Status != engine.StatusCancelled {
		t.Errorf("recorded runs are %+v, %v; want two that were cancelled", runs, err)
	}
}
