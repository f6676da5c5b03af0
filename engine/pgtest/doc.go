// Package pgtest gives tests and benchmarks a real Postgres, wherever they run.
//
// A package that needs one has this TestMain, and asks for the server and for a database of its own where it needs it:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }
//
//	func TestCopy(t *testing.T) {
//		dsn := pgtest.Shared(t).NewDatabase(t)
//		...
//	}
//
// The first call of Shared starts the server. It serves the whole test binary, is handed down by environment to the
// processes that the binary starts, and ends in Run. A program that is not a test calls Start and Close.
//
// # Where the server comes from
//
// RAPIDBYTE_PG names a provider; auto, the default, takes the first of these that works:
//
//	dsn       the server that RAPIDBYTE_PG_DSN names, as it is. If it does not answer, that is an error
//	local     server binaries of this machine: PATH, pg_config, the distributions' folders
//	docker    testcontainers-go with RAPIDBYTE_PG_IMAGE, by default DefaultImage
//	download  server binaries from RAPIDBYTE_PG_REPOSITORY, by default Maven's central repository, kept in the user's cache
//
// Without any, tests are skipped and say what to install. With RAPIDBYTE_PG_REQUIRE=1 they fail: a CI run that skipped
// its database tests would be green for nothing.
//
// # What it runs with
//
// RAPIDBYTE_PG_PROFILE is quiet (the default) or durable. Both switch off all that would run in the background of a
// measurement; durable keeps the fsync, synchronous commit and full-page writes of a production server. Provider,
// profile, version and a hash of the settings in effect are fields of Server, for a report to print: numbers may be
// compared only when they are equal.
//
// A local server listens on a unix socket, for the superuser without a password since nobody else can reach it, and on
// loopback at the same port, where every role needs its password. Other roles need theirs on both. So a test of a wrong
// password that should hold for every provider makes a role of its own, or replaces the host by 127.0.0.1.
//
// The server's log goes to a file in its folder, never to this process's output, where a stray line would destroy a
// benchmark's result. What it logged last is part of the error of a failed start.
//
// # What it leaves behind
//
// Nothing, however the process ends. Close removes the server and its files. If it is not called, a shell that waits
// for the end of the process does it, and on Linux the kernel ends the server too. Should the shell be killed as well,
// the next start finds the leftovers by a lock that is no longer held. The same holds for containers, if the docker
// command is installed; otherwise they stay until the next start. The reaper of testcontainers, which needs an image
// of its own, is off unless TESTCONTAINERS_RYUK_DISABLED=false.
//
// Postgres refuses to run as root, so root runs it as the user postgres, or as nobody.
//
// Starting servers needs a Unix system; elsewhere only the provider dsn works.
package pgtest
