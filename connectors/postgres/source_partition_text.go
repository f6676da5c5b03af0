package postgres

import (
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// sourcePart is what one instance reads of a table: some of its pages, a range of
// a column, or all. The zero value is the table in a snapshot of the instance's
// own.
type sourcePart struct {
	snapshot string
	pages    []pageRange // in ascending order
	key      *keyRange
}

// String returns the part as it travels to the instance that reads it, one of
//
//	SNAPSHOT
//	SNAPSHOT pages 0-12,24-36,48-
//	SNAPSHOT key 2:id 3:100 3:200
//
// where a text follows its length in bytes, and - is none.
func (p sourcePart) String() string {
	b := []byte(p.snapshot)
	switch {
	case p.pages != nil:
		b = append(b, " pages "...)
		for i, r := range p.pages {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(strconv.AppendInt(b, r.from, 10), '-')
			if r.to > 0 {
				b = strconv.AppendInt(b, r.to, 10)
			}
		}
	case p.key != nil:
		b = append(b, " key"...)
		for _, v := range [...]text{{s: p.key.column}, p.key.from, p.key.to} {
			b = append(b, ' ')
			if v.null {
				b = append(b, '-')
				continue
			}
			b = append(strconv.AppendInt(b, int64(len(v.s)), 10), ':')
			b = append(b, v.s...)
		}
	}
	return string(b)
}

// parsePart is the reverse of String; nothing is the zero value. What String does
// not write is an error.
func parsePart(s string) (sourcePart, error) {
	if s == "" {
		return sourcePart{}, nil
	}
	var p sourcePart
	ok := true
	snapshot, rest, more := strings.Cut(s, " ")
	p.snapshot = snapshot
	if pages, found := strings.CutPrefix(rest, "pages "); found {
		p.pages, ok = parsePages(pages)
	} else if key, found := strings.CutPrefix(rest, "key "); found {
		p.key, ok = parseKey(key)
	} else {
		ok = !more
	}
	if !ok || !isSnapshot(snapshot) || p.String() != s {
		return sourcePart{}, badPart()
	}
	return p, nil
}

// parsePages parses ranges of pages. They have to be in order.
func parsePages(s string) (pages []pageRange, ok bool) {
	end := int64(0)
	for _, r := range strings.Split(s, ",") {
		from, to, _ := strings.Cut(r, "-")
		p := pageRange{from: parsePage(from), to: parsePage(to)}
		if to == "" {
			p.to = 0
		}
		if p.from < end || p.to <= p.from && to != "" || end == 0 && len(pages) > 0 {
			return nil, false
		}
		end = p.to
		pages = append(pages, p)
	}
	return pages, true
}

// parsePage returns the number of a page, or -1 for what is none.
func parsePage(s string) int64 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return -1
	}
	return int64(n)
}

// parseKey parses the range of a key: the column, and at least one end.
func parseKey(s string) (*keyRange, bool) {
	var values [3]text
	for i := range values {
		if i > 0 {
			var found bool
			if s, found = strings.CutPrefix(s, " "); !found {
				return nil, false
			}
		}
		if after, none := strings.CutPrefix(s, "-"); none {
			values[i], s = text{null: true}, after
			continue
		}
		length, after, _ := strings.Cut(s, ":")
		n, err := strconv.ParseUint(length, 10, 31)
		if err != nil || int(n) > len(after) {
			return nil, false
		}
		values[i], s = text{s: after[:n]}, after[n:]
	}
	k := &keyRange{values[0].s, values[1], values[2]}
	return k, s == "" && !values[0].null && !(k.from.null && k.to.null)
}

// conditions returns the WHERE clauses, with a space before, of the statements
// that together return the part; an empty one returns all.
func (p sourcePart) conditions(columns []sourceColumn) ([]string, error) {
	switch {
	case p.pages != nil:
		where := make([]string, len(p.pages))
		for i, r := range p.pages {
			where[i] = " WHERE ctid >= " + tid(r.from)
			if r.to > 0 {
				where[i] += " AND ctid < " + tid(r.to)
			}
		}
		return where, nil
	case p.key != nil:
		for _, c := range columns {
			if c.name == p.key.column {
				return []string{p.key.condition(c.ddl)}, nil
			}
		}
		return nil, badPart()
	}
	return []string{""}, nil
}

// tid returns an expression for the place before the first row of a page.
func tid(page int64) string {
	return "'(" + strconv.FormatInt(page, 10) + ",0)'::pg_catalog.tid"
}

// badPart is the error for a partition that is not one of a source's own.
func badPart() error {
	return &abi.Error{Category: abi.CategoryInternal, Message: "postgres: a partition that no source of PostgreSQL has described"}
}
