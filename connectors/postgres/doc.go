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
//
// The destination goes like this:
//
//  7. destination begins a transaction for each stream and prepares its table:
//     created if absent, else locked and compared, and emptied to be replaced.
//  8. encoder computes where each row of a batch starts, then runs one tight
//     loop for each column that writes its values there, in the format that
//     COPY and the parameters of INSERT share.
//  9. a loader, by COPY or by INSERT, sends what the encoder wrote from where it
//     wrote it, and counts the rows that the server confirms.
//  10. commit follows once the stream's end was seen and every row is confirmed.
//
// A stream that is written in partitions has an instance, a session and a
// transaction for each, and one instance more that tells them how and ends what
// they began. What shows depends on whether the table is there:
//
//   - If it is absent they commit into a staging table beside it, named
//     _rapidbyte_ and the attempt, which is renamed at the end: one statement,
//     all rows or none.
//   - If it is there, rows are appended, and the server's
//     max_prepared_transactions leaves room, they prepare their transactions.
//     These are committed at the end, one after the other and without waiting
//     for anything: a reader in between may see some partitions and not others.
//     A crash in between leaves the rest prepared, with every row, and no later
//     run writes to the table in partitions before they are decided.
//   - Else one session writes the stream whole: only one can empty a table and
//     fill it with nobody seeing it empty.
//
// A run that is killed leaves its staging table behind, which is in nobody's way
// and can be dropped, or its prepared transactions, which hold locks.
//
// A batch is checked by arrowipc before the encoder, which checks nothing,
// follows its offsets.
package postgres
