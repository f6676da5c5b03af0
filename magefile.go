//go:build mage

// The targets of `go tool mage`. What they do is in bench/targets, where it is
// tested; flags follow the target: go tool mage bench -rows=1000 -iters=5.
package main

import (
	"context"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/targets"
)

// Build builds the program with its connectors into target/rapidbyte.
func Build(ctx context.Context) error {
	repo, err := targets.Here()
	if err != nil {
		return err
	}
	_, err = repo.Build(ctx)
	return err
}

// Test runs every test.
func Test(ctx context.Context) error {
	repo, err := targets.Here()
	if err != nil {
		return err
	}
	return repo.Test(ctx)
}

// Bench measures INSERT and COPY, verified, and compares the two.
func Bench(ctx context.Context, rows, iters *int, aot, debug, profile *bool) error {
	repo, err := targets.Here()
	if err != nil {
		return err
	}
	return repo.Bench(ctx, targets.BenchOptions{Rows: rows, Iters: iters, AOT: aot, Debug: debug, Profile: profile})
}

// Profile draws where the time of one case goes; with -diff=REF, what changed since REF.
func Profile(ctx context.Context, rows *int, load, compression, diff *string, guest *bool, iters *int) error {
	repo, err := targets.Here()
	if err != nil {
		return err
	}
	return repo.Profile(ctx, targets.ProfileOptions{Rows: rows, Load: load, Compression: compression, Diff: diff, Guest: guest, Iters: iters})
}

// Run runs a pipeline file on a Postgres of its own, with bench_events in it.
func Run(ctx context.Context, file string, rows *int) error {
	repo, err := targets.Here()
	if err != nil {
		return err
	}
	return repo.Run(ctx, file, targets.RunOptions{Rows: rows})
}

// Compare says whether HEAD is slower than BASE (two refs, or "." for the working tree), and why.
func Compare(ctx context.Context, base, head string, rounds *int, rows, load, compression *string, threshold *float64,
	budget *time.Duration, strict, json, aot, force *bool, cases *string, seed *int, html, harness *string) error {
	repo, err := targets.Here()
	if err != nil {
		return err
	}
	return repo.Compare(ctx, base, head, targets.CompareOptions{
		Rounds: rounds, Rows: rows, Load: load, Compression: compression, Threshold: threshold, Budget: budget,
		Strict: strict, JSON: json, AOT: aot, Force: force, Cases: cases, Seed: seed, HTML: html, Harness: harness,
	})
}

// Bisect finds the commit between GOOD and BAD that made a benchmark slower (-case=Pipeline/rows=10000/load=copy/compression=none).
func Bisect(ctx context.Context, good, bad string, Case, unit *string, rounds *int, threshold *float64, budget *time.Duration, json *bool) error {
	repo, err := targets.Here()
	if err != nil {
		return err
	}
	return repo.Bisect(ctx, good, bad, targets.BisectOptions{
		Case: Case, Unit: unit, Rounds: rounds, Threshold: threshold, Budget: budget, JSON: json,
	})
}

// Noise measures HEAD against itself and keeps what this machine can resolve.
func Noise(ctx context.Context, rounds *int, rows, load, compression *string, budget *time.Duration, aot *bool, cases *string) error {
	repo, err := targets.Here()
	if err != nil {
		return err
	}
	return repo.Noise(ctx, targets.CompareOptions{
		Rounds: rounds, Rows: rows, Load: load, Compression: compression, Budget: budget, AOT: aot, Cases: cases,
	})
}

// Matrix measures the whole grid at several row counts: one table, and what a run and a row cost.
func Matrix(ctx context.Context, rows *string, iters *int, csv, html *string) error {
	repo, err := targets.Here()
	if err != nil {
		return err
	}
	return repo.Matrix(ctx, targets.MatrixOptions{Rows: rows, Iters: iters, CSV: csv, HTML: html})
}

// Results shows past results by commit, and the trend of the ratio to the native floor.
func Results(ctx context.Context, last *int, sha *string, rows *int, html *string) error {
	repo, err := targets.Here()
	if err != nil {
		return err
	}
	return repo.Results(ctx, targets.ResultsOptions{Last: last, SHA: sha, Rows: rows, HTML: html})
}

// Gate compares the exact work of the guests with the checked-in file; -update accepts a change.
func Gate(ctx context.Context, update *bool) error {
	repo, err := targets.Here()
	if err != nil {
		return err
	}
	return repo.Gate(ctx, update != nil && *update)
}

// Selftest proves that compare finds planted slowdowns and wrong rows, and nothing that is not there.
func Selftest(ctx context.Context, trials, rows, rounds, iterations *int, only, percents *string, budget *time.Duration, quick, json *bool) error {
	repo, err := targets.Here()
	if err != nil {
		return err
	}
	return repo.Selftest(ctx, targets.SelftestOptions{Trials: trials, Rows: rows, Rounds: rounds, Iterations: iterations,
		Only: only, Percents: percents, Budget: budget, Quick: quick, JSON: json})
}
