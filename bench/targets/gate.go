package targets

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/bench/gate"
	"github.com/rapidbyte-go/rapidbyte/connectors"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// Gate counts the guests' work on recorded conversations and compares it with the
// checked-in file, or, to accept a change, records and counts anew.
func (r *Repo) Gate(ctx context.Context, update bool) (err error) {
	ctx, stop := untilStopped(ctx)
	defer stop()
	// The source here is what is judged, not what RAPIDBYTE_CONNECTOR_DIR happens
	// to name.
	modules, err := connectors.Build(ctx, connectors.BuildOptions{Source: r.Dir})
	if err != nil {
		return err
	}
	dir := filepath.Join(r.Dir, "bench", "gate", "testdata")
	if !update {
		return gate.Check(ctx, modules, dir, r.Stdout)
	}

	server, err := pgtest.Start(ctx, pgtest.Options{Log: r.Stderr})
	if err != nil {
		return fmt.Errorf("gate: -update records a real server: %w", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	database := "rapidbyte_gate_" + strings.ToLower(rand.Text()[:8])
	dsn, err := server.CreateDatabase(ctx, database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.DropDatabase(context.WithoutCancel(ctx), database)) }()
	if err := pgtest.Seed(ctx, dsn, "bench_events", gate.Rows); err != nil {
		return err
	}
	return gate.Update(ctx, modules, dir, dsn, r.Stdout)
}
