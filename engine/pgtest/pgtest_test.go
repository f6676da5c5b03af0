package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// envChild makes the test binary a program that starts a server, names it and then waits to be killed.
const envChild = "PGTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		child()
	}
	os.Exit(Run(m))
}

func child() {
	s, err := Start(context.Background(), Options{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.Provider, s.DSN())
	time.Sleep(time.Hour) // the parent ends it much sooner
}

// unset gives a test an environment that asks for nothing.
func unset(t *testing.T) {
	t.Helper()
	for _, name := range []string{envProvider, envDSN, envProfile, envHanded, envImage, envRepository} {
		t.Setenv(name, "") // restores it
		os.Unsetenv(name)
	}
}

// value runs a query of one value.
func value[T any](t *testing.T, dsn, sql string) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var v T
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// fake is a server that answers at the DSN of another.
type fake struct {
	dsn     string
	stopped *bool
}

func (f fake) restart(context.Context) (string, error) { return f.dsn, nil }
func (f fake) stop() error                             { *f.stopped = true; return nil }

func TestProviderOrder(t *testing.T) {
	dsn, stopped := Shared(t).DSN(), false
	works := launcher{"works", func(context.Context, Options) (backend, string, error) { return fake{dsn, &stopped}, dsn, nil }}
	gone := launcher{"gone", func(context.Context, Options) (backend, string, error) {
		return nil, "", absentf("gone", "not installed")
	}}
	noisy := launcher{"noisy", func(context.Context, Options) (backend, string, error) {
		return nil, "", &absentError{"noisy", "an engine without images", true}
	}}
	broken := launcher{"broken", func(context.Context, Options) (backend, string, error) {
		return nil, "", errors.New("pgtest: broken: it crashed\nlast words")
	}}

	for _, tt := range []struct {
		name      string
		launchers []launcher
		provider  string // of the result; "" means an error
		log       string
		err       string // part of it
		absent    bool
	}{
		{"first that works", []launcher{works, broken}, "works", "", "", false},
		{"absent is passed over silently", []launcher{gone, works}, "works", "", "", false},
		{"engine without images is named", []launcher{noisy, works}, "works", "# pgtest: noisy: an engine without images; trying the next provider\n", "", false},
		{"broken is named in one line", []launcher{broken, works}, "works", "# pgtest: broken: it crashed; trying the next provider\n", "", false},
		{"all absent", []launcher{gone, gone}, "", "", "install one (Debian: apt-get install postgresql), or start Docker, or set RAPIDBYTE_PG_DSN\n\tgone: not installed", true},
		{"one broken is not absent", []launcher{gone, broken}, "", "# pgtest: broken: it crashed; trying the next provider\n", "\tbroken: it crashed\nlast words", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			unset(t)
			var log bytes.Buffer
			s, err := Start(t.Context(), Options{Log: &log, launchers: tt.launchers})
			if log.String() != tt.log {
				t.Errorf("log is %q, want %q", log.String(), tt.log)
			}
			if tt.provider == "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || errors.Is(err, ErrAbsent) != tt.absent {
					t.Errorf("error is %v (absent %t), want one with %q (absent %t)", err, errors.Is(err, ErrAbsent), tt.err, tt.absent)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.Provider != tt.provider {
				t.Errorf("provider is %q, want %q", s.Provider, tt.provider)
			}
			if err := s.Close(); err != nil || !stopped {
				t.Errorf("Close: %v; stopped is %t", err, stopped)
			}
		})
	}
}

func TestOptionsRefused(t *testing.T) {
	for _, tt := range []struct{ provider, profile, want string }{
		{"podman", "", `unknown provider "podman" in RAPIDBYTE_PG; use one of auto, dsn, local, docker, download`},
		{"local", "fast", `unknown profile "fast" in RAPIDBYTE_PG_PROFILE; use quiet or durable`},
		{"dsn", "", "pgtest: dsn: RAPIDBYTE_PG_DSN is not set"},
	} {
		unset(t)
		t.Setenv(envProvider, tt.provider)
		t.Setenv(envProfile, tt.profile)
		if _, err := Start(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("provider %q, profile %q: error is %v, want %q in it", tt.provider, tt.profile, err, tt.want)
		}
	}
}

