// Package frame turns an Arrow IPC message into the frame that travels from
// one stage to the next, and back.
//
// A frame is a header and a payload, all integers little endian:
//
//	 0        2        3        4              8              12             16             20
//	┌────────┬────────┬────────┬──────────────┬──────────────┬──────────────┬──────────────┬─────────────┐
//	│ 'R''B' │ codec  │ flags  │ rows         │ raw length   │ payload len. │ CRC32C       │ payload ... │
//	└────────┴────────┴────────┴──────────────┴──────────────┴──────────────┴──────────────┴─────────────┘
//
//	codec           how the payload is encoded: 0 none, 1 lz4 block, 2 zstd frame
//	flags           bit 0: a codec was asked for and did not pay, so codec is 0
//	rows            rows in the message, 0 for a schema or an end of stream
//	raw length      bytes of the message
//	payload length  bytes that follow the header
//	CRC32C          Castagnoli, over bytes 0 to 15 and the message, not the payload
//
// The checksum covers what the sender had and the receiver gets, so a fault
// anywhere between the two shows: in the channel, in a codec, in a buffer that
// was reused too early. Do not change the layout: files hold it.
//
// An empty message is a header alone, whatever codec was asked for.
//
// Frames come from a [Pool] and go back to it, see [Frame.Release]. The pool
// has its own free lists because a sync.Pool is emptied by every garbage
// collection, and the next few batches would then be allocated and cleared
// anew.
package frame
