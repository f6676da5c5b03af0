//go:build !unix

package engine

import "io/fs"

// ours is true: the folders of a user's cache are that user's alone here.
func ours(fs.FileInfo) bool { return true }
