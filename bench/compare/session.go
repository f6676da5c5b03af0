package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/refs"
)

// Session compares commits of one repository, one pair after another: what they share is made once. Its methods must not
// be called concurrently.
type Session struct {
	// Repo resolves names and knows the history. The session closes it.
	Repo *refs.Repo

	config Config
	server *Server // nil until the first comparison
}

// Program is the suite of one commit with its guests, built and ready to run.
type Program struct {
	Ref    refs.Ref
	Build  *refs.Build
	Binary Binary
}

// Open prepares to compare commits. Of the config it uses neither Base, Head, HeadSuite, Force nor Options. Close must be called,
// also after a cancelled context.
func Open(ctx context.Context, c Config) (*Session, error) {
	if c.Log == nil {
		c.Log = io.Discard
	}
	if c.Refs.Log == nil {
		c.Refs.Log = c.Log
	}
	if c.Refs.Suite == "" {
		c.Refs.Suite = "bench"
	}
	repo, err := refs.Open(ctx, c.Refs)
	if err != nil {
		return nil, err
	}
	return &Session{Repo: repo, config: c}, nil
}

// Close stops the server and removes the worktrees.
func (s *Session) Close() error {
	var err error
	if s.server != nil && s.server.Close != nil {
		if err = s.server.Close(); err != nil {
			err = fmt.Errorf("compare: closing the server: %w", err)
		}
		s.server = nil
	}
	return errors.Join(err, s.Repo.Close())
}

// connectorsVariable tells the suite where its guests are, so that it does not build them again.
const connectorsVariable = "RAPIDBYTE_CONNECTOR_DIR"

// Build checks out and compiles a commit. Its errors are those of [refs.Repo.Checkout] and [refs.Worktree.Build].
func (s *Session) Build(ctx context.Context, ref refs.Ref) (*Program, error) {
	w, err := s.Repo.Checkout(ctx, ref)
	if err != nil {
		return nil, err
	}
	b, err := w.Build(ctx)
	if err != nil {
		return nil, err
	}
	p := &Program{Ref: ref, Build: b, Binary: Binary{Path: b.Binary, Dir: filepath.Join(w.Dir, s.config.Refs.Suite)}}
	if guests, err := os.ReadDir(b.Guests); err == nil && len(guests) > 0 {
		p.Binary.Env = []string{connectorsVariable + "=" + b.Guests}
	}
	return p, nil
}

// Cases lists what the program can measure of what the config selects, without a server. A program that has none of it
// gives none, and no error.
func (s *Session) Cases(ctx context.Context, p *Program) ([]Case, error) {
	cases, err := s.binaries(p, p).Cases(ctx, Head)
	if errors.Is(err, errNoResult) {
		return nil, nil
	}
	return cases, err
}

// Compare measures two programs and judges them. The server is started for the first comparison and shared by all.
func (s *Session) Compare(ctx context.Context, base, head *Program, options Options) (*Report, error) {
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	if options.Restart == nil {
		options.Restart = s.server.Restart
	}
	if options.Noise == nil {
		options.Noise = s.server.Noise
	}
	report, err := Measure(ctx, s.binaries(base, head), options)
	if err != nil {
		return nil, err
	}
	report.Base, report.Head = version(base.Ref), version(head.Ref)
	if base.Ref.Suite != head.Ref.Suite {
		report.Warnings = append(report.Warnings, "the two sides have different benchmark suites: a change may come from how it is measured")
	}
	return report, nil
}

// start starts what the suites need, once.
func (s *Session) start(ctx context.Context) error {
	if s.server != nil {
		return nil
	}
	server := Server{}
	if s.config.Server != nil {
		var err error
		if server, err = s.config.Server(ctx); err != nil {
			return fmt.Errorf("compare: starting the server: %w", err)
		}
	}
	s.server = &server
	return nil
}

// binaries returns the runner of two programs.
func (s *Session) binaries(base, head *Program) *Binaries {
	env := slices.Clone(s.config.Env)
	if s.server != nil {
		env = append(env, s.server.Env...)
	}
	side := func(p *Program) Binary {
		b := p.Binary
		b.Env = slices.Concat(env, b.Env)
		return b
	}
	return &Binaries{Base: side(base), Head: side(head), Select: s.config.Select, Temp: s.Repo.Dir()}
}

func version(r refs.Ref) Version {
	return Version{Name: r.Name, Commit: r.Commit, Subject: strconv.Quote(r.Subject), Dirty: r.Dirty, Harness: r.Suite, Text: r.String()}
}