// A given server is used as it is, described by what it says of itself, and never stopped.
func TestGivenServer(t *testing.T) {
	have := Shared(t)
	unset(t)
	t.Setenv(envDSN, have.DSN())

	s, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Provider != "dsn" || s.Profile != have.Profile || s.Version != have.Version || s.ConfHash != have.ConfHash {
		t.Errorf("got %s %s %s %s, want dsn %s %s %s", s.Provider, s.Profile, s.Version, s.ConfHash, have.Profile, have.Version, have.ConfHash)
	}
	if s.Started() {
		t.Error("a server of others can be restarted")
	}
	if err := s.Restart(t.Context()); err == nil || !strings.Contains(err.Error(), "was not started by this process (provider dsn)") {
		t.Errorf("Restart: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := value[int](t, have.DSN(), "SELECT 1"); got != 1 {
		t.Error("the given server is gone")
	}
}

// A DSN that leads nowhere is an error: falling back to another server would test something else than was asked for.
func TestGivenServerUnreachable(t *testing.T) {
	unset(t)
	t.Setenv(envDSN, "postgres://someone:sesame@127.0.0.1:1/postgres?sslmode=disable")
	_, err := Start(t.Context(), Options{})
	if err == nil || errors.Is(err, ErrAbsent) || !strings.HasPrefix(err.Error(), "pgtest: dsn: connect: ") {
		t.Errorf("error is %v, want one about connecting that is not ErrAbsent", err)
	}
	if err != nil && strings.Contains(err.Error(), "sesame") {
		t.Errorf("the password is in the error: %v", err)
	}
}

// A server handed down by a parent keeps its provider, so that results of both are comparable; one with other settings
// than asked for is not used.
func TestHandedDown(t *testing.T) {
	have := Shared(t)
	unset(t)
	t.Setenv(envDSN, have.DSN())
	t.Setenv(envHanded, "docker "+have.Profile)
	never := []launcher{{"local", func(context.Context, Options) (backend, string, error) {
		return nil, "", errors.New("asked to start another")
	}}}

	s, err := Start(t.Context(), Options{launchers: never})
	if err != nil {
		t.Fatal(err)
	}
	if s.Provider != "docker" || s.DSN() != have.DSN() {
		t.Errorf("got the server %s at %s, want docker's at %s", s.Provider, s.DSN(), have.DSN())
	}
	if s, err = Start(t.Context(), Options{Provider: "dsn"}); err != nil || s.Provider != "dsn" {
		t.Errorf("asked for the given server: got %+v, %v", s, err)
	}
	for _, o := range []Options{{Profile: "durable"}, {Provider: "local"}} {
		o.launchers, o.Log = never, &bytes.Buffer{}
		if _, err := Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "asked to start another") {
			t.Errorf("profile %q, provider %q: error is %v, want another server started", o.Profile, o.Provider, err)
		}
	}
}

// recorder is a test that notes how it ended.
type recorder struct {
	testing.TB
	end string
}

func (r *recorder) Helper()      {}
func (r *recorder) Skip(...any)  { r.end = "skip"; panic(r) }
func (r *recorder) Fatal(...any) { r.end = "fatal"; panic(r) }

func TestRefuse(t *testing.T) {
	absent := noneError([]error{absentf("local", "none"), absentf("docker", "none")})
	for _, tt := range []struct {
		err     error
		require string
		want    string
	}{
		{absent, "", "skip"},
		{absent, "0", "skip"},
		{absent, "1", "fatal"},
		{errors.New("pgtest: local: it crashed"), "", "fatal"},
		{noneError([]error{absentf("local", "none"), errors.New("pgtest: docker: it crashed")}), "", "fatal"},
	} {
		t.Setenv(envRequire, tt.require)
		r := &recorder{TB: t}
		func() {
			defer func() { _ = recover() }()
			refuse(r, tt.err)
		}()
		if r.end != tt.want {
			t.Errorf("%s=%q: the test ends with %q, want %q, for: %v", envRequire, tt.require, r.end, tt.want, tt.err)
		}
	}
}
