//go:build embed_connectors

package connectors

import (
	"embed"
	"io/fs"
)

// The folder is filled by Build before a release binary is built.
//
//go:embed embedded/*.wasm embedded/*.json embedded/SHA256SUMS
var embeddedFiles embed.FS

// embedded returns the connectors that were built into this program.
func embedded() (fs.FS, error) {
	files, err := fs.Sub(embeddedFiles, "embedded")
	if err != nil {
		return nil, err
	}
	return withSums(files)
}
