// Package targets is what the targets of the magefile do. Each starts other
// programs (go, the built binary) in the repository it is called in, passes
// their output on, and turns their failure into an exit code.
package targets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/lab"
)

// Repo is a repository the targets work in.
type Repo struct {
	Dir            string // the module's root
	Stdout, Stderr io.Writer
}

// Here returns the repository of the working directory, writing to the process's
// own streams.
func Here() (*Repo, error) {
	dir, err := lab.Root()
	if err != nil {
		return nil, err
	}
	return &Repo{Dir: dir, Stdout: os.Stdout, Stderr: os.Stderr}, nil
}

// ExitError is the failure of a program that has said itself what is wrong. Its
// exit code becomes ours.
type ExitError struct {
	Program string
	Code    int
}

// Error names the program and its code.
func (e *ExitError) Error() string { return fmt.Sprintf("%s: exit code %d", e.Program, e.Code) }

// ExitStatus is the exit code mage ends with.
func (e *ExitError) ExitStatus() int { return e.Code }

// run runs a program with env added to the environment. When ctx ends, the
// program and all it started are interrupted, as by Ctrl-C, and have grace to
// clean up.
func (r *Repo) run(ctx context.Context, stdout io.Writer, env []string, program string, args ...string) error {
	const grace = 4 * time.Second // mage itself waits five
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = r.Dir
	cmd.Stdout, cmd.Stderr = stdout, r.Stderr
	cmd.Env = append(os.Environ(), env...)
	ownGroup(cmd)
	cmd.Cancel = func() error { return interruptGroup(cmd.Process) }
	cmd.WaitDelay = grace

	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", filepath.Base(program), context.Cause(ctx))
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return &ExitError{filepath.Base(program), exit.ExitCode()}
	case err != nil:
		return fmt.Errorf("%s: %w", filepath.Base(program), err)
	}
	return nil
}

// Test runs every test.
func (r *Repo) Test(ctx context.Context) error {
	ctx, stop := untilStopped(ctx)
	defer stop()
	return r.run(ctx, r.Stdout, nil, "go", "test", "./...")
}
