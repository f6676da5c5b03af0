// Package pgtest gives tests and benchmarks a real Postgres, wherever they run.
//
// A package that needs one has this TestMain and asks for a server, and a database of its own, where it needs it:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }
//
//	func TestCopy(t *testing.T) {
//		dsn := pgtest.Shared(t).NewDatabase(t)
//		...
//	}
//
// The server starts with the first call of Shared, serves the whole test binary and is handed down, by environment,
// to processes that the binary starts. It does not outlive the binary, not even after kill -9.
package pgtest
