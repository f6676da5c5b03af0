package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// wazero finds machine code by a hash of the wasm it is given, and validates
// that wasm again at each load, the bodies of all functions included. That is
// half the load of a module whose folder is named by its bytes and which passed
// when it was compiled. So wazero is given something shorter: an outline, the
// same module with the smallest body in place of each function. The folder keeps
// it as a file, and in it the outline's name is a hard link to the machine code
// of the whole module.
//
// wazero 1.12.0 reads a body twice, to validate it (internal/wasm/func_validation.go)
// and to compile it (compileModule and compileLocalWasmFunction in
// internal/engine/wazevo/engine.go). What it needs later is in sections that an
// outline has too (functions' types and names, tables, memory, data) or in the
// machine code's file: functions' offsets and catch clauses
// (internal/engine/wazevo/engine_cache.go). Validation writes nothing down.
// Local types and BodyOffsetInCodeSection are only read to compile; a source map
// is only made and read with debug information, which open turns off; GoFunc is
// a host function's. A new version has a new folder, but look again.
//
// Whoever can write in the folder can run code in this process, as ever: see
// cacheFolder.

// body is the smallest function of any type: its size, no locals, unreachable, end.
const body = "\x03\x00\x00\x0b"

// outline returns wasm with the smallest body in place of each function's.
func outline(wasm []byte) ([]byte, error) {
	functions := uint32(0)
	for _, err := range wasmbin.Functions(wasm) {
		if err != nil {
			return nil, err
		}
		functions++
	}
	for s := range wasmbin.Sections(wasm) { // which Functions has read
		if s.ID == wasmbin.SectionCode && functions > 0 {
			code := append(wasmbin.AppendU32(nil, functions), strings.Repeat(body, int(functions))...)
			short := wasmbin.AppendSection(slices.Clip(wasm[:s.Start]), s.ID, code)
			return append(short, wasm[s.End:]...), nil
		}
	}
	return nil, errors.New("no functions")
}

// machineCode returns the files of machine code in a cache folder, which is for
// one module: its own, and the outline's if that is made.
func machineCode(dir string) []string {
	if dir == "" {
		return nil
	}
	// The pattern is never wrong; what cannot be read is not there.
	names, _ := fs.Glob(os.DirFS(dir), fmt.Sprintf("wazero-*-%s-%s/*", runtime.GOARCH, runtime.GOOS))
	var files []string
	for _, name := range names {
		// wazero's names are a SHA-256. Others are those it writes to first, which a
		// killed process leaves, and what filesystems and desktops put anywhere.
		if sum, err := hex.DecodeString(path.Base(name)); err == nil && len(sum) == sha256.Size {
			files = append(files, filepath.Join(dir, name))
		}
	}
	return files
}

// linked tells whether the files of a folder are a module's machine code and
// its outline's link to it.
func linked(files []string) bool {
	if len(files) != 2 {
		return false
	}
	a, errA := os.Stat(files[0])
	b, errB := os.Stat(files[1])
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// outlineFile is the outline in a cache folder, with a checksum behind it: wazero
// believes how many of something a module says there are, and makes room for them.
// That it is this module's, wazero's name says, which is a hash of it.
const outlineFile = "outline"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// readOutline returns the outline that a cache folder keeps.
func readOutline(dir string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(dir, outlineFile))
	if err != nil {
		return nil, err
	}
	n := len(b) - crc32.Size
	if n < 0 || binary.LittleEndian.Uint32(b[n:]) != crc32.Checksum(b[:n], castagnoli) {
		return nil, fmt.Errorf("%s: damaged", outlineFile)
	}
	return b[:n], nil
}

// writeOutline makes the file that readOutline reads.
func writeOutline(file string, short []byte) error {
	return os.WriteFile(file, binary.LittleEndian.AppendUint32(short, crc32.Checksum(short, castagnoli)), 0o600)
}

// asidePattern names folders in which an outline is compiled.
const asidePattern = ".outline-*"

// sweepAside removes what processes left that were killed.
func sweepAside(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, asidePattern))
	for _, d := range left {
		if info, err := os.Stat(d); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.RemoveAll(d) // it costs space only
		}
	}
}

// keepOutline makes the next load of a module an outline's. Any number of
// processes may be at this at once: what gets the outline's name is always a
// link to whole machine code, and it is put in place in one step. When several
// compile at once the two names may be two files after that; the next load joins
// them.
func keepOutline(ctx context.Context, config wazero.RuntimeConfig, wasm []byte, dir string) error {
	sweepAside(dir)
	aside, err := os.MkdirTemp(dir, asidePattern)
	if err != nil {
		return fmt.Errorf("outline: %w", err)
	}
	defer os.RemoveAll(aside) // what stays behind is in nobody's way

	// What cannot be done should cost next to nothing: it is tried at each load.
	code := machineCode(dir)
	if len(code) != 1 && len(code) != 2 {
		return fmt.Errorf("outline: %d files of machine code, want the module's and perhaps the outline's", len(code))
	}
	if err := os.Link(code[0], filepath.Join(aside, "try")); err != nil {
		return fmt.Errorf("outline: %w", err)
	}

	// What the outline's name is only wazero knows, which says it by compiling.
	// That code traps wherever it is called, so it is made in a folder that no
	// load looks into.
	short, err := outline(wasm)
	if err != nil {
		return fmt.Errorf("outline: %w", err)
	}
	var m module
	if err := m.open(ctx, config, short, aside, false); err != nil {
		return fmt.Errorf("outline: %w", err)
	}
	if err := m.close(ctx); err != nil {
		return fmt.Errorf("outline: %w", err)
	}
	made := machineCode(aside)
	if len(made) != 1 {
		return fmt.Errorf("outline: %d files of machine code, want 1", len(made))
	}
	name := filepath.Base(made[0])

	own := slices.DeleteFunc(machineCode(dir), func(file string) bool { return filepath.Base(file) == name })
	if len(own) != 1 {
		return fmt.Errorf("outline: %d files may be the module's machine code, want 1", len(own))
	}
	link, kept := filepath.Join(aside, name), filepath.Join(aside, outlineFile)
	if err := os.Link(own[0], link); err != nil {
		return fmt.Errorf("outline: %w", err)
	}
	if err := writeOutline(kept, short); err != nil {
		return fmt.Errorf("outline: %w", err)
	}
	// Who finds the link finds the file.
	if err := os.Rename(kept, filepath.Join(dir, outlineFile)); err != nil {
		return fmt.Errorf("outline: %w", err)
	}
	if err := os.Rename(link, filepath.Join(filepath.Dir(own[0]), name)); err != nil {
		return fmt.Errorf("outline: %w", err)
	}
	return nil
}
