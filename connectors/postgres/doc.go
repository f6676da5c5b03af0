// Package postgres is the connector for PostgreSQL: a source that reads tables
// with COPY in binary format and a destination that writes them with INSERT or
// COPY. It is compiled into the guests source-postgres and dest-postgres, and
// linked natively where the sandbox is not wanted, so it uses no goroutine and
// nothing of the standard library that is large.
//
// Both sides share one connection layer and one table of types:
//
//  1. wire speaks the protocol over a connection that the host has logged in.
//  2. types maps each Postgres type to its Arrow type and to the kind of kernel
//     that turns one into the other.
//
// The source goes on like this:
//
//  3. source opens one read-only snapshot for all streams and asks the catalog
//     for a table's columns.
//  4. reader takes COPY's messages from the wire's buffer, without copying, and
//     cuts them into batches.
//  5. index walks the rows once and notes where the fields lie; nothing is
//     converted yet.
//  6. decode runs one tight loop for each column over those places and writes
//     the values straight into the Arrow message that is emitted.
//
// Rows are hostile until indexed: every length is checked against the bytes
// that are there before a kernel, which checks nothing, follows it.
package postgres
