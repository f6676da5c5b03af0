// Package profile finds out where the time of one benchmark goes.
//
//  1. [Program.CPU] runs a test binary of the suite under Go's CPU profile and keeps what carries the label timed=yes: the
//     measured runs, without seeding, warming up and verifying. Go's scheduler and background garbage collection work for
//     everybody and carry no label.
//  2. [Program.Record] does the same for heap, locks or waiting. They know no labels, so the suite itself records them during
//     timed runs only (BENCH_PROFILE=timed), each kind in a process of its own.
//  3. [Observer] adds what has no label, by the process's clock, and what perf sees meanwhile: the database server's backends,
//     and the functions of compiled guests.
//  4. [CPU.Tree] and [Tree] give the trees that package flame draws: by stage, host and guest apart, in units a row.
//  5. [Compare] does the first step for two programs in turn and lays one tree over the other.
//
// Profiles are never taken of runs whose time counts, and no time measured here counts for anything.
package profile
