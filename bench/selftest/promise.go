package selftest

import (
	"fmt"
	"math"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
)

// Promise is something a comparison claims about itself.
type Promise struct {
	Text   string `json:"promise"`
	Status Status `json:"status"`
	Why    string `json:"why"`
}

// Status is what the trials say about a promise.
type Status string

// The states.
const (
	Kept     Status = "kept"
	Broken   Status = "BROKEN"
	NotShown Status = "not shown" // too few trials to say
	Excused  Status = "excused"   // not kept, on a machine too busy to insist
)

// often is how many of the plants of 5 % must be found.
const often = 0.9

// judge holds the trials against what was promised. Promises nobody asked about are left out.
func (r *Report) judge(o *Options) []Promise {
	var all []Promise
	if o.wants(onlyEqual) {
		all = append(all, r.equal(o.Trials))
	}
	each := (o.Trials + perPlant - 1) / perPlant
	if len(o.places()) > 0 {
		for _, percent := range o.Percents {
			if percent >= 5 {
				all = append(all, r.finds(percent, each))
			}
		}
		all = append(all, r.names())
	}
	certain := map[compare.Exit]string{
		compare.ExitWrongData: "wrong rows give exit code 5",
		compare.ExitError:     "torn and empty output give exit code 1",
	}
	for _, exit := range []compare.Exit{compare.ExitWrongData, compare.ExitError} {
		if p, asked := r.ends(o, exit, certain[exit]); asked {
			all = append(all, p)
		}
	}
	return all
}

// equal is about comparisons of equal code.
func (r *Report) equal(want int) Promise {
	p := Promise{Text: "equal code is never confirmed as a regression", Status: Kept}
	rate := r.sum(func(rate *Rate) bool { return rate.Plant == "" })
	p.Why = fmt.Sprintf("%d of %d comparisons did", rate.Found, rate.Trials)
	switch {
	case rate.Found > 0:
		p.Status = Broken
	case rate.Trials < want:
		p.Status = NotShown
		p.Why += fmt.Sprintf(", and %d were to be made", want)
	}
	return p
}

// finds is about plants of one size: from 10 % on all of them, below nine in ten, and these only of an idle machine.
func (r *Report) finds(percent float64, each int) Promise {
	p := Promise{Text: fmt.Sprintf("a slowdown of %g %% is found every time", percent), Status: Kept}
	share := 1.0
	if percent < 10 {
		p.Text, share = fmt.Sprintf("a slowdown of %g %% is found nine times in ten on an idle machine", percent), often
	}
	complete := true
	all := r.sum(func(rate *Rate) bool {
		if rate.Plant == "" || rate.Percent != percent {
			return false
		}
		complete = complete && rate.Trials >= each
		return true
	})
	p.Why = fmt.Sprintf("%d of %d were", all.Found, all.Trials)
	missed := all.Found < int(math.Ceil(share*float64(all.Trials)))
	switch {
	case missed && !r.Idle && (percent < 10 || r.Quick):
		p.Status = Excused
		p.Why += ", on a machine that was not idle"
	case missed:
		p.Status = Broken
	case !complete:
		p.Status = NotShown
		p.Why += fmt.Sprintf(", and %d were to be tried in each place", each)
	}
	return p
}

// names is about the phase a slowdown is blamed on.
func (r *Report) names() Promise {
	p := Promise{Text: "a slowdown of 10 % is blamed on the phase it is in", Status: Kept}
	large := r.sum(func(rate *Rate) bool { return rate.Plant != "" && rate.Percent >= 10 })
	all := r.sum(func(rate *Rate) bool { return rate.Plant != "" })
	p.Why = fmt.Sprintf("%d of %d found were, of all sizes %d of %d", large.Right, large.Found, all.Right, all.Found)
	switch {
	case large.Right < large.Found:
		p.Status = Broken
	case large.Found == 0 && !r.Quick:
		p.Status = NotShown
	}
	return p
}

// ends is about plants that need no statistics. It reports whether any was asked for.
func (r *Report) ends(o *Options, exit compare.Exit, text string) (Promise, bool) {
	p := Promise{Text: text, Status: Kept}
	tried := map[string]*Trial{}
	for i := range r.Trials {
		tried[r.Trials[i].Plant] = &r.Trials[i]
	}
	var said []string
	for _, k := range o.tasks() {
		if k.ends != exit {
			continue
		}
		switch t := tried[k.plant]; {
		case t == nil:
			said = append(said, k.plant+" was not tried")
			if p.Status == Kept {
				p.Status = NotShown
			}
		default:
			said = append(said, fmt.Sprintf("%s %d", k.plant, t.Exit))
			if t.Exit != exit {
				p.Status = Broken
			}
		}
	}
	p.Why = strings.Join(said, ", ")
	return p, len(said) > 0
}

// sum adds the rates.
func (r *Report) sum(which func(*Rate) bool) Rate {
	var all Rate
	for i := range r.Rates {
		if rate := &r.Rates[i]; which(rate) {
			all.Trials += rate.Trials
			all.Found += rate.Found
			all.Right += rate.Right
		}
	}
	return all
}
