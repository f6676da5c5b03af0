package sdk

import (
	"strconv"
	"unicode/utf8"
)

// The append functions below build JSON front to back. A comma is due wherever
// the text so far does not end in an opening bracket or a colon, so none of them
// needs to know what comes before it.

func appendComma(dst []byte) []byte {
	if len(dst) == 0 {
		return dst
	}
	switch dst[len(dst)-1] {
	case '{', '[', ':':
		return dst
	}
	return append(dst, ',')
}

// appendKey appends a key, which must need no escapes, and its colon.
func appendKey(dst []byte, key string) []byte {
	dst = appendComma(dst)
	dst = append(dst, '"')
	dst = append(dst, key...)
	return append(dst, '"', ':')
}

// appendString appends a string value. Text that is not UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"

	dst = appendComma(dst)
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
			i++
		case c == '\n':
			dst = append(dst, '\\', 'n')
			i++
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			i++
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		}
	}
	return append(dst, '"')
}

// appendStrings appends an array of strings, empty for nil.
func appendStrings(dst []byte, list []string) []byte {
	dst = append(appendComma(dst), '[')
	for _, s := range list {
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}

func appendInt(dst []byte, n int64) []byte {
	return strconv.AppendInt(appendComma(dst), n, 10)
}

func appendBool(dst []byte, b bool) []byte {
	return strconv.AppendBool(appendComma(dst), b)
}

// appendText appends a key and its string, or nothing for an empty one.
func appendText(dst []byte, key, s string) []byte {
	if s == "" {
		return dst
	}
	return appendString(appendKey(dst, key), s)
}

// quote returns s as a JSON string, for error texts.
func quote(s string) string { return string(appendString(nil, s)) }
