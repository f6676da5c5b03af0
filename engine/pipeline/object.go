package pipeline

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	optional = false
	required = true
)

// object reads the keys of one mapping. A nil object stands for a mapping that
// is left out: it has no keys, and every default holds.
type object struct {
	t    *tree
	n    *node
	path string
}

// object returns the reader of a mapping and reports keys that are not known.
// It returns nil if n is no mapping, which it reports.
func (t *tree) object(n *node, path string, known ...string) *object {
	if !t.want(n, kindMapping, path) {
		return nil
	}
	for _, e := range n.entries {
		if slices.Contains(known, e.key) {
			continue
		}
		hint := " (known: " + strings.Join(known, ", ") + ")"
		if k := nearest(e.key, known); k != "" {
			hint = "; did you mean " + strconv.Quote(k) + "?"
		}
		at := join(path, e.key)
		t.errorf(e.pos, at, "%s: unknown key%s", at, hint)
	}
	return &object{t, n, path}
}

// want reports whether n is of a kind, and complains if not.
func (t *tree) want(n *node, k kind, path string) bool {
	switch n.kind {
	case k:
		return true
	case kindBroken:
	case kindNull:
		t.errorf(n.pos, path, "%s: has no value; want %s", name(path), k)
	default:
		t.errorf(n.pos, path, "%s: want %s, have %s", name(path), k, n.kind)
	}
	return false
}

func (o *object) at(key string) string { return join(o.path, key) }

