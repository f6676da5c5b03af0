package selftest

import (
	"math/rand/v2"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/plant"
)

// task is one trial to be made.
type task struct {
	plant   string  // "" compares equal code
	percent float64 // of the case's time; 0 for what does not slow down
	// ends is how the comparison must end for plants that need no statistics; ExitOK for the others.
	ends compare.Exit
}

// perPlant is how many comparisons of equal code there are for each trial of a plant: false alarms are rarer than finds, and
// there is one kind of them.
const perPlant = 7

// tasks returns the trials in their order: what is certain first, since it takes seconds, then rounds in which everything
// has its turn. Wherever a budget ends them, all have been tried about as often.
func (o *Options) tasks() []task {
	var all []task
	for _, name := range plant.Outputs() {
		if o.wants(name, onlyInput) {
			all = append(all, task{plant: name, ends: compare.ExitError})
		}
	}
	for _, name := range plant.Rows() {
		if o.wants(name, onlyData) {
			all = append(all, task{plant: name, ends: compare.ExitWrongData})
		}
	}

	random := rand.New(rand.NewPCG(o.Seed, 0))
	for n := 0; n < o.Trials; n += perPlant {
		var round []task
		for range min(perPlant, o.Trials-n) {
			if o.wants(onlyEqual) {
				round = append(round, task{})
			}
		}
		for _, place := range o.places() {
			for _, percent := range o.Percents {
				round = append(round, task{plant: place, percent: percent})
			}
		}
		random.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		all = append(all, round...)
	}
	return all
}

// places returns where to slow down.
func (o *Options) places() []string {
	var places []string
	for _, place := range plant.Places() {
		if o.wants(place, onlySlow) {
			places = append(places, place)
		}
	}
	if o.Quick && len(o.Only) == 0 {
		// The source's computing is what a change to a connector changes.
		return places[:1]
	}
	return places
}

// phaseOf is what a comparison should call each place.
var phaseOf = map[string]string{
	plant.SourceGuest: "source guest",
	plant.HostCopy:    "source host functions",
	plant.Codec:       "source compress",
	plant.DestFlush:   "dest flush",
}
