package broker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// settings reads a broker's configuration. Values never enter a message: any of
// them may be a password in the wrong place.
type settings struct {
	broker string
	config map[string]any
}

// check reports a key the broker does not have.
func (s settings) check(keys []abi.ManifestField) error {
	for _, name := range slices.Sorted(maps.Keys(s.config)) {
		if !slices.ContainsFunc(keys, func(k abi.ManifestField) bool { return k.Name == name }) {
			return s.errorf(name, "the %s broker has no such key", s.broker)
		}
	}
	return nil
}

// text returns the key's value as the field's type writes it, and whether there
// is one. An empty string counts as none: that is what a variable without a
// value leaves behind.
func (s settings) text(f abi.ManifestField) (value string, ok bool, err error) {
	v, present := s.config[f.Name]
	if !present || v == nil || v == "" {
		return "", false, nil
	}

	switch f.Type {
	case "string":
		if value, ok = v.(string); !ok {
			return "", false, s.errorf(f.Name, "want a string, got %s; put the value into quotes", kind(v))
		}
		if strings.ContainsRune(value, 0) {
			return "", false, s.errorf(f.Name, "the value contains a NUL character")
		}
		if len(f.Enum) > 0 && !slices.Contains(f.Enum, value) {
			return "", false, s.errorf(f.Name, "want one of %s", strings.Join(f.Enum, ", "))
		}
		return value, true, nil
	case "int":
		n, ok := integer(v)
		if !ok {
			return "", false, s.errorf(f.Name, "want a whole number, got %s", kind(v))
		}
		return strconv.FormatInt(n, 10), true, nil
	}
	panic("broker: key " + f.Name + " is not text")
}

// list returns the strings of the key's value.
func (s settings) list(name string) ([]string, error) {
	switch v := s.config[name].(type) {
	case nil:
		return nil, nil
	case []string:
		return v, nil
	case []any:
		out := make([]string, 0, len(v))
		for i, e := range v {
			text, ok := e.(string)
			if !ok {
				return nil, s.errorf(name, "entry %d: want a string, got %s; put it into quotes", i+1, kind(e))
			}
			out = append(out, text)
		}
		return out, nil
	default:
		return nil, s.errorf(name, "want a list, got %s", kind(v))
	}
}

func (s settings) errorf(key, format string, args ...any) *Error {
	return &Error{
		Category: abi.CategoryConfig,
		Message:  fmt.Sprintf("config key %q: ", key) + fmt.Sprintf(format, args...),
		Field:    key,
	}
}

// integer returns v as a whole number. Decoders differ in the type they give
// one, and a variable put into the file gives a string.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case uint64:
		return int64(v), v <= 1<<63-1
	case float64:
		return int64(v), v == float64(int64(v))
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil
	}
	return 0, false
}

// kind names the type of a YAML value.
func kind(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int, int64, uint64, float64:
		return "a number"
	case []any, []string:
		return "a list"
	case map[string]any:
		return "a mapping"
	}
	return "another type"
}
