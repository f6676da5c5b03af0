package lab

import (
	"slices"
	"strings"
	"testing"
)

func lookupIn(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func TestGridFromEnvDefaults(t *testing.T) {
	g, err := GridFromEnv(lookupIn(nil))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(g.Pipelines()); n != 18 {
		t.Errorf("the default grid has %d pipelines, want 3 x 2 x 3 = 18", n)
	}
	if g.Runtime != "compiled" || g.AllMetrics || g.Warmups != 1 {
		t.Errorf("defaults are %+v", g)
	}
}

func TestGridFromEnvReadsEveryVariable(t *testing.T) {
	g, err := GridFromEnv(lookupIn(map[string]string{
		"BENCH_ROWS": "50, 7", "BENCH_LOAD": "copy", "BENCH_COMPRESSION": "zstd none",
		"BENCH_RUNTIME": "native", "BENCH_METRICS": "all", "BENCH_SEED": "5",
	}))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range g.Pipelines() {
		names = append(names, c.String())
	}
	want := []string{
		"Pipeline/rows=50/load=copy/compression=zstd", "Pipeline/rows=50/load=copy/compression=none",
		"Pipeline/rows=7/load=copy/compression=zstd", "Pipeline/rows=7/load=copy/compression=none",
	}
	if !slices.Equal(names, want) {
		t.Errorf("pipelines are %q, want %q", names, want)
	}
	if g.Runtime != "native" || !g.AllMetrics || g.Warmups != 3 {
		t.Errorf("grid is %+v, want native, all metrics, 3 warm-ups", g)
	}
}

func TestGridFromEnvNamesTheVariable(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"BENCH_ROWS", "10k", `"10k" is not a row count from 1 to 100000000`},
		{"BENCH_ROWS", "0", `"0" is not a row count`},
		{"BENCH_ROWS", "-1", `"-1" is not a row count`},
		{"BENCH_ROWS", "100000001", `is not a row count`},
		{"BENCH_ROWS", "5,5", "5 is there twice"},
		{"BENCH_ROWS", " , ", "no value in it"},
		{"BENCH_LOAD", "upsert", `"upsert" is not one of insert, copy`},
		{"BENCH_LOAD", "copy,copy", `"copy" is there twice`},
		{"BENCH_COMPRESSION", "gzip", `"gzip" is not one of none, lz4, zstd`},
		{"BENCH_RUNTIME", "jit", `"jit" is not one of compiled, interpreted, native`},
		{"BENCH_RUNTIME", "compiled,native", "takes one value"},
		{"BENCH_METRICS", "some", `"some" is not one of default, all`},
		{"BENCH_SEED", ",", "no value in it"},
		{"BENCH_SEED", "x", "want one whole number"},
	} {
		_, err := GridFromEnv(lookupIn(map[string]string{tt.name: tt.value}))
		if err == nil || !strings.Contains(err.Error(), tt.name+"=") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s=%q gives %v, want an error with the name and %q", tt.name, tt.value, err, tt.want)
		}
	}
}

func TestGridFromEnvReportsAllMistakes(t *testing.T) {
	_, err := GridFromEnv(lookupIn(map[string]string{"BENCH_ROWS": "x", "BENCH_LOAD": "y"}))
	if err == nil || !strings.Contains(err.Error(), "BENCH_ROWS") || !strings.Contains(err.Error(), "BENCH_LOAD") {
		t.Errorf("got %v, want both variables named", err)
	}
}
