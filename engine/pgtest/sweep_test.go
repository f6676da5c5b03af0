//go:build unix

package pgtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSweep(t *testing.T) {
	parent := t.TempDir()
	folder := func(name string, age time.Duration, owner bool) string {
		dir := filepath.Join(parent, dirPrefix+name)
		if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
		if owner {
			if err := os.WriteFile(filepath.Join(dir, "owner"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(dir, then, then); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	living := folder("living", time.Hour, true)
	dead := folder("dead", 0, true)
	starting := folder("starting", 0, false)
	half := folder("half-removed", time.Hour, false)
	other := filepath.Join(parent, "something-else")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(filepath.Join(living, "owner"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}

	sweep(parent)
	for dir, want := range map[string]bool{living: true, dead: false, starting: true, half: false, other: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s is there: %t, want %t", filepath.Base(dir), err == nil, want)
		}
	}
}

// A server that outlived its process is stopped; a process that merely has its old number is not.
func TestSweepStopsOrphans(t *testing.T) {
	for _, tt := range []struct {
		name string
		arg  string // of the process, beside the folder's name
		want bool   // alive afterwards
	}{
		{"the server", "data", false},
		{"another process", "elsewhere", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, dirPrefix+"1")
			if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("/bin/sh", "-c", "read -r line", filepath.Join(dir, tt.arg))
			if _, err := cmd.StdinPipe(); err != nil { // it waits for a line that never comes
				t.Fatal(err)
			}
			p, err := startProcess(cmd)
			if err != nil {
				t.Fatal(err)
			}
			defer p.end(syscall.SIGKILL)
			for file, text := range map[string]string{"owner": "", "data/postmaster.pid": strconv.Itoa(cmd.Process.Pid) + "\n" + dir + "\n"} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}

			sweep(parent)
			if _, err := os.Stat(dir); err == nil {
				t.Error("the folder is still there")
			}
			if !tt.want {
				<-p.done // a signal was sent, or this never ends
				return
			}
			if err := syscall.Kill(cmd.Process.Pid, 0); err != nil {
				t.Errorf("the process is gone: %v", err)
			}
		})
	}
}

func TestTempParent(t *testing.T) {
	closed, err := os.MkdirTemp("/tmp", "pgtest-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(closed)
	inside := filepath.Join(closed, "open")
	long := filepath.Join(t.TempDir(), strings.Repeat("x", socketLimit))
	for _, dir := range []string{inside, long} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}

	other := account{name: "nobody", uid: 65534, gid: 65534}
	for _, tt := range []struct {
		name       string
		account    account
		candidates []string
		want       string
	}{
		{"first", account{}, []string{inside, "/tmp"}, inside},
		{"missing", account{}, []string{filepath.Join(inside, "none"), "/tmp"}, "/tmp"},
		{"too long for a socket", account{}, []string{long, "/tmp"}, "/tmp"},
		{"closed to the server's user", other, []string{inside, "/tmp"}, "/tmp"},
		{"none", other, []string{inside}, ""},
	} {
		got, err := tempParent(tt.account, tt.candidates...)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}
