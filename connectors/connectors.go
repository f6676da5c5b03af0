// Package connectors finds and builds the connectors of this repository. It is
// the host's side: the guests are the folders below it, each a main package of
// a few lines whose folder name is the connector's name in a pipeline, the name
// of its .wasm file and that of its .json manifest.
package connectors

import (
	"context"
	"fmt"
	"io/fs"
	"os"

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
// embedded in a release binary, else what [Build] makes of this module's source.
func Open(ctx context.Context) (fs.FS, error) {
	if dir := os.Getenv(DirVariable); dir != "" {
		files := os.DirFS(dir)
		if err := checkFiles(files); err != nil {
			return nil, fmt.Errorf("connectors: folder %s (from %s): %w", dir, DirVariable, err)
		}
		return files, nil
	}
	files, err := embedded()
	if err != nil {
		return nil, fmt.Errorf("connectors: in this program: %w", err)
	}
	if files != nil {
		return files, nil
	}
	return Build(ctx, BuildOptions{})
}
