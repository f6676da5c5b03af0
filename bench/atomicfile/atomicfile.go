// Package atomicfile writes files that are either whole or what was there before, whatever ends the program in between.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Write makes the file at path of what write writes, and its folder if that is missing. Everybody may read the file. After
// an error, which names the path, what was there before still is, and nothing else.
func Write(path string, write func(io.Writer) error) (err error) {
	f, err := create(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	if err = write(f); err != nil {
		return err
	}
	if err = f.Chmod(0o644); err != nil { // a temporary file is its owner's alone
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Check returns why Write could not write the file at path, nil if nothing is in its way now. It leaves nothing but the
// folder: long work whose result could not be kept should not begin.
func Check(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder; name a file in it", path)
	}
	f, err := create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// create makes a temporary file beside the one at path: a file is only moved in one step within its file system.
func create(path string) (*os.File, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("the folder of %s cannot be made; name a file elsewhere: %w", path, err)
	}
	f, err := os.CreateTemp(dir, ".writing-*")
	if err != nil {
		return nil, fmt.Errorf("%s cannot be written; name a file elsewhere: %w", path, err)
	}
	return f, nil
}
