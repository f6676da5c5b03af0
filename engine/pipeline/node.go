package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a file. A real one has some dozens of lines; what goes past these is
// a mistake (a data file given as the pipeline) or an attack on the parser, whose
// cost is quadratic in depth.
const (
	maxFile   = 256 << 10 // bytes
	maxDepth  = 64        // brackets within brackets
	maxColumn = 1000      // of a key or a list's dash: depth of indentation
	maxNodes  = 10000     // values, with aliases counted as often as they are used
)

// kind is what a node is.
type kind int

const (
	kindNull kind = iota
	kindString
	kindInt
	kindFloat
	kindBool
	kindMapping
	kindList
	kindBroken // its problem is reported; nothing is known of the value
)

// String returns the kind with its article, for messages.
func (k kind) String() string {
	return [...]string{"nothing", "text", "a number", "a fraction", "true or false", "a mapping", "a list", "a broken value"}[k]
}

// node is a value of the file: aliases followed, variables replaced.
type node struct {
	kind    kind
	pos     Position
	written string  // a scalar as it stands in the file, variables not replaced
	vars    bool    // a scalar with a variable in it
	value   any     // scalars: string, int64, float64, bool
	entries []entry // of a mapping, in the order of the file
	items   []*node // of a list
	size    int     // nodes below and this one
}

// entry is one key of a mapping.
type entry struct {
	key   string
	pos   Position
	value *node
}

// tree builds nodes and collects problems.
type tree struct {
	file      string
	lookup    func(string) (string, bool)
	errs      Errors
	positions map[string]Position
	variables map[string]string // texts with a variable in them, as written
	anchors   map[string]*node
	nodes     int
}

func (t *tree) errorf(pos Position, path, format string, args ...any) {
	message := strings.Map(printable, fmt.Sprintf(format, args...))
	t.errs = append(t.errs, &Error{File: t.file, Line: pos.Line, Column: pos.Column, Path: path, Message: message})
}

// printable keeps a message on its line: a key may hold anything.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// read parses data and returns its root, or nil after a problem that leaves
// nothing to look at.
func (t *tree) read(data []byte) *node {
	start := Position{1, 1}
	if len(data) > maxFile {
		t.errorf(start, "", "the file has %d bytes; a pipeline has at most %d", len(data), maxFile)
		return nil
	}
	text := strings.TrimPrefix(string(data), "\ufeff") // a byte order mark is not a column
	text = strings.ReplaceAll(text, "\r\n", "\n")      // the parser counts the line twice after a comment

	body, err := parse(text)
	var syntax *syntaxError
	switch {
	case errors.As(err, &syntax):
		message := "not valid YAML: " + syntax.message
		if line := lineOf(text, syntax.pos.Line); strings.Contains(line, "${") {
			message += "; put quotes around a value with ${...} here"
		}
		t.errorf(syntax.pos, "", "%s", message)
		return nil
	case err != nil:
		t.errorf(start, "", "not valid YAML: %v", err)
		return nil
	case body == nil:
		t.errorf(start, "", "the file is empty: want the keys version, pipeline, source and destination")
		return nil
	}

	root := t.build(body, "", start)
	t.record(root, "", start)
	return root
}

// syntaxError is what the YAML parser has to say, without the lines around it:
// they may hold secrets.
type syntaxError struct {
	pos     Position
	message string
}

func (e *syntaxError) Error() string { return e.message }

// parse returns the body of the one document in text, nil if there is none.
func parse(text string) (body ast.Node, err error) {
	// The parser is other people's code, and what it is given comes from outside.
	defer func() {
		if r := recover(); r != nil {
			body, err = nil, fmt.Errorf("the parser gave up (%v)", r)
		}
	}()

	tokens := lexer.Tokenize(text)
	if err := guard(tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var e interface {
			GetToken() *token.Token
			GetMessage() string
		}
		if errors.As(err, &e) {
			return nil, &syntaxError{position(e.GetToken()), e.GetMessage()}
		}
		return nil, err
	}

	for _, doc := range file.Docs {
		switch doc.Body.(type) {
		case nil, *ast.CommentGroupNode, *ast.DirectiveNode:
			continue
		}
		if body != nil {
			return nil, &syntaxError{start(doc.Body), "a second document; a file describes one pipeline"}
		}
		body = doc.Body
	}
	return body, nil
}

