package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// The floor is the same rows moved by the shortest path there is without
// WebAssembly and without Arrow. What a pipeline takes beyond it is the price
// of the sandbox and of the format. Each function connects, moves, commits and
// disconnects, as a pipeline does, and returns the rows the server confirmed.

func (t Table) copyOut() string {
	return `COPY (SELECT * FROM ` + t.from() + `) TO STDOUT (FORMAT binary)`
}
func (t Table) copyIn() string { return `COPY ` + t.dest() + ` FROM STDIN (FORMAT binary)` }

// pipeBuffer is what the floor collects before it wakes the other side. The
// server sends every row as a message of its own: handing those over one by one
// would measure the Go scheduler.
const pipeBuffer = 64 << 10

// FloorCopy pipes COPY out of one connection into COPY of another.
func (s *Source) FloorCopy(ctx context.Context) (rows int64, err error) {
	return s.fromCopy(ctx, func(in *pgconn.PgConn, r io.Reader) (int64, error) {
		tag, err := in.CopyFrom(ctx, r, s.copyIn())
		return tag.RowsAffected(), err
	})
}

// FloorInsert pipes COPY out of one connection into prepared INSERT statements
// of many rows on another. The values stay in the server's binary format.
func (s *Source) FloorInsert(ctx context.Context) (rows int64, err error) {
	return s.fromCopy(ctx, func(in *pgconn.PgConn, r io.Reader) (int64, error) {
		i := &inserter{conn: in, table: s.dest(), columns: len(s.Sum.Columns)}
		err := i.insertAll(ctx, bufio.NewReaderSize(r, pipeBuffer))
		return i.confirmed, err
	})
}

// fromCopy runs write in a transaction on one connection, reading what COPY of
// the source gives on another.
func (s *Source) fromCopy(ctx context.Context, write func(*pgconn.PgConn, io.Reader) (int64, error)) (rows int64, err error) {
	config, err := pgconn.ParseConfig(s.DSN)
	if err != nil {
		return 0, err
	}
	config.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	out, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.Close(ctx)) }()
	in, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, in.Close(ctx)) }()

	if _, err := in.Exec(ctx, "BEGIN").ReadAll(); err != nil {
		return 0, err
	}
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		buffered := bufio.NewWriterSize(w, pipeBuffer)
		_, err := out.CopyTo(ctx, buffered, s.copyOut())
		if err == nil {
			err = buffered.Flush()
		}
		w.CloseWithError(err) // the end of input if there was no error
		done <- err
	}()
	rows, err = write(in, r)
	r.CloseWithError(err) // frees the other side if this one failed
	if err := errors.Join(err, <-done); err != nil {
		return 0, err
	}
	_, err = in.Exec(ctx, "COMMIT").ReadAll()
	return rows, err
}

// insertRows is the number of rows of one statement. From a few hundred on,
// more gain nothing; parameters are limited to 65535.
const insertRows = 500

// insertsInFlight is how many statements are under way before the first answer
// is waited for, so that the server is never idle and its answers, which nobody
// reads meanwhile, stay far below a socket's buffer.
const insertsInFlight = 8

// inserter turns a binary COPY stream into prepared INSERT statements.
type inserter struct {
	conn      *pgconn.PgConn
	table     string // in SQL
	columns   int
	confirmed int64

	pipeline  *pgconn.Pipeline
	inFlight  int
	prepared  map[int]bool // by rows
	formats   []int16      // all binary
	params    [][]byte     // of the rows collected so far; nil is NULL
	arena     []byte       // holds the values
	valueEnds []int        // where each value ends in arena; -1 for NULL
}

func (i *inserter) insertAll(ctx context.Context, r *bufio.Reader) (err error) {
	i.prepared = make(map[int]bool)
	i.formats = make([]int16, insertRows*i.columns)
	for f := range i.formats {
		i.formats[f] = 1
	}
	if err := readCopyHead(r); err != nil {
		return err
	}

	// Prepare before the pipeline starts: within one, nothing else goes through
	// the connection.
	if err := i.prepare(ctx, insertRows); err != nil {
		return err
	}
	i.pipeline = i.conn.StartPipeline(ctx)
	rows := 0
	for {
		more, err := i.readRow(r)
		if err != nil {
			return errors.Join(err, i.pipeline.Close())
		}
		if !more {
			break
		}
		if rows++; rows == insertRows {
			if err := i.send(rows); err != nil {
				return errors.Join(err, i.pipeline.Close())
			}
			rows = 0
		}
	}
	for i.inFlight > 0 {
		if err := i.receive(); err != nil {
			return errors.Join(err, i.pipeline.Close())
		}
	}
	if err := i.pipeline.Close(); err != nil || rows == 0 {
		return err
	}

	// The rest, by a statement of its own length.
	if err := i.prepare(ctx, rows); err != nil {
		return err
	}
	result := i.conn.ExecPrepared(ctx, statementName(rows), i.bind(), i.formats[:rows*i.columns], nil).Read()
	i.confirmed += result.CommandTag.RowsAffected()
	return result.Err
}

func statementName(rows int) string { return "insert_" + strconv.Itoa(rows) }

func (i *inserter) prepare(ctx context.Context, rows int) error {
	var sql strings.Builder
	sql.WriteString("INSERT INTO " + i.table + " VALUES ")
	n := 0
	for row := range rows {
		if row > 0 {
			sql.WriteByte(',')
		}
		for column := range i.columns {
			n++
			sql.WriteByte("(,"[min(column, 1)])
			sql.WriteString("$" + strconv.Itoa(n))
		}
		sql.WriteByte(')')
	}
	_, err := i.conn.Prepare(ctx, statementName(rows), sql.String(), nil)
	return err
}

