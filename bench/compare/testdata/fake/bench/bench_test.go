// Package bench looks like a real suite from outside, and reports what the code under test says its work would take.
package bench

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/fake/lib"
)

func TestMain(m *testing.M) {
	fmt.Println("Unit cpu-ns/op better=lower")
	fmt.Println("Unit hostcalls/op better=lower assume=exact")
	fmt.Println("machine: fake")
	fmt.Println("pg-conf: " + os.Getenv("FAKE_PG"))
	os.Exit(m.Run())
}

func BenchmarkPipeline(b *testing.B) {
	for _, load := range []string{"insert", "copy"} {
		b.Run("rows=10/load="+load, run)
	}
}

func BenchmarkFloor(b *testing.B) { b.Run("rows=10/load=copy/via=pgx", run) }

// run reports times that depend on the code, on the seed, and on nothing else, so that a test knows what to expect.
func run(b *testing.B) {
	if os.Getenv("BENCH_LIST") != "" {
		return
	}
	note(b, "FAKE_STARTED", strconv.Itoa(os.Getpid()))
	misbehave(b)
	h := fnv.New32a()
	fmt.Fprint(h, os.Getenv("BENCH_SEED"), b.Name())
	noise := float64(h.Sum32()%1000) / 1e5

	n := 0
	for b.Loop() {
		n++
		turn(b, n)
	}
	ns := 100e6 * lib.Factor * (1 + noise)
	if strings.HasPrefix(b.Name(), "BenchmarkFloor") {
		ns = 50e6 * (1 + noise)
	}
	values := map[string]float64{
		"ns/op": ns, "cpu-ns/op": ns / 2, "hostcalls/op": lib.Calls, "dest-ns/op": ns,
		"dest-guest-ns/op": ns - 80e6, "dest-flush-ns/op": 80e6,
	}
	for unit, v := range values {
		b.ReportMetric(v, unit)
	}
	b.ReportMetric(0, "zero/op")
	if dir := os.Getenv("BENCH_SAMPLES"); dir != "" && os.Getenv("FAKE") != "no samples" {
		samples(b, dir, n, values)
	}
}

// turn waits for this process's turn, if it takes any, and notes in FAKE_LOG that it has had it.
func turn(b *testing.B, n int) {
	if os.Getenv("BENCH_TURNS") != "3,4" || strings.HasPrefix(os.Getenv("FAKE"), "no turns") {
		return
	}
	if log := os.Getenv("FAKE_LOG"); log != "" {
		os.WriteFile(log+".taken", nil, 0o644) // as a lock on the server
		if n == 1 {
			b.Cleanup(func() { os.Remove(log + ".taken") })
		}
	}
	os.NewFile(4, "out").Write([]byte{'.'})
	if _, err := os.NewFile(3, "in").Read(make([]byte, 1)); err != nil {
		b.Fatal(err)
	}
	if os.Getenv("FAKE") == "fails in turn 2" && n == 2 {
		b.Fatal("connection lost")
	}
	note(b, "FAKE_LOG", fmt.Sprint(os.Getenv("FAKE_SIDE"), n))
}

// note adds a line to the file that the variable names, if it does.
func note(b *testing.B, variable, line string) {
	path := os.Getenv(variable)
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintln(f, line)
}

// samples writes an iteration each, whose median is what the line reports.
func samples(b *testing.B, dir string, n int, values map[string]float64) {
	f, err := os.Create(filepath.Join(dir, "samples.jsonl"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for i := range n {
		var contaminated []string
		if os.Getenv("FAKE") == "disturbed" && i == 1 {
			contaminated = []string{"checkpoint"}
		}
		line, _ := json.Marshal(map[string]any{
			"v": 1, "bench": strings.TrimPrefix(b.Name(), "Benchmark"), "iter": i + 1, "values": values, "contaminated": contaminated,
		})
		if os.Getenv("FAKE") == "torn samples" {
			line = line[:len(line)-5]
		}
		fmt.Fprintf(f, "%s\n", line)
	}
	if os.Getenv("FAKE") == "torn last sample" {
		fmt.Fprint(f, `{"v":1,"be`)
	}
}

// misbehave does what can go wrong in a suite.
func misbehave(b *testing.B) {
	switch os.Getenv("FAKE") {
	case "wrong data":
		b.Fatal("lab: wrong data: 9 rows instead of 10")
	case "failure":
		b.Fatal("dial: connection refused")
	case "skip":
		b.Skip("no server on this machine")
	case "panic":
		panic("index out of range")
	case "no turns beside others":
		if _, err := os.Stat(os.Getenv("FAKE_LOG") + ".taken"); err == nil {
			b.Fatal("another benchmark is using this server")
		}
	case "exit":
		os.Exit(0)
	case "hang":
		// A child of the suite, such as a server, that would outlive it.
		child := exec.Command("sleep", "600")
		if err := child.Start(); err != nil {
			b.Fatal(err)
		}
		aside := os.Getenv("FAKE_PIDS") + ".part"
		if err := os.WriteFile(aside, fmt.Appendf(nil, "%d %d\n", os.Getpid(), child.Process.Pid), 0o644); err != nil {
			b.Fatal(err)
		}
		if err := os.Rename(aside, os.Getenv("FAKE_PIDS")); err != nil {
			b.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
	}
}
