package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// outputFile is a file that a command writes beside its results. It has its name
// only once it is whole; until then it stands beside it as NAME.PID.partial, which
// a process that is killed leaves behind.
type outputFile struct {
	*os.File
	path   string // where it goes
	failed error  // the first of writing
}

// Write writes to the file and remembers that it could not.
func (f *outputFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	if f.failed == nil {
		f.failed = err
	}
	return n, err
}

// createOutput makes the file that will be at path. The errors say what to do.
func createOutput(path string) (*outputFile, error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, unwritable(path, err)
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder: name a file in it", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not an ordinary file: name another", path)
	default:
		// What a link points at is replaced, not the link.
		target, err := filepath.EvalSymlinks(path)
		if err != nil {
			return nil, unwritable(path, err)
		}
		path = target
	}
	// O_EXCL: a link in a folder of others must not lead elsewhere. What a killed
	// process left under our number, in a container always the same, is in nobody's way.
	var f *os.File
	err := fs.ErrExist
	for n := 0; errors.Is(err, fs.ErrExist) && n < 100; n++ {
		partial := fmt.Sprintf("%s.%d.partial", path, os.Getpid())
		if n > 0 {
			partial = fmt.Sprintf("%s.%d.%d.partial", path, os.Getpid(), n)
		}
		f, err = os.OpenFile(partial, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	}
	if err != nil {
		return nil, unwritable(path, err)
	}
	return &outputFile{File: f, path: path}, nil
}

// spare refuses path, where a command would write, if it is one of the files that it
// reads or keeps.
func spare(path string, own map[string]string) error {
	for what, file := range own {
		if sameFile(path, file) {
			return fmt.Errorf("%s is the %s: name another file", path, what)
		}
	}
	return nil
}

// sameFile reports whether two paths lead to one file, be it there or not.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(infoA, infoB)
	}
	return resolved(a) == resolved(b)
}

// resolved returns path without links, absolute, as far as there is anything.
func resolved(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		path = full
	}
	if folder, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(folder, filepath.Base(path))
	}
	return path
}

// finish gives the file its name if it is whole, and else removes it.
func (f *outputFile) finish() error {
	err := f.failed
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), f.path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the error above says more
		return unwritable(f.path, err)
	}
	return nil
}

// discard removes what there is of the file.
func (f *outputFile) discard() error {
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// unwritable says why there is no file at path, without the name it has meanwhile.
func unwritable(path string, err error) error {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	return fmt.Errorf("%s cannot be written: %w", path, err)
}
