package profile

import (
	"context"
	"errors"
	"fmt"

	"github.com/rapidbyte-go/rapidbyte/bench/lab"
	"github.com/rapidbyte-go/rapidbyte/bench/profile/flame"
)

// Observer says what perf should see while a program runs. The zero value watches nothing.
type Observer struct {
	Perf       *Perf  // nil: nothing
	NoPerf     error  // why it is nil; nil: nobody looked
	Postmaster int    // process whose children serve the runs; 0: none
	Guests     string // folder of the modules whose functions are wanted by name, which takes a program that writes a perf map; "": none are
}

// Observed is one case seen from all sides there are.
type Observed struct {
	CPU   *CPU
	Tree  *flame.Tree // in nanoseconds a row, the database's backends and named guests included
	Notes []string    // what is not in it, and why
}

// Observe profiles n runs of a case. What perf cannot do is no error: it is missing, and the notes say so.
func (o Observer) Observe(ctx context.Context, p Program, c lab.Case, n int) (*Observed, error) {
	var result Observed
	server, client := nothing, nothing
	serverErr, clientErr := error(nil), error(nil)
	if o.Perf != nil && o.Postmaster != 0 {
		if server, serverErr = o.Perf.Watch(ctx, o.Postmaster); serverErr != nil {
			server = nothing
		}
	}
	if o.Perf != nil && o.Guests != "" {
		if p.prefix, client, clientErr = o.Perf.Around(ctx); clientErr != nil {
			client = nothing
		}
	}
	cpu, err := p.CPU(ctx, c, n)
	servers, watchErr := server()
	serverErr = errors.Join(serverErr, watchErr)
	clients, watchErr := client()
	clientErr = errors.Join(clientErr, watchErr)
	if err != nil {
		return nil, err
	}
	if len(cpu.Profile.Sample) == 0 {
		return nil, fmt.Errorf("%w: %d runs of %s took less than the profiler's hundredth of a second: ask for more rows or runs", ErrEmpty, n, c)
	}

	if o.Perf != nil && o.Guests != "" && clientErr == nil {
		clientErr = cpu.NameGuests(clients, o.Guests)
	}
	result.CPU, result.Tree = cpu, cpu.Tree()
	if cpu.Process > 0 {
		cpu.AddUnlabelled(result.Tree)
	}
	if serverErr == nil {
		cpu.AddDatabase(result.Tree, servers)
	}
	result.Notes = o.notes(cpu.Process > 0, clientErr, serverErr)
	return &result, nil
}

// notes says what is not in a profile; the errors are those of watching guests and server.
func (o Observer) notes(clock bool, guests, server error) (notes []string) {
	none := o.NoPerf
	if none == nil {
		none = ErrNoPerf
	}
	if o.Perf == nil && o.Guests != "" {
		guests = none
	}
	if guests != nil {
		notes = append(notes, fmt.Sprintf("The guests' functions have no names: %v.", guests))
	}
	if !clock {
		notes = append(notes, "What has no label is not in it, such as background garbage collection: the suite does not tell the process's clock.")
	}
	switch {
	case server != nil:
		notes = append(notes, fmt.Sprintf("The server's backends are not in it: %v.", server))
	case o.Postmaster == 0:
		notes = append(notes, "The server's backends are not in it: they do not run on this machine.")
	case o.Perf == nil:
		notes = append(notes, fmt.Sprintf("The server's backends are not in it: %v.", none))
	}
	return notes
}

// nothing is a recording that was not made.
func nothing() ([]Seen, error) { return nil, nil }
