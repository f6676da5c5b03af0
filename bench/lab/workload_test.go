package lab

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// workloadBytes is enough for every value of a workload to appear, and for the schema's own bytes not to count.
const workloadBytes = 500_000

// properties says in SQL what makes each workload what it is.
var properties = map[string]string{
	"wide": `SELECT count(*) = 200 AND count(DISTINCT atttypid) = 5 FROM pg_attribute
		WHERE attrelid = 'bench_wide'::regclass AND attnum > 0`,
	"nulls": `SELECT avg(n) BETWEEN 0.88 AND 0.92 FROM bench_nulls t,
		LATERAL (SELECT 1 - count(value)::float / 50 FROM jsonb_each_text(to_jsonb(t))) AS of_row(n)`,
	"json": `SELECT bool_and(jsonb_typeof(document->'customer'->'tags') = 'array' AND jsonb_array_length(document->'lines') = 8
		AND json_typeof(log->'nested'->1) = 'object') AND count(DISTINCT document) = count(*) FROM bench_json`,
	"unique": `SELECT (count(DISTINCT id), count(DISTINCT hash), count(DISTINCT amount), count(DISTINCT measure), count(DISTINCT token), count(DISTINCT digest))
		= (count(*), count(*), count(*), count(*), count(*), count(*)) AND max(hash) > 2^60 AND min(hash) < -2^60 FROM bench_unique`,
	"text10k": `SELECT min(length(body)) > 9500 AND max(length(body)) < 10500 AND count(DISTINCT body) = count(*)
		AND pg_relation_size((SELECT reltoastrelid FROM pg_class WHERE oid = 'bench_text10k'::regclass)) > 0 FROM bench_text10k`,
	"types": `SELECT count(*) FILTER (WHERE t06 IS NULL) BETWEEN count(*) / 10 AND count(*) / 8 AND 0 < ALL (ARRAY[count(*) FILTER (WHERE t06 = ''),
		count(*) FILTER (WHERE t11 = ''), count(*) FILTER (WHERE t01 = -32768), count(*) FILTER (WHERE t03 = 9223372036854775807),
		count(*) FILTER (WHERE t05 = 'NaN'), count(*) FILTER (WHERE t05 = '-Infinity'), count(*) FILTER (WHERE t12 = '-infinity'),
		count(*) FILTER (WHERE t13 = 'infinity'), count(*) FILTER (WHERE t15 = '-infinity'), count(*) FILTER (WHERE t19 = 'Infinity')]) FROM bench_types`,
}

