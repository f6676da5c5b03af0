package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/plant"
)

// Everything here is called behind plant.On only, which is false unless the suite was built to spoil its own results.

// spoilRow changes one row of the destination if that was asked for, after a run that says it went well.
func (s *Source) spoilRow(ctx context.Context) error {
	table := s.dest()
	one := ` WHERE ctid = (SELECT ctid FROM ` + table + ` LIMIT 1)`
	for name, sql := range map[string]string{
		plant.RowCorrupted:  `UPDATE ` + table + ` SET amount = amount + 1` + one,
		plant.RowDropped:    `DELETE FROM ` + table + one,
		plant.RowDuplicated: `INSERT INTO ` + table + ` SELECT * FROM ` + table + one,
		plant.RowNulled:     `UPDATE ` + table + ` SET payload = NULL` + one,
	} {
		if !plant.Is(name) {
			continue
		}
		if _, err := s.conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("lab: plant %s: %w", name, err)
		}
	}
	return nil
}

// spoilOutput ends the process as if all had gone well, with half a result or none, if that was asked for.
func (e *Env) spoilOutput(stdout io.Writer, c Case) error {
	switch {
	case plant.Is(plant.OutputTorn):
		fmt.Fprintf(stdout, "\nBenchmark%s-2   \t       1\t  12345", c)
	case plant.Is(plant.OutputEmpty):
	default:
		return nil
	}
	if err := e.Close(); err != nil {
		return err
	}
	os.Exit(0)
	return nil
}

// spoilSamples cuts the end off the file of samples if that was asked for.
func (e *Env) spoilSamples() error {
	if !plant.Is(plant.SamplesTorn) || e.Samples == "" {
		return nil
	}
	path := filepath.Join(e.Samples, SamplesJSON)
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("lab: plant: %w", err)
	}
	return os.Truncate(path, info.Size()/2)
}
