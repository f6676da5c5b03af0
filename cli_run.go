package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/state"
)

// outputs are the files that a run may write beside the rows; empty: none.
type outputs struct{ trace, tap string }

func (c *cli) runCommand() *cobra.Command {
	var o outputs
	cmd := &cobra.Command{
		Use:   "run PIPELINE",
		Short: "Run a pipeline: move every stream from the source to the destination",
		Long: `Run moves every stream of the pipeline. A stream is committed whole or not at
all. Progress goes to standard error: a bar on a terminal, else a line at the
start, every five seconds and at the end. The breakdown of where the time went
goes to standard output, with one line for programs behind it:

  @@BENCH_JSON@@{...}

With --trace a file tells when everything happened: open it in chrome://tracing
or at https://ui.perfetto.dev. It is written also when the run fails.

With --tap a file keeps the rows as the destination was given them, in the Arrow
IPC file format (Feather V2), which Arrow libraries open. It is there once
the stream was committed. Of several streams each has a file STREAM.arrow in the
folder that is named.`,
		Args: pipelineArg(1),
		RunE: c.body(func(ctx context.Context, args []string) error { return c.runPipeline(ctx, args[0], o) }),
	}
	cmd.Flags().StringVar(&o.trace, "trace", "", "write when each stage did what to `FILE`, for Perfetto and chrome://tracing")
	cmd.Flags().StringVar(&o.tap, "tap", "", "write what the destination is given to `FILE`, an Arrow IPC file, or into a folder")
	return cmd
}

func (c *cli) runPipeline(ctx context.Context, path string, o outputs) (err error) {
	p, eng, err := c.open(ctx, path)
	if err != nil {
		return err
	}
	defer closeEngine(ctx, eng, &err)

	// What is to be written beside the rows must be writable before any moves.
	var options engine.RunOptions
	var tapped *tap
	own := map[string]string{"pipeline file": path, "state file": p.State.Connection}
	if o.tap != "" {
		if tapped, err = newTap(o.tap, p.Source.Streams); err != nil {
			return &usageError{fmt.Errorf("--tap: %w", err)}
		}
		for _, file := range tapped.paths {
			if err := spare(file, own); err != nil {
				return &usageError{fmt.Errorf("--tap: %w", err)}
			}
		}
		options.Tap = tapped.message
	}
	if o.trace != "" {
		if err := spare(o.trace, own); err != nil {
			return &usageError{fmt.Errorf("--trace: %w", err)}
		}
		f, cerr := createOutput(o.trace)
		if cerr != nil {
			return &usageError{fmt.Errorf("--trace: %w", cerr)}
		}
		options.Trace = f
		defer func() { c.finishTrace(f, &err) }()
		if tapped.writes(f.path) {
			return &usageError{fmt.Errorf("--trace and --tap are the same file %s: name another for one of them", o.trace)}
		}
	}
	store, err := state.Open(p.State.Connection)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := store.Close(); cerr != nil && err == nil {
			err = cerr
		}
	}()

	progress := c.progress(ctx, eng, p)
	options.Progress, options.State, options.Recorder = progress.update, store, store
	result, err := eng.Run(ctx, p, options)
	progress.close(err)
	if result != nil {
		c.finishTap(tapped, result, &err)
		if perr := c.printResult(result, err); perr != nil && err == nil {
			err = perr
		}
	}
	return err
}

// finishTap gives the files of t, if any, their names; err is how the run ended.
func (c *cli) finishTap(t *tap, r *engine.Result, err *error) {
	if t == nil {
		return
	}
	paths, ferr := t.finish(r.Streams)
	if ferr != nil && *err == nil {
		*err = fmt.Errorf("the run was completed, but a file of --tap is missing: %w", ferr)
	}
	for _, path := range paths {
		c.say("tap", path)
	}
}

// finishTrace gives the trace its name, however the run ended; err is that end. A
// run that did not come to start leaves none.
func (c *cli) finishTrace(f *outputFile, err *error) {
	if size, serr := f.Seek(0, io.SeekCurrent); serr == nil && size == 0 {
		_ = f.discard() // nothing is in it
		return
	}
	ferr := f.finish()
	switch {
	case ferr == nil:
		c.say("trace", f.path)
	case *err == nil:
		*err = fmt.Errorf("the run was completed, but its trace is missing: %w", ferr)
	default:
		fmt.Fprintf(c.logs, "there is no trace: %v\n", ferr)
	}
}

// say tells where a file is.
func (c *cli) say(what, path string) {
	if !c.quiet {
		fmt.Fprintf(c.logs, "%s: %s\n", what, path)
	}
}

// printResult writes what a run did; err is how it ended.
func (c *cli) printResult(r *engine.Result, err error) error {
	object, jerr := r.JSON()
	if jerr != nil {
		return jerr
	}
	switch {
	case c.json:
		c.report.object = withStreams(r.Streams, object)
		return nil
	case err != nil:
		// What was moved all the same, where there is more than one stream.
		if committed, others := split(r.Streams); len(r.Streams) > 1 {
			fmt.Fprintf(c.stderr, "committed: %s; not committed: %s\n", orNone(committed), orNone(others))
		}
		return nil
	case c.quiet:
		return nil
	}

	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		return err
	}
	fmt.Fprintf(&b, "@@BENCH_JSON@@%s\n", object)
	if _, err := c.stdout.Write(b.Bytes()); err != nil {
		return fmt.Errorf("the run was completed, but its result cannot be printed: %w", err)
	}
	return nil
}

// withStreams puts what became of each stream before the metrics' object.
func withStreams(streams []engine.StreamResult, object []byte) json.RawMessage {
	type stream struct {
		Name      string `json:"name"`
		Committed bool   `json:"committed"`
		Written   int64  `json:"records_written"`
	}
	list := make([]stream, len(streams))
	for i, s := range streams {
		list[i] = stream{s.Name, s.Committed, s.RowsWritten}
	}
	head, _ := json.Marshal(list) // nothing in it can fail
	return fmt.Appendf(nil, `{"streams":%s,%s`, head, object[1:])
}

// split sorts the names of streams by whether they were committed.
func split(streams []engine.StreamResult) (committed, others []string) {
	for _, s := range streams {
		if s.Committed {
			committed = append(committed, s.Name)
		} else {
			others = append(others, s.Name)
		}
	}
	return committed, others
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// outcome is how a run ended, in a word.
func outcome(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return "completed"
	case cancelled(ctx, err):
		return "cancelled"
	}
	return "failed"
}
