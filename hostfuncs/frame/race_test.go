//go:build race

package frame

// raceEnabled is true in builds with the race detector, under which sync.Pool
// loses things at random. The zstd library keeps small tables in one.
const raceEnabled = true
