package sdk

import (
	"errors"
	"unicode/utf8"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// callError is a host call that returned a status other than Cancelled, with
// what the host had to say about it.
type callError struct {
	op     string
	status abi.Status
	text   string // empty: the host said nothing
}

func (e *callError) Error() string {
	if e.text != "" {
		return e.op + ": " + e.text
	}
	return e.op + ": " + e.status.String()
}

func (e *callError) Unwrap() error { return e.status }

// status returns nil for OK, else the error of op.
func (h *Host) status(s abi.Status, op string) error {
	if s == abi.OK {
		return nil
	}
	return h.fail(s, op)
}

// fail makes an error of err, a status that the call named op returned. The
// host's last error is either the JSON of an [abi.Error], which is then the
// error, or a line of text.
func (h *Host) fail(err error, op string) error {
	status, ok := err.(abi.Status)
	if !ok || status == abi.Cancelled {
		return err
	}
	text := h.lastError()
	if len(text) > 0 && text[0] == '{' {
		if e, err := parseError(text); err == nil {
			return e
		}
	}
	return &callError{op: op, status: status, text: string(text)}
}

// lastError returns the host's description of the last error, or nothing.
func (h *Host) lastError() []byte {
	buf := make([]byte, abi.MaxLogLine)
	for range 2 {
		r := h.abi.LastError(buf)
		if need, ok := abi.Needs(r); ok && need <= abi.MaxControl {
			buf = make([]byte, need)
			continue
		}
		if n, err := abi.Check(r); err == nil && n <= len(buf) {
			return buf[:n]
		}
		break
	}
	return nil
}

// broken is the error of a host that answered what the contract rules out.
func broken(op string) error {
	return &abi.Error{Category: abi.CategoryInternal, Message: "sdk: " + op + ": the host broke the contract"}
}

// describe turns what a connector returned into what goes over the boundary: a
// status to return as it is, or Failed and the error to hand over first.
func describe(err error) (abi.Status, *abi.Error) {
	var described *abi.Error
	if errors.As(err, &described) && described != nil {
		if error(described) == err {
			return abi.Failed, described
		}
		// Text that was wrapped around it says where; the rest stays.
		e := *described
		if text := err.Error(); text != described.Error() {
			e = abi.Error{Category: e.Category, Message: text, Code: e.Code, Field: e.Field, Column: e.Column, CommitState: e.CommitState}
		}
		return abi.Failed, &e
	}
	if status, ok := err.(abi.Status); ok && status < abi.OK && status != abi.Failed {
		return status, nil
	}
	// These two are answers of their own: the run is over, or the stage at the
	// other end is and knows why. The rest is told as text.
	for _, status := range [...]abi.Status{abi.Cancelled, abi.Closed} {
		if errors.Is(err, status) {
			return status, nil
		}
	}
	return abi.Failed, &abi.Error{Category: abi.CategoryInternal, Message: err.Error()}
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
