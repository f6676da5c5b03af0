package engine

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
)

// Checksums is what [Options].Connectors may be besides a file system. A load
// that finds a module in the cache then reads nothing of it. The sums must be of
// what is there: they are compared only when a module is read.
type Checksums interface {
	// SHA256 returns the checksum of the named file, or false if it knows none.
	SHA256(name string) (sum [sha256.Size]byte, ok bool)
}

// moduleFile is the file of one module, which is read when it must be.
type moduleFile struct {
	files fs.FS
	name  string // of the connector

	wasm []byte // nil until read
	sum  [sha256.Size]byte
}

// checksum returns the file's SHA-256. It reads the file where nobody knows it.
func (f *moduleFile) checksum() ([sha256.Size]byte, error) {
	if sum, ok := f.known(); ok {
		return sum, nil
	}
	_, err := f.read()
	return f.sum, err
}

func (f *moduleFile) known() (sum [sha256.Size]byte, ok bool) {
	if sums, is := f.files.(Checksums); is {
		return sums.SHA256(f.name + ".wasm")
	}
	return sum, false
}

// read returns the module.
func (f *moduleFile) read() ([]byte, error) {
	if f.wasm != nil {
		return f.wasm, nil
	}
	wasm, err := fs.ReadFile(f.files, f.name+".wasm")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("module %s.wasm is missing beside its manifest: build the connector again", f.name)
	}
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	sum := sha256.Sum256(wasm)
	if known, ok := f.known(); ok && sum != known {
		return nil, fmt.Errorf("module %s.wasm is not what its checksum is of: build the connectors again", f.name)
	}
	f.wasm, f.sum = wasm, sum
	return wasm, nil
}
