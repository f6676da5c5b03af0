package profile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/bench/profile/flame"
	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// PerfMapTag is the build tag with which wazero tells perf where the functions of guests lie. It writes that when it compiles
// a module, so the module must not come from a cache.
const PerfMapTag = "perfmap"

// perfMap is the file in which it does.
func perfMap(pid int) string { return fmt.Sprintf("/tmp/perf-%d.map", pid) }

// guestShare is the part of a guest's time that one of its functions has.
type guestShare struct {
	frame flame.Frame
	part  float64 // of 1
}

// mapped is a guest's function in a perf map: "[12/1587].main.run:::::L3" is the 13th of 1588.
var mapped = regexp.MustCompile(`^\[\d+/(\d+)\]\.?(.*?)(?::+L\d+)?$`)

// NameGuests divides the time of compiled guests between their functions, as perf saw them during the timed runs: how much
// time there is says Go's profile, whose it is says perf. The modules, to know one guest's functions from another's, are in
// dir. Only functions themselves are known, not their callers.
func (c *CPU) NameGuests(seen []Seen, dir string) error {
	stages := map[int]string{} // by the last function's number
	for stage, connector := range c.connectors() {
		wasm, err := os.ReadFile(filepath.Join(dir, connector+".wasm"))
		if err != nil {
			return fmt.Errorf("profile: guest of stage %s: %w", stage, err)
		}
		n, err := functions(wasm)
		if err != nil {
			return fmt.Errorf("profile: guest %s: %w", connector, err)
		}
		if other, taken := stages[n-1]; taken {
			return fmt.Errorf("profile: the guests of %s and %s have %d functions each: perf's names do not tell them apart", stage, other, n)
		}
		stages[n-1] = stage
	}

	weights := map[string]map[string]float64{}
	totals := map[string]float64{}
	for _, s := range within(seen, c.Windows) {
		m := mapped.FindStringSubmatch(s.Symbol)
		if m == nil {
			continue
		}
		last, _ := strconv.Atoi(m[1]) // digits
		stage, ok := stages[last]
		if !ok {
			continue
		}
		if weights[stage] == nil {
			weights[stage] = map[string]float64{}
		}
		weights[stage][m[2]] += float64(s.Weight)
		totals[stage] += float64(s.Weight)
	}
	if len(weights) == 0 {
		return fmt.Errorf("%w of compiled guests: perf saw none of their functions", ErrEmpty)
	}
	c.guests = map[string][]guestShare{}
	for stage, functions := range weights {
		for name, weight := range functions {
			f := flame.Frame{Name: strings.TrimPrefix(goName(name), "connectors_"), Full: goName(name) + ", by perf", Kind: flame.Guest}
			c.guests[stage] = append(c.guests[stage], guestShare{f, weight / totals[stage]})
		}
	}
	return nil
}

// connectors returns the connector of each stage.
func (c *CPU) connectors() map[string]string {
	list := map[string]string{}
	for _, s := range c.Profile.Sample {
		if stage, connector := s.Label["stage"], s.Label["connector"]; len(stage) > 0 && len(connector) > 0 {
			list[stage[0]] = connector[0]
		}
	}
	return list
}

// goName undoes what Go's linker does to names in WebAssembly, where it can be told: every sign but letters, digits and
// points is a line there.
func goName(name string) string {
	name = strings.TrimPrefix(name, "github.com_rapidbyte_go_rapidbyte_")
	return method.ReplaceAllString(name, ".(*$1).")
}

var method = regexp.MustCompile(`\.__(\w+?)_\.`)

// functions returns how many functions a module has of its own.
func functions(wasm []byte) (n int, err error) {
	for _, err := range wasmbin.Functions(wasm) {
		if err != nil {
			return 0, err
		}
		n++
	}
	if n == 0 {
		return 0, errors.New("a module without functions")
	}
	return n, nil
}
