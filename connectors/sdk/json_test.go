package sdk

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// reference is what encoding/json makes of b, with numbers as parseJSON has
// them. ok is false if either the text or a number in it is refused.
func reference(b []byte) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil, false
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, false
	}
	return numbers(v)
}

func numbers(v any) (any, bool) {
	switch v := v.(type) {
	case json.Number:
		if !strings.ContainsAny(string(v), ".eE") {
			if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
				return n, true
			}
		}
		f, err := strconv.ParseFloat(string(v), 64)
		return f, err == nil
	case []any:
		for i := range v {
			e, ok := numbers(v[i])
			if !ok {
				return nil, false
			}
			v[i] = e
		}
	case map[string]any:
		for k := range v {
			e, ok := numbers(v[k])
			if !ok {
				return nil, false
			}
			v[k] = e
		}
	}
	return v, true
}

func compareWithReference(t *testing.T, b []byte) {
	t.Helper()
	got, err := parseJSON(b)
	want, ok := reference(b)
	if err != nil && strings.Contains(err.Error(), "nested too deep") {
		return // encoding/json goes deeper
	}
	if (err == nil) != ok {
		t.Fatalf("%q: error %v, encoding/json accepts it: %v", b, err, ok)
	}
	if err == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: got %#v, encoding/json says %#v", b, got, want)
	}
}

var jsonSeeds = []string{
	``, ` `, `null`, `true`, `false`, `nul`, `truefalse`, `0`, `-0`, `-`, `01`, `1.`, `.5`, `1e`, `1e+`, `+1`, `1E-2`, `0.1e1`, `-1.5`,
	`9223372036854775807`, `-9223372036854775808`, `9223372036854775808`, `-9223372036854775809`, `1e308`, `1e309`, `-1e309`, `1e-400`, `9007199254740993`,
	`""`, `"`, `"a`, `"\"\\\/\b\f\n\r\t"`, `"\u00e9\u20AC"`, `"\ud83d\ude42"`, `"\ud83d"`, `"\ude42"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\ud83d\ud83d\ude42"`,
	`"\u12"`, `"\u12g4"`, `"\x"`, `"\`, `"\u`, "\"\x00\"", "\"\n\"", "\"\x7f\"", "\"\xff\xfe\"", "\"\xed\xa0\x80\"", `"é🙂"`, "\"\u2028\"",
	`[]`, `[ ]`, `[1]`, `[1,]`, `[,1]`, `[1 2]`, `[1`, `[`, `]`, `[[],{}]`, `[1,"a",null,true,{"b":[]}]`,
	`{}`, `{ }`, `{"a":1}`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `{"a":1`, `{`, `{"a":1,"a":2}`, `{"":{"":""}}`, ` { "a" : [ 1 , 2 ] } `,
	`1 2`, `{} {}`, "\xef\xbb\xbf{}", "\u00a0{}", `{"a":1}x`,
}

func TestParseJSONAgainstEncodingJSON(t *testing.T) {
	for _, s := range jsonSeeds {
		compareWithReference(t, []byte(s))
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { compareWithReference(t, b) })
}

func TestParseJSONDepth(t *testing.T) {
	for _, open := range []string{"[", `{"a":`} {
		shut := map[string]string{"[": "]", `{"a":`: "}"}[open]
		deepest := strings.Repeat(open, maxJSONDepth) + "1" + strings.Repeat(shut, maxJSONDepth)
		if _, err := parseJSON([]byte(deepest)); err != nil {
			t.Errorf("%d levels of %s: %v", maxJSONDepth, open, err)
		}
		if _, err := parseJSON([]byte(open + deepest + shut)); err == nil || !strings.Contains(err.Error(), "nested too deep") {
			t.Errorf("%d levels of %s: error %v", maxJSONDepth+1, open, err)
		}
		if _, err := parseJSON([]byte(strings.Repeat(open, 1<<20))); err == nil {
			t.Errorf("a million levels of %s are accepted", open)
		}
	}
}

func TestParseJSONErrorSaysWhere(t *testing.T) {
	_, err := parseJSON([]byte(`{"a": tru}`))
	if err == nil || err.Error() != "sdk: control message, byte 6: expected a value" {
		t.Errorf("error is %v", err)
	}
}

