package targets

import (
	"context"
	"path/filepath"
	"runtime"

	"github.com/rapidbyte-go/rapidbyte/connectors"
)

// Build builds the program with the connectors in it, so that it runs anywhere
// by itself, and returns its path, target/rapidbyte.
func (r *Repo) Build(ctx context.Context) (binary string, err error) {
	ctx, stop := untilStopped(ctx)
	defer stop()
	embedded := filepath.Join(r.Dir, "connectors", "embedded")
	if _, err := connectors.Build(ctx, connectors.BuildOptions{Dir: embedded, Source: r.Dir}); err != nil {
		return "", err
	}
	binary = filepath.Join(r.Dir, "target", "rapidbyte")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	return binary, r.run(ctx, r.Stdout, nil, "go", "build", "-tags=embed_connectors", "-o", binary, ".")
}
