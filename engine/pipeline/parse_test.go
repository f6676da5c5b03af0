package pipeline

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestEveryKey(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	env := map[string]string{"HOST": "db: 1", "PORT": "5432", "PASSWORD": "a\"b\n- c: d", "YES": "true", "ZERO": "0"}
	got, err := Load("testdata/full.yaml", func(k string) (string, bool) { v, ok := env[k]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}

	options := map[string]any{"depth": int64(3), "ratio": 0.5, "on": []any{true, "x", "db: 1:5432", int64(16)}}
	password := "p:a\"b\n- c: d"
	want := &Pipeline{
		File:    "testdata/full.yaml",
		Version: "1.0",
		Name:    "everything",
		Source: Source{
			Use:     Ref{"acme", "source-postgres", "v1.2"},
			Strict:  true,
			Config:  map[string]any{"host": "db: 1", "port": "5432", "password": password, "options": options},
			Streams: []Stream{{Name: "public events", SyncMode: "full_refresh"}, {"orders", "full_refresh", "order id"}},
		},
		Transforms: []Transform{
			{Use: Ref{Name: "transform-identity"}, Config: map[string]any{}},
			{Use: Ref{Name: "other", Version: "v2"}, Strict: true, Config: map[string]any{"a": "b"}},
		},
		Destination: Destination{
			Use: Ref{Name: "dest-postgres"},
			Config: map[string]any{
				"host": "db: 1", "port": int64(6543), "password": password, "options": options,
				"literal": "${HOST}", "text": "one\ndb: 1\n",
			},
			WriteMode:   "replace",
			PrimaryKey:  []string{"id", "part"},
			OnDataError: "fail",
		},
		State: State{"sqlite", "/home/u/runs/state.db"},
		Resources: Resources{
			MaxMemory: 1 << 30, MaxBatchBytes: 16 << 20, Parallelism: 4,
			CheckpointBytes: 1000, CheckpointRows: 5000, CheckpointInterval: time.Minute,
			MaxRetries: 0, Compression: "zstd", MaxInflightBatches: 4,
		},
		positions: got.positions,
		variables: got.variables,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for path, want := range map[string]string{"source.config.port": "${PORT}", "transforms[0].use": "as given"} {
		if text := got.Written(path, "as given"); text != want {
			t.Errorf("%s is written %q, want %q", path, text, want)
		}
	}
	if s := got.Source.Use.String(); s != "acme/source-postgres@v1.2" {
		t.Errorf("Use.String() = %q", s)
	}
}

// minimal has the required keys only.
const minimal = `version: 1.0
pipeline: p
source: {use: a, config: {}, streams: [{name: t, sync_mode: full_refresh}]}
destination: {use: b, config: {}, write_mode: append}
`

func TestDefaults(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	p, err := Parse("", []byte(minimal), nil)
	if err != nil {
		t.Fatal(err)
	}

	if want := (State{"sqlite", "/home/u/.rapidbyte/state.db"}); p.State != want {
		t.Errorf("state is %+v, want %+v", p.State, want)
	}
	if p.Destination.OnDataError != "fail" || len(p.Destination.PrimaryKey) != 0 || len(p.Transforms) != 0 {
		t.Errorf("destination is %+v, transforms are %+v", p.Destination, p.Transforms)
	}
	want := Resources{
		MaxMemory: 256 << 20, MaxBatchBytes: 64 << 20, Parallelism: 1,
		CheckpointBytes: 64 << 20, MaxRetries: 3, Compression: "none", MaxInflightBatches: 16, MaxInflightBytes: 4 << 20,
	}
	if p.Resources != want {
		t.Errorf("resources are %+v, want %+v", p.Resources, want)
	}
}

func TestBatchFollowsMemory(t *testing.T) {
	for memory, want := range map[string]int64{"64mb": 16 << 20, "256mb": 64 << 20, "4gb": 64 << 20} {
		p, err := Parse("", []byte(minimal+"resources: {max_memory: "+memory+"}\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if p.Resources.MaxBatchBytes != want {
			t.Errorf("max_memory %s gives max_batch_bytes %d, want %d", memory, p.Resources.MaxBatchBytes, want)
		}
	}
}

// auto is a partition a processor, up to a bound; memory follows what it comes to.
func TestParallelism(t *testing.T) {
	processors := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(processors) })
	env := map[string]string{"N": " 3 ", "WORD": "auto"}
	for _, c := range []struct {
		value      string
		processors int
		want       int
		auto       bool
		memory     int64
	}{
		{"1", 4, 1, false, 256 << 20},
		{"2", 1, 2, false, 384 << 20},
		{"32", 1, 32, false, 33 * 128 << 20},
		{"auto", 1, 1, true, 256 << 20},
		{"auto", 6, 6, true, 896 << 20},
		{"auto", 12, 8, true, 9 * 128 << 20},
		{"'auto'", 2, 2, true, 384 << 20},
		{"'${N}'", 1, 3, false, 512 << 20},
		{"'${WORD}'", 2, 2, true, 384 << 20},
		{"'${NO:-4}'", 1, 4, false, 640 << 20},
	} {
		runtime.GOMAXPROCS(c.processors)
		p, err := Parse("", []byte(minimal+"resources: {parallelism: "+c.value+"}\n"), func(k string) (string, bool) { v, ok := env[k]; return v, ok })
		if err != nil {
			t.Error(err)
			continue
		}
		r := p.Resources
		if r.Parallelism != c.want || r.AutoParallelism != c.auto || r.MaxMemory != c.memory {
			t.Errorf("%s with %d processors gives parallelism %d, auto %v, max_memory %d; want %d, %v, %d",
				c.value, c.processors, r.Parallelism, r.AutoParallelism, r.MaxMemory, c.want, c.auto, c.memory)
		}
		if r.MaxMemory > maxMaxMemory {
			t.Errorf("%s gives max_memory %d, more than a file may ask for", c.value, r.MaxMemory)
		}
	}

	p, err := Parse("", []byte(minimal+"resources: {parallelism: 8, max_memory: 64mb}\n"), nil)
	if err != nil || p.Resources.MaxMemory != 64<<20 {
		t.Errorf("got %+v, %v; want the memory that the file names", p, err)
	}
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "7": 7, "1kb": 1 << 10, "64MB": 64 << 20, " 2 Gb ": 2 << 30, "8589934591gb": 8589934591 << 30,
	} {
		if got, ok := parseSize(in); !ok || got != want {
			t.Errorf("parseSize(%q) = %d, %v; want %d", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "kb", "-1", "+1", "1.5mb", "1 b", "1tb", "mb1", "1_000", "0x10", "8589934592gb", "99999999999999999999"} {
		if got, ok := parseSize(in); ok {
			t.Errorf("parseSize(%q) = %d, want a refusal", in, got)
		}
	}
}

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "x", "EMPTY": "", "NESTED": "${A}"}
	lookup := func(k string) (string, bool) { v, ok := env[k]; return v, ok }
	for _, c := range []struct {
		in, want string
		missing  string
	}{
		{"", "", ""},
		{"$A {A} $", "$A {A} $", ""},
		{"${A}", "x", ""},
		{"a${A}b${A}c", "axbxc", ""},
		{"${EMPTY}", "", ""},
		{"${EMPTY:-d}", "d", ""},
		{"${NO:-d}", "d", ""},
		{"${NO:-}", "", ""},
		{"${NO:-a:-b c}", "a:-b c", ""},
		{"${A:-d}", "x", ""},
		{"${NO}${A}${NONE}", "x", "NO NONE"},
		{"$${A}", "${A}", ""},
		{"$$${A}", "$${A}", ""},
		{"${NESTED}", "${A}", ""},
	} {
		got, _, missing, malformed := expand(c.in, lookup)
		if got != c.want || strings.Join(missing, " ") != c.missing || malformed {
			t.Errorf("expand(%q) = %q, missing %q, malformed %v; want %q, %q", c.in, got, missing, malformed, c.want, c.missing)
		}
	}
}