// What the guest writes, a host reads back as the same.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "é🙂\u2028", "\xff\xed\xa0\x80", "\ufffd", "<>&"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := json.Marshal(s) // replaces what is not UTF-8
		if err != nil {
			t.Fatal(err)
		}
		var want, got string
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil || got != want {
			t.Fatalf("%q is written as %s and read as %q, %v", s, appendString(nil, s), got, err)
		}
		own, err := parseJSON(appendString(nil, s))
		if err != nil || own != want {
			t.Fatalf("%q is read by its own parser as %q, %v", s, own, err)
		}
	})
}

// The messages a guest writes are those encoding/json makes of the same values.
func TestMessagesAgainstEncodingJSON(t *testing.T) {
	for _, v := range []any{
		&abi.Error{},
		&abi.Error{Category: "c", Message: "m", Hint: "h", Detail: "d", Code: "e", Field: "f", Column: "g", CommitState: "u"},
		&abi.CheckReport{Message: "m"},
		&abi.Partitions{Partitions: []string{"a\n", ""}},
		&abi.Partitions{Partitions: []string{}, Note: "n"},
		&abi.Checkpoint{Stream: "s", Rows: math.MaxInt64, Bytes: math.MinInt64},
		&abi.Catalog{Streams: []abi.CatalogStream{}},
		&abi.Catalog{Streams: []abi.CatalogStream{
			{Name: "a", Columns: []abi.CatalogColumn{}, PrimaryKey: []string{}, Rows: -1},
			{Name: "b", Columns: []abi.CatalogColumn{{Name: "x", Type: "y", ArrowType: "z", Nullable: true}, {}}, PrimaryKey: []string{"k", "l"}, Rows: 5},
		}},
	} {
		var got []byte
		switch v := v.(type) {
		case *abi.Error:
			got = appendError(nil, v)
			again, err := parseError(got)
			if err != nil || *again != *v {
				t.Errorf("%+v is read back as %+v, %v", v, again, err)
			}
		case *abi.CheckReport:
			got = appendCheckReport(nil, v)
		case *abi.Partitions:
			got = appendPartitions(nil, v)
		case *abi.Checkpoint:
			got = appendCheckpoint(nil, v)
		case *abi.Catalog:
			got = appendCatalog(nil, v)
		}
		want, err := json.Marshal(v)
		if err != nil || string(got) != string(want) {
			t.Errorf("wrote\n%s\nwant\n%s, %v", got, want, err)
		}
	}
}

// No field of a message may be forgotten when the contract grows.
func TestRequestsCoverEveryField(t *testing.T) {
	open := abi.OpenRequest{Pipeline: "p", Connector: "c", Role: "r", Config: map[string]any{"k": "v"}}
	run := abi.RunRequest{
		Stream: "s", Partition: "p", SyncMode: "m", WriteMode: "w", PrimaryKey: []string{"k"}, BatchRows: 1, BatchBytes: 2, MaxBatchBytes: 3,
		CheckpointBytes: 4, CheckpointRows: 5, CheckpointSeconds: 6,
	}
	described := abi.Error{Category: "c", Message: "m", Hint: "h", Detail: "d", Code: "e", Field: "f", Column: "g", CommitState: "u"}
	partition := abi.PartitionRequest{Attempt: "a", Stream: "s", WriteMode: "w", PrimaryKey: []string{"k"}, Count: 2, Auto: true, Key: "x"}
	finish := abi.FinishRequest{Stream: "s", WriteMode: "w", PrimaryKey: []string{"k"}, Partitions: []string{"p"}, Commit: true, Again: true}
	for _, v := range []any{open, run, partition, finish, described} {
		for i := range reflect.TypeOf(v).NumField() {
			if reflect.ValueOf(v).Field(i).IsZero() {
				t.Errorf("this test leaves out %s.%s", reflect.TypeOf(v), reflect.TypeOf(v).Field(i).Name)
			}
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		switch v.(type) {
		case abi.PartitionRequest:
			r, e := parsePartitionRequest(b)
			got, err = *r, e
		case abi.FinishRequest:
			r, e := parseFinishRequest(b)
			got, err = *r, e
		case abi.OpenRequest:
			r, e := parseOpenRequest(b)
			got, err = *r, e
		case abi.RunRequest:
			r, e := parseRunRequest(b)
			got, err = *r, e
		case abi.Error:
			r, e := parseError(b)
			got, err = *r, e
		}
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%s is read as %+v, %v", b, got, err)
		}
	}
}