// readCopyHead reads the signature, the flags and the (empty) extension.
func readCopyHead(r io.Reader) error {
	var head [19]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	if !bytes.HasPrefix(head[:], []byte("PGCOPY\n\xff\r\n\x00")) {
		return errors.New("lab: the server's COPY does not start as one")
	}
	_, err := io.CopyN(io.Discard, r, int64(binary.BigEndian.Uint32(head[15:])))
	return err
}

// readRow collects the values of the next row; more is false at the end.
func (i *inserter) readRow(r *bufio.Reader) (more bool, err error) {
	head, err := r.Peek(2)
	if err != nil {
		return false, err
	}
	columns := int16(binary.BigEndian.Uint16(head))
	r.Discard(2)
	if columns < 0 {
		return false, nil
	}
	if int(columns) != i.columns {
		return false, fmt.Errorf("lab: a row of %d columns instead of %d", columns, i.columns)
	}
	for range columns {
		head, err := r.Peek(4)
		if err != nil {
			return false, err
		}
		length := int(int32(binary.BigEndian.Uint32(head)))
		r.Discard(4)
		if length < 0 {
			i.valueEnds = append(i.valueEnds, -1)
			continue
		}
		start := len(i.arena)
		i.arena = append(i.arena, make([]byte, length)...)
		if _, err := io.ReadFull(r, i.arena[start:]); err != nil {
			return false, err
		}
		i.valueEnds = append(i.valueEnds, len(i.arena))
	}
	return true, nil
}

// bind returns the collected values as parameters and forgets them; they are
// valid until the next row is read.
func (i *inserter) bind() [][]byte {
	i.params = i.params[:0]
	start := 0
	for _, end := range i.valueEnds {
		if end < 0 {
			i.params = append(i.params, nil)
			continue
		}
		i.params = append(i.params, i.arena[start:end:end])
		start = end
	}
	i.valueEnds, i.arena = i.valueEnds[:0], i.arena[:0]
	return i.params
}

func (i *inserter) send(rows int) error {
	i.pipeline.SendQueryPrepared(statementName(rows), i.bind(), i.formats[:rows*i.columns], nil)
	if err := i.pipeline.Sync(); err != nil {
		return err
	}
	if i.inFlight++; i.inFlight < insertsInFlight {
		return nil
	}
	return i.receive()
}

// receive takes the answer to the oldest statement and to its sync.
func (i *inserter) receive() error {
	for {
		results, err := i.pipeline.GetResults()
		if err != nil {
			return err
		}
		switch results := results.(type) {
		case *pgconn.ResultReader:
			tag, err := results.Close()
			if err != nil {
				return err
			}
			i.confirmed += tag.RowsAffected()
		case *pgconn.PipelineSync:
			i.inFlight--
			return nil
		default:
			return fmt.Errorf("lab: unexpected answer %T to an insert", results)
		}
	}
}

// ErrNoPSQL is returned when the machine has no psql.
var ErrNoPSQL = errors.New("lab: psql is not in PATH")

// FloorPSQL pipes COPY of one psql into COPY of another, which is what a person
// would do without any tool.
func (s *Source) FloorPSQL(ctx context.Context) (rows int64, err error) {
	if err := havePSQL(); err != nil {
		return 0, err
	}
	var outErr, inErr, inOut bytes.Buffer
	out := exec.CommandContext(ctx, "psql", "--no-psqlrc", "--command", s.copyOut())
	in := exec.CommandContext(ctx, "psql", "--no-psqlrc", "--command", s.copyIn())
	out.Env, in.Env = s.psqlEnv(), s.psqlEnv()
	out.Stderr, in.Stderr, in.Stdout = &outErr, &inErr, &inOut

	// The two share a pipe of the system; no byte comes through this process.
	if in.Stdin, err = out.StdoutPipe(); err != nil {
		return 0, err
	}
	if err := in.Start(); err != nil {
		return 0, err
	}
	if err := out.Start(); err != nil {
		return 0, errors.Join(err, in.Process.Kill(), in.Wait())
	}
	in.Stdin.(io.Closer).Close() // ours; if in ends early, out must not wait for it
	errIn := in.Wait()
	if err := errors.Join(out.Wait(), errIn); err != nil {
		return 0, fmt.Errorf("lab: psql: %w: %s%s", err, &outErr, &inErr)
	}
	tag, ok := strings.CutPrefix(strings.TrimSpace(inOut.String()), "COPY ")
	rows, err = strconv.ParseInt(tag, 10, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("lab: psql answered %q instead of COPY and a number", &inOut)
	}
	return rows, nil
}

func havePSQL() error {
	if _, err := exec.LookPath("psql"); err != nil {
		return ErrNoPSQL
	}
	return nil
}

// psqlEnv names the database by environment: every user of the machine can read
// a command line.
func (s *Source) psqlEnv() []string {
	env := os.Environ()
	config := pgtest.SourceConfig(s.DSN)
	for key, name := range map[string]string{
		"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "database": "PGDATABASE", "sslmode": "PGSSLMODE",
	} {
		if value, ok := config[key]; ok && value != "" {
			env = append(env, fmt.Sprintf("%s=%v", name, value))
		}
	}
	return env
}