func TestPosition(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	env := map[string]string{"HOST": "h\nh", "PORT": "1", "PASSWORD": "", "YES": "true", "ZERO": "0"}
	p, err := Load("testdata/full.yaml", func(k string) (string, bool) { v, ok := env[k]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]Position{
		"":                                {1, 1},
		"version":                         {2, 10},
		"pipeline":                        {3, 11},
		"source":                          {5, 1},
		"source.config":                   {8, 3},
		"source.config.password":          {11, 15},
		"source.config.options.on[2]":     {15, 23},
		"source.config.missing":           {8, 3},
		"source.streams[0]":               {17, 7},
		"source.streams[0].name":          {17, 13},
		"source.streams[1].sync_mode":     {19, 33},
		"source.streams[1].partition_key": {19, 62},
		"source.streams[7].sync_mode":     {16, 3},
		"transforms[0].config":            {22, 5},
		"transforms[1].config.a":          {26, 10},
		"destination.config.port":         {33, 11},
		"destination.config.host":         {9, 11}, // where it is written
		"destination.primary_key[1]":      {39, 21},
		"resources.max_inflight_batches":  {55, 25},
		"resources.max_batch_bytes.a.b.c": {48, 20},
		"nothing":                         {1, 1},
	} {
		if got, ok := p.Position(path); !ok || got != want {
			t.Errorf("Position(%q) = %v, %v; want %v", path, got, ok, want)
		}
	}

	if got := p.Errorf("destination.config.load_method", "no %d", 1).Error(); got != "testdata/full.yaml:31:3: no 1" {
		t.Errorf("Errorf reads %q", got)
	}
	made := &Pipeline{}
	if pos, ok := made.Position("source.use"); ok {
		t.Errorf("a pipeline without a file has source.use at %v", pos)
	}
	if got := made.Errorf("source.use", "text").Error(); got != "text" {
		t.Errorf("Errorf reads %q", got)
	}
}

// Windows line ends, a byte order mark and letters of several bytes change no place.
func TestPositionsOfOddFiles(t *testing.T) {
	text := strings.ReplaceAll("\ufeff# é\n"+minimal+"state: {backend: \"é\", connection: \"\"}\n", "\n", "\r\n")
	_, err := Parse("p", []byte(text), nil)
	want := "p:6:18: state.backend: \"é\" is not known; want sqlite\np:6:35: state.connection: must not be empty"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestNoHome(t *testing.T) {
	t.Setenv("HOME", "")
	_, err := Parse("p", []byte(minimal), nil)
	if err == nil || !strings.Contains(err.Error(), "state.connection: there is no home directory for ~") {
		t.Errorf("Parse = %v", err)
	}
	p, err := Parse("p", []byte(minimal+"state: {connection: ~user/x}\n"), nil)
	if err != nil || p.State.Connection != "~user/x" {
		t.Errorf("Parse = %v, %v; want the name as it is", p, err)
	}
}

// What would make the parser slow or deep is refused before it sees it.
func TestLimits(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"brackets":  {"a: " + strings.Repeat("[", 20_000), "p:1:68: not valid YAML: nested too deeply"},
		"dashes":    {strings.Repeat("- ", 10_000), "p:1:1001: not valid YAML: nested too deeply"},
		"documents": {strings.Repeat("---\n", 10_000), "p:3:1: not valid YAML: a second document; a file describes one pipeline"},
		"values":    {minimal + "x: [" + strings.Repeat("1,", 20_000) + "]\n", "p:5:1: x: unknown key (known: version, pipeline, source, transforms, destination, state, resources)\np:5:19975: more than 10000 values; is this a pipeline?"},
	} {
		if _, err := Parse("p", []byte(c.text), nil); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %.300v\nwant %s", name, err, c.want)
		}
	}
}

