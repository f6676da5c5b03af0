package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// LineError is a line of a results file that is no record.
type LineError struct {
	File string
	Line int // from 1
	Err  error
}

// Error returns "file:line: what is wrong".
func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// maxLine is far above a record's 3 kB; a longer line is not one of ours, and
// reading it whole could take all memory.
const maxLine = 1 << 20

// Read returns the records of the file at path in the file's order, and the
// lines that are none. Only a file that cannot be read at all is an error.
func Read(path string) (records []*Record, bad []*LineError, err error) {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: run the benchmarks first", err)
		}
		return nil, nil, fmt.Errorf("history: %w", err)
	}
	defer f.Close()

	lines := bufio.NewReaderSize(f, 64<<10)
	for n := 1; ; n++ {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			return records, bad, nil
		}
		if err != nil && !errors.Is(err, errTooLong) {
			return records, bad, fmt.Errorf("history: %s:%d: %w", path, n, err)
		}
		if err == nil && len(bytes.TrimSpace(line)) == 0 {
			continue
		}

		r := &Record{}
		if err == nil {
			err = json.Unmarshal(line, r)
		}
		if err == nil {
			err = r.valid()
		}
		if err != nil {
			bad = append(bad, &LineError{path, n, err})
			continue
		}
		r.Line = n
		records = append(records, r)
	}
}

var errTooLong = fmt.Errorf("longer than %d bytes", maxLine)

// readLine returns the next line without its end, io.EOF when there is none,
// and errTooLong for one it read over.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	var tooLong bool
	for {
		part, err := r.ReadSlice('\n')
		if tooLong = tooLong || len(line)+len(part) > maxLine; !tooLong {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (len(line) > 0 || tooLong):
			// The last line has no end; it counts as one.
		case err != nil:
			return nil, err
		}
		if tooLong {
			return nil, errTooLong
		}
		return bytes.TrimRight(line, "\r\n"), nil
	}
}

// Filter says which records are wanted; the zero value wants all.
type Filter struct {
	SHAs []string // commits, each a prefix of at least 4 digits; empty: all
	Rows int      // row count; 0: all
	Run  string   // run id; empty: all
	// Last keeps the last so many runs that the other conditions leave. A run
	// is what shares a run id, or a commit where lines have no id. 0: all.
	Last int
}

// Select returns the records f wants, in their order.
func (f Filter) Select(records []*Record) []*Record {
	var out []*Record
	for _, r := range records {
		if (f.Rows == 0 || r.Rows == f.Rows) && (f.Run == "" || r.Run == f.Run) && f.wantsSHA(r.GitSHA) {
			out = append(out, r)
		}
	}
	if f.Last <= 0 {
		return out
	}

	// From the end, collect run ids until there are enough.
	var runs []string
	for _, r := range slices.Backward(out) {
		if id := r.runID(); !slices.Contains(runs, id) && len(runs) < f.Last {
			runs = append(runs, id)
		}
	}
	return slices.DeleteFunc(out, func(r *Record) bool { return !slices.Contains(runs, r.runID()) })
}

func (f Filter) wantsSHA(sha string) bool {
	if len(f.SHAs) == 0 {
		return true
	}
	for _, want := range f.SHAs {
		// Either may be the shorter one: a user may paste the full commit.
		if n := min(len(want), len(sha)); n >= 4 && strings.EqualFold(want[:n], sha[:n]) {
			return true
		}
	}
	return false
}

func (r *Record) runID() string {
	if r.Run != "" {
		return r.Run
	}
	return r.GitSHA
}
