package postgres

import (
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// typeText is a Postgres type with its modifiers, parsed from what
// format_type() writes.
type typeText struct {
	pgType
	mods []int // length; or precision and scale; nil for none
}

// parseTypeText parses the text of a type that the connectors move. It accepts
// what format_type() writes and nothing else: the text comes from another stage
// and ends up in CREATE TABLE.
func parseTypeText(s string) (t typeText, ok bool) {
	t.pgType, ok = typeByName(s)
	if !ok {
		return t, false
	}
	if open := strings.IndexByte(s, '('); open >= 0 {
		end := open + strings.IndexByte(s[open:], ')')
		for _, mod := range strings.Split(s[open+1:end], ",") {
			n, err := strconv.Atoi(mod)
			if err != nil {
				return t, false
			}
			t.mods = append(t.mods, n)
		}
	}
	limit := 0
	switch t.name {
	case "character":
		if t.mods == nil {
			return t, false // it would mean character(1)
		}
		limit = 1
	case "character varying", "timestamp without time zone", "timestamp with time zone":
		limit = 1
	case "numeric":
		limit = 2
	}
	return t, len(t.mods) <= limit && t.String() == s
}

// String returns the type as format_type() writes it.
func (t typeText) String() string {
	if t.mods == nil {
		return t.name
	}
	mods := "("
	for i, n := range t.mods {
		if i > 0 {
			mods += ","
		}
		mods += strconv.Itoa(n)
	}
	mods += ")"
	if rest, ok := strings.CutPrefix(t.name, "timestamp"); ok {
		return "timestamp" + mods + rest
	}
	return t.name + mods
}

// mod returns the i-th modifier, or otherwise if there is none.
func (t typeText) mod(i, otherwise int) int {
	if i < len(t.mods) {
		return t.mods[i]
	}
	return otherwise
}

// holds reports whether a column of type t holds every value of type u
// unchanged, and reads it from the same Arrow column.
func (t typeText) holds(u typeText) bool {
	if t.String() == u.String() {
		return true
	}
	const unlimited = 1 << 30
	switch t.name {
	case "text":
		return u.arrow == arrowipc.Utf8 && u.kind != kindNumeric
	case "character varying":
		switch u.name {
		case "character varying", "character":
			return u.mod(0, unlimited) <= t.mod(0, unlimited)
		}
		return t.mods == nil && u.arrow == arrowipc.Utf8 && u.kind != kindNumeric
	case "bpchar":
		return u.name == "character"
	case "json":
		return u.name == "jsonb"
	case "numeric":
		// Fewer digits are fine, another scale would show: 1.5 as 1.50.
		return u.name == "numeric" && (t.mods == nil ||
			u.mods != nil && u.mod(0, 0) <= t.mod(0, 0) && u.mod(1, 0) == t.mod(1, 0))
	case "timestamp without time zone", "timestamp with time zone":
		const microseconds = 6
		return u.oid == t.oid && u.mod(0, microseconds) <= t.mod(0, microseconds)
	}
	return false
}

// destColumn is one column of a stream as a destination sees it.
type destColumn struct {
	name    string
	want    typeText // what the source says, or what follows from the Arrow type
	typ     pgType   // what it is encoded as: that of the destination's column
	notNull bool
	anyUUID bool // sixteen bytes that may be a uuid or not: the source does not say
}

// Postgres' own limits.
const (
	maxColumns = 1600
	maxIdent   = 63 // as compiled; a server built with another says so in max_identifier_length
)

// destColumns returns the columns of a stream with the types a new table gets.
func destColumns(s *arrowipc.Schema, identLimit int) ([]destColumn, error) {
	if len(s.Fields) == 0 {
		return nil, schemaError("", "postgres: the stream has no columns", "select at least one column")
	}
	if len(s.Fields) > maxColumns {
		return nil, schemaError("", "postgres: the stream has "+strconv.Itoa(len(s.Fields))+" columns, a table can have "+strconv.Itoa(maxColumns),
			"select fewer columns")
	}

	columns := make([]destColumn, 0, len(s.Fields))
	seen := make(map[string]bool, len(s.Fields))
	for i := range s.Fields {
		f := &s.Fields[i]
		if err := checkIdent("column", f.Name, identLimit); err != nil {
			err.Column = f.Name
			return nil, err
		}
		if seen[f.Name] {
			return nil, schemaError(f.Name, "postgres: the stream has two columns named "+quoteIdent(f.Name), "rename one of them")
		}
		seen[f.Name] = true

		c, err := destColumnOf(f)
		if err != nil {
			return nil, err
		}
		columns = append(columns, c)
	}
	return columns, nil
}

// destColumnOf returns the column of one field.
func destColumnOf(f *arrowipc.Field) (destColumn, error) {
	c := destColumn{name: f.Name, notNull: !f.Nullable}
	for _, kv := range f.Metadata {
		if kv.Key != pgTypeKey {
			continue
		}
		t, ok := parseTypeText(kv.Value)
		if !ok || t.arrow != f.Type || f.Type == arrowipc.FixedSizeBinary && f.Width != t.width {
			return c, schemaError(f.Name, "postgres: column "+quoteIdent(f.Name)+" is said to be of type "+quoteIdent(kv.Value)+
				", which does not travel as "+arrowText(f), "the stage before set the field's "+pgTypeKey+" to something else than PostgreSQL's name of the type")
		}
		c.want, c.typ = t, t.pgType
		return c, nil
	}

	t, ok := typeByArrow(f.Type)
	if f.Type == arrowipc.FixedSizeBinary {
		// Sixteen bytes need not be a uuid, so a new column is bytea.
		t, ok = typeByName("bytea")
		c.anyUUID = f.Width == 16
	}
	if !ok {
		return c, schemaError(f.Name, "postgres: column "+quoteIdent(f.Name)+" has a type that PostgreSQL has no match for: "+arrowText(f), "leave it out or convert it")
	}
	c.want, c.typ = typeText{pgType: t}, t
	return c, nil
}

// arrowText returns the Arrow type of a field.
func arrowText(f *arrowipc.Field) string {
	if f.Type == arrowipc.FixedSizeBinary {
		return "fixed_size_binary[" + strconv.Itoa(int(f.Width)) + "]"
	}
	return f.Type.String()
}

// checkIdent returns an error if Postgres could not take name as it is. It cuts
// longer names off without an error, after which two may be one.
func checkIdent(what, name string, limit int) *abi.Error {
	switch {
	case name == "":
		return schemaError("", "postgres: a "+what+" has an empty name", "give it one")
	case len(name) > limit:
		return schemaError("", "postgres: the name of "+what+" "+quoteIdent(name)+" is longer than the server's limit of "+strconv.Itoa(limit)+" bytes",
			"use a shorter name")
	case strings.IndexByte(name, 0) >= 0:
		return schemaError("", "postgres: the name of a "+what+" holds a zero byte", "use another name")
	}
	return nil
}

func schemaError(column, message, hint string) *abi.Error {
	return &abi.Error{Category: abi.CategorySchema, Message: message, Hint: hint, Column: column}
}
