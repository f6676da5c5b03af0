package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

func (c *cli) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check PIPELINE",
		Short: "Check a pipeline without moving a row",
		Long: `Check reads the pipeline file, starts every connector and lets it look at its
configuration and its connection. Nothing is written anywhere. A problem that a
connector finds makes the exit code 3; a mistake in the file makes it 2.`,
		Args: pipelineArg(1),
		RunE: c.body(c.check),
	}
}

// jsonStage is one stage of a check, for programs.
type jsonStage struct {
	Stage     string `json:"stage"`
	Connector string `json:"connector"`
	OK        bool   `json:"ok"`
	Message   string `json:"message"`
}

func (c *cli) check(ctx context.Context, args []string) (err error) {
	p, eng, err := c.open(ctx, args[0])
	if err != nil {
		return err
	}
	defer closeEngine(ctx, eng, &err)
	found, err := eng.Check(ctx, p)
	if found == nil || ctx.Err() != nil {
		return err
	}

	var b bytes.Buffer
	stages := make([]jsonStage, len(found.Stages))
	for i, s := range found.Stages {
		j := jsonStage{Stage: s.Stage, Connector: s.Connector, OK: s.Err == nil, Message: s.Message}
		verdict := "ok: " + s.Message
		if s.Err != nil {
			j.Message = s.Err.Error()
			verdict = "problem"
		}
		stages[i] = j
		fmt.Fprintf(&b, "%s (%s): %s\n", s.Stage, s.Connector, verdict)
	}
	c.report.object = struct {
		Pipeline string      `json:"pipeline"`
		Stages   []jsonStage `json:"stages"`
	}{p.Name, stages}
	if err != nil {
		err = &checkError{err}
	}
	return errors.Join(err, c.print(b.Bytes()))
}

// print writes a command's text, if text is wanted.
func (c *cli) print(text []byte) error {
	if c.json || c.quiet {
		return nil
	}
	_, err := c.stdout.Write(text)
	return err
}

func (c *cli) discoverCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "discover PIPELINE",
		Short: "List the streams a pipeline's source offers",
		Long: `Discover lists every stream of the source with its columns, and one line for
programs behind them:

  @@CATALOG_JSON@@{...}`,
		Args: pipelineArg(1),
		RunE: c.body(c.discover),
	}
}

func (c *cli) discover(ctx context.Context, args []string) (err error) {
	p, eng, err := c.open(ctx, args[0])
	if err != nil {
		return err
	}
	defer closeEngine(ctx, eng, &err)
	catalog, err := eng.Discover(ctx, p)
	if err != nil {
		return err
	}

	c.report.object = catalog
	var b bytes.Buffer
	writeCatalog(&b, catalog)
	line, err := json.Marshal(catalog)
	if err != nil {
		return err
	}
	fmt.Fprintf(&b, "@@CATALOG_JSON@@%s\n", line)
	return c.print(b.Bytes())
}

func writeCatalog(w io.Writer, catalog *abi.Catalog) {
	if len(catalog.Streams) == 0 {
		fmt.Fprintln(w, "The source offers no streams.")
	}
	for _, s := range catalog.Streams {
		rows := "number of rows unknown"
		if s.Rows >= 0 {
			rows = "about " + humanize.Comma(s.Rows) + " rows"
		}
		key := ""
		if len(s.PrimaryKey) > 0 {
			key = ", primary key " + strings.Join(s.PrimaryKey, ", ")
		}
		fmt.Fprintf(w, "%s: %s%s\n", s.Name, rows, key)

		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, col := range s.Columns {
			arrow, null := col.ArrowType, "not null"
			if arrow == "" {
				arrow = "(not supported)"
			}
			if col.Nullable {
				null = ""
			}
			fmt.Fprintln(t, strings.TrimRight("  "+col.Name+"\t"+col.Type+"\t"+arrow+"\t"+null, "\t"))
		}
		_ = t.Flush() // into a buffer
	}
}
