package connectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// modulePath is the module whose source Build compiles.
const modulePath = "github.com/rapidbyte-go/rapidbyte"

// errNoSource is returned when the source of this module is nowhere to be found.
var errNoSource = errors.New("connectors: this program has no connectors built in, and the source to build them from is not here; " +
	"run it inside the repository, or set " + DirVariable + " to a folder of built connectors")

// errNoGo is returned when there is no toolchain.
var errNoGo = errors.New("no go command found to build the connectors with; " +
	"install Go from https://go.dev/dl and put it on the PATH, or set " + DirVariable + " to a folder of built connectors")

// findSource returns the root of this module's source.
func findSource(ctx context.Context) (string, error) {
	mod, err := goCommand(ctx, "", "env", "GOMOD")
	if err != nil {
		return "", fmt.Errorf("connectors: %w", err)
	}
	mod = strings.TrimSpace(mod)

	// The module around the working directory, or one that it depends on.
	if root := filepath.Dir(mod); isSource(root) {
		return root, nil
	}
	if mod != "" && mod != os.DevNull {
		dir, err := goCommand(ctx, "", "list", "-m", "-f", "{{.Dir}}", modulePath)
		if root := strings.TrimSpace(dir); err == nil && isSource(root) {
			return root, nil
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("connectors: %w", ctx.Err())
		}
	}

	// Where this file was when the program was compiled, unless that was hidden
	// with -trimpath.
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		if root := filepath.Dir(filepath.Dir(file)); isSource(root) {
			return root, nil
		}
	}
	return "", errNoSource
}

// isSource reports whether root is the root of this module.
func isSource(root string) bool {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return false
	}
	for line := range bytes.Lines(text) {
		if string(bytes.TrimSpace(line)) == "module "+modulePath {
			return true
		}
	}
	return false
}

// goCommand runs the go command for the guests' platform in dir and returns what
// it prints. What the caller chose for its own builds (a race detector, tags, an
// overlay, a workspace) does not reach the guests.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		tool = filepath.Join(os.Getenv("GOROOT"), "bin", "go")
		if _, err := os.Stat(tool); err != nil || os.Getenv("GOROOT") == "" {
			return "", errNoGo
		}
	}

	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOWORK=off", "GOEXPERIMENT=",
		// Empty would mean what "go env -w" stored; this says nothing new.
		"GOFLAGS=-mod=readonly",
	)
	// A compiler that outlives the killed go command holds the pipes open.
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}
