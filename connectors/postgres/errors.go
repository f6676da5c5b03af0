package postgres

import "github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"

// errorFrom makes an error of an ErrorResponse: the server's own words, its
// SQLSTATE, and the category that SQLSTATE belongs to.
func (w *wire) errorFrom(body []byte) *abi.Error {
	e := &abi.Error{}
	var where, table, constraint string

	// Fields are a letter and a zero-terminated string; a zero letter ends them.
	for len(body) > 0 && body[0] != 0 {
		field, value := body[0], cString(body[1:])
		body = body[min(len(body), 1+len(value)+1):]
		switch field {
		case 'M':
			e.Message = value
		case 'D':
			e.Detail = value
		case 'H':
			e.Hint = value
		case 'C':
			e.Code = value
		case 'c':
			e.Column = value
		case 't':
			table = value
		case 'n':
			constraint = value
		case 'W':
			where = value
		}
	}

	e.Category = categoryOf(e.Code)
	if e.Message == "" {
		e.Message = "the server reported an error without saying which"
	}
	e.Message = "postgres: " + oneLine(e.Message)
	if table != "" && constraint != "" && e.Detail == "" {
		e.Detail = "table " + quoteIdent(table) + ", constraint " + quoteIdent(constraint)
	}
	// The context is where COPY names the line and column of a bad value.
	if where != "" {
		if e.Detail != "" {
			e.Detail += "; "
		}
		e.Detail += oneLine(where)
	}
	return e
}

// categoryOf sorts a SQLSTATE by what can be done about it.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
func categoryOf(code string) abi.Category {
	if len(code) != 5 {
		return abi.CategoryInternal
	}
	switch code {
	case "42501": // insufficient_privilege
		return abi.CategoryPermission
	case "55P03": // lock_not_available
		return abi.CategoryTransientDB
	case "54000", "54001", "54023": // program limits: a row too big, a statement too complex
		return abi.CategoryData
	}
	switch code[:2] {
	case "08": // connection exceptions
		return abi.CategoryTransientNetwork
	case "28": // invalid authorization
		return abi.CategoryAuth
	case "40", "53", "57", "72": // rollback, resources, operator intervention, snapshot
		return abi.CategoryTransientDB
	case "22", "23", "44", "P0": // data, constraints, check option, a trigger's refusal
		return abi.CategoryData
	case "3D", "3F", "42": // unknown database or schema; syntax, names and types
		return abi.CategorySchema
	case "25": // read-only transaction, mostly: a standby
		return abi.CategoryConfig
	}
	return abi.CategoryInternal
}

// oneLine returns s with every control character as a space.
func oneLine(s string) string {
	for i := range len(s) {
		if s[i] < ' ' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if b[j] < ' ' {
					b[j] = ' '
				}
			}
			return string(b)
		}
	}
	return s
}

// quoteIdent returns name as a quoted SQL identifier.
func quoteIdent(name string) string { return quote(name, '"') }

// quoteLiteral returns s as a SQL string literal that means the same whether
// standard_conforming_strings is on or off.
func quoteLiteral(s string) string {
	for i := range len(s) {
		if s[i] == '\\' {
			return " E" + quote(doubled(s, '\\'), '\'')
		}
	}
	return quote(s, '\'')
}

// quote returns s between two q, every q in it doubled.
func quote(s string, q byte) string { return string(q) + doubled(s, q) + string(q) }

// doubled returns s with every c in it doubled.
func doubled(s string, c byte) string {
	var b []byte
	for i := range len(s) {
		if s[i] == c {
			if b == nil {
				b = append(make([]byte, 0, len(s)+8), s[:i]...)
			}
			b = append(b, c)
		}
		if b != nil {
			b = append(b, s[i])
		}
	}
	if b == nil {
		return s
	}
	return string(b)
}
