package postgres

import (
	"strings"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
)

// pgTypeKey is the key in an Arrow field's metadata that holds the column's
// type as format_type() writes it, with its modifier: "numeric(10,2)",
// "timestamp(3) with time zone". A destination creates the column with it.
const pgTypeKey = "pg.type"

// kind says how the binary format of a type and its Arrow column relate: one
// kernel each way for each kind.
type kind uint8

const (
	kindBool      kind = iota // one byte, a bitmap in Arrow
	kindInt2                  // two bytes
	kindInt4                  // four bytes, integer or float alike
	kindInt8                  // eight bytes, integer or float alike
	kindDate                  // days since 2000 | since 1970
	kindTimestamp             // microseconds since 2000 | since 1970
	kindUUID                  // sixteen bytes as they are
	kindBytes                 // bytes as they are: text, bytea, json
	kindJSONB                 // a version byte 1 and text | text
	kindNumeric               // groups of four decimal digits | Postgres' own text
)

// pgType is one type that the connectors move.
type pgType struct {
	oid   uint32
	name  string // as format_type() writes it, without modifier
	arrow arrowipc.Type
	kind  kind
	width int32 // bytes of the binary format; -1 if it varies
}

// types is the one table of types. For each Arrow type the first entry is what
// a destination makes of a field that does not say its Postgres type.
var types = [...]pgType{
	{16, "boolean", arrowipc.Bool, kindBool, 1},
	{21, "smallint", arrowipc.Int16, kindInt2, 2},
	{23, "integer", arrowipc.Int32, kindInt4, 4},
	{20, "bigint", arrowipc.Int64, kindInt8, 8},
	{700, "real", arrowipc.Float32, kindInt4, 4},
	{701, "double precision", arrowipc.Float64, kindInt8, 8},
	{25, "text", arrowipc.Utf8, kindBytes, -1},
	{1043, "character varying", arrowipc.Utf8, kindBytes, -1},
	{1042, "character", arrowipc.Utf8, kindBytes, -1},
	{1042, "bpchar", arrowipc.Utf8, kindBytes, -1}, // character without a length, not character(1)
	{17, "bytea", arrowipc.Binary, kindBytes, -1},
	{1082, "date", arrowipc.Date32, kindDate, 4},
	{1114, "timestamp without time zone", arrowipc.Timestamp, kindTimestamp, 8},
	{1184, "timestamp with time zone", arrowipc.TimestampUTC, kindTimestamp, 8},
	{2950, "uuid", arrowipc.FixedSizeBinary, kindUUID, 16},
	{114, "json", arrowipc.Utf8, kindBytes, -1},
	{3802, "jsonb", arrowipc.Utf8, kindJSONB, -1},
	{1700, "numeric", arrowipc.Utf8, kindNumeric, -1},
}

// Postgres counts from the start of 2000, Arrow from that of 1970.
const (
	epochDays   = 10957
	epochMicros = epochDays * 24 * 60 * 60 * 1_000_000
)

// typeByOID returns the type with the given object identifier, the same on
// every server.
func typeByOID(oid uint32) (pgType, bool) {
	for i := range types {
		if types[i].oid == oid {
			return types[i], true
		}
	}
	return pgType{}, false
}

// typeByName returns the type that format_type() writes as name, with or
// without a modifier.
func typeByName(name string) (pgType, bool) {
	base := name
	if open := strings.IndexByte(name, '('); open >= 0 {
		end := strings.IndexByte(name[open:], ')')
		if end < 0 {
			return pgType{}, false
		}
		// The modifier stands inside: "timestamp(3) with time zone".
		base = name[:open] + name[open+end+1:]
	}
	for i := range types {
		if types[i].name == base {
			return types[i], true
		}
	}
	return pgType{}, false
}

// typeByArrow returns the type a destination gives to a field of Arrow type t
// that does not say its Postgres type. A FixedSizeBinary is a uuid only if its
// width is 16: the caller's to check.
func typeByArrow(t arrowipc.Type) (pgType, bool) {
	for i := range types {
		if types[i].arrow == t {
			return types[i], true
		}
	}
	return pgType{}, false
}

// arrowName returns Arrow's own name of t, for catalogs.
func arrowName(t arrowipc.Type) string {
	switch t {
	case arrowipc.Bool:
		return "bool"
	case arrowipc.Int16:
		return "int16"
	case arrowipc.Int32:
		return "int32"
	case arrowipc.Int64:
		return "int64"
	case arrowipc.Float32:
		return "float32"
	case arrowipc.Float64:
		return "float64"
	case arrowipc.Utf8:
		return "utf8"
	case arrowipc.Binary:
		return "binary"
	case arrowipc.FixedSizeBinary:
		return "fixed_size_binary[16]"
	case arrowipc.Date32:
		return "date32"
	case arrowipc.Timestamp:
		return "timestamp[us]"
	case arrowipc.TimestampUTC:
		return "timestamp[us, tz=UTC]"
	}
	return ""
}
