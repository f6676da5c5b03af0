package compare

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/atomicfile"
	"github.com/rapidbyte-go/rapidbyte/bench/compare/paired"
)

// Noise is what a machine shows between two equal programs: every pair ratio of an A/A run, by case and unit. It is kept
// whole, because how finely a comparison resolves depends on how many pairs it has.
type Noise struct {
	Machine string            `json:"machine"` // fingerprint
	Config  map[string]string `json:"config"`  // conditions: server, settings, dataset
	Taken   time.Time         `json:"taken"`
	Commit  string            `json:"commit"`
	Cells   []NoiseCell       `json:"cells"`

	floors map[floorKey]float64
}

// NoiseCell is one unit of one case.
type NoiseCell struct {
	Case   Case      `json:"case"`
	Unit   string    `json:"unit"`
	Ratios []float64 `json:"log_ratios"` // logarithms of head/base, one for each pair
}

// mostDrawn is the largest number of pairs for which the floor is drawn rather than extrapolated.
const mostDrawn = 24

type floorKey struct {
	cell  int
	pairs int
}

// noiseVersion is the format of the file and the way pairs are measured. Another one is as if there were none.
const noiseVersion = 3

// noiseDays is how long a measurement is trusted. Kernels, neighbours and batteries change.
const noiseDays = 14

// Noise takes the noise from a comparison of a commit with itself in which every case got all its rounds
// ([Options.Every]), for the units given, nil for [DefaultGate].
func (r *Report) Noise(units []string) (*Noise, error) {
	if units == nil {
		units = DefaultGate()
	}
	if len(r.Blocks) == 0 {
		return nil, errors.New("compare: nothing was measured, so there is no noise: force the comparison of equal code")
	}
	if r.Base.Commit != r.Head.Commit {
		return nil, fmt.Errorf("compare: noise is the difference between equal programs, and these are %s and %s", r.Base.Commit, r.Head.Commit)
	}
	n := &Noise{Machine: r.Config["machine"], Config: r.Config, Taken: r.Finished, Commit: r.Head.Commit}
	for _, s := range r.Blocks[0].Series {
		for _, unit := range units {
			d, err := logRatios(s.Pairs, unit)
			if err != nil {
				return nil, fmt.Errorf("compare: noise of %s %s: %w", s.Case, unit, err)
			}
			if len(d) > 0 {
				n.Cells = append(n.Cells, NoiseCell{s.Case, unit, d})
			}
		}
	}
	return n, nil
}

// PairFloor returns the 95th percentile of |ratio-1| over single pairs, and whether the cell was measured.
func (n *Noise) PairFloor(c Case, unit string) (float64, bool) {
	i := n.find(c, unit)
	if i < 0 {
		return 0, false
	}
	return math.Expm1(upper(n.Cells[i].Ratios)), true
}

// Floor returns the 95th percentile of |ratio-1| that a comparison of so many pairs reports for equal code, and whether
// the cell was measured. It is what the machine resolves: a smaller difference is not told from none.
//
// The estimate of a comparison is drawn again and again from the pairs that were measured, each turned to a random side,
// since neither of two equal programs is the base. The draws depend on nothing but the data.
func (n *Noise) Floor(c Case, unit string, pairs int) (float64, bool) {
	i := n.find(c, unit)
	if i < 0 || pairs < 1 {
		return 0, false
	}
	key := floorKey{i, pairs}
	if floor, ok := n.floors[key]; ok {
		return floor, true
	}

	// With more pairs the estimate's spread falls with the root of their number; there is no need to draw that.
	if pairs > mostDrawn {
		floor, _ := n.Floor(c, unit, mostDrawn)
		return floor * math.Sqrt(mostDrawn/float64(pairs)), true
	}

	const draws = 1000
	r := rand.New(rand.NewPCG(seedOf(n.Cells[i].Ratios), uint64(pairs)))
	estimates := make([]float64, draws)
	d := make([]float64, pairs)
	for k := range estimates {
		for j := range d {
			d[j] = n.Cells[i].Ratios[r.IntN(len(n.Cells[i].Ratios))]
			if r.IntN(2) == 0 {
				d[j] = -d[j]
			}
		}
		estimates[k] = paired.Centre(d)
	}
	if n.floors == nil {
		n.floors = map[floorKey]float64{}
	}
	n.floors[key] = math.Expm1(upper(estimates))
	return n.floors[key], true
}

