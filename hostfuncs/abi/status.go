package abi

// Status is the outcome of a call across the boundary: OK, or a negative code
// that is an error on both sides, so errors.Is works after the crossing.
//
// Like a Linux system call, a function that returns a count uses the values
// from -1 to -4095 for codes; below those it names a size, see [Needs].
type Status int32

// The codes. New ones are added at the end; numbers are never reused.
const (
	OK              Status = 0
	Failed          Status = -1 // a failure described elsewhere: Reply(ReplyError) or LastError
	Cancelled       Status = -2 // the run was cancelled; unwind and return
	Closed          Status = -3 // the other end is gone: channel or connection closed
	InvalidArgument Status = -4 // a pointer, length, handle or name that cannot be
	TooLarge        Status = -5 // over a limit of this package or of the pipeline
	NotFound        Status = -6 // no such state key
	Denied          Status = -7 // not allowed by the pipeline: broker or target
	Unsupported     Status = -8 // the role does not have this function
)

const lastCode = -4095

var statusText = map[Status]string{
	OK:              "ok",
	Failed:          "failed",
	Cancelled:       "cancelled",
	Closed:          "closed by the other end",
	InvalidArgument: "invalid argument",
	TooLarge:        "too large",
	NotFound:        "not found",
	Denied:          "not allowed by the pipeline",
	Unsupported:     "not supported by this connector",
}

// String returns the code's meaning in a few words.
func (s Status) String() string {
	if t, ok := statusText[s]; ok {
		return t
	}
	return "unknown status"
}

// Error makes a Status an error with its meaning as text.
func (s Status) Error() string { return "abi: " + s.String() }

// Err returns nil for OK, else s.
func (s Status) Err() error {
	if s == OK {
		return nil
	}
	return s
}

// Need returns the result of a call whose buffer was too small: the negated
// size n, raised to the smallest one that is not a code.
func Need(n int) int32 {
	return -int32(max(n, -lastCode+1))
}

// Needs reports whether r, the result of a call that fills a buffer, asks for
// a larger one, and of what size.
func Needs(r int32) (n int, ok bool) {
	if r < lastCode {
		return -int(r), true
	}
	return 0, false
}

// Check splits the result of a call that returns a count: the count, or the
// error. A result that asks for a larger buffer is TooLarge.
func Check(r int32) (n int, err error) {
	switch {
	case r >= 0:
		return int(r), nil
	case r < lastCode:
		return 0, TooLarge
	}
	return 0, Status(r)
}
