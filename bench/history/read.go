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
