package postgres

import "strconv"

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
	columns := l.table.columns
	parameters := s.rows * len(columns)
	head := "INSERT INTO " + l.table.sql() + " (" + l.table.columnList() + ")"
	if l.table.overriding {
		head += " OVERRIDING SYSTEM VALUE" // as COPY does
	}
	head += " VALUES "

	out := &l.out
	out.room(headerSize + len(s.name) + 1 + len(head) + maxPlaceholders(s.rows, len(columns)) + 1 + 2 + 4*parameters)
	start := out.n
	out.n += headerSize
	out.string(s.name)
	out.byte(0)
	out.string(head)
	out.n = placeholders(out.buf, out.n, s.rows, len(columns))
	out.byte(0)
	out.uint16(uint16(parameters))
	first := out.buf[out.n : out.n+4*len(columns)]
	for i := range columns {
		out.uint32(columns[i].typ.oid)
	}
	for range s.rows - 1 {
		out.n += copy(out.buf[out.n:], first)
	}
	out.header(start, msgParse, out.n-start-headerSize)
}

// numberDigits is how many digits the number of a parameter has at most: the
// protocol takes 65535.
const numberDigits = 5

// maxPlaceholders is the most that placeholders writes: a sign before each
// parameter, $ and the number, and for each row a bracket and a comma.
func maxPlaceholders(rows, columns int) int { return rows * (columns*(2+numberDigits) + 2) }

// placeholders writes ($1,$2),($3,$4) for rows and columns to b from n on, and
// returns where that ends. It counts in the digits that it writes: some 5000
// numbers for every stream, each made by division and appended, were a third of what
// the guest did in 10,000 rows.
func placeholders(b []byte, n, rows, columns int) int {
	digits, lead := [numberDigits]byte{'0', '0', '0', '0', '0'}, numberDigits-1
	for row := range rows {
		if row > 0 {
			b[n] = ','
			n++
		}
		sign := byte('(')
		for range columns {
			b[n], b[n+1] = sign, '$'
			n += 2
			sign = ','
			i := numberDigits - 1
			for ; digits[i] == '9'; i-- {
				digits[i] = '0'
			}
			digits[i]++
			lead = min(lead, i)
			for _, d := range digits[lead:] {
				b[n] = d
				n++
			}
		}
		b[n] = ')'
		n++
	}
	return n
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
