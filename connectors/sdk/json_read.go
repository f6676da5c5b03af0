package sdk

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Package encoding/json would add more than a megabyte to every guest, most of
// it reflection, for messages of a handful of shapes. What is read and written
// here is the same JSON; tests compare the two.

// maxJSONDepth limits how deep arrays and objects nest, because each level costs
// stack. Configuration is at most four deep.
const maxJSONDepth = 64

// parseJSON returns the value of b: nil, bool, string, int64, float64, []any or
// map[string]any. A number is an int64 if it is written as an integer and fits.
// Of two equal keys the last wins. Text that is not UTF-8, and lone halves of a
// surrogate pair, become U+FFFD.
func parseJSON(b []byte) (any, error) {
	p := jsonParser{b: b}
	v := p.value(0)
	p.space()
	if p.err == nil && p.pos < len(p.b) {
		p.fail("unexpected text after the value")
	}
	if p.err != nil {
		return nil, p.err
	}
	return v, nil
}

// jsonParser reads b from pos on until the first error, after which it returns
// zero values.
type jsonParser struct {
	b   []byte
	pos int
	err error
}

type jsonError struct {
	offset int
	text   string
}

func (e *jsonError) Error() string {
	return "sdk: control message, byte " + strconv.Itoa(e.offset) + ": " + e.text
}

func (p *jsonParser) fail(text string) {
	if p.err == nil {
		p.err = &jsonError{offset: p.pos, text: text}
	}
	p.pos = len(p.b)
}

func (p *jsonParser) space() {
	for p.pos < len(p.b) {
		switch p.b[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// peek returns the next byte, or 0 at the end, where no valid text has one.
func (p *jsonParser) peek() byte {
	if p.pos < len(p.b) {
		return p.b[p.pos]
	}
	return 0
}

func (p *jsonParser) take(c byte) bool {
	if p.peek() != c || p.pos >= len(p.b) {
		return false
	}
	p.pos++
	return true
}

func (p *jsonParser) value(depth int) any {
	if depth > maxJSONDepth {
		p.fail("nested too deep")
		return nil
	}
	p.space()
	switch c := p.peek(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		return p.string()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case p.word("true"):
		return true
	case p.word("false"):
		return false
	case p.word("null"):
		return nil
	}
	p.fail("expected a value")
	return nil
}

func (p *jsonParser) word(w string) bool {
	if len(p.b)-p.pos >= len(w) && string(p.b[p.pos:p.pos+len(w)]) == w {
		p.pos += len(w)
		return true
	}
	return false
}

func (p *jsonParser) object(depth int) any {
	p.pos++ // {
	values := map[string]any{}
	p.space()
	if p.take('}') {
		return values
	}
	for p.err == nil {
		p.space()
		if p.peek() != '"' {
			p.fail("expected a key in quotes")
			break
		}
		key := p.string()
		p.space()
		if !p.take(':') {
			p.fail("expected a colon after the key")
			break
		}
		values[key] = p.value(depth + 1)
		p.space()
		if p.take(',') {
			continue
		}
		if p.take('}') {
			return values
		}
		p.fail("expected a comma or the end of the object")
	}
	return nil
}

func (p *jsonParser) array(depth int) any {
	p.pos++ // [
	values := []any{}
	p.space()
	if p.take(']') {
		return values
	}
	for p.err == nil {
		values = append(values, p.value(depth+1))
		p.space()
		if p.take(',') {
			continue
		}
		if p.take(']') {
			return values
		}
		p.fail("expected a comma or the end of the array")
	}
	return nil
}

func (p *jsonParser) number() any {
	start := p.pos
	p.take('-')

	// No digit may follow a leading zero.
	if !p.take('0') && !p.digits() {
		p.fail("expected a digit")
		return nil
	}
	integer := true
	if p.take('.') {
		integer = false
		if !p.digits() {
			p.fail("expected a digit after the decimal point")
			return nil
		}
	}
	if p.take('e') || p.take('E') {
		integer = false
		if !p.take('+') {
			p.take('-')
		}
		if !p.digits() {
			p.fail("expected a digit in the exponent")
			return nil
		}
	}

	text := string(p.b[start:p.pos])
	if integer {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		p.fail("number out of range")
		return nil
	}
	return f
}

// digits reports whether there was one at least.
func (p *jsonParser) digits() bool {
	start := p.pos
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.pos++
	}
	return p.pos > start
}

func (p *jsonParser) string() string {
	p.pos++ // "
	var out []byte
	for p.pos < len(p.b) {
		c := p.b[p.pos]
		switch {
		case c == '"':
			p.pos++
			return string(out)
		case c < 0x20:
			p.fail("control character in a string")
			return ""
		case c == '\\':
			p.pos++
			out = p.escape(out)
		case c < utf8.RuneSelf:
			p.pos++
			out = append(out, c)
		default:
			r, n := utf8.DecodeRune(p.b[p.pos:])
			p.pos += n
			out = utf8.AppendRune(out, r)
		}
	}
	p.fail("string without an end")
	return ""
}

// escape appends the character behind a backslash.
func (p *jsonParser) escape(out []byte) []byte {
	c := p.peek()
	if p.pos < len(p.b) {
		p.pos++
	}
	switch c {
	case '"', '\\', '/':
		return append(out, c)
	case 'b':
		return append(out, '\b')
	case 'f':
		return append(out, '\f')
	case 'n':
		return append(out, '\n')
	case 'r':
		return append(out, '\r')
	case 't':
		return append(out, '\t')
	case 'u':
		r := p.hex4()
		if !utf16.IsSurrogate(r) {
			return utf8.AppendRune(out, r)
		}

		// Two halves make one character; a half without its other is replaced, and
		// what follows it stands for itself.
		if p.pos+1 < len(p.b) && p.b[p.pos] == '\\' && p.b[p.pos+1] == 'u' {
			back := p.pos
			p.pos += 2
			if pair := utf16.DecodeRune(r, p.hex4()); pair != utf8.RuneError {
				return utf8.AppendRune(out, pair)
			}
			if p.err == nil {
				p.pos = back
			}
		}
		return utf8.AppendRune(out, utf8.RuneError)
	}
	p.fail("unknown escape in a string")
	return out
}

func (p *jsonParser) hex4() rune {
	if len(p.b)-p.pos < 4 {
		p.fail("expected four hexadecimal digits")
		return 0
	}
	var r rune
	for _, c := range p.b[p.pos : p.pos+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			p.fail("expected four hexadecimal digits")
			return 0
		}
		r = r<<4 | rune(c)
	}
	p.pos += 4
	return r
}