// openWorkload returns a workload with every value it has, the destination empty.
func openWorkload(t *testing.T, e *Env, w Workload) *Source {
	t.Helper()
	s, err := e.sourceOf(t.Context(), w.table(w.RowsOf(workloadBytes)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWorkloadsAreWhatTheySay(t *testing.T) {
	e := openEnv(t)
	for _, w := range Workloads() {
		s := openWorkload(t, e, w)
		var holds bool
		if err := s.conn.QueryRow(t.Context(), properties[w.Name]).Scan(&holds); err != nil || !holds {
			t.Errorf("%s is not what it says, %s: %v, %v", w.Name, w.Doc, holds, err)
		}
	}
}

func TestWorkloadsAreSeededAlike(t *testing.T) {
	e := openEnv(t)
	for _, w := range Workloads() {
		s := openWorkload(t, e, w)
		dsn := pgtest.Shared(t).NewDatabase(t)
		if err := s.seed(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
		conn, err := connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if err := s.check(t.Context(), conn, "public"); err != nil {
			t.Errorf("%s: a second seeding differs: %v", w.Name, err)
		}
	}
}

// Each moves by both loads, about as many bytes as it says, and a value that was changed afterwards is found.
func TestWorkloadsMove(t *testing.T) {
	e := openEnv(t)
	for _, w := range Workloads() {
		for _, load := range []string{"insert", "copy"} {
			t.Run(w.Name+"/"+load, func(t *testing.T) {
				ctx := t.Context()
				s := openWorkload(t, e, w)
				trial, err := e.PipelineTrial(ctx, NewCase("Workload", w.Name, strconv.Itoa(s.Rows), load))
				if err != nil {
					t.Fatal(err)
				}
				out, err := trial.Run(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if ratio := float64(out.Bytes) / float64(w.bytes*s.Rows); ratio < 0.9 || ratio > 1.1 {
					t.Errorf("a row has %d bytes, and is said to have %d", out.Bytes/int64(s.Rows), w.bytes)
				}
				if err := s.Verify(ctx, true); err != nil {
					t.Error(err)
				}
				for _, c := range w.columns[:min(25, len(w.columns))] { // beyond that they repeat
					spoilt(t, s, c.name)
				}
			})
		}
	}
}

// spoilt sets one value of a column to NULL and back, and fails the test if nobody sees it.
func spoilt(t *testing.T, s *Source, column string) {
	t.Helper()
	tx, err := s.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	name := pgx.Identifier{column}.Sanitize()
	if _, err := tx.Exec(t.Context(), `UPDATE `+s.dest()+` SET `+name+` = NULL
		WHERE ctid = (SELECT ctid FROM `+s.dest()+` WHERE `+name+` IS NOT NULL LIMIT 1)`); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), true); !errors.Is(err, ErrWrongData) || !strings.Contains(err.Error(), "column "+column+" ") {
		t.Errorf("a changed value of column %s: %v, want ErrWrongData with its name", column, err)
	}
}

// The table of types is the connectors' own; nothing else says what they move.
func TestWorkloadHasEveryType(t *testing.T) {
	text, err := os.ReadFile("../../connectors/postgres/types.go")
	if err != nil {
		t.Fatal(err)
	}
	e := openEnv(t)
	i := slices.IndexFunc(Workloads(), func(w Workload) bool { return w.Name == "types" })
	var have []string
	for _, c := range openWorkload(t, e, Workloads()[i]).Sum.Columns {
		have = append(have, regexp.MustCompile(`\(\d+(,\d+)?\)`).ReplaceAllString(c.Type, ""))
	}
	known := regexp.MustCompile(`(?m)^\t\{\d+, "([a-z ]+)", arrowipc\.`).FindAllSubmatch(text, -1)
	if len(known) < 18 {
		t.Fatalf("%d types are read from the connectors' table, want 18 or more", len(known))
	}
	for _, name := range known {
		if !slices.Contains(have, string(name[1])) {
			t.Errorf("no column is a %s", name[1])
		}
	}
}

// A workload moves as many bytes as the most rows of the pipelines, and few where those are few.
func TestWorkloadsOfAGrid(t *testing.T) {
	for _, rows := range []int{1, 1000, 100_000} {
		g := DefaultGrid()
		g.Rows = []int{1, rows}[min(1, rows-1):]
		for _, c := range g.Workloads() {
			table, err := tableOf(c)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(Workloads(), func(w Workload) bool { return w.Name == c.Param("workload") })
			row := Workloads()[i].bytes
			if got, want := table.Rows*row, rows*eventBytes; got > want && table.Rows > 1 || got <= want-row {
				t.Errorf("of %d rows of events, %s moves %d bytes, want as many whole rows as fit in %d", rows, c, got, want)
			}
			if table.Name != "bench_"+c.Param("workload") || table.Dataset != table.Name+"/1" {
				t.Errorf("%s moves %s of %s", c, table.Name, table.Dataset)
			}
		}
	}
	if n := len(DefaultGrid().Workloads()); n != 2*len(properties) {
		t.Errorf("%d cases, want each of %d workloads with both loads", n, len(properties))
	}
	if _, err := tableOf(NewCase("Workload", "sparse", "1", "copy")); err == nil || !strings.Contains(err.Error(), `no workload is called "sparse"`) {
		t.Errorf("an unknown workload gives %v", err)
	}
}
