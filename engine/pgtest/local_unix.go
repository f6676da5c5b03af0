//go:build unix

package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// startLimit is how long a server may take from its start to its first answer. Half a second is usual; a loaded
// machine with a slow disk has been seen to need ten.
const startLimit = 60 * time.Second

// superuser is the role that DSN connects as.
const superuser = "postgres"

// local is a server made from binaries on this machine. Everything it writes is below dir:
//
//	dir/data           the data directory
//	dir/log            the server's log
//	dir/.s.PGSQL.PORT  its socket; dir is closed to other users, so the socket needs no password
//	dir/owner          locked by this process while it lives; see sweep
type local struct {
	bin      binaries
	account  account
	dir      string
	owner    *os.File
	port     int
	password string
	proc     *process
	watch    *watchdog
}

// startInstalled starts a server from the binaries that the machine has installed.
func startInstalled(ctx context.Context, o Options) (backend, string, error) {
	bin, ok := findBinaries(ctx)
	if !ok {
		return nil, "", absentf("local", "no server binaries (initdb and postgres) on PATH, by pg_config or in the distribution's folders")
	}
	return startLocal(ctx, "local", o, func(string, account) (binaries, error) { return bin, nil })
}

// startLocal makes a data directory and starts a server on it. The function install returns the binaries and may put
// them below the server's folder, readable by the account.
func startLocal(ctx context.Context, provider string, o Options, install func(dir string, a account) (binaries, error)) (backend, string, error) {
	wrap := func(err error) error {
		if errors.Is(err, ErrAbsent) {
			return err
		}
		return fmt.Errorf("pgtest: %s: %w", provider, err)
	}
	a, err := serverAccount()
	if err != nil {
		return nil, "", wrap(err)
	}
	dir, owner, err := makeDir(a)
	if err != nil {
		return nil, "", wrap(err)
	}
	l := &local{account: a, dir: dir, owner: owner, password: rand.Text()}
	l.watch = watchServer(a, dir)

	// From here on a failure removes what was made.
	dsn, err := func() (string, error) {
		if l.bin, err = install(dir, a); err != nil {
			return "", err
		}
		if err := l.init(ctx, settings(o.Profile)); err != nil {
			return "", err
		}
		return l.start(ctx)
	}()
	if err != nil {
		return nil, "", errors.Join(wrap(err), l.stop())
	}
	return l, dsn, nil
}

// init makes the data directory and its configuration.
func (l *local) init(ctx context.Context, conf []setting) error {
	secret := filepath.Join(l.dir, "password")
	if err := l.account.writeFile(secret, l.password+"\n"); err != nil {
		return err
	}
	defer os.Remove(secret)

	data := filepath.Join(l.dir, "data")
	cmd := exec.CommandContext(ctx, l.bin.initdb, "-D", data, "-U", superuser, "--pwfile", secret,
		"-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.Dir, cmd.Env = l.dir, childEnv(l.dir)
	cmd.SysProcAttr = l.account.attr()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb (%s): %w\n%s", l.bin.initdb, err, tail(string(out)))
	}

	var b strings.Builder
	b.WriteString("\n# Settings of the profile.\n")
	for _, s := range append(conf, setting{"listen_addresses", "127.0.0.1"}, setting{"unix_socket_directories", l.dir}) {
		fmt.Fprintf(&b, "%s = '%s'\n", s.name, s.value)
	}
	f, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(b.String())
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}

	// The superuser comes in through the socket without a password, because only this user can reach the socket and a
	// SCRAM exchange would be part of every measured connect. Every other role, and everybody over loopback, is asked.
	const hba = "local all " + superuser + " trust\n" +
		"local all all scram-sha-256\n" +
		"host all all 127.0.0.1/32 scram-sha-256\n"
	return os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o600)
}

// start runs the server on a free port and waits until it answers. Between choosing the port and binding it another
// process may take it, so a port that is in use is tried again with the next.
func (l *local) start(ctx context.Context) (string, error) {
	for attempt := 1; ; attempt++ {
		if l.port == 0 {
			port, err := freePort()
			if err != nil {
				return "", err
			}
			l.port = port
		}
		err := l.launch(ctx)
		if err == nil {
			return l.dsn(), nil
		}
		if attempt == 5 || !strings.Contains(err.Error(), "could not create any TCP/IP sockets") {
			return "", err
		}
		l.port = 0
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// launch starts the server process and waits for its first answer, its end, or the limit.
func (l *local) launch(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(l.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(l.bin.postgres, "-D", filepath.Join(l.dir, "data"), "-p", strconv.Itoa(l.port))
	cmd.Dir, cmd.Env = l.dir, childEnv(l.dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = l.account.attr()
	dieWithParent(cmd.SysProcAttr)
	if l.proc, err = startProcess(cmd); err != nil {
		return fmt.Errorf("start %s: %w", l.bin.postgres, err)
	}

	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		err := ping(ctx, l.dsn())
		if err == nil {
			return nil
		}
		select {
		case <-l.proc.done:
			return fmt.Errorf("the server ended while starting: %v; its log ends:\n%s", l.proc.err, l.logTail())
		case <-ctx.Done():
			l.proc.end(syscall.SIGQUIT)
			return fmt.Errorf("the server did not answer: %w; last try: %s; its log ends:\n%s", ctx.Err(), oneLine(err), l.logTail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// dsn goes through the socket. The password is in it for a test that turns to loopback: the port is the same there.
func (l *local) dsn() string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, l.password), Path: "/postgres"}
	u.RawQuery = url.Values{"host": {l.dir}, "port": {strconv.Itoa(l.port)}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

// ping connects once.
func ping(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (l *local) restart(ctx context.Context) (string, error) {
	l.proc.end(syscall.SIGINT) // "fast" shutdown: sessions are ended, then a checkpoint
	return l.start(ctx)
}

func (l *local) stop() error {
	if l.proc != nil {
		l.proc.end(syscall.SIGQUIT) // "immediate" shutdown: nothing here is worth a checkpoint
	}
	err := os.RemoveAll(l.dir)
	l.watch.release()
	if err != nil {
		return fmt.Errorf("pgtest: remove the server's files: %w", err)
	}
	return l.owner.Close()
}

// logTail returns the last lines of the server's log.
func (l *local) logTail() string {
	f, err := os.Open(filepath.Join(l.dir, "log"))
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		_, _ = f.Seek(max(0, info.Size()-16<<10), io.SeekStart) // tail cuts it further
	}
	text, _ := io.ReadAll(f)
	return tail(string(text))
}

// tail returns the last twenty lines, indented.
func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return "\t" + strings.Join(lines[max(0, len(lines)-20):], "\n\t")
}