// guard refuses what would make the parser slow or deep.
func guard(tokens token.Tokens) error {
	depth, documents := 0, 0
	for _, tk := range tokens {
		tooDeep := false
		switch tk.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
			tooDeep = depth > maxDepth
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType:
			tooDeep = depth <= 0 && tk.Position.Column > maxColumn
		case token.DocumentHeaderType:
			if documents++; documents > 2 {
				return &syntaxError{position(tk), "a second document; a file describes one pipeline"}
			}
		}
		if tooDeep {
			return &syntaxError{position(tk), "nested too deeply"}
		}
	}
	return nil
}

// build turns the parser's node into ours, never nil. keyPos is where its key
// stands.
func (t *tree) build(n ast.Node, path string, keyPos Position) *node {
	if t.nodes++; t.nodes > maxNodes {
		if t.nodes == maxNodes+1 {
			t.errorf(position(n.GetToken()), path, "more than %d values; is this a pipeline?", maxNodes)
		}
		return broken(keyPos)
	}

	pos := position(n.GetToken())
	switch n := n.(type) {
	case *ast.MappingNode:
		return t.mapping(n.Values, path, keyPos)
	case *ast.MappingValueNode:
		return t.mapping([]*ast.MappingValueNode{n}, path, keyPos)
	case *ast.SequenceNode:
		return t.list(n, path, keyPos)

	case *ast.AnchorNode:
		value := t.build(n.Value, path, keyPos)
		t.anchors[n.Name.GetToken().Value] = value
		return value
	case *ast.AliasNode:
		return t.alias(n, path)
	case *ast.TagNode:
		t.errorf(pos, path, "%s: tags such as !!str are not supported; quote the value to make it text", name(path))
		return broken(pos)

	case *ast.NullNode:
		return &node{kind: kindNull, pos: pos, size: 1}
	case *ast.BoolNode:
		return &node{kind: kindBool, pos: pos, written: n.Token.Value, value: n.Value, size: 1}
	case *ast.IntegerNode:
		return t.integer(n, path)
	case *ast.FloatNode:
		return &node{kind: kindFloat, pos: pos, written: n.Token.Value, value: n.Value, size: 1}
	case *ast.InfinityNode, *ast.NanNode:
		t.errorf(pos, path, "%s: not a finite number; quote it if it is text", name(path))
		return broken(pos)
	case *ast.LiteralNode:
		return t.text(n.Value.Value, pos, path)
	case *ast.StringNode:
		return t.text(n.Value, pos, path)
	}
	t.errorf(pos, path, "%s: a value of this kind has no meaning in a pipeline", name(path))
	return broken(pos)
}

func broken(pos Position) *node { return &node{kind: kindBroken, pos: pos, size: 1} }

// mapping builds a mapping: keys are text, each once; merged ones come last.
func (t *tree) mapping(values []*ast.MappingValueNode, path string, keyPos Position) *node {
	m := &node{kind: kindMapping, pos: keyPos, size: 1}
	seen := make(map[string]Position)
	var merged []*node
	for _, v := range values {
		pos := position(v.Key.GetToken())
		key, ok := keyText(v.Key)
		if !ok {
			t.errorf(pos, path, "%s: a key must be plain text; put it in quotes", name(path))
			continue
		}
		at := join(path, key)
		if strings.Contains(key, "${") {
			t.errorf(pos, at, "%s: variables are replaced in values only, not in keys", name(path))
			continue
		}
		if first, twice := seen[key]; twice {
			t.errorf(pos, at, "%s: key appears twice; it is on line %d already", at, first.Line)
			continue
		}
		seen[key] = pos

		value := t.build(v.Value, at, pos)
		if key == mergeKey && v.Key.IsMergeKey() {
			merged = append(merged, t.merged(value, pos, path)...)
			continue
		}
		m.entries = append(m.entries, entry{key, pos, value})
		m.size += value.size
	}

	for _, from := range merged {
		for _, e := range from.entries {
			if _, own := seen[e.key]; !own {
				seen[e.key] = e.pos
				m.entries = append(m.entries, e)
				m.size += e.value.size
			}
		}
	}
	return t.fits(m, path)
}

const mergeKey = "<<"

// merged returns the mappings a merge key names.
func (t *tree) merged(value *node, pos Position, path string) []*node {
	from := []*node{value}
	if value.kind == kindList {
		from = value.items
	}
	for _, f := range from {
		if f.kind == kindBroken {
			return nil
		}
		if f.kind != kindMapping {
			t.errorf(pos, path, "%s: << wants an alias of a mapping, or a list of them", name(path))
			return nil
		}
	}
	return from
}

