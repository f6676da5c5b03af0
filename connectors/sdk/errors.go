package sdk

import (
	"errors"
	"unicode/utf8"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// callError is a host call that returned a status other than Failed and
// Cancelled. It matches that status, and what the host had to say about it.
type callError struct {
	op     string
	status abi.Status
	reason *abi.Error // nil: the host said nothing
}

func (e *callError) Error() string {
	if e.reason != nil {
		return e.reason.Error()
	}
	return e.op + ": " + e.status.String()
}

func (e *callError) Unwrap() []error {
	if e.reason != nil {
		return []error{e.status, e.reason}
	}
	return []error{e.status}
}

// status returns nil for OK, else the error of op.
func (h *Host) status(s abi.Status, op string) error {
	if s == abi.OK {
		return nil
	}
	return h.fail(s, op)
}

// fail makes an error of err, a status that the call named op returned.
func (h *Host) fail(err error, op string) error {
	status, ok := err.(abi.Status)
	if !ok || status == abi.Cancelled {
		return err
	}
	reason := h.lastError()
	if status == abi.Failed && reason != nil {
		return reason
	}
	return &callError{op: op, status: status, reason: reason}
}

// lastError returns the host's description of the last error, or nil.
func (h *Host) lastError() *abi.Error {
	message, err := h.fill("", func(buf []byte) int32 { return h.abi.LastError(buf) })
	if err != nil || len(message) == 0 {
		return nil
	}
	e, err := parseError(message)
	if err != nil {
		return nil
	}
	return e
}

// broken is the error of a host that answered what the contract rules out.
func broken(op string) error {
	return &abi.Error{Category: abi.CategoryInternal, Message: "sdk: " + op + ": the host broke the contract"}
}

// describe turns what a connector returned into what goes over the boundary: a
// status to return as it is, or Failed and the error to hand over first.
func describe(err error) (abi.Status, *abi.Error) {
	// These two are answers of their own: the run is over, or the stage at the
	// other end is and knows why.
	for _, status := range [...]abi.Status{abi.Cancelled, abi.Closed} {
		if errors.Is(err, status) {
			return status, nil
		}
	}
	if status, ok := err.(abi.Status); ok && status < abi.OK && status != abi.Failed {
		return status, nil
	}

	var e *abi.Error
	if !errors.As(err, &e) || e == nil {
		return abi.Failed, &abi.Error{Category: abi.CategoryInternal, Message: err.Error()}
	}
	described := *e
	if text := err.Error(); text != e.Error() {
		// Text was wrapped around it and says where. It holds detail and hint too.
		described.Message, described.Detail, described.Hint = text, "", ""
	}
	if described.Category == "" {
		described.Category = abi.CategoryInternal
	}
	return abi.Failed, &described
}

// cut returns s, or as much of its start as fits into n bytes without splitting
// a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
