//go:build !embed_connectors

package connectors

import "io/fs"

// embedded returns nil: this program was built without connectors in it.
func embedded() (fs.FS, error) { return nil, nil }
