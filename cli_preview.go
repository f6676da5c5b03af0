package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/spf13/cobra"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
)

func (c *cli) previewCommand() *cobra.Command {
	var rows int
	cmd := &cobra.Command{
		Use:   "preview PIPELINE [STREAM]",
		Short: "Show the first rows and the schema of a stream",
		Long: `Preview reads the first rows of a stream, the first one unless another is named,
passes them through the pipeline's transforms and shows what the destination
would be given. The destination is not touched.`,
		Args: pipelineArg(2),
		RunE: c.body(func(ctx context.Context, args []string) error {
			if rows < 1 || rows > maxPreview {
				return &usageError{fmt.Errorf("--rows must be from 1 to %d", maxPreview)}
			}
			return c.preview(ctx, args, rows)
		}),
	}
	cmd.Flags().IntVarP(&rows, "rows", "n", 10, "how many rows to show")
	return cmd
}

// maxPreview is more rows than anybody reads; they are held in memory.
const maxPreview = 10000

// errEnough ends a preview's run.
var errEnough = errors.New("enough rows for a preview")

func (c *cli) preview(ctx context.Context, args []string, rows int) (err error) {
	p, eng, err := c.open(ctx, args[0])
	if err != nil {
		return err
	}
	defer closeEngine(ctx, eng, &err)
	if len(args) == 1 {
		args = append(args, p.Source.Streams[0].Name)
	}
	one, err := onlyStream(p, args[1])
	if err != nil {
		return err
	}

	// Take messages until the rows are there, then stop the source.
	var messages bytes.Buffer
	left := rows
	_, err = eng.Run(ctx, one, engine.RunOptions{Capture: func(_ string, message []byte, n int) error {
		messages.Write(message)
		if left -= n; left <= 0 {
			return errEnough
		}
		return nil
	}})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}

	t, err := decode(&messages, rows)
	if err != nil {
		return fmt.Errorf("preview of %q: %w", args[1], err)
	}
	t.Stream = args[1]
	c.report.object = t
	var b bytes.Buffer
	t.write(&b)
	return c.print(b.Bytes())
}

// onlyStream returns a copy of p that has one of its streams.
func onlyStream(p *pipeline.Pipeline, name string) (*pipeline.Pipeline, error) {
	var names []string
	for _, s := range p.Source.Streams {
		if s.Name == name {
			one := *p
			one.Source.Streams = []pipeline.Stream{s}
			return &one, nil
		}
		names = append(names, s.Name)
	}
	return nil, &usageError{p.Errorf("source.streams", "no stream %q (the pipeline has %s)", name, strings.Join(names, ", "))}
}

// table is a decoded piece of a stream.
type table struct {
	Stream string           `json:"stream"`
	Schema []column         `json:"schema"`
	Rows   []map[string]any `json:"rows"`

	text [][]string // the rows for people, in the order of the schema
}

type column struct {
	Name     string            `json:"name"`
	Type     string            `json:"type"` // Arrow's
	Nullable bool              `json:"nullable"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// decode reads at most so many rows of an Arrow IPC stream that may stop after
// any message.
func decode(r io.Reader, rows int) (*table, error) {
	in, err := ipc.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("decode schema: %w", err)
	}
	defer in.Release()
	t := &table{Rows: []map[string]any{}}
	fields := in.Schema().Fields()
	for _, f := range fields {
		t.Schema = append(t.Schema, column{f.Name, f.Type.String(), f.Nullable, f.Metadata.ToMap()})
	}

	for len(t.Rows) < rows && in.Next() {
		batch := in.Record()
		for i := range min(int(batch.NumRows()), rows-len(t.Rows)) {
			object := make(map[string]any, len(fields))
			line := make([]string, len(fields))
			for j, f := range fields {
				value := valueOf(batch.Column(j), i, f)
				object[f.Name], line[j] = value, display(value)
			}
			t.Rows, t.text = append(t.Rows, object), append(t.text, line)
		}
	}
	if err := in.Err(); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("decode rows: %w", err)
	}
	return t, nil
}

// valueOf returns a value as JSON and people can have it: nil, a bool, a number,
// or text for all that those cannot hold exactly.
func valueOf(a arrow.Array, i int, f arrow.Field) any {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.Boolean:
		return a.Value(i)
	case *array.Int16:
		return a.Value(i)
	case *array.Int32:
		return a.Value(i)
	case *array.Int64:
		return a.Value(i)
	case *array.Float32:
		return finite(float64(a.Value(i)), 32)
	case *array.Float64:
		return finite(a.Value(i), 64)
	case *array.Date32:
		switch d := int32(a.Value(i)); d {
		case math.MaxInt32:
			return "infinity"
		case math.MinInt32:
			return "-infinity"
		default:
			return civil(time.Unix(int64(d)*86400, 0).UTC(), "-01-02")
		}
	case *array.Timestamp:
		v := int64(a.Value(i))
		zone := a.DataType().(*arrow.TimestampType).TimeZone
		switch v {
		case math.MaxInt64:
			return "infinity"
		case math.MinInt64:
			return "-infinity"
		}
		text := civil(time.UnixMicro(v).UTC(), "-01-02 15:04:05.999999")
		if zone != "" {
			text += "+00"
		}
		return text
	case *array.Binary:
		return `\x` + hex.EncodeToString(a.Value(i))
	case *array.FixedSizeBinary:
		if v := a.Value(i); len(v) == 16 && isUUID(f) {
			return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", v[:4], v[4:6], v[6:8], v[8:10], v[10:])
		}
		return `\x` + hex.EncodeToString(a.Value(i))
	}
	return a.ValueStr(i) // text, and what connectors of other makers send
}

func isUUID(f arrow.Field) bool {
	i := f.Metadata.FindKey("pg.type")
	return i >= 0 && f.Metadata.Values()[i] == "uuid"
}

// finite returns a number, or its name where JSON has none for it.
func finite(v float64, bits int) any {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	case bits == 32:
		return float32(v)
	}
	return v
}

// civil writes a date of any year; those before the year 1 as Postgres does.
func civil(t time.Time, layout string) string {
	year, suffix := t.Year(), ""
	if year <= 0 {
		year, suffix = 1-year, " BC"
	}
	return fmt.Sprintf("%04d", year) + t.Format(layout) + suffix
}

// display is a value on one line of a terminal.
func display(v any) string {
	const widest = 48
	switch v := v.(type) {
	case nil:
		return "NULL"
	case string:
		clean := strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return '·'
			}
			return r
		}, v)
		return cut(clean, widest)
	case float32:
		return strconv.FormatFloat(float64(v), 'g', -1, 32)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

// write shows the schema, then the rows.
func (t *table) write(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n", t.Stream, count(len(t.Schema), "column"))
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range t.Schema {
		null := "not null"
		if c.Nullable {
			null = ""
		}
		fmt.Fprintln(tw, strings.TrimRight("  "+c.Name+"\t"+c.Type+"\t"+c.Metadata["pg.type"]+"\t"+null, "\t"))
	}
	_ = tw.Flush() // into a buffer

	fmt.Fprintln(w)
	if len(t.text) == 0 {
		fmt.Fprintln(w, "No rows.")
		return
	}
	names := make([]string, len(t.Schema))
	for i, c := range t.Schema {
		names[i] = c.Name
	}
	tw = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(names, "\t"))
	for _, line := range t.text {
		fmt.Fprintln(tw, strings.Join(line, "\t"))
	}
	_ = tw.Flush() // into a buffer
}
