//go:build unix

package pgtest

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a child that outlives the goroutine which started it.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the child has ended
	err  error         // how it ended; read after done
}

// startProcess starts a child on an operating system thread of its own, which lives as long as the child: on Linux
// the "parent" whose death the child is told of is the thread, and the scheduler may end any other one.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p, started := &process{cmd: cmd, done: make(chan struct{})}, make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
		runtime.UnlockOSThread()
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// end signals the child and waits for its end; one that takes too long is killed.
func (p *process) end(signal syscall.Signal) {
	_ = p.cmd.Process.Signal(signal) // it may have ended already
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// watchdog is a shell that waits for the end of this process, however it comes, and then cleans up. It notices the end
// by the pipe that it reads from: the kernel closes our side of it, also after kill -9.
type watchdog struct{ stdin io.Closer }

// watchServer watches over a local server. Stopping the server comes before removing its folder, and the process
// number is read from the server's own file, which is gone after a clean stop.
func watchServer(a account, dir string) *watchdog {
	const script = `
read -r line && exit 0
pid=$(head -n 1 "$0/data/postmaster.pid")
if [ -n "$pid" ]; then
	kill -QUIT "$pid"
	for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" || break; sleep 0.2; done
	kill -KILL "$pid"
fi
rm -rf "$0"`
	cmd := exec.Command("/bin/sh", "-c", script, dir)
	cmd.Env, cmd.Dir = childEnv(dir), "/"
	cmd.SysProcAttr = a.attr()
	return startWatchdog(cmd)
}

// startWatchdog returns nil when the shell cannot be started: the next start's sweep then does its work.
func startWatchdog(cmd *exec.Cmd) *watchdog {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil
	}
	if err := cmd.Start(); err != nil {
		return nil
	}
	go func() { _ = cmd.Wait() }() // reaps it; how it ends does not matter
	return &watchdog{stdin}
}

// release ends the watchdog without its cleaning up.
func (w *watchdog) release() {
	if w == nil {
		return
	}
	_, _ = io.WriteString(w.stdin.(io.Writer), "\n")
	_ = w.stdin.Close()
}

// childEnv is a server's environment: nothing of the person's own PG* and LC_* variables.
func childEnv(home string) []string {
	env := []string{"HOME=" + home, "LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
