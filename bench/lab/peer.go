package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rapidbyte-go/rapidbyte/connectors"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// Peers returns the programs that BenchmarkPeer runs as a user would, each as a whole process from its start to its end:
// ours, the pipe of two psql, and the rivals.
func Peers() []string { return []string{"rapidbyte", "psql", "pgcopydb", "pgloader"} }

// rivals are the programs without which there is nothing to compare with.
var rivals = []string{"pgcopydb", "pgloader"}

// AbsentError says that a program is not on this machine.
type AbsentError struct{ Program string }

// Error names the program.
func (e *AbsentError) Error() string { return e.Program + " is not in PATH" }

// HavePeer returns why the machine cannot run the peer, nil if it can.
func HavePeer(peer string) error {
	if peer == "rapidbyte" { // is built
		return nil
	}
	if _, err := exec.LookPath(peer); err != nil {
		return &AbsentError{peer}
	}
	return nil
}

// HaveRival returns why the machine can run none of the rivals, nil if it can. Without one the peers are not worth it: ours
// takes a while to build, and psql is also a floor.
func HaveRival() error {
	var missing []error
	for _, rival := range rivals {
		err := HavePeer(rival)
		if err == nil {
			return nil
		}
		missing = append(missing, err)
	}
	return errors.Join(missing...)
}

// peerSuffix makes the name of a source's database that of the rivals' destination.
const peerSuffix = "_peer"

// peer moves the rows of a source by another program.
type peer struct {
	source *Source
	dir    string    // for its files
	conn   *pgx.Conn // of the rivals' destination, nil for others
	peak   int64     // most resident memory of the program's last run, in bytes; of one that is several processes, the first one's
}

// PeerTrial moves the rows by a whole process of the program that via names. The rivals write where they always write, the
// table of the same name in another database. Call done afterwards. If the machine lacks the program, the error says so.
func (e *Env) PeerTrial(ctx context.Context, c Case) (t Trial, done func() error, err error) {
	via := c.Param("via")
	if err := HavePeer(via); err != nil {
		return Trial{}, nil, err
	}
	s, err := e.Source(ctx, c.Rows())
	if err != nil {
		return Trial{}, nil, err
	}
	p := &peer{source: s}
	if p.dir, err = e.TempDir(); err != nil {
		return Trial{}, nil, err
	}
	done = func() error {
		err := os.RemoveAll(p.dir)
		if p.conn != nil {
			err = errors.Join(err, p.conn.Close(context.WithoutCancel(ctx)))
		}
		return err
	}

	t = Trial{Case: c, Source: s}
	var run func(context.Context) (int64, error)
	switch via {
	case "psql":
		run = s.FloorPSQL
	case "rapidbyte":
		if err := e.buildProgram(ctx, p.dir); err != nil {
			return Trial{}, nil, errors.Join(err, done())
		}
		run = p.rapidbyte
	default:
		if err := p.openDestination(ctx, e); err != nil {
			return Trial{}, nil, errors.Join(err, done())
		}
		run = p.pgcopydb
		if via == "pgloader" {
			run = p.pgloader
		}
		t.Prepare, t.Verify = p.prepare, p.verify
	}
	single := via == "rapidbyte" || via == "pgloader"
	t.Run = func(ctx context.Context) (Outcome, error) {
		rows, err := run(ctx)
		out := Outcome{Rows: rows}
		if single && p.peak > 0 {
			out.Values = map[string]float64{"peak-RSS-bytes": float64(p.peak)}
		}
		return out, err
	}
	return t, done, nil
}

// command prepares a program that works in the peer's folder and speaks to nobody but its end.
func (p *peer) command(ctx context.Context, env []string, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// said runs the command and returns its standard output. Its error has the end of everything it said, without passwords.
func (p *peer) said(cmd *exec.Cmd) (string, error) {
	var stdout, all bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &all
	err := cmd.Start()
	if err == nil {
		stop := watchPeak(cmd.Process.Pid)
		err = cmd.Wait()
		p.peak = stop()
	}
	if err != nil {
		text := strings.TrimSpace(stdout.String() + all.String())
		if password, _ := pgtest.SourceConfig(p.source.DSN)["password"].(string); password != "" {
			_, escaped, _ := strings.Cut(url.UserPassword("", password).String(), ":")
			text = strings.NewReplacer(password, "***", escaped, "***").Replace(text)
		}
		if len(text) > 2000 {
			text = "..." + text[len(text)-2000:]
		}
		return "", fmt.Errorf("lab: %s: %w: %s", filepath.Base(cmd.Path), err, text)
	}
	return stdout.String(), nil
}

// buildProgram builds our program and lays the connectors beside it.
func (e *Env) buildProgram(ctx context.Context, dir string) error {
	if _, err := e.Engine(ctx); err != nil { // also finds the connectors
		return err
	}
	if err := os.CopyFS(filepath.Join(dir, "connectors"), e.files); err != nil {
		return fmt.Errorf("lab: connectors of the program: %w", err)
	}
	root, err := Root()
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "rapidbyte"), ".")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("lab: build the program: %w: %s", err, out)
	}
	return nil
}

