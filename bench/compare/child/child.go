// Package child starts processes that never outlive the one that asked for them: each gets its own process group, and
// cancelling its context kills the whole group, grandchildren included.
//
// The own group also keeps Ctrl-C at a terminal from reaching the child directly. It is the parent that hears the signal,
// cancels, and cleans up in its own order.
package child

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"time"
)

// waitDelay is how long Wait goes on reading the output of a killed child. A grandchild that moved to another group may
// hold the pipe open for ever.
const waitDelay = 5 * time.Second

// Command is [exec.CommandContext] for a process in its own group. The caller sets Dir, Env and the streams as usual.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = waitDelay
	isolate(cmd)
	return cmd
}

// Run starts the command and waits for it with [Wait].
func Run(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	return Wait(cmd)
}

// Wait waits for a command that was started, and ends whatever it left running in its group: a process that dies cannot
// stop what it started.
func Wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	sweep(cmd.Process.Pid)
	return err
}

// Environ returns the environment of this process without the named variables. A name ending in "*" stands for all that
// begin with it.
func Environ(without ...string) []string {
	var env []string
next:
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		for _, w := range without {
			if prefix, ok := strings.CutSuffix(w, "*"); name == w || ok && strings.HasPrefix(name, prefix) {
				continue next
			}
		}
		env = append(env, kv)
	}
	return env
}
