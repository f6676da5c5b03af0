package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"golang.org/x/sys/cpu"
)

// folderBytes is how much of a hash names a folder.
const folderBytes = 16

// cacheFolder returns the folder of one module's compiled form, made if absent.
// Whoever can write there can run code in this process, so it must be ours
// alone.
func (e *Engine) cacheFolder(module [sha256.Size]byte, strict bool) (string, error) {
	if e.opt.CacheDir == "off" {
		return "", nil
	}
	root := e.opt.CacheDir
	if root == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no cache folder: %w", err)
		}
		root = filepath.Join(user, "rapidbyte", "modules")
	}

	h := sha256.New()
	// What wazero makes depends on the processor too, and says so in the names of
	// its files only; and an outline of another shape has another name. A folder
	// is for one of each, so that a file in it is the module's or the outline's,
	// and for one way to keep an outline, so that two versions of this program do
	// not mend each other's.
	fmt.Fprintf(h, "%s %t %v %v %q %s %x\n", wazeroVersion(), strict, cpu.X86, cpu.ARM64, body, outlineFile, module)
	dir := filepath.Join(root, hex.EncodeToString(h.Sum(nil)[:folderBytes]))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("cache folder cannot be made: %w", err)
	}
	for _, d := range []string{root, dir} {
		info, err := os.Stat(d)
		if err != nil {
			return "", fmt.Errorf("cache folder: %w", err)
		}
		if info.Mode().Perm()&0o022 != 0 {
			return "", fmt.Errorf("cache folder %s is writable by others: chmod 700 it", d)
		}
		if !ours(info) {
			return "", fmt.Errorf("cache folder %s belongs to another user: chown it, or have XDG_CACHE_HOME name another", d)
		}
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return "", fmt.Errorf("cache folder is not writable: %w", err)
	}
	_ = probe.Close() // nothing was written
	return dir, os.Remove(probe.Name())
}

// wazeroVersion is part of the cache's key: wazero itself does not know its
// version in a test binary, and compiled forms differ between versions.
func wazeroVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, d := range info.Deps {
		if d.Path == "github.com/tetratelabs/wazero" {
			return d.Version
		}
	}
	return "unknown"
}

// keepFolder is how long a folder stays that nobody uses. A new version of a
// connector or of this program leaves one of 12 MB behind; making it again takes
// half a second.
const keepFolder = 30 * 24 * time.Hour

// sweepFolders removes folders that were not used for long, and does what it can:
// one that stays costs space only, one that somebody is about to use is made again.
// Every use makes a file in a folder, which leaves the time there.
func sweepFolders(root string) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return
	}
	for _, e := range entries {
		if name, err := hex.DecodeString(e.Name()); err != nil || len(name) != folderBytes {
			continue // not ours
		}
		if info, err := e.Info(); err == nil && e.IsDir() && time.Since(info.ModTime()) > keepFolder {
			_ = os.RemoveAll(filepath.Join(root, e.Name()))
		}
	}
}
