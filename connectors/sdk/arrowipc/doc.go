// Package arrowipc writes and reads the messages of an Arrow IPC stream.
//
// A stream is one schema message ([AppendSchema]), any number of batches
// ([Writer]) and the end of the stream ([EOS]). Laid end to end they are what
// every Arrow library reads.
//
// It exists because the Arrow module costs a guest several megabytes and a copy
// of every column: here a batch is laid out once, in the buffer that is emitted,
// and its columns are filled in and read in place. It knows the types that
// tables have and none that nest, and imports neither fmt nor reflect.
package arrowipc
