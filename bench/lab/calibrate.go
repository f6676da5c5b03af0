package lab

import "encoding/binary"

// Calibration is work that no change of the code under test can make faster or
// slower: what its time differs by between two sessions, the machine differs by.
// The sizes and steps are part of its meaning and never change.
type Calibration struct {
	Unit  string // "cpu", "mem"
	Bytes int64  // that one run moves; 0 if it moves none
	// Run does the work once and returns a checksum of what came out, the same
	// each time.
	Run func() uint64
}

const (
	// calibrationSteps take some ten milliseconds: long enough for the clock and
	// for most interruptions to be small against it, short enough to be in
	// every run.
	calibrationSteps = 1 << 20
	// calibrationBytes are more than the caches that one processor has for
	// itself.
	calibrationBytes = 32 << 20
)

// Calibrations returns the cases of BenchmarkCalibrate.
func (g Grid) Calibrations() []Case {
	return []Case{NewCase("Calibrate", "cpu"), NewCase("Calibrate", "mem")}
}

// NewCalibration returns the work of a case of BenchmarkCalibrate, with its
// memory touched once.
func NewCalibration(c Case) Calibration {
	if c.Param("unit") == "cpu" {
		return Calibration{Unit: "cpu", Run: spin}
	}
	from, to := make([]byte, calibrationBytes), make([]byte, calibrationBytes)
	x := uint64(0)
	for i := 0; i < len(from); i += 8 {
		x += 0x9e3779b97f4a7c15
		binary.LittleEndian.PutUint64(from[i:], x)
	}
	copy(to, from)
	return Calibration{Unit: "mem", Bytes: calibrationBytes, Run: func() uint64 {
		copy(to, from)
		return binary.LittleEndian.Uint64(to[len(to)-8:])
	}}
}

// spin mixes a number by splitmix64, every step needing the one before it, with
// a branch that cannot be foreseen and a table that fits the nearest cache.
func spin() uint64 {
	var table [512]uint64
	x, sum := uint64(1), uint64(0)
	for range calibrationSteps {
		x += 0x9e3779b97f4a7c15
		z := (x ^ x>>30 ^ sum) * 0xbf58476d1ce4e5b9
		z ^= z >> 27
		if z&1 == 0 {
			sum += z
		} else {
			sum ^= table[z>>55]
		}
		table[z>>8&511] = z
	}
	return sum
}
