package sdk

// Config holds a connector's own keys from the pipeline. The host has checked
// names and types against the manifest and filled in every default, so the
// getters return the zero value for a key that is absent or of another type
// instead of an error.
type Config map[string]any

// String returns the string under key.
func (c Config) String(key string) string {
	s, _ := c[key].(string)
	return s
}

// Int returns the integer under key. A number with a fraction, or outside
// int64, counts as one of another type.
func (c Config) Int(key string) int64 {
	switch v := c[key].(type) {
	case int64:
		return v
	case int:
		return int64(v)
	case float64:
		// The upper bound itself, 2^63, is not an int64.
		if v >= -1<<63 && v < 1<<63 && v == float64(int64(v)) {
			return int64(v)
		}
	}
	return 0
}

// Bool returns the truth value under key.
func (c Config) Bool(key string) bool {
	b, _ := c[key].(bool)
	return b
}

// List returns the strings under key. An element of another type is left out.
func (c Config) List(key string) []string {
	switch v := c[key].(type) {
	case []string:
		return v
	case []any:
		list := make([]string, 0, len(v))
		for _, e := range v {
			if s, ok := e.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}
