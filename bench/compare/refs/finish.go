package refs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// finisher is the function by which a commit rewrites each guest behind the compiler. The zero value is none.
type finisher struct {
	folder string // of its package, as the go command takes it: "./connectors/finish"
	name   string
}

// findFinisher returns the finisher of the module in dir. It moved once, and older commits have none.
func findFinisher(dir string) (finisher, error) {
	connectors := filepath.Join(dir, "connectors")
	if info, err := os.Stat(filepath.Join(connectors, "finish")); err == nil && info.IsDir() {
		return finisher{"./connectors/finish", "Guest"}, nil
	}
	entries, err := os.ReadDir(connectors)
	if err != nil && !os.IsNotExist(err) {
		return finisher{}, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		src, err := os.ReadFile(filepath.Join(connectors, e.Name()))
		if err != nil {
			return finisher{}, err
		}
		if bytes.Contains(src, []byte("\nfunc FinishGuest(")) {
			return finisher{"./connectors", "FinishGuest"}, nil
		}
	}
	return finisher{}, nil
}

// finishMain is the program that finishes the files it is given. A file that is half written when it fails is the
// caller's to remove.
const finishMain = `package main

import (
	"fmt"
	"os"
	"path/filepath"

	own %q
)

func main() {
	for _, path := range os.Args[1:] {
		if err := finish(path); err != nil {
			fmt.Fprintf(os.Stderr, "finish %%s: %%v\n", filepath.Base(path), err)
			os.Exit(1)
		}
	}
}

func finish(path string) error {
	wasm, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if wasm, err = own.%s(wasm); err != nil {
		return err
	}
	return os.WriteFile(path, wasm, 0o644)
}
`

// finishFolder is where the program seems to be in the module. No folder of a commit may have the name.
const finishFolder = "zz-finish"

// finishGuests replaces every module in guests by what the commit's own code makes of it. That code cannot be linked into
// this program, so it runs in one of its own.
func (w *Worktree) finishGuests(ctx context.Context, guests string) error {
	f, err := findFinisher(w.Dir)
	if err != nil || f == (finisher{}) {
		return err
	}
	modules, err := wasmFiles(guests)
	if err != nil || len(modules) == 0 {
		return err
	}
	flags := w.repo.options.flags()
	path, err := goTool(ctx, w.Dir, nil, slices.Concat([]string{"list", "-f", "{{.ImportPath}}"}, flags, []string{f.folder})...)
	if err != nil {
		return err
	}

	tmp, err := os.MkdirTemp(w.repo.dir, "finish-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	overlay, err := w.overlay(tmp, fmt.Sprintf(finishMain, strings.TrimSpace(path), f.name))
	if err != nil {
		return err
	}
	_, err = goTool(ctx, w.Dir, nil, slices.Concat([]string{"run", "-overlay=" + overlay}, flags, []string{"./" + finishFolder}, modules)...)
	return err
}

// overlay writes into tmp what makes the go command see the program in the module, and returns the file to give to it. To
// import from the module the program must be in it, but a worktree is the commit and nothing else.
func (w *Worktree) overlay(tmp, program string) (string, error) {
	source := filepath.Join(tmp, "main.go")
	if err := os.WriteFile(source, []byte(program), 0o644); err != nil {
		return "", err
	}
	data, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(w.Dir, finishFolder, "main.go"): source},
	})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(tmp, "overlay.json")
	return overlay, os.WriteFile(overlay, data, 0o644)
}

// wasmFiles returns the paths of the modules in dir.
func wasmFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".wasm" {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil
}
