package postgres

import (
	"strconv"
	"strings"
)

// maxStatements bounds the prepared statements of a stream. A stream needs one
// for full size and one for what is left of a batch; only batches of ever
// different length make more.
const maxStatements = 16

// prepared is a statement of the session.
type prepared struct {
	name string
	rows int
	used int // count of made or used statements at its last use, to drop the oldest
}

// prepare returns the name of a statement that inserts that many rows, and
// appends its Parse if it is new.
func (l *insertLoader) prepare(rows int) string {
	l.made++
	oldest := 0
	for i := range l.statements {
		s := &l.statements[i]
		if s.rows == rows {
			s.used = l.made
			return s.name
		}
		if s.used < l.statements[oldest].used {
			oldest = i
		}
	}

	if len(l.statements) == maxStatements {
		l.close(l.statements[oldest].name)
		l.statements = append(l.statements[:oldest], l.statements[oldest+1:]...)
	}
	s := prepared{name: "rapidbyte_" + strconv.Itoa(l.made), rows: rows, used: l.made}
	l.statements = append(l.statements, s)
	l.parse(s)
	return s.name
}

// parse appends Parse for s. The parameters' types are said, not guessed, so
// that the server refuses what it would read otherwise.
func (l *insertLoader) parse(s prepared) {
	columns := len(l.table.columns)
	var sql strings.Builder
	sql.Grow(128 + s.rows*columns*7)
	sql.WriteString("INSERT INTO " + l.table.sql() + " (" + l.table.columnList() + ")")
	if l.table.overriding {
		sql.WriteString(" OVERRIDING SYSTEM VALUE") // as COPY does
	}
	sql.WriteString(" VALUES ")
	var number [8]byte
	for i := range s.rows * columns {
		switch {
		case i == 0:
			sql.WriteString("($")
		case i%columns == 0:
			sql.WriteString("),($")
		default:
			sql.WriteString(",$")
		}
		sql.Write(strconv.AppendInt(number[:0], int64(i+1), 10))
	}
	sql.WriteString(")")

	out := &l.out
	body := len(s.name) + 1 + sql.Len() + 1 + 2 + 4*s.rows*columns
	out.room(headerSize + body)
	out.header(out.n, msgParse, body)
	out.n += headerSize
	out.string(s.name)
	out.byte(0)
	out.string(sql.String())
	out.byte(0)
	out.uint16(uint16(s.rows * columns))
	for range s.rows {
		for i := range l.table.columns {
			out.uint32(l.table.columns[i].typ.oid)
		}
	}
}

// close appends Close for a statement.
func (l *insertLoader) close(name string) {
	out := &l.out
	body := 1 + len(name) + 1
	out.room(headerSize + body)
	out.header(out.n, msgClose, body)
	out.n += headerSize
	out.byte('S')
	out.string(name)
	out.byte(0)
}