func keyText(n ast.MapKeyNode) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.MergeKeyNode:
		return mergeKey, true
	case *ast.MappingKeyNode:
		if key, ok := n.Value.(ast.MapKeyNode); ok {
			return keyText(key)
		}
	}
	return "", false
}

func (t *tree) list(n *ast.SequenceNode, path string, keyPos Position) *node {
	l := &node{kind: kindList, pos: keyPos, size: 1}
	for i, v := range n.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		item := t.build(v, at, start(v))
		l.items = append(l.items, item)
		l.size += item.size
	}
	return t.fits(l, path)
}

// alias returns the anchor's value. The place of the value itself is where the
// alias stands; what is inside it keeps the place where it is written.
func (t *tree) alias(n *ast.AliasNode, path string) *node {
	pos := position(n.GetToken())
	anchor := n.Value.GetToken().Value
	value, ok := t.anchors[anchor]
	if !ok {
		t.errorf(pos, path, "%s: no anchor &%s before this alias", name(path), anchor)
		return broken(pos)
	}
	clone := *value
	clone.pos = pos
	return &clone
}

// fits refuses a node that aliases have made too large.
func (t *tree) fits(n *node, path string) *node {
	if n.size <= maxNodes || t.nodes > maxNodes {
		return n // in the second case that is known
	}
	t.errorf(n.pos, path, "%s: more than %d values, with what its aliases stand for", name(path), maxNodes)
	return broken(n.pos)
}

// text builds text, variables replaced.
func (t *tree) text(written string, pos Position, path string) *node {
	value, vars, missing, malformed := expand(written, t.lookup)
	for _, v := range missing {
		t.errorf(pos, path, "%s: variable %s is not set; set it, or give a default: ${%s:-value}", name(path), v, v)
	}
	if malformed {
		t.errorf(pos, path, "%s: malformed variable; write ${NAME} or ${NAME:-default}, and $${ for the characters ${", name(path))
	}
	if malformed || len(missing) > 0 {
		return broken(pos)
	}
	return &node{kind: kindString, pos: pos, written: written, vars: vars, value: value, size: 1}
}

// integer builds a whole number that everybody reads alike.
func (t *tree) integer(n *ast.IntegerNode, path string) *node {
	pos := position(n.Token)
	made := &node{kind: kindInt, pos: pos, written: n.Token.Value, value: int64(0), size: 1}

	// 0123 is 123 to some readers of YAML and 83 to others.
	if n.Token.Type == token.OctetIntegerType && !strings.Contains(n.Token.Value, "o") {
		t.errorf(pos, path, "%s: a number with a leading zero; drop the zero, or quote it if it is text", name(path))
		return broken(pos)
	}
	switch v := n.Value.(type) {
	case int64:
		made.value = v
	case uint64:
		if v > 1<<63-1 {
			t.errorf(pos, path, "%s: the number does not fit 64 bits; quote it if it is text", name(path))
			return broken(pos)
		}
		made.value = int64(v)
	}
	return made
}

// record notes the place of n and of everything below it.
func (t *tree) record(n *node, path string, pos Position) {
	t.positions[path] = pos
	if n.vars {
		t.variables[path] = n.written
	}
	for _, e := range n.entries {
		at := e.value.pos
		if e.value.kind == kindMapping || e.value.kind == kindList {
			at = e.pos
		}
		t.record(e.value, join(path, e.key), at)
	}
	for i, item := range n.items {
		t.record(item, fmt.Sprintf("%s[%d]", path, i), item.pos)
	}
}

// Helpers for places and paths.

func position(tk *token.Token) Position {
	if tk == nil || tk.Position == nil {
		return Position{1, 1}
	}
	return Position{max(tk.Position.Line, 1), max(tk.Position.Column, 1)}
}

// start returns where a value begins. The parser puts a mapping at its first
// colon.
func start(n ast.Node) Position {
	switch v := n.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return position(v.Values[0].Key.GetToken())
		}
	case *ast.MappingValueNode:
		return position(v.Key.GetToken())
	}
	return position(n.GetToken())
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// name is path as a message shows it.
func name(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

func lineOf(text string, line int) string {
	for ; line > 1; line-- {
		_, text, _ = strings.Cut(text, "\n")
	}
	first, _, _ := strings.Cut(text, "\n")
	return first
}
