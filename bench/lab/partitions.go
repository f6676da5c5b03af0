package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
)

// maxPartitions is the most that a pipeline takes for its parallelism.
const maxPartitions = 32

// ErrNoPrepared is returned when the server has too few prepared transactions to
// append a table in partitions.
var ErrNoPrepared = errors.New("lab: the server has too few prepared transactions to append in partitions; raise max_prepared_transactions")

// parallelisms returns what is wrong with a list of numbers of partitions.
func parallelisms(values []string) error {
	for i, v := range values {
		n, err := strconv.Atoi(v)
		if v != "auto" && (err != nil || n < 1 || n > maxPartitions || strconv.Itoa(n) != v) {
			return fmt.Errorf("%q is not auto or a number from 1 to %d", v, maxPartitions)
		}
		if slices.Contains(values[:i], v) {
			return fmt.Errorf("%q is there twice", v)
		}
	}
	return nil
}

// PartitionTrial moves the rows through the connectors in as many partitions as
// the case says, by COPY and uncompressed, into a table that is there or into one
// that the run makes. A run in another number of partitions fails. It returns
// ErrNoPrepared on a server that cannot do it.
func (e *Env) PartitionTrial(ctx context.Context, c Case) (Trial, error) {
	s, err := e.Source(ctx, c.Rows())
	if err != nil {
		return Trial{}, err
	}
	if c.Param("table") == "new" {
		s = s.withNewTable()
	}
	var parallelism any = c.Param("partitions")
	if n, err := strconv.Atoi(c.Param("partitions")); err == nil {
		parallelism = n
	}
	p, err := e.pipelineWith(s, "copy", map[string]any{"compression": "none", "parallelism": parallelism})
	if err != nil {
		return Trial{}, err
	}
	if err := s.canPrepare(ctx, p.Resources.Parallelism); err != nil {
		return Trial{}, err
	}
	eng, err := e.Engine(ctx)
	if err != nil {
		return Trial{}, err
	}
	return Trial{Case: c, Source: s, Run: func(ctx context.Context) (Outcome, error) {
		o, err := outcome(eng.Run(ctx, p, engine.RunOptions{}))
		if err != nil {
			return Outcome{}, err
		}
		o.Skew = partitionSkew(o.Result)
		return o, inPartitions(o.Result, &p.Resources)
	}}, nil
}

// canPrepare returns ErrNoPrepared if the server cannot hold a transaction for
// each of n partitions. One, and a table that the run makes, need none.
func (s *Source) canPrepare(ctx context.Context, n int) error {
	if n == 1 || s.made {
		return nil
	}
	var have int
	if err := s.conn.QueryRow(ctx, `SELECT current_setting('max_prepared_transactions')::int`).Scan(&have); err != nil {
		return fmt.Errorf("lab: ask the server for its prepared transactions: %w", err)
	}
	if have < n {
		return ErrNoPrepared
	}
	return nil
}

// inPartitions returns an error unless every stream of a run was moved in the
// partitions that were asked for: a number that was only asked for is not
// measured.
func inPartitions(r *engine.Result, asked *pipeline.Resources) error {
	for _, s := range r.Streams {
		n := len(s.Partitions)
		if n < 1 || n > asked.Parallelism || !asked.AutoParallelism && n < asked.Parallelism {
			return fmt.Errorf("lab: stream %s was moved in %d partitions, and %d were asked for; a table is divided by pages, so few rows cannot be",
				s.Name, n, asked.Parallelism)
		}
		var rows int64
		for _, p := range s.Partitions {
			rows += p.Rows
		}
		if err := compareRows(rows, s.RowsWritten, "the partitions of a stream wrote"); err != nil {
			return err
		}
	}
	return nil
}

// partitionSkew returns the engine's own metric.
func partitionSkew(r *engine.Result) float64 {
	all := engine.Metrics()
	return all[slices.IndexFunc(all, func(m engine.Metric) bool { return m.Key == "partition_skew" })].Get(r)
}
