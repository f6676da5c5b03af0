package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// StageError is a failed stage of a run: where it happened and what it was.
type StageError struct {
	Stage     string // "source", "transform-1", "destination"
	Connector string
	Stream    string    // empty outside a stream
	Phase     abi.Phase // what the guest was doing
	Category  abi.Category
	// CommitState says whether rows of the stream may be visible all the same.
	CommitState abi.CommitState
	Err         error // an *abi.Error, a *GuestError, or the host's own
}

// Error returns one line: stage, connector, stream, phase and cause.
func (e *StageError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)", e.Stage, e.Connector)
	if e.Stream != "" {
		fmt.Fprintf(&b, ", stream %q", e.Stream)
	}
	if e.Phase != abi.PhaseSetup {
		fmt.Fprintf(&b, ", %s", e.Phase)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if e.CommitState == abi.CommitUnknown {
		b.WriteString("; it is unknown whether the stream was committed: compare both sides before you run it again")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *StageError) Unwrap() error { return e.Err }

// Retryable reports whether running the stream again may help and cannot double
// its rows.
func (e *StageError) Retryable() bool {
	return e.Category.Retryable() && e.CommitState == abi.CommitNone
}

// GuestFailure is how a guest ended without answering.
type GuestFailure int

// The failures.
const (
	GuestPanic       GuestFailure = iota // a Go panic or runtime fatal error
	GuestExit                            // it called exit, whatever the code
	GuestOutOfMemory                     // it wanted more than its limit
	GuestTrap                            // an illegal instruction or access
	GuestHostPanic                       // a host function panicked: a bug of the host
)

// GuestError is a guest that ended without answering. Its instance is gone.
type GuestError struct {
	Failure  GuestFailure
	Export   string // the export that ran
	ExitCode uint32 // GuestPanic and GuestExit only
	Text     string // what the guest or the runtime said, one line, bounded
}

// Error says what happened in one line.
func (e *GuestError) Error() string {
	during := strings.TrimPrefix(e.Export, "rb_")
	switch e.Failure {
	case GuestPanic:
		return fmt.Sprintf("connector panicked during %s: %s", during, e.Text)
	case GuestExit:
		return fmt.Sprintf("connector exited with code %d in the middle of %s%s", e.ExitCode, during, suffix(e.Text))
	case GuestOutOfMemory:
		return fmt.Sprintf("connector ran out of memory during %s: %s", during, e.Text)
	case GuestHostPanic:
		return fmt.Sprintf("host function failed during %s (a bug in rapidbyte): %s", during, e.Text)
	}
	return fmt.Sprintf("connector crashed during %s: %s", during, e.Text)
}

func suffix(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

// categoryOf sorts an error of a stage.
func categoryOf(err error) abi.Category {
	var described *abi.Error
	if errors.As(err, &described) {
		return described.Category
	}
	return abi.CategoryInternal
}

// commitStateOf says what a failed stage left behind.
func commitStateOf(err error) abi.CommitState {
	var described *abi.Error
	if errors.As(err, &described) {
		return described.CommitState
	}
	return abi.CommitNone
}