func (p *peer) rapidbyte(ctx context.Context) (int64, error) {
	root, err := Root()
	if err != nil {
		return 0, fmt.Errorf("lab: %w", err)
	}
	env := []string{connectors.DirVariable + "=" + filepath.Join(p.dir, "connectors")}
	for key, value := range pgtest.SourceConfig(p.source.DSN) {
		env = append(env, fmt.Sprintf("RAPIDBYTE_PG_%s=%v", strings.ToUpper(key), value))
	}
	out, err := p.said(p.command(ctx, env, filepath.Join(p.dir, "rapidbyte"), "run",
		filepath.Join(root, "testdata", "pipelines", "bench_pg_copy.yaml")))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(out, `"records_written":`)
	number, _, _ := strings.Cut(after, ",")
	rows, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("lab: rapidbyte did not say how many rows it wrote: %q", out)
	}
	return rows, nil
}

// openDestination makes the rivals' destination, unless it is there: the same columns, no index.
func (p *peer) openDestination(ctx context.Context, e *Env) error {
	database := p.source.database + peerSuffix
	e.owe(database)
	var there bool
	if err := e.lock.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, database).Scan(&there); err != nil {
		return err
	}
	if !there {
		if _, err := e.Server.CreateDatabase(ctx, database); err != nil {
			return err
		}
	}
	dsn := e.Server.DSNFor(database)
	var err error
	if p.conn, err = connect(ctx, dsn); err != nil {
		return err
	}
	if err := p.conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, p.source.from()).Scan(&there); err != nil || there {
		return err
	}
	if err := pgtest.Seed(ctx, dsn, "template", 0); err != nil {
		return err
	}
	_, err = p.conn.Exec(ctx, `CREATE TABLE `+p.source.from()+` AS TABLE public.template WITH NO DATA; DROP TABLE public.template`)
	return err
}

// prepare empties the rivals' destination, writes what they are told, and removes what they remember.
func (p *peer) prepare(ctx context.Context) error {
	if _, err := p.conn.Exec(ctx, `TRUNCATE `+p.source.from()); err != nil {
		return err
	}
	if _, err := p.conn.Exec(ctx, `CHECKPOINT`); err != nil {
		return err
	}
	filter := "[include-only-table]\n" + p.source.from() + "\n"
	load := fmt.Sprintf("LOAD DATABASE FROM %s INTO %s WITH data only, truncate, prefetch rows = 10000\nINCLUDING ONLY TABLE NAMES MATCHING '%s' IN SCHEMA 'public';\n",
		p.uri(p.source.database), p.uri(p.source.database+peerSuffix), p.source.Name)
	return errors.Join(
		os.WriteFile(filepath.Join(p.dir, "filter.ini"), []byte(filter), 0o600),
		os.WriteFile(filepath.Join(p.dir, "bench.load"), []byte(load), 0o600),
		os.RemoveAll(filepath.Join(p.dir, "work")),
	)
}

// verify checks the rivals' destination.
func (p *peer) verify(ctx context.Context, full bool) error {
	if full {
		return p.source.check(ctx, p.conn, "public")
	}
	var rows int64
	if err := p.conn.QueryRow(ctx, `SELECT count(*) FROM `+p.source.from()).Scan(&rows); err != nil {
		return err
	}
	return compareRows(rows, int64(p.source.Rows), "the destination has")
}

// uri returns the address of one of the two databases as the rivals want it.
func (p *peer) uri(database string) string {
	c := pgtest.SourceConfig(p.source.DSN)
	u := url.URL{Scheme: "postgresql", User: url.UserPassword(fmt.Sprint(c["user"]), fmt.Sprint(c["password"])), Path: "/" + database}
	if host := fmt.Sprint(c["host"]); strings.HasPrefix(host, "/") {
		u.RawQuery = url.Values{"host": {host}, "port": {fmt.Sprint(c["port"])}}.Encode()
	} else {
		u.Host = net.JoinHostPort(host, fmt.Sprint(c["port"]))
	}
	return u.String()
}

// pgcopydb copies with one process for each side of the one table, its default for small databases. How many rows a rival
// moved is for verify to say: what they print is made for people.
func (p *peer) pgcopydb(ctx context.Context) (int64, error) {
	// In the environment, where other users do not see the password.
	env := []string{"PGCOPYDB_SOURCE_PGURI=" + p.uri(p.source.database), "PGCOPYDB_TARGET_PGURI=" + p.uri(p.source.database+peerSuffix),
		"XDG_RUNTIME_DIR=" + p.dir, "XDG_DATA_HOME=" + p.dir}
	_, err := p.said(p.command(ctx, env, "pgcopydb", "copy", "table-data", "--filters", "filter.ini", "--dir", filepath.Join(p.dir, "work"),
		"--table-jobs", "1", "--index-jobs", "1"))
	return int64(p.source.Rows), err
}

// pgloader loads one table, its settings as they come but for one: with the 100,000 rows that it reads ahead by default it
// runs out of memory in tables of a million.
func (p *peer) pgloader(ctx context.Context) (int64, error) {
	_, err := p.said(p.command(ctx, nil, "pgloader", "--root-dir", p.dir, "bench.load"))
	return int64(p.source.Rows), err
}