// find returns the value of a key, or nil.
func (o *object) find(key string) *node {
	if o == nil {
		return nil
	}
	for _, e := range o.n.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// errorf reports a problem of a key at its value, or at the mapping if the key
// is left out.
func (o *object) errorf(key, format string, args ...any) {
	n := o.find(key)
	if n == nil {
		n = o.n
	}
	o.t.errorf(n.pos, o.at(key), format, args...)
}

// need is find for a key that must be there.
func (o *object) need(key string) *node {
	n := o.find(key)
	if n == nil {
		o.errorf(key, "%s: required key is missing", o.at(key))
	}
	return n
}

func (o *object) get(key string, must bool) *node {
	if must {
		return o.need(key)
	}
	return o.find(key)
}

func (o *object) object(key string, must bool, known ...string) *object {
	n := o.get(key, must)
	if n == nil {
		// An empty mapping in the place of the whole: defaults hold, and their
		// problems have a place.
		if must {
			return nil
		}
		return &object{o.t, &node{kind: kindMapping, pos: o.n.pos}, o.at(key)}
	}
	if sub := o.t.object(n, o.at(key), known...); sub != nil || must {
		return sub
	}
	return &object{o.t, &node{kind: kindMapping, pos: n.pos}, o.at(key)}
}

func (o *object) list(key string, must bool) []*node {
	n := o.get(key, must)
	if n == nil || !o.t.want(n, kindList, o.at(key)) {
		return nil
	}
	return n.items
}

// text returns a key's text, fallback if the key is left out, "" after a
// problem.
func (o *object) text(key, fallback string) string {
	n := o.find(key)
	if n == nil {
		return fallback
	}
	s, ok := o.t.nameOf(n, o.at(key))
	if !ok {
		return ""
	}
	return s
}

// name returns the text of a required key, "" after a problem.
func (o *object) name(key string) string {
	n := o.need(key)
	if n == nil {
		return ""
	}
	s, _ := o.t.nameOf(n, o.at(key))
	return s
}

// textOf returns n's text.
func (t *tree) textOf(n *node, path string) (string, bool) {
	switch n.kind {
	case kindInt, kindFloat, kindBool:
		t.errorf(n.pos, path, "%s: want text, have %s; put it in quotes: %q", path, n.kind, n.written)
		return "", false
	}
	if !t.want(n, kindString, path) {
		return "", false
	}
	return n.value.(string), true
}

// version returns the text of the version key, which everybody forgets to quote.
func (o *object) version(key string) string {
	n := o.need(key)
	if n == nil || n.kind == kindBroken {
		return ""
	}
	if text, _ := n.value.(string); n.written != "1.0" && text != "1.0" {
		o.errorf(key, `%s: want "1.0", the only version there is`, key)
	}
	return "1.0"
}

// flag returns a key's true or false; false if the key is left out.
func (o *object) flag(key string) bool {
	n := o.find(key)
	switch {
	case n == nil:
		return false
	case n.vars && (n.value == "true" || n.value == "false"):
		return n.value == "true"
	case n.vars:
		o.errorf(key, "%s: want true or false; %s is neither", o.at(key), shown(n))
		return false
	case !o.t.want(n, kindBool, o.at(key)):
		return false
	}
	return n.value.(bool)
}

// number returns a key's whole number, fallback if it is left out or wrong.
func (o *object) number(key string, fallback, least, most int64) int64 {
	n := o.find(key)
	if n == nil {
		return fallback
	}

	var value int64
	switch {
	case n.vars:
		v, err := strconv.ParseInt(strings.TrimSpace(n.value.(string)), 10, 64)
		if err != nil {
			o.errorf(key, "%s: want a whole number; %s is none", o.at(key), shown(n))
			return fallback
		}
		value = v
	case n.kind == kindString || n.kind == kindFloat || n.kind == kindBool:
		o.errorf(key, "%s: want a whole number, have %s (%s)", o.at(key), n.kind, shown(n))
		return fallback
	case !o.t.want(n, kindInt, o.at(key)):
		return fallback
	default:
		value = n.value.(int64)
	}

	if value < least || value > most {
		o.errorf(key, "%s: want a number from %d to %d, have %s", o.at(key), least, most, shown(n))
		return fallback
	}
	return value
}

// numberOr is number for a key that may have a word in the place of its number,
// and reports whether it has.
func (o *object) numberOr(word, key string, fallback, least, most int64) (value int64, isWord bool) {
	n := o.find(key)
	if n == nil || n.kind != kindString {
		return o.number(key, fallback, least, most), false
	}

	text := n.value.(string)
	if n.vars {
		text = strings.TrimSpace(text)
	}
	_, err := strconv.ParseInt(text, 10, 64)
	switch {
	case text == word:
		return fallback, true
	case n.vars && err == nil:
		return o.number(key, fallback, least, most), false
	case n.vars:
		o.errorf(key, "%s: want %s or a whole number; %s is neither", o.at(key), word, shown(n))
	case nearest(text, []string{word}) != "":
		o.errorf(key, "%s: %s is not known; did you mean %q?", o.at(key), shown(n), word)
	default:
		o.errorf(key, "%s: want %s or a whole number, have text (%s)", o.at(key), word, shown(n))
	}
	return fallback, false
}

// size returns a key's size in bytes, fallback if it is left out or wrong.
func (o *object) size(key string, fallback, least, most int64) int64 {
	n := o.find(key)
	if n == nil {
		return fallback
	}

	var value int64
	switch n.kind {
	case kindInt:
		value = n.value.(int64)
	case kindString, kindFloat:
		text, _ := n.value.(string) // a fraction is no size either
		v, ok := parseSize(text)
		if !ok {
			o.errorf(key, "%s: %s is not a size; want a whole number with kb, mb, gb or nothing (bytes) behind it, such as 64mb", o.at(key), shown(n))
			return fallback
		}
		value = v
	case kindBroken:
		return fallback
	default:
		o.errorf(key, "%s: want a size such as 64mb, have %s", o.at(key), n.kind)
		return fallback
	}

	if value < least || value > most {
		o.errorf(key, "%s: want a size from %s to %s, have %s", o.at(key), sizeText(least), sizeText(most), shown(n))
		return fallback
	}
	return value
}

// parseSize reads a size: a whole number of bytes, or of kb, mb or gb, which
// are powers of 1024.
func parseSize(s string) (int64, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	unit := int64(1)
	for suffix, bytes := range map[string]int64{"kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30} {
		if digits, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = strings.TrimSpace(digits), bytes
		}
	}
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return 0, false
	}
	return n * unit, true
}

