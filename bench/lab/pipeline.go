package lab

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
)

// outcome turns an engine's result into ours. A run that says it wrote another
// number of rows than it read is wrong whatever the destination holds.
func outcome(r *engine.Result, err error) (Outcome, error) {
	if err != nil {
		return Outcome{}, err
	}
	o := Outcome{Result: r}
	for _, s := range r.Streams {
		if err := compareRows(s.RowsWritten, s.RowsRead, "a stream wrote"); err != nil {
			return Outcome{}, err
		}
		o.Rows += s.RowsWritten
		o.Bytes += s.BytesRead
	}
	return o, nil
}

// PipelineTrial moves the rows through the connectors with everything warm:
// modules loaded, the source in the server's memory.
func (e *Env) PipelineTrial(ctx context.Context, c Case) (Trial, error) {
	s, p, err := e.forCase(ctx, c)
	if err != nil {
		return Trial{}, err
	}
	eng, err := e.Engine(ctx)
	if err != nil {
		return Trial{}, err
	}
	return Trial{Case: c, Source: s, Run: func(ctx context.Context) (Outcome, error) {
		return outcome(eng.Run(ctx, p, engine.RunOptions{}))
	}}, nil
}

// ColdTrial moves the rows with an engine that was made for the run, as the
// first run of a process does: with an empty folder of compiled modules
// (cache=cold), or with one that an earlier process filled (cache=disk). Call
// done afterwards.
func (e *Env) ColdTrial(ctx context.Context, c Case) (t Trial, done func() error, err error) {
	s, p, err := e.forCase(ctx, c)
	if err != nil {
		return Trial{}, nil, err
	}
	dir, err := e.TempDir()
	if err != nil {
		return Trial{}, nil, err
	}
	var eng *engine.Engine
	done = func() error {
		if eng == nil {
			return nil
		}
		return eng.Close(context.WithoutCancel(ctx))
	}

	return Trial{Case: c, Source: s,
		Prepare: func(ctx context.Context) error {
			if err := done(); err != nil {
				return err
			}
			if c.Param("cache") == "cold" {
				if err := os.RemoveAll(dir); err != nil {
					return err
				}
			}
			var err error
			eng, err = e.NewEngine(ctx, dir)
			return err
		},
		Run: func(ctx context.Context) (Outcome, error) {
			return outcome(eng.Run(ctx, p, engine.RunOptions{}))
		},
	}, done, nil
}

// forCase returns the source and the pipeline of a case.
func (e *Env) forCase(ctx context.Context, c Case) (*Source, *pipeline.Pipeline, error) {
	t, err := tableOf(c)
	if err != nil {
		return nil, nil, err
	}
	s, err := e.sourceOf(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	load, compression := c.Param("load"), c.Param("compression")
	if load == "" {
		load = "copy"
	}
	if compression == "" {
		compression = "none"
	}
	p, err := e.Pipeline(s, load, compression)
	return s, p, err
}

// FloorTrial moves the rows without connectors. It returns ErrNoPSQL for
// via=psql on a machine that has none.
func (e *Env) FloorTrial(ctx context.Context, c Case) (Trial, error) {
	s, err := e.Source(ctx, c.Rows())
	if err != nil {
		return Trial{}, err
	}
	floor := s.FloorCopy
	switch {
	case c.Param("via") == "psql":
		if err := havePSQL(); err != nil {
			return Trial{}, err
		}
		floor = s.FloorPSQL
	case c.Param("load") == "insert":
		floor = s.FloorInsert
	}
	return Trial{Case: c, Source: s, Run: func(ctx context.Context) (Outcome, error) {
		rows, err := floor(ctx)
		return Outcome{Rows: rows}, err
	}}, nil
}

// Message is one Arrow IPC message of a stream.
type Message struct {
	Bytes []byte
	Rows  int // 0 for schema and end of stream
}

// Stream returns the messages the source connector makes of the rows, proved to
// hold every value: written by the destination connector they give the source's
// checksum.
func (e *Env) Stream(ctx context.Context, s *Source) ([]Message, error) {
	p, err := e.Pipeline(s, "copy", "none")
	if err != nil {
		return nil, err
	}
	eng, err := e.Engine(ctx)
	if err != nil {
		return nil, err
	}
	var messages []Message
	_, err = eng.Run(ctx, p, engine.RunOptions{Capture: func(_ string, message []byte, rows int) error {
		messages = append(messages, Message{append([]byte(nil), message...), rows})
		return nil
	}})
	if err != nil {
		return nil, err
	}

	if err := s.Reset(ctx); err != nil {
		return nil, err
	}
	if _, err := eng.Run(ctx, p, engine.RunOptions{Feed: feed(messages)}); err != nil {
		return nil, err
	}
	return messages, s.Verify(ctx, true)
}

func feed(messages []Message) func(func([]byte, int) bool) {
	return func(yield func([]byte, int) bool) {
		for _, m := range messages {
			if !yield(m.Bytes, m.Rows) {
				return
			}
		}
	}
}

// SourceTrial reads the rows and drops the batches. Each run's batches must be,
// bit for bit, those of a stream that was proved right.
func (e *Env) SourceTrial(ctx context.Context, c Case) (Trial, error) {
	s, p, err := e.forCase(ctx, c)
	if err != nil {
		return Trial{}, err
	}
	messages, err := e.Stream(ctx, s)
	if err != nil {
		return Trial{}, err
	}
	want := crc32.New(castagnoli)
	for _, m := range messages {
		want.Write(m.Bytes)
	}

	got := crc32.New(castagnoli)
	return Trial{Case: c, Source: s,
		Run: func(ctx context.Context) (Outcome, error) {
			got.Reset()
			var rows, size int64
			r, err := e.engine.Run(ctx, p, engine.RunOptions{Capture: func(_ string, message []byte, n int) error {
				rows += int64(n)
				size += int64(len(message))
				got.Write(message) // some 0.1 ns a byte
				return nil
			}})
			return Outcome{Rows: rows, Bytes: size, Result: r}, err
		},
		Verify: func(context.Context, bool) error {
			if got.Sum32() != want.Sum32() {
				return fmt.Errorf("lab: %w: the source made other batches than before", ErrWrongData)
			}
			return nil
		},
	}, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// DestTrial writes batches that were made beforehand.
func (e *Env) DestTrial(ctx context.Context, c Case) (Trial, error) {
	s, p, err := e.forCase(ctx, c)
	if err != nil {
		return Trial{}, err
	}
	messages, err := e.Stream(ctx, s)
	if err != nil {
		return Trial{}, err
	}
	return Trial{Case: c, Source: s, Run: func(ctx context.Context) (Outcome, error) {
		return outcome(e.engine.Run(ctx, p, engine.RunOptions{Feed: feed(messages)}))
	}}, nil
}

// Batch returns the largest record batch among messages.
func Batch(messages []Message) (Message, error) {
	var batch Message
	for _, m := range messages {
		if m.Rows > 0 && len(m.Bytes) > len(batch.Bytes) {
			batch = m
		}
	}
	if batch.Rows == 0 {
		return batch, errors.New("lab: the stream has no record batch")
	}
	return batch, nil
}
