package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	// HeadSuite measures base with head's suite, so that only what is measured differs. It must fit base's code.
	HeadSuite bool
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
	// Noise is what the machine with this server is known to resolve; used if Options.Noise is nil.
	Noise *Noise
}

// Refs compares two commits: worktrees, builds, measurement, verdict. Whatever happens, also a cancelled context, it
// removes its worktrees and ends its processes before it returns. The user's checkout is not touched. A report comes with
// an error only if all was measured and something could not be removed.
func Refs(ctx context.Context, c Config) (report *Report, err error) {
	if c.Options.Started.IsZero() {
		c.Options.Started = time.Now()
	}
	if c.Base == "" || c.Head == "" {
		return nil, fmt.Errorf("%w: two refs are needed, such as main and \".\" for the working tree", ErrUsage)
	}
	s, err := Open(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()

	// Both names are resolved before anything is built: a typing error should not cost a minute.
	base, err := s.Repo.Resolve(ctx, c.Base)
	if err != nil {
		return nil, err
	}
	head, err := s.Repo.Resolve(ctx, c.Head)
	if err != nil {
		return nil, err
	}
	if c.HeadSuite {
		base = base.WithSuite(head)
	}
	var sides [2]*Program
	for side, ref := range []refs.Ref{base, head} {
		if sides[side], err = s.Build(ctx, ref); err != nil {
			return nil, err
		}
	}
	if how, same := refs.Identical(sides[Base].Build, sides[Head].Build); same && !c.Force {
		return &Report{Format: reportVersion, Base: version(base), Head: version(head), Finished: time.Now(), Identical: how}, nil
	} else if same {
		fmt.Fprintf(s.config.Log, "%s: every difference will be noise\n", how)
	}

	if report, err = s.Compare(ctx, sides[Base], sides[Head], c.Options); err != nil {
		return nil, err
	}
	if c.Command != "" {
		report.Reproduce = c.Command + " -seed=" + strconv.FormatUint(report.Seed, 10)
	}
	return report, nil
}
