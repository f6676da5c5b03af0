package engine

import (
	"bytes"
	"encoding/json"
	"math"
)

// JSON returns the result as one flat object on one line: a few words about the
// run, then every metric under its key, in the order of the table.
func (r *Result) JSON() ([]byte, error) {
	var b bytes.Buffer
	field := func(key string, value any) error {
		if b.Len() == 0 {
			b.WriteByte('{')
		} else {
			b.WriteByte(',')
		}
		k, err := json.Marshal(key)
		if err != nil {
			return err
		}
		v, err := json.Marshal(value)
		if err != nil {
			return err
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(v)
		return nil
	}

	words := []struct {
		key   string
		value any
	}{
		{"pipeline", r.Pipeline},
		{"runtime", r.Runtime.String()},
		{"compression", r.Compression},
		{"load_method", r.LoadMethod},
		{"source_load_from", source(r).Load.Source},
		{"dest_load_from", dest(r).Load.Source},
	}
	for _, w := range words {
		if err := field(w.key, w.value); err != nil {
			return nil, err
		}
	}
	for _, m := range Metrics() {
		var value any
		switch {
		case m.Each != nil:
			value = m.Each(r)
		case m.Unit == Count || m.Unit == Bytes || m.Unit == Nanos:
			value = int64(m.Get(r))
		default:
			value = round(m.Get(r))
		}
		if err := field(m.Key, value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// round keeps nine decimals: a nanosecond of a second.
func round(v float64) float64 { return math.Round(v*1e9) / 1e9 }
