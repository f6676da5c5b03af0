// Package pipeline reads the YAML file that describes one pipeline.
//
// # Strict, and all problems at once
//
// [Parse] knows every key. One it does not know, a key written twice, a value of
// the wrong type, a size that is none, a variable that is not set: each is an
// [Error] with file, line and column, and all of them are reported together,
// sorted by place ([Errors]). Only a syntax error stands alone, because what
// follows it cannot be read.
//
// # Variables
//
// ${NAME} stands for the value of a variable; ${NAME:-text} for text where the
// variable is unset or empty; $${ for the two characters ${. They are replaced
// inside the values of keys and list items, after the file was parsed. So a
// value with a colon, a quote or a line break in it cannot change the file's
// structure, lines and columns stay those of the file, and a variable named in
// a comment need not exist. Keys are never replaced.
//
// A value with a variable in it is text. Where a number, a size or true/false
// is wanted the text is read as one, so port: ${PORT} works, and a password that
// happens to be 0123 stays what it is.
//
// # Secrets
//
// No message shows what a variable stands for: it shows ${NAME} as written. No
// message shows a value under a config key at all.
//
// # YAML
//
// Anchors, aliases and merge keys work (a source and a destination often share
// a connection). Tags, several documents in a file and keys that are not text
// are refused.
package pipeline
