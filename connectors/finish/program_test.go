package finish

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// linked returns testdata/program as Go's linker writes it.
func linked(t *testing.T) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program.wasm")
	cmd := exec.Command("go", "build", "-o", out, "main.go")
	cmd.Dir = filepath.Join("testdata", "program")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// run returns what a program prints and how it exits.
func run(t *testing.T, r wazero.Runtime, module []byte) (output string, exit uint32) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	config := wazero.NewModuleConfig().WithName("").WithStdout(&stdout).WithStderr(&stderr).
		WithSysWalltime().WithSysNanotime().WithSysNanosleep()
	_, err := r.InstantiateWithConfig(t.Context(), module, config)
	var ended *sys.ExitError
	if !errors.As(err, &ended) {
		t.Fatalf("it ended with %v: %s", err, &stderr)
	}
	return stdout.String() + stderr.String(), ended.ExitCode()
}

// A Go program does the same before and after, in each of wazero's engines.
func TestProgramsDoTheSame(t *testing.T) {
	module := linked(t)
	finished, err := Guest(module)
	if err != nil {
		t.Fatal(err)
	}
	before, after := countAll(t, module), countAll(t, finished)
	if after.table*3 > before.table || before.loops == 0 || after.loops < 500 {
		t.Errorf("%d jumps go through a table and %d loops do not; before it was %d and %d", after.table, after.loops, before.table, before.loops)
	}
	t.Logf("%d bytes with %+v, then %d with %+v", len(module), before, len(finished), after)

	for name, config := range map[string]wazero.RuntimeConfig{
		"compiler": wazero.NewRuntimeConfigCompiler(), "interpreter": wazero.NewRuntimeConfigInterpreter(),
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			r := wazero.NewRuntimeWithConfig(ctx, config)
			defer r.Close(ctx)
			wasi_snapshot_preview1.MustInstantiate(ctx, r)
			want, exit := run(t, r, module)
			if exit != 7 || bytes.Count([]byte(want), []byte("\n")) != 22 {
				t.Fatalf("the program exits with %d and prints\n%s", exit, want)
			}
			got, exit := run(t, r, finished)
			if got != want || exit != 7 {
				t.Errorf("finished it exits with %d and prints\n%s\nwant\n%s", exit, got, want)
			}
		})
	}
}

// countAll counts for all functions of a module.
func countAll(t *testing.T, module []byte) (n jumps) {
	t.Helper()
	for f, err := range wasmbin.Functions(module) {
		if err != nil {
			t.Fatal(err)
		}
		one := countJumps(t, module[f.Start:f.End])
		n.table += one.table
		n.loops += one.loops
	}
	return n
}