// find returns the index of the cell, -1 if it was not measured. A nil Noise has no cells.
func (n *Noise) find(c Case, unit string) int {
	if n == nil {
		return -1
	}
	return slices.IndexFunc(n.Cells, func(cell NoiseCell) bool { return cell.Case == c && cell.Unit == unit && len(cell.Ratios) > 0 })
}

// upper returns the 95th percentile of the sizes: the smallest that 95 % of them do not exceed.
func upper(values []float64) float64 {
	sizes := make([]float64, len(values))
	for i, v := range values {
		sizes[i] = math.Abs(v)
	}
	slices.Sort(sizes)
	return sizes[max(0, int(math.Ceil(0.95*float64(len(sizes))))-1)]
}

// seedOf derives a seed from data.
func seedOf(values []float64) uint64 {
	h := fnv.New64a()
	for _, v := range values {
		binary.Write(h, binary.LittleEndian, v)
	}
	return h.Sum64()
}

// Stale returns why the noise should be measured again, "" if it can be used. Config is that of the comparison; nil if it
// is not known yet.
func (n *Noise) Stale(now time.Time, config map[string]string) string {
	switch {
	case n == nil:
		return "the noise of this machine was never measured: run mage noise"
	case now.Sub(n.Taken) > noiseDays*24*time.Hour:
		return fmt.Sprintf("the noise of this machine was measured %d days ago: run mage noise again", int(now.Sub(n.Taken).Hours()/24))
	}
	return n.foreign(config)
}

// foreign returns what makes the noise that of another machine or server than the configuration describes, "" if nothing.
// Such noise is not used.
func (n *Noise) foreign(config map[string]string) string {
	for _, key := range []string{"machine", "pg-version", "pg-provider", "pg-conf", "dataset", "runtime"} {
		if want, ok := config[key]; n != nil && ok && n.Config[key] != want {
			return fmt.Sprintf("the noise known was measured with %s %q, and this is %q: run mage noise", key, n.Config[key], want)
		}
	}
	return ""
}

// Tighter is a cell whose noise is above the threshold asked for.
type Tighter struct {
	Case  Case
	Unit  string
	Floor float64
}

// tighter returns the cells that a comparison of so many pairs cannot hold to the threshold, the noisiest first.
func (n *Noise) tighter(cases []Case, units []string, pairs int, threshold float64) []Tighter {
	var all []Tighter
	for _, c := range cases {
		for _, unit := range units {
			if floor, ok := n.Floor(c, unit, pairs); ok && floor > threshold && !c.reference() {
				all = append(all, Tighter{c, unit, floor})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Tighter) int { return cmp.Compare(b.Floor, a.Floor) })
	return all
}

// noiseFile is what the file holds: the latest measurement under each set of conditions.
type noiseFile struct {
	Version int      `json:"v"`
	Noise   []*Noise `json:"noise"`
}

// LoadNoise reads the noise kept in the file for the machine with that fingerprint, the latest if there are several. With
// no measurement of this machine it returns nil and no error.
func LoadNoise(path, machine string) (*Noise, error) {
	f, err := readNoise(path)
	if err != nil {
		return nil, err
	}
	var latest *Noise
	for _, n := range f.Noise {
		if n.Machine == machine && (latest == nil || n.Taken.After(latest.Taken)) {
			latest = n
		}
	}
	return latest, nil
}

// SaveNoise adds the noise to the file, in place of an older measurement under the same conditions.
func SaveNoise(path string, n *Noise) error {
	if n.Machine == "" {
		return errors.New("compare: noise of a machine without a fingerprint: the suite prints no machine line")
	}
	f, err := readNoise(path)
	if err != nil {
		return err
	}
	same := func(other *Noise) bool { return other.Machine == n.Machine && other.foreign(n.Config) == "" }
	f.Noise = append(slices.DeleteFunc(f.Noise, same), n)

	data, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		return err
	}
	err = atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
	if err != nil {
		return fmt.Errorf("compare: noise file: %w", err)
	}
	return nil
}

// readNoise reads the whole file. One that is missing or of another version is empty.
func readNoise(path string) (*noiseFile, error) {
	f := &noiseFile{Version: noiseVersion}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("compare: noise file: %w", err)
	}
	if err := json.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("compare: noise file %s is damaged (remove it and run mage noise): %w", path, err)
	}
	if f.Version != noiseVersion {
		return &noiseFile{Version: noiseVersion}, nil
	}
	return f, nil
}
