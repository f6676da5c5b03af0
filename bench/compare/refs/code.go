package refs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"go/scanner"
	"go/token"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// listed is what the go command tells of one package, as far as it is needed here.
type listed struct {
	ImportPath string
	Dir        string
	Standard   bool
	Module     *struct {
		Path    string
		Version string
		Main    bool
		Replace *struct{ Path, Version string }
	}
	GoFiles                            []string
	CgoFiles, CFiles, CXXFiles, HFiles []string
	SFiles, SwigFiles, SysoFiles       []string
	EmbedFiles                         []string
}

// code hashes what the suite, the guests and their finisher are made of, with comments left out.
func (w *Worktree) code(ctx context.Context) (string, error) {
	h := sha256.New()
	io.WriteString(h, recipe)

	if err := w.hashPackages(ctx, h, nil, "-test", "./"+w.repo.options.Suite); err != nil {
		return "", err
	}
	guests, err := guestPackages(ctx, w.Dir)
	if err != nil {
		return "", w.buildError(ctx, "guests", err)
	}
	if len(guests) > 0 {
		if err := w.hashPackages(ctx, h, wasip1, guests...); err != nil {
			return "", err
		}
		for _, dir := range guests {
			if err := w.hashRaw(h, filepath.Join(dir, "manifest.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
		}
		if err := w.hashFinisher(ctx, h); err != nil {
			return "", err
		}
	}

	// What the suite may read while it runs, and the language version and settings that go.mod holds.
	for _, part := range []string{"go.mod", "testdata", filepath.Join(w.repo.options.Suite, "testdata")} {
		if err := w.hashData(h, filepath.Join(w.Dir, part)); err != nil {
			return "", fmt.Errorf("refs: hashing the sources of %s: %w", w.Ref, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hashFinisher adds the sources of what finishes the guests. The suite need not be made of it.
func (w *Worktree) hashFinisher(ctx context.Context, h hash.Hash) error {
	f, err := findFinisher(w.Dir)
	if err != nil {
		return w.buildError(ctx, "guests", err)
	}
	if f == (finisher{}) {
		return nil
	}
	return w.hashPackages(ctx, h, nil, f.folder)
}

// hashPackages adds the sources of the packages and of all they import, in the order of the go command's list.
func (w *Worktree) hashPackages(ctx context.Context, h hash.Hash, env []string, packages ...string) error {
	list, err := goTool(ctx, w.Dir, env, slices.Concat([]string{"list", "-deps", "-json"}, w.repo.options.flags(), packages)...)
	if err != nil {
		return w.buildError(ctx, "list of packages", err)
	}
	for d := json.NewDecoder(strings.NewReader(list)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("refs: reading go list: %w", err)
		}
		if err := w.hashPackage(h, &p); err != nil {
			return fmt.Errorf("refs: hashing package %s of %s: %w", p.ImportPath, w.Ref, err)
		}
	}
}

func (w *Worktree) hashPackage(h hash.Hash, p *listed) error {
	fmt.Fprintf(h, "package %s\n", p.ImportPath)
	m := p.Module
	switch {
	case p.Standard || m == nil:
		return nil // fixed by the toolchain, or generated for the test
	case !m.Main && m.Replace == nil:
		fmt.Fprintf(h, "module %s %s\n", m.Path, m.Version)
		return nil
	case !m.Main && m.Replace.Version != "":
		fmt.Fprintf(h, "module %s %s\n", m.Replace.Path, m.Replace.Version)
		return nil
	}

	for _, name := range p.GoFiles {
		path := filepath.Join(p.Dir, name)
		// The main of a test is generated into the build cache; what it lists is in the package's own files.
		if filepath.IsAbs(name) {
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "file %s\n", name)
		hashTokens(h, src)
	}
	for _, name := range slices.Concat(p.CgoFiles, p.CFiles, p.CXXFiles, p.HFiles, p.SFiles, p.SwigFiles, p.SysoFiles, p.EmbedFiles) {
		if err := w.hashRaw(h, filepath.Join(p.Dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// hashTokens adds Go source as its tokens. Of the comments only those count that mean something to the compiler.
func hashTokens(h hash.Hash, src []byte) {
	var s scanner.Scanner
	fset := token.NewFileSet()
	s.Init(fset.AddFile("", fset.Base(), len(src)), src, nil, scanner.ScanComments)
	for {
		_, tok, lit := s.Scan()
		switch {
		case tok == token.EOF:
			return
		case tok == token.COMMENT && !isDirective(lit):
			continue
		case tok == token.SEMICOLON:
			lit = ";" // written or implied by a line's end
		}
		fmt.Fprintf(h, "%d %q\n", tok, lit)
	}
}

// isDirective reports whether the comment is an instruction to the compiler, the linker or the go command.
func isDirective(comment string) bool {
	for _, prefix := range []string{"//go:", "//line ", "/*line ", "//export ", "// +build", "//extern "} {
		if strings.HasPrefix(comment, prefix) {
			return true
		}
	}
	return false
}

// hashRaw adds the name and the bytes of one file of the module.
func (w *Worktree) hashRaw(h hash.Hash, path string) error {
	name, err := filepath.Rel(w.Dir, path)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(h, "raw %s %d\n", filepath.ToSlash(name), len(data))
	h.Write(data)
	return nil
}

// hashData adds the file, or every file below the folder that is neither Go source nor prose. A missing one adds nothing.
func (w *Worktree) hashData(h hash.Hash, root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if path == root && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		if ext := filepath.Ext(path); ext == ".go" || ext == ".md" || ext == ".golden" {
			return nil
		}
		return w.hashRaw(h, path)
	})
}
