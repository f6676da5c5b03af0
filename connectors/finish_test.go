package connectors

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// What Build makes of a guest begins with the same memory as what the linker
// wrote, from far fewer segments.
func TestBuildFinishesGuests(t *testing.T) {
	b := small(t)
	b.names = Names()
	dir, err := b.build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range b.names {
		path := filepath.Join(t.TempDir(), name+".wasm")
		if _, err := goCommand(t.Context(), b.root, slices.Concat([]string{"build"}, buildFlags, []string{"-o", path, "./connectors/" + name})...); err != nil {
			t.Fatal(err)
		}
		linked, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		finished, err := fs.ReadFile(os.DirFS(dir), name+".wasm")
		if err != nil {
			t.Fatal(err)
		}

		was, is := countSegments(t, linked), countSegments(t, finished)
		if was < 1000 || is*10 > was {
			t.Errorf("%s has %d data segments, the linker wrote %d", name, is, was)
		}
		a, b := firstMemory(t, linked), firstMemory(t, finished)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: %d bytes of memory differ from the %d that the linker meant", name, len(b), len(a))
		}
		if bytes.Count(a, []byte{0}) == len(a) {
			t.Errorf("%s begins with a memory of zeros: nothing was compared", name)
		}
		t.Logf("%s: %d segments in %d bytes, %d in %d", name, was, len(linked), is, len(finished))
	}
}

// kernels are the functions in whose loops a copy spends its time. A call in such a
// loop sends all its jumps through a table, which costs up to half of the speed.
var kernels = map[string]string{
	"source-postgres": `decodeBool decodeInt2 decodeInt4 decodeInt8 moveDates moveTimestamps decodeUUID decodeNulls
		decodeShort decodeMiddle decodeAnyMiddle shortHeads shortSpan longSpan misfits`,
	"dest-postgres": `encodeShort encodeBool encodeInt2 encodeInt4 encodeInt8 encodeDate encodeTimestamp encodeUUID encodeCount
		encodeBoolNull encodeInt2Null encodeInt4Null encodeInt8Null encodeDateNull encodeTimestampNull encodeUUIDNull
		encodeShortNull placeOffsets addOffsets placeFixed`,
}

func TestKernelsJumpByThemselves(t *testing.T) {
	needGo(t)
	files, err := Build(t.Context(), BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for connector, list := range kernels {
		module, err := fs.ReadFile(files, connector+".wasm")
		if err != nil {
			t.Fatal(err)
		}
		jumps := tableJumps(t, module)
		for _, name := range strings.Fields(list) {
			n, ok := jumps["github.com_rapidbyte_go_rapidbyte_connectors_postgres."+name]
			if !ok || n > 0 {
				t.Errorf("%s: %s is there: %v, and has %d jumps through its table, want none: what is called in its loops?", connector, name, ok, n)
			}
		}
	}
}

// tableJumps returns how many jumps of each function go through the table that Go's
// compiler begins it with (package finish).
func tableJumps(t *testing.T, module []byte) map[string]int {
	t.Helper()
	names := wasmbin.FunctionNames(module)
	jumps := make(map[string]int)
	for f, err := range wasmbin.Functions(module) {
		if err != nil {
			t.Fatal(err)
		}
		d := wasmbin.NewDecoder(module[:f.End], f.Start)
		d.Locals()
		n, last := 0, wasmbin.Instruction{}
		for d.More() {
			in := d.Instruction()
			if in.Op == wasmbin.OpLocalSet && in.Arg == 0 && last.Op == wasmbin.OpI32Const {
				n++
			}
			last = in
		}
		if d.Err() != nil {
			t.Fatal(d.Err())
		}
		jumps[names[f.Index]] = n
	}
	return jumps
}

// countSegments returns how many segments the data section says that it has.
func countSegments(t *testing.T, module []byte) uint32 {
	for s := range wasmbin.Sections(module) {
		if s.ID == wasmbin.SectionData {
			return wasmbin.NewDecoder(module[:s.End], s.Body).U32("segments")
		}
	}
	t.Fatal("no data section")
	return 0
}

// firstMemory returns the memory of a guest that has not run yet.
func firstMemory(t *testing.T, module []byte) []byte {
	ctx := t.Context()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r); err != nil {
		t.Fatal(err)
	}
	if err := hostfuncs.Register(ctx, r); err != nil {
		t.Fatal(err)
	}
	m, err := r.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	memory, ok := m.Memory().Read(0, m.Memory().Size())
	if !ok {
		t.Fatalf("a memory of %d bytes cannot be read", m.Memory().Size())
	}
	return bytes.Clone(memory)
}
