package refs

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

var (
	// ErrNoRepository is returned by Open outside a git repository, or without git.
	ErrNoRepository = errors.New("refs: not a git repository")
	// ErrUnknown is returned by Resolve for a name that is no commit.
	ErrUnknown = errors.New("refs: unknown ref")
	// ErrNoSuite is returned by Resolve for a commit that has no benchmark suite.
	ErrNoSuite = errors.New("refs: no benchmark suite")
	// ErrFolderExists is returned by Checkout when the worktree's folder is already there. It is left as it is.
	ErrFolderExists = errors.New("refs: worktree folder exists")
	// ErrDiskFull is matched by every error whose cause is a full disk, ours or a compiler's.
	ErrDiskFull = errors.New("refs: no space left on device")
)

// BuildError says that a commit does not build, and why.
type BuildError struct {
	Ref    Ref
	What   string // "the benchmark suite", "guest source-postgres"
	Output string // what the compiler said, whole
	Err    error  // how the command ended
}

// Error names the commit and the step, and repeats the compiler's words.
func (e *BuildError) Error() string {
	return fmt.Sprintf("refs: %s does not build: %s: %v\n%s", e.Ref, e.What, e.Err, strings.TrimRight(e.Output, "\n"))
}

// Unwrap returns how the command ended.
func (e *BuildError) Unwrap() error { return e.Err }

// Is makes a build that ran out of disk match ErrDiskFull.
func (e *BuildError) Is(target error) bool {
	return target == ErrDiskFull && saysDiskFull(e.Output)
}

// gitError is a git command that failed.
type gitError struct {
	args   []string
	output string
	err    error
}

func (e *gitError) Error() string {
	// git prints progress and hints too; the reason is on the lines it marks.
	var reasons []string
	for line := range strings.Lines(e.output) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "fatal: ") || strings.HasPrefix(line, "error: ") {
			reasons = append(reasons, line)
		}
	}
	if len(reasons) == 0 {
		reasons = append(reasons, strings.TrimSpace(e.output))
	}
	return fmt.Sprintf("git %s: %v: %s", e.args[0], e.err, strings.Join(reasons, "; "))
}

func (e *gitError) Unwrap() error { return e.err }

// saysDiskFull recognises the system's own words, which the compiler and the linker pass on.
func saysDiskFull(output string) bool {
	return strings.Contains(strings.ToLower(output), syscall.ENOSPC.Error())
}

// diskFull adds ErrDiskFull and a hint to an error that came from a full disk. git does not always pass the reason on
// ("unable to write file"), so when its command failed the disk is asked.
func diskFull(err error, folder string) error {
	var fromGit *gitError
	if errors.Is(err, syscall.ENOSPC) || errors.As(err, &fromGit) && !takes(folder, 1<<20) {
		return fmt.Errorf("%w: %w (worktrees and binaries need some 500 MB; free some, or point TMPDIR elsewhere; now in %s)", ErrDiskFull, err, folder)
	}
	return err
}

// takes reports whether a file of that many bytes can be written in the folder. Other reasons for failing than a full
// disk count as yes: they have their own error.
func takes(folder string, size int) bool {
	probe, err := os.CreateTemp(folder, dirPrefix+"probe-")
	if err != nil {
		return !errors.Is(err, syscall.ENOSPC)
	}
	defer os.Remove(probe.Name())
	_, err = probe.Write(make([]byte, size))
	return !errors.Is(errors.Join(err, probe.Close()), syscall.ENOSPC)
}
