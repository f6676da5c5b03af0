package gate

import (
	"compress/gzip"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/broker"
)

// Recording is what a server said to the two guests of one run, read by read.
type Recording struct {
	Load   string // "insert", "copy"
	Rows   int
	Source [][]byte // by conn_read
	Dest   [][]byte
}

// WriteFile stores r, compressed.
func (r *Recording) WriteFile(path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("gate: %w", err)
	}
	defer func() {
		if e := f.Close(); err == nil && e != nil {
			err = fmt.Errorf("gate: %w", e)
		}
	}()
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return fmt.Errorf("gate: %w", err)
	}
	if err := gob.NewEncoder(z).Encode(r); err != nil {
		return fmt.Errorf("gate: write recording: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("gate: write recording: %w", err)
	}
	return nil
}

// ReadRecording reads what WriteFile stored.
func ReadRecording(path string) (*Recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("gate: %w; record one with -update", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("gate: recording %s is damaged: %w; record it again with -update", path, err)
	}
	var r Recording
	if err := gob.NewDecoder(z).Decode(&r); err != nil {
		return nil, fmt.Errorf("gate: recording %s is damaged: %w; record it again with -update", path, err)
	}
	return &r, nil
}

// recorder is a broker that writes down what the server says.
type recorder struct {
	broker.Broker
	reads *[][]byte
}

func (r recorder) Open(ctx context.Context, target string) (broker.Conn, error) {
	c, err := r.Broker.Open(ctx, target)
	if err != nil {
		return nil, err
	}
	return &recordedConn{Conn: c, reads: r.reads}, nil
}

type recordedConn struct {
	broker.Conn
	reads *[][]byte
	going bool // the server is still answering what was written last
}

// Read joins what belongs to one answer: how the network had cut it would
// otherwise be in the recording, and with it a difference between any two.
func (c *recordedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if last := len(*c.reads) - 1; c.going && n > 0 {
		(*c.reads)[last] = append((*c.reads)[last], p[:n]...)
	} else {
		*c.reads = append(*c.reads, append([]byte(nil), p[:n]...))
	}
	c.going = n > 0
	return n, err
}

func (c *recordedConn) Write(p []byte) (int, error) {
	c.going = false
	return c.Conn.Write(p)
}

// Ready hides what is waiting: replayed, nothing waits before it is asked for.
func (c *recordedConn) Ready() (bool, error) { return false, nil }

// replayer is a broker whose one connection says what was recorded.
type replayer struct{ reads [][]byte }

func (r *replayer) Open(context.Context, string) (broker.Conn, error) {
	return &replayedConn{slices.Clone(r.reads)}, nil
}

type replayedConn struct{ reads [][]byte }

// errDiverged ends a replay whose guest asks for more than was recorded.
var errDiverged = errors.New("the guest says something else to the server than when it was recorded; record again with -update")

func (c *replayedConn) Read(p []byte) (int, error) {
	if len(c.reads) == 0 {
		return 0, errDiverged
	}
	if len(c.reads[0]) == 0 {
		c.reads = c.reads[1:]
		return 0, io.EOF
	}
	n := copy(p, c.reads[0])
	if c.reads[0] = c.reads[0][n:]; len(c.reads[0]) == 0 {
		c.reads = c.reads[1:]
	}
	return n, nil
}

func (c *replayedConn) Write(p []byte) (int, error) { return len(p), nil }

func (c *replayedConn) Ready() (bool, error) { return false, nil }

func (c *replayedConn) SetCancelled() {}

func (c *replayedConn) Close() error { return nil }
