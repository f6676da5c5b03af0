package sdk

import "github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"

// The control messages. Keys nobody here knows are skipped, so that a newer host
// may say more.

func parseOpenRequest(b []byte) (*abi.OpenRequest, error) {
	f := parseFields("open request", b)
	req := &abi.OpenRequest{
		Pipeline:  f.string("pipeline"),
		Connector: f.string("connector"),
		Role:      abi.Role(f.string("role")),
		Config:    f.object("config"),
	}
	return req, f.err
}

func parseRunRequest(b []byte) (*abi.RunRequest, error) {
	f := parseFields("run request", b)
	req := &abi.RunRequest{
		Stream:            f.string("stream"),
		Partition:         f.string("partition"),
		SyncMode:          f.string("sync_mode"),
		WriteMode:         f.string("write_mode"),
		PrimaryKey:        f.strings("primary_key"),
		BatchRows:         f.int("batch_rows"),
		BatchBytes:        f.int("batch_bytes"),
		MaxBatchBytes:     f.int("max_batch_bytes"),
		CheckpointBytes:   f.int("checkpoint_bytes"),
		CheckpointRows:    f.int("checkpoint_rows"),
		CheckpointSeconds: f.int("checkpoint_seconds"),
	}
	return req, f.err
}

func parsePartitionRequest(b []byte) (*abi.PartitionRequest, error) {
	f := parseFields("partition request", b)
	req := &abi.PartitionRequest{
		Attempt:    f.string("attempt"),
		Stream:     f.string("stream"),
		WriteMode:  f.string("write_mode"),
		PrimaryKey: f.strings("primary_key"),
		Count:      f.int("count"),
		Auto:       f.bool("auto"),
		Key:        f.string("partition_key"),
	}
	return req, f.err
}

func parseFinishRequest(b []byte) (*abi.FinishRequest, error) {
	f := parseFields("finish request", b)
	req := &abi.FinishRequest{
		Stream:     f.string("stream"),
		WriteMode:  f.string("write_mode"),
		PrimaryKey: f.strings("primary_key"),
		Partitions: f.strings("partitions"),
		Commit:     f.bool("commit"),
		Again:      f.bool("again"),
	}
	return req, f.err
}

func parseError(b []byte) (*abi.Error, error) {
	f := parseFields("error", b)
	e := &abi.Error{
		Category:    abi.Category(f.string("category")),
		Message:     f.string("message"),
		Hint:        f.string("hint"),
		Detail:      f.string("detail"),
		Code:        f.string("code"),
		Field:       f.string("field"),
		Column:      f.string("column"),
		CommitState: abi.CommitState(f.string("commit_state")),
	}
	return e, f.err
}

// maxErrorText bounds each text of an error: a server's detail may quote a whole
// value of a row.
const maxErrorText = 16 << 10

func appendError(dst []byte, e *abi.Error) []byte {
	dst = append(dst, '{')
	dst = appendString(appendKey(dst, "category"), string(e.Category))
	dst = appendString(appendKey(dst, "message"), cut(e.Message, maxErrorText))
	dst = appendText(dst, "hint", cut(e.Hint, maxErrorText))
	dst = appendText(dst, "detail", cut(e.Detail, maxErrorText))
	dst = appendText(dst, "code", e.Code)
	dst = appendText(dst, "field", cut(e.Field, maxErrorText))
	dst = appendText(dst, "column", cut(e.Column, maxErrorText))
	dst = appendText(dst, "commit_state", string(e.CommitState))
	return append(dst, '}')
}

func appendCatalog(dst []byte, c *abi.Catalog) []byte {
	dst = appendKey(append(dst, '{'), "streams")
	dst = append(dst, '[')
	for i := range c.Streams {
		dst = appendCatalogStream(dst, &c.Streams[i])
	}
	return append(dst, ']', '}')
}

func appendCatalogStream(dst []byte, s *abi.CatalogStream) []byte {
	dst = append(appendComma(dst), '{')
	dst = appendString(appendKey(dst, "name"), s.Name)
	dst = append(appendKey(dst, "columns"), '[')
	for i := range s.Columns {
		c := &s.Columns[i]
		dst = append(appendComma(dst), '{')
		dst = appendString(appendKey(dst, "name"), c.Name)
		dst = appendString(appendKey(dst, "type"), c.Type)
		dst = appendString(appendKey(dst, "arrow_type"), c.ArrowType)
		dst = appendBool(appendKey(dst, "nullable"), c.Nullable)
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	dst = appendStrings(appendKey(dst, "primary_key"), s.PrimaryKey)
	dst = appendInt(appendKey(dst, "rows"), s.Rows)
	return append(dst, '}')
}

func appendPartitions(dst []byte, p *abi.Partitions) []byte {
	dst = appendStrings(appendKey(append(dst, '{'), "partitions"), p.Partitions)
	dst = appendText(dst, "note", p.Note)
	return append(dst, '}')
}

func appendCheckReport(dst []byte, r *abi.CheckReport) []byte {
	dst = appendString(appendKey(append(dst, '{'), "message"), r.Message)
	return append(dst, '}')
}

func appendCheckpoint(dst []byte, c *abi.Checkpoint) []byte {
	dst = append(dst, '{')
	dst = appendString(appendKey(dst, "stream"), c.Stream)
	dst = appendInt(appendKey(dst, "rows"), c.Rows)
	dst = appendInt(appendKey(dst, "bytes"), c.Bytes)
	return append(dst, '}')
}

// fields reads the values of one JSON object. The first error is kept; a key
// that is absent or null has the zero value.
type fields struct {
	what   string
	values map[string]any
	err    error
}

func parseFields(what string, b []byte) *fields {
	f := &fields{what: what}
	v, err := parseJSON(b)
	if err != nil {
		f.err = err
		return f
	}
	values, ok := v.(map[string]any)
	if !ok {
		f.err = f.mistake("is not an object")
	}
	f.values = values
	return f
}

func (f *fields) mistake(text string) error {
	return &abi.Error{Category: abi.CategoryInternal, Message: "sdk: " + f.what + " " + text}
}

func (f *fields) wrong(key, want string) {
	if f.err == nil {
		f.err = f.mistake("has a key " + quote(key) + " that is not " + want)
	}
}

func (f *fields) string(key string) string {
	s, ok := f.values[key].(string)
	if !ok && f.values[key] != nil {
		f.wrong(key, "text")
	}
	return s
}

func (f *fields) int(key string) int64 {
	n, ok := f.values[key].(int64)
	if !ok && f.values[key] != nil {
		f.wrong(key, "an integer of 64 bits")
	}
	return n
}

func (f *fields) bool(key string) bool {
	b, ok := f.values[key].(bool)
	if !ok && f.values[key] != nil {
		f.wrong(key, "true or false")
	}
	return b
}

func (f *fields) object(key string) map[string]any {
	o, ok := f.values[key].(map[string]any)
	if !ok && f.values[key] != nil {
		f.wrong(key, "an object")
	}
	return o
}

func (f *fields) strings(key string) []string {
	if f.values[key] == nil {
		return nil
	}
	list, ok := f.values[key].([]any)
	if !ok {
		f.wrong(key, "a list")
		return nil
	}
	texts := make([]string, 0, len(list))
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			f.wrong(key, "a list of texts")
			return nil
		}
		texts = append(texts, s)
	}
	return texts
}
