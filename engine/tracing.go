package engine

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rapidbyte-go/rapidbyte/engine/trace"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// tracing is a run's trace: what its stages' clocks book, when they do, and how
// full the channels are. It shows names of the pipeline's parts and no setting.
type tracing struct {
	run   *run
	w     *trace.Writer
	lanes []*laneTracks

	stopSampling func()
}

// startTrace begins a trace on RunOptions.Trace.
func (r *run) startTrace(out io.Writer) *tracing {
	w := trace.NewWriter(out, "rapidbyte "+r.plan.pipeline.Name, map[string]string{
		"pipeline":    r.result.Pipeline,
		"runtime":     r.result.Runtime.String(),
		"compression": r.result.Compression,
		"started":     r.started.UTC().Format(time.RFC3339Nano),
	})
	t := &tracing{run: r, w: w}
	for n := range r.plan.partitions {
		where := ""
		if r.plan.partitions > 1 {
			where = fmt.Sprintf(" (partition %d)", n+1)
		}
		lane := new(laneTracks)
		for _, s := range r.plan.stages {
			kinds := make([]string, hostfuncs.NumBuckets)
			for b := range hostfuncs.NumBuckets {
				kinds[b] = phaseName(s.role, b)
			}
			tracks := []*trace.Track{w.NewTrack(s.name+where, kinds)}
			for _, stream := range r.result.Streams {
				tracks = append(tracks, w.NewTrack(s.name+": "+stream.Name+where, kinds))
			}
			lane.tracks = append(lane.tracks, tracks)
		}
		t.lanes = append(t.lanes, lane)
	}
	t.sample()
	return t
}

// laneTracks is where the attempts of one lane are drawn, one after another.
type laneTracks struct {
	tracks  [][]*trace.Track // by stage: what it does for no stream, then by stream
	attempt int
}

// begin begins an attempt of a lane.
func (t *tracing) begin(lane int) {
	l := t.lanes[lane]
	l.attempt++
	for _, tracks := range l.tracks {
		for _, track := range tracks {
			track.Flush()
			track.Attempt = l.attempt
		}
	}
}

// retry marks that the streams are tried again after a wait.
func (t *tracing) retry(cause *StageError, wait time.Duration) {
	t.w.Mark(time.Since(t.run.started), "retry", map[string]string{
		"stage": cause.Stage, "stream": cause.Stream, "category": string(cause.Category), "after": wait.String(),
	})
}

// end ends the trace after the last attempt.
func (t *tracing) end() error {
	t.stopSampling()
	return t.w.Close()
}

// stage returns where stage i is drawn in the present attempt of a lane.
func (t *tracing) stage(lane, i int) *stageTracing {
	tracks := t.lanes[lane].tracks[i]
	return &stageTracing{tracing: t, tracks: tracks, track: tracks[0]}
}

// stageTracing draws one stage of one attempt. It belongs to the stage's goroutine.
type stageTracing struct {
	tracing *tracing
	tracks  []*trace.Track // the stage's own, then by stream
	track   *trace.Track   // of the stream under way, or the stage's own
}

// watch draws what the stage's clock books.
func (s *stageTracing) watch(b hostfuncs.Bucket, from time.Time, d time.Duration) {
	s.track.Add(int(b), from.Sub(s.tracing.run.started), d)
}

// stream goes on with what is done for stream index; -1: for none.
func (s *stageTracing) stream(index int) { s.track = s.tracks[index+1] }

// firstSampling is how often rows and channels are looked at. The interval doubles
// each time maxSamples were written: a long run is drawn coarsely, not for ever.
const (
	firstSampling = 10 * time.Millisecond
	maxSamples    = 10_000
)

// sample draws the rows that passed and what is in the channels, where they
// changed, until stopSampling is called.
func (t *tracing) sample() {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		interval, written := firstSampling, 0
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		drawn := make(map[string][]trace.Value)
		for over := false; !over; {
			select {
			case <-ticker.C:
			case <-done:
				over = true // after a last look
			}
			at := time.Since(t.run.started)
			for name, values := range t.run.counters() {
				if !slices.Equal(values, drawn[name]) {
					drawn[name] = values
					t.w.Count(at, name, values...)
					written++
				}
			}
			if written >= maxSamples {
				written, interval = 0, 2*interval
				ticker.Reset(interval)
			}
		}
	})
	t.stopSampling = func() {
		close(done)
		wg.Wait()
	}
}

// counters returns the rows that passed each stage of the present attempt, and how
// full the channels between them are.
func (r *run) counters() map[string][]trace.Value {
	r.shown.mu.Lock()
	defer r.shown.mu.Unlock()
	all := make(map[string][]trace.Value)
	var ends []string // of the channels
	if r.options.Feed != nil {
		ends = append(ends, "feed")
	}
	var fill []struct{ frames, bytes int } // of the channels, all lanes together
	for _, a := range r.shown.attempts {
		if a == nil {
			continue
		}
		if fill == nil {
			fill = make([]struct{ frames, bytes int }, len(a.links))
		}
		for i, hop := range a.links {
			frames, bytes := hop[0].Fill() // the links of a hop share their bounds
			fill[i].frames += frames
			fill[i].bytes += bytes
		}
	}
	for i, s := range r.plan.stages {
		all["rows"] = append(all["rows"], trace.Value{Name: s.name, N: r.shown.passed(i).rows})
		ends = append(ends, s.name)
	}
	ends = append(ends, "capture")
	for i, f := range fill {
		name := "channel " + ends[i] + " to " + ends[i+1]
		all[name+", frames"] = []trace.Value{{Name: "frames", N: int64(f.frames)}}
		all[name+", bytes"] = []trace.Value{{Name: "bytes", N: int64(f.bytes)}}
	}
	return all
}

// phaseName returns what the breakdown calls a bucket of a stage. The table of
// metrics says it. A transform has no breakdown; its phases are called as those of
// a source, or else of a destination, are.
func phaseName(role abi.Role, b hostfuncs.Bucket) string {
	switch role {
	case abi.RoleTransform:
		if name := phaseName(abi.RoleSource, b); name != "other" {
			return name
		}
		return phaseName(abi.RoleDestination, b)
	}

	// The share that is not nothing when the bucket alone has time in it.
	r := &Result{Stages: []StageResult{{Role: role}}}
	r.Stages[0].Ledger[b] = time.Second
	whole := make(map[string]bool)
	for _, m := range table {
		whole[m.Parent] = true
	}
	for _, m := range table {
		if m.Parent != "" && !whole[m.Key] && m.Get != nil && m.Get(r) > 0 {
			return inSentence(m.Label)
		}
	}
	return b.String()
}

// inSentence writes a label as in the middle of a sentence: "Module load" small,
// "VM setup" as it is.
func inSentence(label string) string {
	if len(label) > 1 && label[1] >= 'A' && label[1] <= 'Z' {
		return label
	}
	return strings.ToLower(label[:1]) + label[1:]
}