func TestMergeOfSeveral(t *testing.T) {
	p, err := Parse("p", []byte(`version: "1.0"
? pipeline
: p
source: {use: a, config: &a {x: 1, y: 1}, streams: [{name: t, sync_mode: full_refresh}]}
transforms: [{use: c, config: &b {y: 2, z: 2}}]
destination: {use: b, config: {z: 3, <<: [*a, *b]}, write_mode: append}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	// The mapping's own keys win, then the first that is merged.
	want := map[string]any{"x": int64(1), "y": int64(1), "z": int64(3)}
	if got := p.Destination.Config; !reflect.DeepEqual(got, want) {
		t.Errorf("config is %v, want %v", got, want)
	}
}

// The files that come with the project parse with an empty environment.
func TestShippedPipelines(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	files, err := filepath.Glob("../../testdata/pipelines/*.yaml")
	if err != nil || len(files) < 7 {
		t.Fatalf("found %d pipelines (%v), want at least 7", len(files), err)
	}
	none := func(string) (string, bool) { return "", false }
	for _, f := range files {
		p, err := Load(f, none)
		if err != nil {
			t.Error(err)
			continue
		}
		if name := strings.TrimSuffix(filepath.Base(f), ".yaml"); p.Name != name {
			t.Errorf("%s describes %q", f, p.Name)
		}
	}
}

func FuzzParse(f *testing.F) {
	data, err := os.ReadFile("testdata/errors.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, section := range strings.Split(string(data), "\n=== ")[1:] {
		_, body, _ := strings.Cut(section, "\n")
		input, _, _ := strings.Cut(body, "-----")
		f.Add([]byte(input))
	}
	f.Add([]byte(minimal))
	f.Add([]byte(minimal + "resources: {parallelism: auto}\n"))
	full, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)

	f.Setenv("HOME", "/home/u")
	const secret = "S3cr3t-Value"
	lookup := func(name string) (string, bool) { return secret, name != "UNSET" }
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse("f", data, lookup)
		if err == nil {
			if p.Name == "" || len(p.Source.Streams) == 0 || p.Source.Use.Name == "" || p.Destination.Config == nil ||
				p.Resources.MaxBatchBytes > p.Resources.MaxMemory/4 || p.Resources.Parallelism < 1 || p.Resources.Parallelism > maxParallelism {
				t.Errorf("accepted %+v", p)
			}
			return
		}

		errs, ok := err.(Errors)
		if !ok || len(errs) == 0 {
			t.Fatalf("Parse returned %T: %v", err, err)
		}
		lines := 1 + strings.Count(string(data), "\n") + strings.Count(string(data), "\r")
		last := Position{1, 1}
		for _, e := range errs {
			if e.Line < last.Line || e.Line == last.Line && e.Column < last.Column || e.Line > lines+1 {
				t.Errorf("%v is out of place after %v in %d lines", e, last, lines)
			}
			last = Position{e.Line, e.Column}
			if strings.Contains(e.Message, secret) && !strings.Contains(string(data), secret) {
				t.Errorf("the message shows a variable's value: %v", e)
			}
			if strings.Contains(e.Message, "\n") {
				t.Errorf("the message has several lines: %q", e.Message)
			}
		}
	})
}
