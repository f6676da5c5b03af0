package lab

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// turnsVariable holds two inherited file descriptors, "3,4": one to read from and one to write to. Whoever started this
// process lets it and another one make their runs in turn, so that both meet the same moods of the machine.
const turnsVariable = "BENCH_TURNS"

// turns is this process's end. The nil turns has every turn at once.
type turns struct {
	in  io.Reader // a byte for each run that may begin
	out io.Writer // a byte whenever nothing of ours is running
}

// turnsFromEnv returns the turns the environment asks for, nil if it does not.
func turnsFromEnv(lookup func(string) (string, bool)) (*turns, error) {
	text, _ := lookup(turnsVariable)
	if text == "" {
		return nil, nil
	}
	in, out, _ := strings.Cut(text, ",")
	from, err := strconv.Atoi(in)
	to, err2 := strconv.Atoi(out)
	if err != nil || err2 != nil || from < 3 || to < 3 || from == to {
		return nil, fmt.Errorf("lab: %s=%s: want two file descriptors such as 3,4; it is for programs that start the suite", turnsVariable, text)
	}
	if !keepToOurselves(from, to) {
		return nil, fmt.Errorf("lab: %s: this system does not hand down file descriptors", turnsVariable)
	}
	return &turns{os.NewFile(uintptr(from), "turns in"), os.NewFile(uintptr(to), "turns out")}, nil
}

// wait says that the last run is over, checks and all, and waits until the next may begin.
func (t *turns) wait() error {
	if t == nil {
		return nil
	}
	if _, err := t.out.Write([]byte{'.'}); err != nil {
		return fmt.Errorf("lab: nobody takes turns with this process any more: %w", err)
	}
	if _, err := io.ReadFull(t.in, make([]byte, 1)); err != nil {
		return fmt.Errorf("lab: no turn was given to this process: %w", err)
	}
	return nil
}
