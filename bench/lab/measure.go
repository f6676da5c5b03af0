package lab

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/plant"
)

// Trial is one case as [Env.Measure] runs it.
type Trial struct {
	Case   Case
	Source *Source

	// Prepare gets ready for one run, after the reset, not timed; nil: nothing.
	Prepare func(ctx context.Context) error
	// Run moves the rows. It is the only thing that is timed.
	Run func(ctx context.Context) (Outcome, error)
	// Verify checks what the run left behind, every value if full is set; nil
	// checks the destination against the source.
	Verify func(ctx context.Context, full bool) error
}

// Outcome is what a run says about itself.
type Outcome struct {
	Rows   int64          // confirmed by whoever took them
	Bytes  int64          // uncompressed Arrow bytes; 0 if none were made
	Skew   float64        // rows of the largest partition over their mean; 0 where partitions are not the matter
	Result *engine.Result // nil without an engine
	// Values are what only this kind of run knows, by unit. Nil: nothing.
	Values map[string]float64
}

// Measure runs the trial as a benchmark: untimed warm-up runs, then b's loop.
// Every run starts from the same state and is verified: its row count always,
// every value of every column for the first and the last. Any difference fails
// the benchmark, so a time always belongs to a right answer.
func (e *Env) Measure(b *testing.B, t Trial) {
	ctx := b.Context()
	if t.Verify == nil {
		t.Verify = t.Source.Verify
	}
	m := &meter{env: e, trial: t}
	if plant.On {
		if err := e.spoilOutput(os.Stdout, t.Case); err != nil {
			b.Fatal(err)
		}
	}

	for range e.Grid.Warmups {
		if _, err := m.run(ctx, nil); err != nil {
			b.Fatal(err)
		}
		if err := t.Verify(ctx, false); err != nil {
			b.Fatal(err)
		}
	}

	resetPeak()
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		if err := e.turns.wait(); err != nil {
			b.Fatal(err)
		}
		sample, err := m.run(ctx, b)
		if err != nil {
			b.Fatal(err)
		}
		if err := m.verify(ctx, sample, sample.Iter == 1); err != nil {
			b.Fatal(err)
		}
		b.StartTimer() // Loop refuses to go on with a stopped timer
	}

	// The destination still holds what the last run left.
	last := m.samples[len(m.samples)-1]
	if last.Iter > 1 {
		if err := m.verify(ctx, last, true); err != nil {
			b.Fatal(err)
		}
	}
	if err := m.finish(ctx); err != nil {
		b.Fatal(err)
	}
	m.report(b)
}

// meter collects the samples of one case.
type meter struct {
	env     *Env
	trial   Trial
	samples []*Sample
	records []*history.Record
	bytes   int64 // of the last run, uncompressed
}

// run makes one run and returns its sample. b's timer is stopped and runs
// during the run only; a nil b is a warm-up, of which nothing is kept.
func (m *meter) run(ctx context.Context, b *testing.B) (*Sample, error) {
	t := &m.trial
	if err := t.Source.Reset(ctx); err != nil {
		return nil, err
	}
	if t.Prepare != nil {
		if err := t.Prepare(ctx); err != nil {
			return nil, err
		}
	}
	start, err := before(ctx, t.Source)
	if err != nil {
		return nil, err
	}
	backends := startBackendClock(t.Source.postmaster)
	if backends != nil {
		defer backends.close()
	}

	// The labels reach every goroutine the run starts, so that a profile of the
	// whole process can be cut down to the timed part. They are words: pprof
	// takes a number for a range.
	timed := "yes"
	if b == nil {
		timed = "no"
	}
	var out Outcome
	var wall time.Duration
	var began time.Time
	pprof.Do(ctx, pprof.Labels("timed", timed, "bench", t.Case.String()), func(ctx context.Context) {
		if b != nil {
			m.env.profile.on()
			defer m.env.profile.off()
			b.StartTimer()
			defer b.StopTimer()
		}
		began = time.Now()
		out, err = t.Run(ctx)
		wall = time.Since(began)
	})
	host, heap := readHost(), readHeap()
	if err != nil {
		return nil, err
	}
	if err := compareRows(out.Rows, int64(t.Source.Rows), "the run confirmed"); err != nil {
		return nil, err
	}

	// Only when the server's sessions have ended is their work complete.
	if err := t.Source.settle(ctx); err != nil {
		return nil, err
	}
	if plant.On {
		if err := t.Source.spoilRow(ctx); err != nil {
			return nil, err
		}
	}
	if b == nil {
		return nil, nil
	}
	values := make(map[string]float64)
	if backends != nil {
		if cpu, ok := backends.read(); ok {
			values["pg-cpu-ns/op"] = float64(cpu)
		}
	}
	end, err := after(ctx, t.Source, host, heap)
	if err != nil {
		return nil, err
	}
	m.fill(values, wall, out, start, end)

	env := between(start, end)
	s := &Sample{
		Version: 1, Run: m.env.Run, Bench: t.Case.String(), Iter: len(m.samples) + 1, Start: began,
		Values: values, Env: env, Contaminated: env.contamination(wall),
	}
	var result []byte
	if out.Result != nil {
		if result, err = out.Result.JSON(); err != nil {
			return nil, err
		}
	}
	m.bytes = out.Bytes
	m.samples = append(m.samples, s)
	m.records = append(m.records, m.env.record(t, s, result))
	return s, nil
}

