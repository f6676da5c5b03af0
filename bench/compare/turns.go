package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
)

// Pair implements [Runner]. Where the system and both suites allow it, the two processes are there at the same time and
// make their runs in turn: the speed of a shared machine drifts within seconds, and what disturbs neighbouring runs alike
// cancels in their ratio.
//
//  1. The first process gets ready and waits. Then the second does.
//  2. Each makes one run at a time while the other waits: first, second, second, first, and so on.
//  3. The first to have made its runs ends before the other goes on.
//
// A suite that knows nothing of turns runs to its end, and the other one after it; from then on every pair is one process
// after the other. Such a suite may also refuse to start beside one that waits, so it gets a second chance alone.
func (b *Binaries) Pair(ctx context.Context, turn Turn) (Pair, error) {
	if runtime.GOOS == "windows" || b.apart { // a child inherits no files there
		return BackToBack(ctx, turn, b.Run)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	first, err := b.begin(ctx, turn)
	if err != nil {
		return Pair{}, err
	}
	defer first.abandon(cancel)
	if !first.ready() {
		one, err := first.result()
		if err != nil {
			return Pair{}, err
		}
		b.apart = true
		two, err := b.Run(ctx, turn.other())
		if err != nil {
			return Pair{}, err
		}
		return pairOf(turn, one, two), nil
	}

	second, err := b.begin(ctx, turn.other())
	if err != nil {
		return Pair{}, err
	}
	defer second.abandon(cancel)
	alternated := second.ready()
	order := []*session{first, second}
	if !alternated {
		order = order[:1]
	}
	for first.waiting || second.waiting {
		for _, s := range order {
			if err := s.next(); err != nil {
				return Pair{}, err
			}
		}
		slices.Reverse(order)
	}

	one, err := first.result()
	if err != nil {
		return Pair{}, err
	}
	two, err := second.result()
	if err != nil && !alternated {
		two, err = b.Run(ctx, turn.other())
	}
	if err != nil {
		return Pair{}, err
	}
	p := pairOf(turn, one, two)
	p.Alternated, b.apart = alternated, !alternated
	return p, nil
}

// session is a process that takes turns.
type session struct {
	baton   *baton
	waiting bool // for its turn
	done    chan struct{}
	process *Process // once done
	err     error
}

// begin starts a process, which will wait for its first turn.
func (b *Binaries) begin(ctx context.Context, turn Turn) (*session, error) {
	baton, err := newBaton()
	if err != nil {
		return nil, fmt.Errorf("compare: files for taking turns: %w", err)
	}
	s := &session{baton: baton, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.process, s.err = b.run(ctx, turn, baton)
		baton.closeTheirs() // if it came to nothing before a process started
	}()
	return s, nil
}

// ready waits until the process waits for its turn, and reports whether it does: it may have ended instead.
func (s *session) ready() bool {
	_, err := io.ReadFull(s.baton.from, make([]byte, 1))
	s.waiting = err == nil
	return s.waiting
}

// next lets a process that waits make one run. One that has ended does nothing; if it ended badly the pair is lost.
func (s *session) next() error {
	if s.waiting {
		if _, err := s.baton.to.Write([]byte{'.'}); err == nil && s.ready() {
			return nil
		}
		s.waiting = false
	}
	<-s.done
	return s.err
}

// result waits for the end of the process.
func (s *session) result() (*Process, error) {
	<-s.done
	return s.process, s.err
}

// abandon ends a process that has not ended and gives its files back.
func (s *session) abandon(cancel context.CancelFunc) {
	select {
	case <-s.done:
	default:
		cancel()
		<-s.done
	}
	s.baton.from.Close()
	s.baton.to.Close()
}

// baton is two pipes: one into the process with a byte for each turn it is given, and one out of it with a byte whenever
// it waits. Its end is the end of the process.
type baton struct {
	from, to           *os.File // ours
	theirFrom, theirTo *os.File
}

func newBaton() (*baton, error) {
	var b baton
	var err, err2 error
	b.theirFrom, b.to, err = os.Pipe()
	b.from, b.theirTo, err2 = os.Pipe()
	if err := errors.Join(err, err2); err != nil {
		for _, f := range []*os.File{b.theirFrom, b.to, b.from, b.theirTo} {
			f.Close() // of those that could not be made nothing
		}
		return nil, err
	}
	return &b, nil
}

// give lets the command inherit its ends. A nil baton gives nothing.
func (b *baton) give(cmd *limited) {
	if b == nil {
		return
	}
	const first = 3 // after the standard streams
	cmd.ExtraFiles = []*os.File{b.theirFrom, b.theirTo}
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d,%d", turnsVariable, first, first+1))
	cmd.started = b.closeTheirs
}

// closeTheirs closes our copies of their ends, without which their end would never be noticed. It may be called again.
func (b *baton) closeTheirs() {
	b.theirFrom.Close()
	b.theirTo.Close()
}
