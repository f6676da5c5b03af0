//go:build race

package lab

// raceEnabled is true in builds with the race detector.
const raceEnabled = true
