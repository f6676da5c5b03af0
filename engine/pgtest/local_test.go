//go:build unix

package pgtest

import (
	"bufio"
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// startFor starts a server for one test, which is skipped if the machine has no such provider.
func startFor(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if errors.Is(err, ErrAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// wantProfile checks every setting of a profile against the running server.
func wantProfile(t *testing.T, s *Server, profile string) {
	t.Helper()
	if s.Profile != profile {
		t.Errorf("profile is %q, want %q", s.Profile, profile)
	}
	for _, want := range settings(profile) {
		if got := value[string](t, s.DSN(), "SHOW "+want.name); got != want.value {
			t.Errorf("%s is %q, want %q", want.name, got, want.value)
		}
	}
	if got := value[string](t, s.DSN(), "SELECT datcollate || ' ' || pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'postgres'"); got != "C UTF8" {
		t.Errorf("the database's collation and encoding are %q, want C UTF8", got)
	}
}

func TestLocal(t *testing.T) {
	unset(t)
	hashes := map[string]string{}
	for _, profile := range []string{Quiet, Durable} {
		t.Run("profile="+profile, func(t *testing.T) {
			s := startFor(t, Options{Provider: "local", Profile: profile})
			wantProfile(t, s, profile)
			hashes[s.ConfHash] = profile

			if s.Provider != "local" || !strings.HasPrefix(value[string](t, s.DSN(), "SHOW server_version"), s.Version) || !strings.Contains(s.Version, ".") {
				t.Errorf("provider and version are %q and %q", s.Provider, s.Version)
			}
			if got := os.Getenv(envDSN); got != s.DSN() {
				t.Errorf("the DSN handed down is %q, want %q", got, s.DSN())
			}
		})
		if got := os.Getenv(envDSN); got != "" {
			t.Errorf("a closed server is handed down: %q", got)
		}
	}
	if len(hashes) != 2 && !t.Skipped() {
		t.Errorf("the hashes of two profiles are %v, want two", hashes)
	}
}

// The superuser needs no password on the socket; every role needs one over loopback, on the same port, and every other
// role on the socket too.
func TestLocalPasswords(t *testing.T) {
	unset(t)
	s := startFor(t, Options{Provider: "local"})
	conn, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "CREATE ROLE reader LOGIN PASSWORD 'right'"); err != nil {
		t.Fatal(err)
	}

	super, _ := url.Parse(s.DSN())
	password, _ := super.User.Password()
	socket := super.Query().Get("host")
	for _, tt := range []struct {
		user, password, host string
		ok                   bool
	}{
		{superuser, password, socket, true},
		{superuser, "wrong", socket, true},
		{superuser, password, "127.0.0.1", true},
		{superuser, "wrong", "127.0.0.1", false},
		{"reader", "right", "127.0.0.1", true},
		{"reader", "wrong", "127.0.0.1", false},
		{"reader", "right", socket, true},
		{"reader", "wrong", socket, false},
	} {
		c := conn.Config().Copy()
		c.User, c.Password, c.Host = tt.user, tt.password, tt.host
		got, err := pgx.ConnectConfig(t.Context(), c)
		if err == nil {
			got.Close(context.Background())
		}
		var refused *pgconn.PgError
		if (err == nil) != tt.ok || err != nil && (!errors.As(err, &refused) || refused.Code != "28P01") {
			t.Errorf("%s with %q at %s: %v, want success %t", tt.user, tt.password, tt.host, err, tt.ok)
		}
	}
}

func TestLocalRestart(t *testing.T) {
	unset(t)
	s := startFor(t, Options{Provider: "local"})
	const started = "SELECT pg_postmaster_start_time()"
	before := value[time.Time](t, s.DSN(), started)
	dsn := s.NewDatabase(t)
	if err := Seed(t.Context(), dsn, "bench_events", 7); err != nil {
		t.Fatal(err)
	}

	// An open session must not hold the restart up.
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if !s.Started() {
		t.Error("a server of its own cannot be restarted")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir, _ := serverOf(t, s.DSN())
	if log, err := os.ReadFile(filepath.Join(dir, "log")); err != nil || !strings.Contains(string(log), "received fast shutdown request") {
		t.Errorf("the log tells of no fast shutdown, %v:\n%s", err, log)
	}
	if after := value[time.Time](t, s.DSN(), started); !after.After(before) {
		t.Errorf("the server started at %v, before the restart at %v", after, before)
	}
	if got := value[int](t, dsn, "SELECT count(*) FROM bench_events"); got != 7 {
		t.Errorf("after the restart the table holds %d rows, want 7", got)
	}
}

// serverOf returns the folder and the process number of a local server.
func serverOf(t *testing.T, dsn string) (dir string, pid int) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	dir = u.Query().Get("host")
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if pid, err = strconv.Atoi(line); err != nil {
		t.Fatal(err)
	}
	return dir, pid
}

// gone waits until nothing is left of a server: no process and no file.
func gone(t *testing.T, dir string, pid int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_, stat := os.Lstat(dir)
		alive := syscall.Kill(pid, 0) == nil
		if os.IsNotExist(stat) && !alive {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("a minute later the server's process is alive: %t, its folder %s: %v", alive, dir, stat)
		}
	}
}

func TestLocalClose(t *testing.T) {
	unset(t)
	s := startFor(t, Options{Provider: "local"})
	dir, pid := serverOf(t, s.DSN())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	gone(t, dir, pid)
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// However a process ends, its server and its files go with it.
func TestLocalDiesWithProcess(t *testing.T) {
	unset(t)
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT} {
		t.Run("signal="+signal.String(), func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), envChild+"=1", envProvider+"=local")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			provider, dsn, _ := strings.Cut(strings.TrimSpace(line), " ")
			if err != nil || provider != "local" {
				_ = cmd.Wait()
				if strings.Contains(line, "no server binaries") {
					t.Skip(line)
				}
				t.Fatalf("the child says %q, %v", line, err)
			}

			dir, pid := serverOf(t, dsn)
			_ = cmd.Process.Signal(signal)
			_ = cmd.Wait()
			gone(t, dir, pid)
		})
	}
}

// What the server says while it fails to start is part of the error.
func TestLocalStartFailure(t *testing.T) {
	unset(t)
	real, ok := findBinaries(t.Context())
	if !ok {
		t.Skip("no server binaries")
	}
	for _, tt := range []struct {
		name, initdb, postgres string
		want                   []string
	}{
		{"initdb", "echo the disk is full >&2; exit 1", "exit 0", []string{"pgtest: local: initdb (", "exit status 1", "\tthe disk is full"}},
		{"server", "exec " + real.initdb + ` "$@"`, "echo no memory left >&2; exit 3", []string{"pgtest: local: the server ended while starting: exit status 3; its log ends:", "\tno memory left"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			elsewhere(t)
			dir := os.TempDir()
			for name, body := range map[string]string{"initdb": tt.initdb, "postgres": tt.postgres} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}

			_, _, err := startLocal(t.Context(), "local", Options{Profile: Quiet}, func(string, account) (binaries, error) {
				return binaries{filepath.Join(dir, "initdb"), filepath.Join(dir, "postgres")}, nil
			})
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error is %v, want %q in it", err, want)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(dir, dirPrefix+"*")); len(left) != 0 {
				t.Errorf("files are left: %v", left)
			}
		})
	}
}