// sizeText writes a size as one would in the file.
func sizeText(n int64) string {
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"gb", 1 << 30}, {"mb", 1 << 20}, {"kb", 1 << 10}} {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// choice returns a key's value, one of those supported. The ones for later are
// known by name. An empty fallback makes the key required.
func (o *object) choice(key, fallback string, supported, later []string) string {
	n := o.find(key)
	if n == nil {
		if fallback == "" {
			o.need(key)
		}
		return fallback
	}

	text, ok := o.t.textOf(n, o.at(key))
	problem := ""
	switch {
	case !ok:
		return fallback
	case slices.Contains(supported, text):
		return text
	case slices.Contains(later, text):
		problem = "is not supported yet"
	case n.vars || nearest(text, supported) == "":
		// How near the variable's value comes to a word is nobody's business.
		problem = "is not known"
	default:
		o.errorf(key, "%s: %s is not known; did you mean %q?", o.at(key), shown(n), nearest(text, supported))
		return fallback
	}
	o.errorf(key, "%s: %s %s; want %s", o.at(key), shown(n), problem, strings.Join(supported, " or "))
	return fallback
}

// shown is a scalar as it stands in the file.
func shown(n *node) string { return fmt.Sprintf("%q", n.written) }

func (o *object) shown(key string) string { return shown(o.find(key)) }

// ref returns a key's connector reference.
func (o *object) ref(key string) Ref {
	n := o.need(key)
	if n == nil {
		return Ref{}
	}
	text, ok := o.t.nameOf(n, o.at(key))
	if !ok {
		return Ref{}
	}
	ref, ok := parseRef(text)
	if !ok {
		o.errorf(key, "%s: %s does not name a connector; want [namespace/]name[@vX] in lower case, such as source-postgres", o.at(key), shown(n))
	}
	return ref
}

func parseRef(s string) (Ref, bool) {
	var r Ref
	rest, version, hasVersion := strings.Cut(s, "@")
	namespace, short, hasNamespace := strings.Cut(rest, "/")
	if !hasNamespace {
		namespace, short = "", rest
	}
	r.Namespace, r.Name, r.Version = namespace, short, version

	// The name becomes a file's, so it can hold nothing that moves in a file tree.
	ok := isLabel(short, "-_") && (!hasNamespace || isLabel(namespace, "-_.")) &&
		(!hasVersion || len(version) > 1 && version[0] == 'v' && isLabel(version, "-._+"))
	return r, ok
}

// isLabel reports whether s is lower-case letters, digits and the given marks,
// with a letter or digit first.
func isLabel(s, marks string) bool {
	for i, c := range s {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
		case i > 0 && strings.ContainsRune(marks, c):
		default:
			return false
		}
	}
	return s != "" && len(s) <= 100
}

// config returns a key's mapping as plain Go values. It is never nil, so that a
// caller may add to it.
func (o *object) config(key string, must bool) map[string]any {
	n := o.get(key, must)
	if n == nil || !o.t.want(n, kindMapping, o.at(key)) {
		return map[string]any{}
	}
	m, _ := o.t.plain(n, o.at(key)).(map[string]any)
	return m
}

// plain returns n as a Go value.
func (t *tree) plain(n *node, path string) any {
	switch n.kind {
	case kindMapping:
		m := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			m[e.key] = t.plain(e.value, join(path, e.key))
		}
		return m
	case kindList:
		l := make([]any, len(n.items))
		for i, item := range n.items {
			l[i] = t.plain(item, fmt.Sprintf("%s[%d]", path, i))
		}
		return l
	case kindNull:
		t.errorf(n.pos, path, `%s: has no value; remove the key, or write "" for empty text`, path)
	}
	return n.value
}
