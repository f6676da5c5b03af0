package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Append adds records to the file at path, creating it and its folder when
// absent. All of them arrive or none: they go out in one write under a lock
// that other processes honour, and a write that fails in the middle, as on a
// full disk, is taken back.
//
// A last line that an older crash left without its end is closed first, so that
// it costs itself only.
func Append(path string, records ...*Record) (err error) {
	var lines []byte
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("history: %s: %w", path, err)
		}
		lines = append(append(lines, line...), '\n')
	}
	if len(lines) == 0 {
		return nil
	}

	defer func() {
		if err != nil {
			err = fmt.Errorf("history: %w%s", err, hint(err))
		}
	}()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := lock(f); err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	return write(f, lines)
}

// write appends lines to the locked file, or nothing.
func write(f *os.File, lines []byte) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if info.Mode().IsRegular() && size > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			lines = append([]byte{'\n'}, lines...)
		}
	}

	if _, err := f.Write(lines); err != nil {
		// Half a line may be in the file now.
		if info.Mode().IsRegular() {
			err = errors.Join(err, f.Truncate(size))
		}
		return err
	}
	return nil
}

// hint says how to mend what a user can mend.
func hint(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return ": nothing was added; make room, or set BENCH_RESULTS to another file or to off"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return ": set BENCH_RESULTS to a file that can be written, or to off"
	}
	return ""
}