// fill enters every metric of one run under its unit.
func (m *meter) fill(values map[string]float64, wall time.Duration, out Outcome, start, end snapshot) {
	rows := float64(m.trial.Source.Rows)
	if out.Result != nil {
		for _, metric := range engine.Metrics() {
			if metric.Bench != "" && metric.Get != nil {
				values[metric.Bench] = metric.BenchValue(out.Result)
			}
		}
		values["load-ns/op"] = values["source-load-ns/op"] + values["dest-load-ns/op"]
	}
	values["ns/op"] = float64(wall)
	values["ns/row"] = float64(wall) / rows
	values["rows/s"] = rows / wall.Seconds()
	if out.Skew > 0 {
		values["partition-skew"] = out.Skew
	}
	if out.Bytes > 0 {
		values["MB/s"] = float64(out.Bytes) / 1e6 / wall.Seconds()
	}
	values["cpu-ns/op"] = float64(end.host.cpu - start.host.cpu)
	if cpu := (end.host.cpu - start.host.cpu).Seconds(); cpu > 0 {
		values["rows/cpu-s"] = rows / cpu
	}
	values["wal-B/row"] = float64(end.wal-start.wal) / rows
	values["table-B/row"] = float64(end.table-start.table) / rows
	values["B/op"] = float64(end.heap.bytes - start.heap.bytes)
	values["allocs/op"] = float64(end.heap.objects - start.heap.objects)
	values["gc-cpu-ns/op"] = float64(end.heap.gcCPU - start.heap.gcCPU)
	values["gc-cycles/op"] = float64(end.heap.gcCycles - start.heap.gcCycles)
	maps.Copy(values, out.Values)
}

// verify checks the run that has just ended and notes how.
func (m *meter) verify(ctx context.Context, s *Sample, full bool) error {
	if err := m.trial.Verify(ctx, full); err != nil {
		return fmt.Errorf("%s, run %d: %w", s.Bench, s.Iter, err)
	}
	s.Verified = "rows"
	if full {
		s.Verified = "checksum"
	}
	m.records[s.Iter-1].Verified = s.Verified
	return nil
}

// finish stores the samples. Only families that move rows from end to end have
// a history.
func (m *meter) finish(ctx context.Context) error {
	// What other programs moved says nothing about this process; the peers' own peaks are there by now.
	elsewhere := m.trial.Case.Family == "Peer" || m.trial.Case.Param("via") == "psql"
	if peak := peakRSS("self"); peak > 0 && !elsewhere {
		for _, s := range m.samples {
			s.Values["peak-RSS-bytes"] = float64(peak) // of the case: the mark cannot be told apart by run
		}
	}
	if err := m.env.writeSamples(m.samples); err != nil {
		return err
	}
	if plant.On {
		if err := m.env.spoilSamples(); err != nil {
			return err
		}
	}
	switch m.trial.Case.Family {
	case "Pipeline", "PipelineCold", "Floor", "Tax", "Workload":
		if m.env.Results != "" {
			return history.Append(m.env.Results, m.records...)
		}
	}
	return nil
}

// report reports the mean of every metric. Those package testing measures
// itself are left to it, and those that are zero everywhere are left out: they
// are of another kind of case.
func (m *meter) report(b *testing.B) {
	if m.bytes > 0 {
		b.SetBytes(m.bytes)
	}
	for _, u := range Units() {
		switch u.Name {
		case "ns/op", "MB/s", "B/op", "allocs/op":
			continue
		}
		if !u.Default && !m.env.Grid.AllMetrics {
			continue
		}
		v := mean(m.samples, u.Name)
		if slices.Contains(taxUnits, u.Name) {
			v = median(m.samples, u.Name)
		}
		// The mean of rates is not the rate of the mean; these agree with the times.
		if time, ok := rateOf[u.Name]; ok && v != 0 {
			v = 1e9 * float64(m.trial.Source.Rows) / mean(m.samples, time)
		}
		if v != 0 {
			b.ReportMetric(v, u.Name)
		}
	}

	// After the result's line, where it cannot tear it apart.
	for _, s := range m.samples {
		if len(s.Contaminated) > 0 {
			b.Logf("run %d of %d was disturbed: %s", s.Iter, len(m.samples), strings.Join(s.Contaminated, ", "))
		}
	}
}

// rateOf holds the times that rates of rows are of.
var rateOf = map[string]string{"rows/s": "ns/op", "rows/cpu-s": "cpu-ns/op"}

func mean(samples []*Sample, unit string) float64 {
	var sum float64
	for _, s := range samples {
		sum += s.Values[unit]
	}
	return sum / float64(len(samples))
}

func median(samples []*Sample, unit string) float64 {
	var values []float64
	for _, s := range samples {
		values = append(values, s.Values[unit])
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
