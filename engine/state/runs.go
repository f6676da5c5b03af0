package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/rapidbyte-go/rapidbyte/engine"
)

// StatusInterrupted is the status of a run whose process is gone without having
// said how it ended: killed, or the machine went down. Its stream was not
// committed, or its commit was not heard of.
const StatusInterrupted engine.RunStatus = "interrupted"

// Start records the beginning of a stream's run by this process.
func (s *Store) Start(ctx context.Context, r engine.RunRecord) error {
	_, err := s.db.ExecContext(ctx, `
		INSERT INTO runs (id, stream, pipeline, status, started, finished,
			rows_read, rows_written, bytes_read, bytes_written, error, host, boot, space, pid, born)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.ID, r.Stream, r.Pipeline, string(r.Status), micros(r.Started), micros(r.Finished),
		r.RowsRead, r.RowsWritten, r.BytesRead, r.BytesWritten, r.Error,
		s.me.host, s.me.boot, s.me.space, s.me.pid, s.me.born)
	if err != nil {
		return s.explain("record the start of a run", err)
	}
	return nil
}

// errNoRun is returned, wrapped, by Finish for a run that was not started.
var errNoRun = errors.New("the run was not started here")

// Finish records the end of a run that was started.
func (s *Store) Finish(ctx context.Context, r engine.RunRecord) error {
	result, err := s.db.ExecContext(ctx, `
		UPDATE runs SET status = ?, finished = ?, rows_read = ?, rows_written = ?, bytes_read = ?, bytes_written = ?, error = ?
		WHERE id = ? AND stream = ?`,
		string(r.Status), micros(r.Finished), r.RowsRead, r.RowsWritten, r.BytesRead, r.BytesWritten, r.Error, r.ID, r.Stream)
	if err != nil {
		return s.explain("record the end of a run", err)
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		err = fmt.Errorf("%w: %s, stream %q", errNoRun, r.ID, r.Stream)
	}
	if err != nil {
		return s.explain("record the end of a run", err)
	}
	return nil
}

// Filter chooses runs. The zero value chooses all.
type Filter struct {
	Pipeline string // "" for every pipeline
	Limit    int    // at most so many, the newest; 0 for all
}

// Runs returns the records of runs, the newest first. One that is called running
// while its process is gone is StatusInterrupted.
func (s *Store) Runs(ctx context.Context, f Filter) ([]engine.RunRecord, error) {
	limit := -1
	if f.Limit > 0 {
		limit = f.Limit
	}
	rows, err := s.db.QueryContext(ctx, `
		SELECT id, stream, pipeline, status, started, finished,
			rows_read, rows_written, bytes_read, bytes_written, error, host, boot, space, pid, born
		FROM runs WHERE ? IN ('', pipeline)
		ORDER BY started DESC, id DESC, stream LIMIT ?`, f.Pipeline, limit)
	if err != nil {
		return nil, s.explain("list runs", err)
	}
	defer rows.Close()

	var all []engine.RunRecord
	for rows.Next() {
		r, p, err := scan(rows)
		if err != nil {
			return nil, s.explain("list runs", err)
		}
		if r.Status == engine.StatusRunning && s.me.knowsGone(p) {
			r.Status = StatusInterrupted
		}
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain("list runs", err)
	}
	return all, nil
}

func scan(rows *sql.Rows) (r engine.RunRecord, p process, err error) {
	var started, finished int64
	err = rows.Scan(&r.ID, &r.Stream, &r.Pipeline, (*string)(&r.Status), &started, &finished,
		&r.RowsRead, &r.RowsWritten, &r.BytesRead, &r.BytesWritten, &r.Error, &p.host, &p.boot, &p.space, &p.pid, &p.born)
	r.Started, r.Finished = fromMicros(started), fromMicros(finished)
	return r, p, err
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n)
}
