package refs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// smallDisk returns a folder on a file system of 256 kB of its own.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("cannot mount a small file system to fill: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// A full disk is called by its name, wherever it was met, and what was half written is gone.
func TestDiskFull(t *testing.T) {
	f := newFixture(t)
	f.Write("lib/big.bin", strings.Repeat("0123456789abcdef", 1<<16))
	f.Commit("a big file")
	before := f.state()

	t.Run("build", func(t *testing.T) {
		options := f.options()
		options.Cache = smallDisk(t)
		r, err := Open(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		_, err = f.checkout(r, "main").Build(t.Context())
		if !errors.Is(err, ErrDiskFull) {
			t.Errorf("build on a full disk: %v", err)
		}
		if left, _ := filepath.Glob(filepath.Join(options.Cache, "*")); len(left) != 0 {
			t.Errorf("left %v", left)
		}
	})
	t.Run("checkout", func(t *testing.T) {
		options := f.options()
		options.Temp = smallDisk(t)
		r, err := Open(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Checkout(t.Context(), f.resolve(r, "main"))
		if !errors.Is(err, ErrDiskFull) {
			t.Errorf("checkout on a full disk: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(filepath.Join(options.Temp, "*")); len(left) != 0 {
			t.Errorf("left %v", left)
		}
	})
	f.unchanged(before)
}

// Our own writes, with the error as the kernel gives it.
func TestDiskFullOfOurOwn(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	_, err = full.WriteString("x")
	err = diskFull(fmt.Errorf("refs: build cache: %w", err), "/var/cache")
	if !errors.Is(err, ErrDiskFull) || !strings.Contains(err.Error(), "TMPDIR") || !strings.Contains(err.Error(), "/var/cache") {
		t.Errorf("got %v", err)
	}
	if other := diskFull(os.ErrPermission, "/"); errors.Is(other, ErrDiskFull) {
		t.Errorf("a missing permission became %v", other)
	}
}
