//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the operating system user that a server runs as. The zero value is this process's own.
type account struct {
	name     string
	uid, gid uint32
}

// serverAccount returns the user to run the server as. Postgres refuses to run as root, so root borrows another user:
// the one that distributions make for it, else the one with the fewest rights.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			continue
		}
		return account{name, uint32(uid), uint32(gid)}, nil
	}
	return account{}, errors.New("as root the server needs another user to run as, and there is no postgres or nobody; make one, or run as another user yourself")
}

// attr makes a child run as the account, in a session of its own: an interrupt at the terminal is for this process,
// which then stops the server.
func (a account) attr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if a.name != "" {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attr
}

// own gives files to the account.
func (a account) own(files ...string) error {
	if a.name == "" {
		return nil
	}
	for _, file := range files {
		if err := os.Lchown(file, int(a.uid), int(a.gid)); err != nil {
			return fmt.Errorf("give the server's files to the user %s: %w", a.name, err)
		}
	}
	return nil
}

// writeFile writes a file that only the account can read.
func (a account) writeFile(file, text string) error {
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	return a.own(file)
}

// canEnter reports whether the account gets to a folder: another user needs every parent open to search.
func (a account) canEnter(dir string) bool {
	for a.name != "" {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	return true
}
