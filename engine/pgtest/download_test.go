//go:build unix

package pgtest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// repository serves the server binaries of this machine the way the public repository serves those of all systems: a
// jar that holds a txz, and its checksum beside it.
func repository(t *testing.T, sum func(jar []byte) string) (url string, paths *[]string) {
	t.Helper()
	real, ok := findBinaries(t.Context())
	if !ok {
		t.Skip("no server binaries on this machine to serve")
	}

	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	add := func(name string, text []byte) {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg})
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}

	// A server looks for what it loads beside its own folder if that is where it was built to be, as is usual for
	// libraries, and at a fixed place otherwise.
	files := map[string]string{"bin/initdb": real.initdb, "bin/postgres": real.postgres}
	prefix := filepath.Dir(filepath.Dir(real.postgres))
	for _, pattern := range []string{"lib/*.so", "lib/*.dylib", "share/*", "share/*/*", "share/*/*/*"} {
		found, _ := filepath.Glob(filepath.Join(prefix, pattern)) // the only error is a bad pattern
		for _, file := range found {
			info, err := os.Stat(file)
			if err == nil && info.Mode().IsRegular() && prefix != "/usr" && !strings.Contains(file, "llvm") {
				files[strings.TrimPrefix(file, prefix+"/")] = file
			}
		}
	}
	for name, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		add(name, text)
	}
	add("bin/pg_ctl", []byte("#!/bin/sh\necho must not be needed >&2\nexit 1\n"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	var jar bytes.Buffer
	z := zip.NewWriter(&jar)
	f, err := z.Create("postgres-any.txz")
	if err == nil {
		_, err = f.Write(xz(archive.Bytes()))
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}

	paths = new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*paths = append(*paths, r.Method+" "+r.URL.Path)
		switch filepath.Ext(r.URL.Path) {
		case ".jar":
			_, _ = w.Write(jar.Bytes())
		case ".sha256":
			_, _ = io.WriteString(w, sum(jar.Bytes()))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, paths
}

func honest(jar []byte) string {
	sum := sha256.Sum256(jar)
	return hex.EncodeToString(sum[:])
}

// elsewhere gives the test a cache folder of its own, and a folder for temporary files that any user can enter.
func elsewhere(t *testing.T) {
	t.Helper()
	t.Setenv("HOME", t.TempDir()) // macOS
	t.Setenv("XDG_CACHE_HOME", filepath.Join(os.Getenv("HOME"), ".cache"))
	dir, err := os.MkdirTemp("/tmp", "pgtest-") // t.TempDir is closed to others
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
}

func TestDownload(t *testing.T) {
	unset(t)
	elsewhere(t)
	url, paths := repository(t, honest)
	t.Setenv(envRepository, url)

	var log bytes.Buffer
	s := startFor(t, Options{Provider: "download", Log: &log})
	wantProfile(t, s, Quiet)
	if s.Provider != "download" {
		t.Errorf("provider is %q", s.Provider)
	}
	l := s.server.(*local)
	if want := filepath.Join(l.dir, "server", "bin", "postgres"); l.bin.postgres != want {
		t.Errorf("the server is %s, want the downloaded %s", l.bin.postgres, want)
	}
	if got, want := log.String(), "# pgtest: download: fetching server binaries "+string(downloadVersion)+"\n"; got != want {
		t.Errorf("the notice is %q, want %q", got, want)
	}
	const prefix = "GET /io/zonky/test/postgres/embedded-postgres-binaries-"
	if len(*paths) != 3 || !strings.HasPrefix((*paths)[1], prefix) || !strings.Contains((*paths)[1], string(downloadVersion)) {
		t.Errorf("requests are %v, want a HEAD and then two of %s...", *paths, prefix)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(left) != 0 {
		t.Errorf("files are left: %v", left)
	}

	// The second start has the archive in its cache and asks nobody.
	t.Setenv(envRepository, "http://127.0.0.1:1")
	if err := startFor(t, Options{Provider: "download", Log: &log}).Close(); err != nil {
		t.Error(err)
	}
}

func TestDownloadRefused(t *testing.T) {
	unset(t)
	elsewhere(t)
	forged, _ := repository(t, func([]byte) string { return strings.Repeat("0", 64) })
	empty := httptest.NewServer(http.NotFoundHandler())
	defer empty.Close()

	for _, tt := range []struct {
		name, repository, want string
		absent                 bool
	}{
		{"no network", "http://127.0.0.1:1", "pgtest: download: the repository does not answer (", true},
		{"no such version", empty.URL, "no version found matching " + string(downloadVersion), false},
		{"forged", forged, "downloaded checksums do not match", false},
	} {
		t.Setenv(envRepository, tt.repository)
		_, err := Start(t.Context(), Options{Provider: "download", Log: io.Discard})
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrAbsent) != tt.absent {
			t.Errorf("%s: error is %v (absent %t), want %q in it (absent %t)", tt.name, err, errors.Is(err, ErrAbsent), tt.want, tt.absent)
		}
	}
}

// xz wraps bytes in an xz stream of stored chunks, so that the test needs no compressor. See the .xz file format, 2-4.
func xz(data []byte) []byte {
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)) }
	pad := func(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }
	flags := []byte{0, 1} // the check is a CRC32
	out := append([]byte("\xfd7zXZ\x00"), flags...)
	out = append(out, sum(flags)...)

	// One block: header (8 bytes and its checksum; LZMA2, the smallest dictionary), chunks, checksum of the data.
	header := pad([]byte{2, 0, 0x21, 1, 0})
	block := append(header, sum(header)...)
	control := byte(1) // the first chunk resets the dictionary
	for rest := data; len(rest) > 0; control = 2 {
		chunk := rest[:min(len(rest), 1<<16)]
		rest = rest[len(chunk):]
		block = append(block, control, byte((len(chunk)-1)>>8), byte(len(chunk)-1))
		block = append(block, chunk...)
	}
	block = append(block, 0)
	unpadded := len(block) + 4
	out = append(out, pad(block)...)
	out = append(out, sum(data)...)

	// The index of that one block, and the footer.
	index := []byte{0, 1}
	index = binary.AppendUvarint(index, uint64(unpadded))
	index = binary.AppendUvarint(index, uint64(len(data)))
	index = pad(index)
	index = append(index, sum(index)...)
	out = append(out, index...)
	footer := append(binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
	out = append(append(out, sum(footer)...), footer...)
	return append(out, "YZ"...)
}
