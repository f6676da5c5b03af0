package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
)

// The environment is read once per Start. It is how a person, and a parent process such as a build target, chooses the
// server of every test binary below it.
const (
	envProvider   = "RAPIDBYTE_PG"            // auto, dsn, local, docker, download
	envDSN        = "RAPIDBYTE_PG_DSN"        // a server that is already there
	envImage      = "RAPIDBYTE_PG_IMAGE"      // docker: another image than DefaultImage
	envProfile    = "RAPIDBYTE_PG_PROFILE"    // quiet, durable
	envRequire    = "RAPIDBYTE_PG_REQUIRE"    // 1: no Postgres is a failure, not a skip
	envRepository = "RAPIDBYTE_PG_REPOSITORY" // download: another Maven repository, e.g. a mirror
	envHanded     = "RAPIDBYTE_PG_HANDED"     // written by Start beside envDSN: "provider profile" of the server it names
)

// ErrAbsent is matched by the errors of Start that mean "this machine has no such Postgres": nothing is installed, no
// engine answers, no network. A server that is there and does not work is another error.
var ErrAbsent = errors.New("pgtest: no Postgres available")

// Options chooses a server. The zero value asks the environment and then takes the first that works.
type Options struct {
	Provider string    // "auto", "dsn", "local", "docker" or "download"; "" means $RAPIDBYTE_PG, or auto
	Profile  string    // "quiet" or "durable"; "" means $RAPIDBYTE_PG_PROFILE, or quiet
	Log      io.Writer // gets one line, starting with "# ", when a provider is passed over; nil means os.Stderr

	launchers []launcher // tests put their own here
}

// Server is one running Postgres. Its fields are set by Start and must not be changed. Its methods may be called from
// several goroutines, but not beside Close or Restart.
type Server struct {
	Provider string // "dsn", "local", "docker" or "download"
	Profile  string // "quiet", "durable", or "custom" for a given server that matches neither
	Version  string // the server's own, without its packager's remark: "15.18"
	ConfHash string // 8 hexadecimal digits over the settings that move a measurement; equal means comparable

	mu     sync.Mutex
	dsn    string
	server backend // nil for a server that is not ours to stop
}

// backend is a server that this process started.
type backend interface {
	// restart stops the server cleanly and starts it on the same data. The DSN it returns may have another port.
	restart(ctx context.Context) (dsn string, err error)
	// stop ends the server at once and removes everything it left on disk.
	stop() error
}

// Start starts, or connects to, a server and hands its DSN down to the processes this one will start: their Start
// returns the same server. The caller closes it. Whatever way this process ends, the server does not outlive it.
//
// With the provider auto the order is dsn (when $RAPIDBYTE_PG_DSN is set, and then nothing else), local, docker,
// download; a provider that is present and fails is passed over with one line to Options.Log. An error matches
// ErrAbsent when the machine just has none of them; it says what to install.
func Start(ctx context.Context, o Options) (*Server, error) {
	asked := o.Provider != ""
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}

	// A parent process may have started just what is asked for. If it started another, it is not for us.
	dsn, handed := os.Getenv(envDSN), strings.Fields(os.Getenv(envHanded))
	if dsn != "" && len(handed) == 2 && o.Provider != "dsn" {
		if !asked && (o.Provider == "auto" || o.Provider == handed[0]) && o.Profile == handed[1] {
			return connect(ctx, &Server{Provider: handed[0], dsn: dsn})
		}
		dsn = ""
	}
	if o.Provider == "dsn" || o.Provider == "auto" && dsn != "" {
		if dsn == "" {
			return nil, absentf("dsn", "%s is not set; set it to a server's connection string", envDSN)
		}
		return connect(ctx, &Server{Provider: "dsn", dsn: dsn})
	}

	// Otherwise the first that starts.
	var problems []error
	for _, l := range o.launchers {
		if o.Provider != "auto" && o.Provider != l.name {
			continue
		}
		s, err := launch(ctx, l, o)
		if err == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		problems = append(problems, err)
		var a *absentError
		if o.Provider == "auto" && (!errors.As(err, &a) || a.notice) {
			fmt.Fprintf(o.Log, "# %s; trying the next provider\n", oneLine(err))
		}
	}
	if o.Provider != "auto" {
		return nil, problems[0]
	}
	return nil, noneError(problems)
}

// withDefaults fills o from the environment and refuses words it does not know.
func (o Options) withDefaults() (Options, error) {
	if o.Provider == "" {
		o.Provider = os.Getenv(envProvider)
	}
	if o.Provider == "" {
		o.Provider = "auto"
	}
	if known := []string{"auto", "dsn", "local", "docker", "download"}; !slices.Contains(known, o.Provider) {
		return o, fmt.Errorf("pgtest: unknown provider %q in %s; use one of %s", o.Provider, envProvider, strings.Join(known, ", "))
	}

	if o.Profile == "" {
		o.Profile = os.Getenv(envProfile)
	}
	if o.Profile == "" {
		o.Profile = Quiet
	}
	if o.Profile != Quiet && o.Profile != Durable {
		return o, fmt.Errorf("pgtest: unknown profile %q in %s; use %s or %s", o.Profile, envProfile, Quiet, Durable)
	}

	if o.Log == nil {
		o.Log = os.Stderr
	}
	if o.launchers == nil {
		// The machine's own server comes first: it is the nearest (a unix socket, no address translation) and
		// starts fastest.
		o.launchers = []launcher{{"local", startInstalled}, {"docker", startDocker}, {"download", startDownloaded}}
	}
	return o, nil
}

// A launcher starts a server of one provider with the settings of a profile.
type launcher struct {
	name  string
	start func(ctx context.Context, o Options) (b backend, dsn string, err error)
}

// launch starts one provider's server and hands it down.
func launch(ctx context.Context, l launcher, o Options) (*Server, error) {
	b, dsn, err := l.start(ctx, o)
	if err != nil {
		return nil, err
	}
	s, err := connect(ctx, &Server{Provider: l.name, dsn: dsn, server: b})
	if err != nil {
		return nil, errors.Join(err, b.stop())
	}
	s.handDown()
	return s, nil
}

// handDown names the server in the environment of this process, and so of its children.
func (s *Server) handDown() {
	os.Setenv(envDSN, s.dsn)
	os.Setenv(envHanded, s.Provider+" "+s.Profile)
}

// Started reports whether this process started the server, and so can restart it.
func (s *Server) Started() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.server != nil
}

// Restart stops the server cleanly and starts it again on the same data, so that what it cached and scheduled is gone.
// Open connections break, and DSN may change. A server that was given by its DSN cannot be restarted.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return fmt.Errorf("pgtest: restart: the server was not started by this process (provider %s)", s.Provider)
	}
	dsn, err := s.server.restart(ctx)
	if err != nil {
		return fmt.Errorf("pgtest: restart: %w", err)
	}
	s.dsn = dsn
	s.handDown()
	return nil
}

// Close stops a server that this process started and removes its files; any other it leaves alone. Calls after the
// first do nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil
	}
	if os.Getenv(envDSN) == s.dsn {
		os.Unsetenv(envDSN)
		os.Unsetenv(envHanded)
	}
	b := s.server
	s.server = nil
	return b.stop()
}
