//go:build !unix

package targets

import (
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

func interruptGroup(p *os.Process) error { return p.Kill() }
