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
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/refs"
)

// Config says what to compare. Base and Head are needed.
type Config struct {
	Base, Head string // names as git knows them; "." is the working tree
	Select     string // -test.bench pattern of the cases; "" is all
	Refs       refs.Options
	Options    Options
	// Force measures even if the two builds are the same code, which is then a measurement of noise.
	Force bool
	// Env is added to the environment of every test binary: the variables that choose rows, loads and compressions.
	Env []string
	// Server starts what the suite needs. It is called once, after the builds, and not at all when there is nothing to
	// measure. Nil starts nothing.
	Server func(ctx context.Context) (Server, error)
	// Command is how a user says the same again, such as "go tool mage compare main .", without the seed.
	Command string
	// Log gets one line for each step. Nil discards them.
	Log io.Writer
}

// Server is what all processes of a comparison share.
type Server struct {
	Env     []string                    // tells the suite where it is
	Restart func(context.Context) error // between the blocks; nil: cannot
	Close   func() error                // nil: nothing to close
}

// Refs compares two commits: worktrees, builds, measurement, verdict. Whatever happens, also a cancelled context, it
// removes its worktrees and ends its processes before it returns. The user's checkout is not touched.
func Refs(ctx context.Context, c Config) (report *Report, err error) {
	if c.Log == nil {
		c.Log = io.Discard
	}
	if c.Refs.Log == nil {
		c.Refs.Log = c.Log
	}
	if c.Options.Started.IsZero() {
		c.Options.Started = time.Now()
	}
	if c.Base == "" || c.Head == "" {
		return nil, fmt.Errorf("%w: two refs are needed, such as main and \".\" for the working tree", ErrUsage)
	}

	repo, err := refs.Open(ctx, c.Refs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, repo.Close()) }()

	// Both names are resolved before anything is built: a typing error should not cost a minute.
	base, err := repo.Resolve(ctx, c.Base)
	if err != nil {
		return nil, err
	}
	head, err := repo.Resolve(ctx, c.Head)
	if err != nil {
		return nil, err
	}
	sides, builds, err := c.build(ctx, repo, base, head)
	if err != nil {
		return nil, err
	}
	report = &Report{Format: reportVersion, Base: version(base), Head: version(head), Finished: time.Now()}
	if how, same := refs.Identical(builds[Base], builds[Head]); same && !c.Force {
		report.Identical = how
		return report, nil
	} else if same {
		fmt.Fprintf(c.Log, "%s: every difference will be noise\n", how)
	}

	measured, err := c.measure(ctx, sides, repo.Dir())
	if err != nil {
		return nil, err
	}
	measured.Base, measured.Head = report.Base, report.Head
	if c.Command != "" {
		measured.Reproduce = c.Command + " -seed=" + strconv.FormatUint(measured.Seed, 10)
	}
	if base.Suite != head.Suite {
		measured.Warnings = append(measured.Warnings, "the two sides have different benchmark suites: a change may come from how it is measured")
	}
	return measured, nil
}

// build checks out and compiles both sides.
func (c *Config) build(ctx context.Context, repo *refs.Repo, base, head refs.Ref) (sides [2]Binary, builds [2]*refs.Build, err error) {
	suite := c.Refs.Suite
	if suite == "" {
		suite = "bench"
	}
	for side, ref := range []refs.Ref{base, head} {
		w, err := repo.Checkout(ctx, ref)
		if err != nil {
			return sides, builds, err
		}
		b, err := w.Build(ctx)
		if err != nil {
			return sides, builds, err
		}
		builds[side] = b
		sides[side] = Binary{Path: b.Binary, Dir: filepath.Join(w.Dir, suite)}
		if guests, err := os.ReadDir(b.Guests); err == nil && len(guests) > 0 {
			sides[side].Env = []string{connectorsVariable + "=" + b.Guests}
		}
	}
	return sides, builds, nil
}

// connectorsVariable tells the suite where its guests are, so that it does not build them again.
const connectorsVariable = "RAPIDBYTE_CONNECTOR_DIR"

// measure starts the server and runs both blocks.
func (c *Config) measure(ctx context.Context, sides [2]Binary, temp string) (report *Report, err error) {
	options := c.Options
	env := slices.Clone(c.Env)
	if c.Server != nil {
		server, err := c.Server(ctx)
		if err != nil {
			return nil, fmt.Errorf("compare: starting the server: %w", err)
		}
		if server.Close != nil {
			defer func() { err = errors.Join(err, server.Close()) }()
		}
		env = append(env, server.Env...)
		if options.Restart == nil {
			options.Restart = server.Restart
		}
	}
	for side := range sides {
		sides[side].Env = slices.Concat(env, sides[side].Env)
	}
	return Measure(ctx, &Binaries{Base: sides[Base], Head: sides[Head], Select: c.Select, Temp: temp}, options)
}

func version(r refs.Ref) Version {
	return Version{Name: r.Name, Commit: r.Commit, Subject: strconv.Quote(r.Subject), Dirty: r.Dirty, Harness: r.Suite, Text: r.String()}
}
