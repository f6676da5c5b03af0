package profile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/profile/flame"
)

const script = `    bench.test  4001 1795400959.164978475:    2004008      56173b455edc [1/2].main.run:::::L3 (/tmp/perf-4001.map)
    bench.test  4001 1795400959.264978475:    2004008      56173b455edc [2/2].github.com_rapidbyte_go_rapidbyte_connectors_postgres.__wire_.fill (/tmp/perf-4001.map)
    bench.test  4001 1795400959.264978475:    2004008      56173b455edc [7/9].main.other:::::L3 (/tmp/perf-4001.map)
      postgres  4113 1795400959.300000000:    1000000  ffffffff821f5b65 irqentry_exit_to_user_mode ([kernel.kallsyms])
 with a space   4113 1795400959.300000001:    1000000      56173b455edc [unknown] (/usr/lib/postgresql/15/bin/postgres (deleted))
      postgres  4113 1795400959.300000002:    1000000      7f73b455edc0 __memmove (/usr/lib/libc.so.6)

      postgres  4113 1795400970.000000000:    1000000      56173b455edc late (/usr/lib/postgresql/15/bin/postgres)
`

func seen(t *testing.T) []Seen {
	t.Helper()
	list, err := parseScript(strings.NewReader(script))
	if err != nil || len(list) != 7 {
		t.Fatalf("%d looks, %v; want 7", len(list), err)
	}
	return list
}

func TestParseScript(t *testing.T) {
	list := seen(t)
	first := Seen{"bench.test", 4001, time.Unix(1795400959, 164978475), 2004008, 0x56173b455edc, "[1/2].main.run:::::L3", "/tmp/perf-4001.map"}
	if list[0] != first {
		t.Errorf("got %+v\nwant %+v", list[0], first)
	}
	if s := list[4]; s.Program != "with a space" || s.Symbol != "" || s.Object != "/usr/lib/postgresql/15/bin/postgres (deleted)" {
		t.Errorf("got %+v", s)
	}
	for _, bad := range []string{"nonsense", "a 1 2: 3 4 5 (6)", strings.Repeat("x", 2<<20), "p 99999999999999999999 1.000000000: 1 ff f (o)"} {
		if _, err := parseScript(strings.NewReader(script + bad + "\n")); err == nil {
			t.Errorf("%.30q was taken", bad)
		}
	}
}

func windows() []Window {
	at := func(nanos int64) time.Time { return time.Unix(1795400959, nanos) }
	return []Window{{at(100_000_000), at(200_000_000)}, {at(250_000_000), at(400_000_000)}}
}

func TestWithin(t *testing.T) {
	if got := within(seen(t), windows()); len(got) != 6 || got[5].Symbol != "__memmove" {
		t.Errorf("within the runs: %+v", got)
	}
	if got := within(seen(t), windows()[1:]); len(got) != 5 {
		t.Errorf("within the second run: %+v", got)
	}
	if got := within(seen(t), nil); len(got) != 0 {
		t.Errorf("without runs: %+v", got)
	}
}

func TestAddDatabase(t *testing.T) {
	c := &CPU{Runs: 1, Rows: 1000, Windows: windows()}
	tree := &flame.Tree{Frame: flame.Frame{Name: "all"}}
	c.AddDatabase(tree, seen(t)[3:])
	want := "all\n Postgres\n  kernel\n   irqentry_exit_to_user_mode\n  server\n   without names\n  libc.so.6\n   __memmove\n"
	if got := text(tree); got != want || tree.Value != 3000 {
		t.Errorf("%g ns/row in\n%swant 3000 in\n%s", tree.Value, got, want)
	}
}

// module writes a WebAssembly module with that many functions, as far as they are counted.
func wasmWith(t *testing.T, dir, name string, functions byte) {
	t.Helper()
	text := append([]byte("\x00asm\x01\x00\x00\x00\x01\x02\x00\x00\x0a"), functions+1, functions)
	text = append(text, make([]byte, functions)...)
	if err := os.WriteFile(filepath.Join(dir, name+".wasm"), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestNameGuests(t *testing.T) {
	dir := t.TempDir()
	wasmWith(t, dir, "source-postgres", 3)
	wasmWith(t, dir, "destination-postgres", 5)
	c := &CPU{Profile: timed(example()), Runs: 1, Rows: 1, Windows: windows()}
	if err := c.NameGuests(seen(t), dir); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, g := range c.guests["source"] {
		got[g.frame.Name] = g.part
	}
	if len(c.guests) != 1 || len(got) != 2 || got["main.run"] != 0.5 || got["postgres.(*wire).fill"] != 0.5 {
		t.Errorf("named %v, want the two functions of the source's guest", c.guests)
	}

	if err := c.NameGuests(nil, dir); !errors.Is(err, ErrEmpty) {
		t.Errorf("nothing seen: %v", err)
	}
	wasmWith(t, dir, "destination-postgres", 3)
	if err := c.NameGuests(seen(t), dir); err == nil || !strings.Contains(err.Error(), "3 functions each") {
		t.Errorf("guests that cannot be told apart: %v", err)
	}
	for _, bad := range []string{"", "\x00asm\x01\x00\x00\x00", "\x00asm\x01\x00\x00\x00\x0a", "\x00asm\x01\x00\x00\x00\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "\x00asm\x01\x00\x00\x00\x0a\x01\x00", "PK"} {
		if n, err := functions([]byte(bad)); err == nil {
			t.Errorf("%q has %d functions", bad, n)
		}
	}
}

// A machine without the program says so, and so does one that does not let us.
func TestNoPerf(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if _, err := FindPerf(t.Context()); !errors.Is(err, ErrNoPerf) || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("without perf: %v", err)
	}
	script := "#!/bin/sh\necho 'Access to performance monitoring is limited.' >&2\necho 'more' >&2\nexit 255\n"
	if err := os.WriteFile(filepath.Join(dir, "perf"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := FindPerf(t.Context()); !errors.Is(err, ErrNoPerf) || !strings.Contains(err.Error(), "monitoring is limited.") || strings.Contains(err.Error(), "more") {
		t.Errorf("refused: %v", err)
	}
}
