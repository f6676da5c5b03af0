package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// Error says why a connection could not be configured, opened or used, and how
// to mend that. It holds no secret.
type Error struct {
	Category abi.Category
	Message  string // what and where, lower case, one line
	Hint     string // how to mend it; may be empty
	Code     string // SQLSTATE; empty if the server did not say
	Field    string // the config key at fault; may be empty
	cause    error  // free of secrets; may be nil
}

// Error returns the message with its code and hint.
func (e *Error) Error() string {
	s := e.Message
	if e.Code != "" {
		s += " (SQLSTATE " + e.Code + ")"
	}
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Unwrap returns the cause, such as [context.Canceled] or [abi.Denied], or nil.
func (e *Error) Unwrap() error { return e.cause }

// ErrClosed is returned by the methods of a [Conn] after Close.
var ErrClosed = errors.New("broker: connection is closed")

// errCancelled is what a cancelled connection returns.
var errCancelled = fmt.Errorf("broker: connection is cancelled: %w", context.Canceled)
