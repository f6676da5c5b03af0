package pipeline

import "strings"

// expand replaces the variables in a value. It returns the result, whether
// there were any, the names that are not set and have no default, and whether
// a "${" is not the start of a well-formed reference.
func expand(text string, lookup func(string) (string, bool)) (out string, found bool, missing []string, malformed bool) {
	if !strings.Contains(text, "${") {
		return text, false, nil, false
	}

	var b strings.Builder
	for {
		start := strings.Index(text, "${")
		if start < 0 {
			b.WriteString(text)
			return b.String(), found, missing, malformed
		}

		// $${ is the escape: one dollar goes, the rest is text.
		if start > 0 && text[start-1] == '$' {
			b.WriteString(text[:start-1] + "${")
			text = text[start+2:]
			continue
		}

		b.WriteString(text[:start])
		text = text[start+2:]
		end := strings.IndexByte(text, '}')
		if end < 0 {
			return "", found, missing, true
		}
		name, fallback, hasFallback := strings.Cut(text[:end], ":-")
		text = text[end+1:]
		if !isVariable(name) {
			malformed = true
			continue
		}

		found = true
		value, ok := lookup(name)
		switch {
		case hasFallback && value == "":
			value = fallback
		case !ok:
			missing = append(missing, name)
		}
		b.WriteString(value)
	}
}

// isVariable reports whether s can be the name of an environment variable.
func isVariable(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
