// Package chaos holds connectors that misbehave on request, for the engine's
// tests. Their batches are not Arrow: the engine never looks inside one.
package chaos

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// EOS is the message that ends a stream.
var EOS = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}

// RowsPerBatch is what every batch of the source holds.
const RowsPerBatch = 100

// base is what both connectors share.
type base struct {
	h    *sdk.Host
	mode string
	n    int64 // batches of a stream
	size int64 // bytes of a batch
}

func (b *base) Open(h *sdk.Host, _ *abi.OpenRequest, c sdk.Config) error {
	b.h, b.mode, b.n, b.size = h, c.String("mode"), c.Int("batches"), c.Int("size")
	if _, gone, err := h.StateGet("gone"); gone || err != nil {
		return &abi.Error{Category: abi.CategoryTransientNetwork, Message: "nobody there"}
	}
	return b.misbehave("open")
}

func (b *base) Check() (*abi.CheckReport, error) {
	return &abi.CheckReport{Message: "chaos is fine"}, b.misbehave("check")
}

func (b *base) Close() error { return b.misbehave("close") }

// misbehave does what mode says for the given moment.
func (b *base) misbehave(when string) error {
	switch b.mode {
	case "panic-" + when:
		panic("chaos in " + when)
	case "exit0-" + when:
		os.Exit(0)
	case "exit3-" + when:
		os.Exit(3)
	case "memory-" + when:
		eat(nil)
	case "deadlock-" + when:
		<-make(chan int)
	case "recurse-" + when:
		recurse(1)
	case "deep-" + when:
		sink = deep(3_000_000) + deep(3_000_000)
	case "spin-" + when:
		for i := 0; ; i++ {
			sink = i
		}
	case "stubborn-" + when:
		for {
			b.h.Yield() // and does not listen
		}
	case "wait-" + when:
		for b.h.Yield() == nil {
		}
		return abi.Cancelled
	case "deaf-" + when:
		for b.h.Yield() == nil {
		}
		return nil // as one whose last call had its answer before the cancellation
	case "chatter-" + when:
		for range 10_003 {
			b.h.Log(abi.LogDebug, "again")
		}
		return b.h.Checkpoint(abi.Checkpoint{Stream: "numbers", Rows: 100, Bytes: 1000})
	case "lie-" + when:
		return abi.Cancelled
	case "config-" + when:
		return &abi.Error{Category: abi.CategoryConfig, Message: "mode is bad\nreally", Field: "mode", Hint: "choose another"}
	case "error-" + when:
		return errors.New("plain error")
	case "unknown-commit-" + when:
		b.h.Phase(abi.PhaseCommit)
		return &abi.Error{Category: abi.CategoryTransientDB, Message: "answer lost", CommitState: abi.CommitUnknown}
	case "transient-" + when:
		return b.twice(&abi.Error{Category: abi.CategoryTransientDB, Message: "busy, try again"})
	case "missing-" + when:
		return &abi.Error{Category: abi.CategoryData, Message: "rows are gone", CommitState: abi.CommitUnknown}
	case "gone-" + when:
		if err := b.h.StatePut("gone", nil); err != nil {
			return err
		}
		return &abi.Error{Category: abi.CategoryTransientNetwork, Message: "answer lost", CommitState: abi.CommitUnknown}
	case "lost-" + when:
		return b.twice(&abi.Error{Category: abi.CategoryTransientDB, Message: "answer lost", CommitState: abi.CommitUnknown})
	}
	return nil
}

// twice fails with e twice, by counting in the pipeline's state.
func (b *base) twice(e *abi.Error) error {
	have, _, err := b.h.StateGet("failures")
	if err != nil {
		return err
	}
	k, _ := strconv.Atoi(string(have))
	if k == 2 {
		return nil
	}
	if err := b.h.StatePut("failures", []byte(strconv.Itoa(k+1))); err != nil {
		return err
	}
	return e
}

var sink int

