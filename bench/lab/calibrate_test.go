package lab

import "testing"

// A session is compared with another by this work, so it must stay what it is.
func TestCalibrationIsFixed(t *testing.T) {
	want := map[string]uint64{"cpu": 0x759dc09e66a7222e, "mem": 0x6e5fd29f05400000}
	for _, c := range (Grid{}).Calibrations() {
		w := NewCalibration(c)
		for range 2 {
			if got := w.Run(); got != want[w.Unit] {
				t.Errorf("%s gives %#x, want %#x: its time is no longer comparable with that of any session before", w.Unit, got, want[w.Unit])
			}
		}
		delete(want, w.Unit)
	}
	if len(want) > 0 {
		t.Errorf("no case for %v", want)
	}
}
