package engine_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
	"github.com/rapidbyte-go/rapidbyte/engine/testdata/chaos"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// shared is one folder for the whole package: modules built and compiled once.
var shared string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "rapidbyte-engine-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shared = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const manifest = `{"name":%q,"role":%q,"version":"1","abi":2,"description":"misbehaves","broker":"","parallel":%t,"config":[
	{"name":"mode","type":"string","default":"","doc":"what to do wrong"},
	{"name":"batches","type":"int","default":10,"doc":"batches of a stream"},
	{"name":"size","type":"int","default":1000,"doc":"bytes of a batch"}]}`

// chaosFS holds the chaos connectors, built once from source.
var chaosFS = sync.OnceValues(func() (fs.FS, error) {
	files := fstest.MapFS{}
	for name, role := range map[string]string{"chaos-source": "source", "chaos-dest": "destination"} {
		out := filepath.Join(shared, name+".wasm")
		cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-o", out, "./testdata/"+name)
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, text)
		}
		wasm, err := os.ReadFile(out)
		if err != nil {
			return nil, err
		}
		files[name+".wasm"] = &fstest.MapFile{Data: wasm}
		files[name+".json"] = &fstest.MapFile{Data: fmt.Appendf(nil, manifest, name, role, true)}
	}
	// On the native runtime only: another module takes seconds to build.
	files["chaos-transform.json"] = &fstest.MapFile{Data: fmt.Appendf(nil, manifest, "chaos-transform", "transform", false)}
	return files, nil
})

var chaosNative = map[string]func(abi.Host) abi.Guest{
	"chaos-source": sdk.SourceGuest(chaos.NewSource),
	"chaos-dest":   sdk.DestinationGuest(chaos.NewDestination),

	"chaos-transform": sdk.TransformGuest(chaos.NewTransform),
}

// newEngine returns an engine with the chaos connectors in it.
func newEngine(t testing.TB, r engine.Runtime, change func(*engine.Options)) *engine.Engine {
	t.Helper()
	files, err := chaosFS()
	if err != nil {
		t.Fatal(err)
	}
	o := engine.Options{Runtime: r, Connectors: files, Native: chaosNative, CacheDir: filepath.Join(shared, "cache")}
	if change != nil {
		change(&o)
	}
	e, err := engine.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

// parse makes a pipeline of the chaos connectors. The settings are "key: value"
// lines of the source's config, of the destination's after "dest:", and of the
// resources after "resources:".
func parse(t testing.TB, settings ...string) *pipeline.Pipeline {
	t.Helper()
	section := map[string][]string{}
	where := "source"
	streams := "[{name: numbers, sync_mode: full_refresh}]"
	for _, s := range settings {
		switch {
		case s == "dest:" || s == "resources:":
			where = strings.TrimSuffix(s, ":")
		case strings.HasPrefix(s, "streams: "):
			streams = strings.TrimPrefix(s, "streams: ")
		default:
			section[where] = append(section[where], s)
		}
	}
	flow := func(name string) string { return "{" + strings.Join(section[name], ", ") + "}" }
	text := fmt.Sprintf(`version: "1.0"
pipeline: chaos
source: {use: chaos-source, config: %s, streams: %s}
destination: {use: chaos-dest, write_mode: append, config: %s}
resources: %s
`, flow("source"), streams, flow("dest"), flow("resources"))
	p, err := pipeline.Parse("chaos.yaml", []byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// withTransform puts a chaos transform into the pipeline.
func withTransform(p *pipeline.Pipeline, mode string) *pipeline.Pipeline {
	p.Transforms = append(p.Transforms, pipeline.Transform{
		Use: pipeline.Ref{Name: "chaos-transform"}, Config: map[string]any{"mode": mode},
	})
	return p
}
