// Package connectors finds and builds the connectors of this repository. It is
// the host's side: the guests are the folders below it, each a main package of
// a few lines whose folder name is the connector's name in a pipeline, the name
// of its .wasm file and that of its .json manifest.
package connectors

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rapidbyte-go/rapidbyte/connectors/identity"
	"github.com/rapidbyte-go/rapidbyte/connectors/postgres"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// DirVariable names the environment variable that holds the folder of built
// connectors, for people who bring their own.
const DirVariable = "RAPIDBYTE_CONNECTOR_DIR"

// Names returns the connectors of this repository, sorted.
func Names() []string {
	return []string{"dest-postgres", "source-postgres", "transform-identity"}
}

// Native returns the same connectors linked into this program, by name.
func Native() map[string]func(abi.Host) abi.Guest {
	return map[string]func(abi.Host) abi.Guest{
		"dest-postgres":      sdk.DestinationGuest(postgres.NewDestination),
		"source-postgres":    sdk.SourceGuest(postgres.NewSource),
		"transform-identity": sdk.TransformGuest(identity.New),
	}
}

// Open returns a file system with NAME.wasm and NAME.json of every connector at
// its root: the folder in RAPIDBYTE_CONNECTOR_DIR if that is set, else those
// embedded in a release binary, else what Build makes of this module's source.
func Open(ctx context.Context) (fs.FS, error) {
	if dir := os.Getenv(DirVariable); dir != "" {
		files, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("connectors: %s is %q, where no .wasm file is; build some with go tool mage build, or unset it", DirVariable, dir)
		}
		return os.DirFS(dir), nil
	}
	if files := embedded(); files != nil {
		return files, nil
	}
	files, err := Build(ctx, BuildOptions{})
	if errors.Is(err, errNoSource) {
		return nil, fmt.Errorf("connectors: this program has none built in and its source is not here; set %s to a folder of built connectors, or run it inside the repository", DirVariable)
	}
	return files, err
}
