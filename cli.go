package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

const longHelp = `Rapidbyte moves tables between systems. A pipeline file names a source, its
streams, transforms and a destination; each is a connector, a WebAssembly module
that runs in a sandbox and reaches the network only as the pipeline says.

What a command has found goes to standard output, everything else to standard
error. Ctrl-C stops a run cleanly: a stream is committed whole or not at all.

Exit codes:
  0    done
  1    failed; every stream not reported as committed is as it was before
  2    wrong usage, or a mistake in the pipeline file; nothing was started
  3    check found a problem
  4    outcome unknown: the answer to a COMMIT was lost; compare both sides
       before running again
  130  stopped by Ctrl-C (SIGINT)
  143  stopped by SIGTERM`

// cli is one invocation of the program.
type cli struct {
	stdout, stderr io.Writer
	connectors     func(context.Context) (fs.FS, error)
	native         func() map[string]func(abi.Host) abi.Guest

	// What the flags say.
	json, quiet, verbose bool
	runtimeName, level   string

	started bool // a command's body was reached: its errors are not about usage
	logs    *screen
	report  report // of the command, for --json
}

func (c *cli) run(ctx context.Context, args []string) int {
	c.logs = &screen{w: c.stderr}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !c.started {
		err = &usageError{err}
	}
	return c.finish(ctx, err)
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "rapidbyte",
		Short:         "Move tables between systems through sandboxed connectors",
		Long:          longHelp,
		SilenceErrors: true, // finish prints them
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.started = true
			return cmd.Help()
		},
	}
	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.BoolVar(&c.json, "json", false, "write one JSON object to standard output, nothing else")
	flags.BoolVarP(&c.quiet, "quiet", "q", false, "no progress and no breakdown, errors only")
	flags.BoolVarP(&c.verbose, "verbose", "v", false, "log what the engine and the connectors do (--log-level=debug)")
	flags.StringVar(&c.level, "log-level", "", "log lines of this level and above: debug, info, warn, error (default info)")
	flags.StringVar(&c.runtimeName, "runtime", "compiled", "how connectors run: compiled, interpreted, native (no sandbox)")

	root.AddCommand(c.runCommand(), c.checkCommand(), c.discoverCommand(), c.previewCommand(),
		c.connectorsCommand(), c.runsCommand(), c.versionCommand())
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SuggestionsMinimumDistance = 2
	return root
}

// noSuchCommand refuses what is left where a command should be.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %q?", near[0])
	}
	return fmt.Errorf("unknown command %q%s", args[0], hint)
}

// body wraps a command's function: from there on an error is not about usage.
func (c *cli) body(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if c.quiet && c.verbose {
			return errors.New("--quiet and --verbose contradict each other")
		}
		if _, err := c.logLevel(); err != nil {
			return err
		}
		if _, err := engine.ParseRuntime(c.runtimeName); err != nil {
			return errors.New(strings.TrimPrefix(err.Error(), "engine: "))
		}
		c.started = true
		return f(cmd.Context(), args)
	}
}

// pipelineArg demands the one argument most commands have.
func pipelineArg(most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return fmt.Errorf("%s needs a pipeline file, such as: %s testdata/pipelines/bench_pg.yaml", cmd.Name(), cmd.CommandPath())
		case len(args) > most:
			return fmt.Errorf("%s: unexpected argument %q", cmd.Name(), args[most])
		}
		return nil
	}
}

// open loads the pipeline file and starts an engine for it. Close the engine.
func (c *cli) open(ctx context.Context, path string) (*pipeline.Pipeline, *engine.Engine, error) {
	p, err := pipeline.Load(path, nil)
	if err != nil {
		return nil, nil, &usageError{err}
	}
	eng, err := c.engine(ctx)
	return p, eng, err
}

func (c *cli) engine(ctx context.Context) (*engine.Engine, error) {
	runtime, err := engine.ParseRuntime(c.runtimeName)
	if err != nil {
		return nil, err
	}
	files, err := c.connectors(ctx)
	if err != nil {
		return nil, err
	}
	opt := engine.Options{Runtime: runtime, Connectors: files, Log: c.logger()}
	if runtime == engine.Native {
		opt.Native = c.native()
	}
	return engine.New(opt)
}

// closeEngine ends an engine after its work; err is that of the work.
func closeEngine(ctx context.Context, eng *engine.Engine, err *error) {
	if cerr := eng.Close(context.WithoutCancel(ctx)); cerr != nil && *err == nil {
		*err = cerr
	}
}

func (c *cli) logLevel() (slog.Level, error) {
	var level slog.Level
	name := c.level
	switch {
	case name != "":
	case c.verbose:
		name = "debug"
	case c.quiet:
		name = "error"
	default:
		name = "info"
	}
	switch name {
	case "debug", "info", "warn", "error":
		return level, level.UnmarshalText([]byte(name))
	}
	return 0, fmt.Errorf("unknown log level %q (use debug, info, warn or error)", name)
}

func (c *cli) logger() *slog.Logger {
	level, err := c.logLevel()
	if err != nil {
		level = slog.LevelInfo // body has refused it before
	}
	return slog.New(slog.NewTextHandler(c.logs, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			// The day is known to who watches, and kept by who collects.
			if len(groups) == 0 && a.Key == slog.TimeKey {
				a.Value = slog.StringValue(a.Value.Time().Format(time.TimeOnly + ".000"))
			}
			return a
		},
	}))
}
