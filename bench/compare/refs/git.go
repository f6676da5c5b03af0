package refs

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/child"
)

// gitSettings keep the user's configuration from running programs of its own: a checkout hook that installs something,
// or a file watcher started for a folder that is gone in a minute.
var gitSettings = []string{"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "advice.detachedHead=false"}

// git runs git in dir and returns its output without the final newline. Variables by which a hook or an alias tells git
// where the repository is are dropped: they would point every command at the wrong place.
func git(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := child.Command(ctx, "git", append(gitSettings, args...)...)
	cmd.Dir = dir
	cmd.Env = append(child.Environ("GIT_*", "LC_ALL", "LANGUAGE"), "LC_ALL=C", "GIT_TERMINAL_PROMPT=0")
	cmd.Env = append(cmd.Env, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr

	err := cmd.Run()
	if err == nil {
		return strings.TrimSuffix(stdout.String(), "\n"), nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return "", cause
	}
	return "", &gitError{args, stderr.String(), err}
}

// missing reports whether the error is git's way of saying no, rather than git not working.
func missing(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit)
}
