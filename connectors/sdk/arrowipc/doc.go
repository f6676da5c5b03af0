// Package arrowipc writes and reads the three messages of an Arrow IPC stream.
package arrowipc
