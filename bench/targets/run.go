package targets

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// RunOptions are the flags of the run target; nil is the default.
type RunOptions struct {
	Rows *int // of the table bench_events; 10000
}

// Run runs a pipeline file with the built binary on a server of its own: a
// fresh database with the benchmark's table in it, and the variables the files
// under testdata/pipelines read. Database and server are gone afterwards.
func (r *Repo) Run(ctx context.Context, file string, o RunOptions) (err error) {
	ctx, stop := untilStopped(ctx)
	defer stop()
	rows := value(o.Rows, 10000)
	if rows < 1 {
		return usage("-rows=%d: want 1 or more", rows)
	}
	if _, err := os.Stat(file); err != nil {
		return usage("%v", err)
	}
	binary, err := r.Build(ctx)
	if err != nil {
		return err
	}

	server, err := pgtest.Start(ctx, pgtest.Options{Log: r.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	database := "rapidbyte_run_" + strings.ToLower(rand.Text()[:8])
	dsn, err := server.CreateDatabase(ctx, database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.DropDatabase(context.WithoutCancel(ctx), database)) }()
	if err := pgtest.Seed(ctx, dsn, "bench_events", rows); err != nil {
		return err
	}

	fmt.Fprintf(r.Stderr, "# Postgres %s (%s, %s), %d rows in bench_events\n", server.Version, server.Provider, server.Profile, rows)
	return r.run(ctx, r.Stdout, variables(dsn), binary, "run", file)
}

// variables returns the variables the pipeline files read, for the database
// dsn names. They replace what the caller's environment has.
func variables(dsn string) []string {
	config := pgtest.SourceConfig(dsn)
	var env []string
	for _, key := range []string{"host", "port", "user", "password", "database", "sslmode"} {
		value := ""
		if v, ok := config[key]; ok {
			value = fmt.Sprint(v)
		}
		env = append(env, "RAPIDBYTE_PG_"+strings.ToUpper(key)+"="+value)
	}
	return env
}
