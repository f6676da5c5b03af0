package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
	"github.com/rapidbyte-go/rapidbyte/engine/state"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/broker"
)

func (c *cli) connectorsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "connectors [NAME]",
		Short: "List the connectors there are, or the settings of one",
		Args:  cobra.MaximumNArgs(1),
		RunE:  c.body(c.listConnectors),
	}
}

func (c *cli) listConnectors(ctx context.Context, args []string) (err error) {
	eng, err := c.engine(ctx)
	if err != nil {
		return err
	}
	defer closeEngine(ctx, eng, &err)
	all, err := eng.Manifests()
	if err != nil {
		return err
	}

	var b bytes.Buffer
	if len(args) == 0 {
		c.report.object = map[string][]abi.Manifest{"connectors": all}
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "NAME\tROLE\tVERSION\tDESCRIPTION")
		for _, m := range all {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", m.Name, m.Role, m.Version, m.Description)
		}
		_ = t.Flush() // into a buffer
		return c.print(b.Bytes())
	}

	for _, m := range all {
		if m.Name == args[0] {
			m.Config = append(broker.Keys(m.Broker), m.Config...)
			c.report.object = m
			writeManifest(&b, &m)
			return c.print(b.Bytes())
		}
	}
	names := make([]string, len(all))
	for i, m := range all {
		names[i] = m.Name
	}
	return &usageError{fmt.Errorf("%w %q (available: %s)", engine.ErrUnknownConnector, args[0], strings.Join(names, ", "))}
}

func writeManifest(b *bytes.Buffer, m *abi.Manifest) {
	fmt.Fprintf(b, "%s %s, a %s: %s\n", m.Name, m.Version, m.Role, m.Description)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, f := range m.Config {
		value := f.Type
		if len(f.Enum) > 0 {
			value = strings.Join(f.Enum, "|")
		}
		rule := "optional"
		switch {
		case f.Required:
			rule = "required"
		case f.Default != nil && f.Default != "":
			rule = fmt.Sprintf("default %v", f.Default)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", f.Name, value, rule, f.Doc)
	}
	_ = t.Flush() // into a buffer
}

func (c *cli) runsCommand() *cobra.Command {
	var file string
	var limit int
	cmd := &cobra.Command{
		Use:   "runs [PIPELINE]",
		Short: "List the runs there have been, the newest first",
		Long: `Runs lists what the state file knows: one line for each stream of each run. With
a pipeline file it is that file's state and the runs of that pipeline. A run whose
process is gone without a word is listed as interrupted.`,
		Args: cobra.MaximumNArgs(1),
		RunE: c.body(func(ctx context.Context, args []string) error {
			if limit < 0 {
				return &usageError{errors.New("--limit must not be negative")}
			}
			return c.listRuns(ctx, args, file, limit)
		}),
	}
	cmd.Flags().StringVar(&file, "state", "", "the state file (default: the pipeline's, else "+pipeline.DefaultConnection+")")
	cmd.Flags().IntVarP(&limit, "limit", "n", 20, "list at most so many; 0 for all")
	return cmd
}

// jsonRun is one stream of one run, for programs.
type jsonRun struct {
	ID           string           `json:"id"`
	Pipeline     string           `json:"pipeline"`
	Stream       string           `json:"stream"`
	Status       engine.RunStatus `json:"status"`
	StartedAt    time.Time        `json:"started_at"`
	FinishedAt   *time.Time       `json:"finished_at"` // null while running, and for interrupted runs
	RowsRead     int64            `json:"records_read"`
	RowsWritten  int64            `json:"records_written"`
	BytesRead    int64            `json:"bytes_read"`
	BytesWritten int64            `json:"bytes_written"`
	Error        string           `json:"error,omitempty"`
}

func (c *cli) listRuns(ctx context.Context, args []string, file string, limit int) (err error) {
	filter := state.Filter{Limit: limit}
	if len(args) == 1 {
		p, err := pipeline.Load(args[0], nil)
		if err != nil {
			return &usageError{err}
		}
		filter.Pipeline = p.Name
		if file == "" {
			file = p.State.Connection
		}
	}
	if file == "" {
		if file, err = pipeline.ExpandHome(pipeline.DefaultConnection); err != nil {
			return &usageError{fmt.Errorf("%w; give the file with --state", err)}
		}
	}

	runs, err := readRuns(ctx, file, filter)
	if err != nil {
		return err
	}
	found := make([]jsonRun, len(runs))
	for i, r := range runs {
		found[i] = jsonRun{
			ID: r.ID, Pipeline: r.Pipeline, Stream: r.Stream, Status: r.Status, StartedAt: r.Started.UTC(),
			RowsRead: r.RowsRead, RowsWritten: r.RowsWritten, BytesRead: r.BytesRead, BytesWritten: r.BytesWritten, Error: r.Error,
		}
		if !r.Finished.IsZero() {
			finished := r.Finished.UTC()
			found[i].FinishedAt = &finished
		}
	}
	c.report.object = map[string][]jsonRun{"runs": found}

	var b bytes.Buffer
	if len(runs) == 0 {
		fmt.Fprintf(&b, "No runs in %s.\n", file)
	} else {
		writeRuns(&b, runs)
	}
	return c.print(b.Bytes())
}

// readRuns reads a state file without making one.
func readRuns(ctx context.Context, file string, filter state.Filter) (runs []engine.RunRecord, err error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	store, err := state.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return store.Runs(ctx, filter)
}

func writeRuns(b *bytes.Buffer, runs []engine.RunRecord) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STARTED\tPIPELINE\tSTREAM\tSTATUS\tROWS\tBYTES\tTIME\tERROR")
	for _, r := range runs {
		took := ""
		if !r.Finished.IsZero() {
			took = r.Finished.Sub(r.Started).Round(time.Millisecond).String()
		}
		problem, _, _ := strings.Cut(r.Error, "\n")
		line := fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", r.Started.Local().Format(time.DateTime), r.Pipeline, r.Stream,
			r.Status, humanize.Comma(r.RowsWritten), humanize.IBytes(uint64(max(r.BytesWritten, 0))), took, cut(problem, 120))
		fmt.Fprintln(t, strings.TrimRight(line, "\t"))
	}
	_ = t.Flush() // into a buffer
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the program's version",
		Args:  cobra.NoArgs,
		RunE: c.body(func(context.Context, []string) error {
			v := version()
			c.report.object = v
			return c.print(fmt.Appendf(nil, "rapidbyte %s (commit %s, connector ABI %d, %s, %s)\n",
				v.Version, v.Commit, v.ABI, v.Go, v.Platform))
		}),
	}
}

// programVersion says what this program was built from.
type programVersion struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"` // short, with + if files were changed since; "unknown" outside a repository
	ABI      int    `json:"abi"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func version() programVersion {
	v := programVersion{Version: "(devel)", Commit: "unknown", ABI: abi.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	dirty := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value[:min(len(s.Value), 12)]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+"
			}
		}
	}
	v.Commit += dirty
	return v
}