func eat(have [][]byte) {
	for {
		b := make([]byte, 8<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		have = append(have, b)
	}
}

//go:noinline
func recurse(n int) int { return recurse(n+1) + n }

// deep takes more of the machine's stack than wazero gives, unless that is
// unwound. The first time Go's stack grows, which unwinds it too.
//
//go:noinline
func deep(n int) int {
	if n == 0 {
		return 0
	}
	if n%10_000 == 0 {
		sdk.Unwind()
	}
	return deep(n-1) + 1
}

// Source emits batches of numbered bytes.
type Source struct{ base }

// NewSource returns a source.
func NewSource() sdk.Source { return &Source{} }

// Discover lists one stream.
func (s *Source) Discover() (*abi.Catalog, error) {
	return &abi.Catalog{Streams: []abi.CatalogStream{{Name: "numbers", Rows: -1}}}, s.misbehave("discover")
}

// Partition deals the batches out, to "0/3", "1/3" and "2/3".
func (s *Source) Partition(req *abi.PartitionRequest) (*abi.Partitions, error) {
	n := min(req.Count, s.n)
	if s.mode == "single" {
		n = 1
	}
	p := &abi.Partitions{Note: "there are so many"}
	for i := range n {
		p.Partitions = append(p.Partitions, strconv.FormatInt(i, 10)+"/"+strconv.FormatInt(n, 10))
	}
	return p, s.misbehave("partition")
}

// batches returns how many batches the partition has.
func (s *Source) batches(partition string) int64 {
	place, of, ok := strings.Cut(partition, "/")
	if !ok {
		return s.n
	}
	i, _ := strconv.ParseInt(place, 10, 64)
	n, _ := strconv.ParseInt(of, 10, 64)
	return s.n*(i+1)/n - s.n*i/n
}

// Read emits a schema, the batches and the end of the stream.
func (s *Source) Read(req *abi.RunRequest) error {
	s.h.Phase(abi.PhaseFetch)
	if s.mode == "transient-"+req.Stream {
		time.Sleep(200 * time.Millisecond) // the destination is done with the stream before
	}
	if err := s.misbehave(req.Stream); err != nil {
		return err
	}
	if err := s.h.Emit([]byte("schema"), 0); err != nil {
		return err
	}
	batch := make([]byte, s.size)
	n := s.batches(req.Partition)
	for i := range n {
		binary.LittleEndian.PutUint64(batch, RowsPerBatch)
		if err := s.h.Emit(batch, RowsPerBatch); err != nil {
			return err
		}
		if i == n/2 {
			if err := s.misbehave("run"); err != nil {
				return err
			}
		}
	}
	s.h.Metric(abi.MetricRowsRead, n*RowsPerBatch)
	if s.mode == "no-end" {
		return nil
	}
	if err := s.h.Emit(EOS, 0); err != nil {
		return err
	}
	return s.misbehave("end")
}

// Transform passes messages on.
type Transform struct{ base }

// NewTransform returns a transform.
func NewTransform() sdk.Transform { return &Transform{} }

// Transform passes every message on. In mode "early" it ends the stream after
// the first one.
func (t *Transform) Transform(*abi.RunRequest) error {
	t.h.Phase(abi.PhaseProcess)
	for {
		m, err := t.h.Next()
		if err != nil {
			return err
		}
		rows := 0
		if len(m) > 8 {
			rows = RowsPerBatch
		}
		if err := t.h.Emit(m, rows); err != nil || string(m) == string(EOS) {
			return err
		}
		if t.mode == "early" {
			return t.h.Emit(EOS, 0)
		}
	}
}

// Destination counts rows.
type Destination struct{ base }

// NewDestination returns a destination.
func NewDestination() sdk.Destination { return &Destination{} }

// Partition takes as many partitions as are wanted and calls them by their places.
func (d *Destination) Partition(req *abi.PartitionRequest) (*abi.Partitions, error) {
	if d.mode == "single" {
		return &abi.Partitions{Partitions: []string{""}, Note: "one is enough"}, nil
	}
	p := &abi.Partitions{}
	for i := range req.Count {
		p.Partitions = append(p.Partitions, strconv.FormatInt(i, 10))
	}
	return p, nil
}

// Finish notes in the state what it was told, behind what it was told before.
func (d *Destination) Finish(req *abi.FinishRequest) error {
	what := "undo"
	if req.Commit {
		d.h.Phase(abi.PhaseCommit)
		what = "finish"
	}
	told := what + " " + req.Stream + " " + strings.Join(req.Partitions, ",") + "; "
	have, _, err := d.h.StateGet("finished")
	if err != nil {
		return err
	}
	if err := d.h.StatePut("finished", append(have, told...)); err != nil {
		return err
	}
	return d.misbehave(what)
}

// Write takes every message and reports the rows in them.
func (d *Destination) Write(req *abi.RunRequest) error {
	d.h.Phase(abi.PhaseFlush)
	rows := int64(0)
	for {
		m, err := d.h.Next()
		if err == io.EOF {
			return errors.New("the stream was cut off")
		}
		if err != nil {
			return err
		}
		if string(m) == string(EOS) {
			break
		}
		if len(m) >= 8 && string(m) != "schema" {
			rows += int64(binary.LittleEndian.Uint64(m))
		}
	}
	if err := d.misbehave("run"); err != nil {
		return err
	}
	if err := d.misbehave("write-" + req.Partition); err != nil {
		return err
	}
	d.h.Phase(abi.PhaseCommit)
	if err := d.misbehave("commit"); err != nil {
		return err
	}
	if err := d.misbehave("commit-" + req.Partition); err != nil {
		return err
	}
	if d.mode == "lose-row" {
		rows--
	}
	d.h.Metric(abi.MetricRowsWritten, rows)
	return nil
}
