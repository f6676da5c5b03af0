package bench

import (
	"os"
	"os/exec"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/lab"
)

// listed is for programs that want to know what there is to measure: with
// BENCH_LIST=1 every case of the family gives a result line at once, in which
// nothing was measured, and no server is started and no guest built. Cases that
// this machine would skip are left out. It reports whether that was done.
func listed(b *testing.B, cases func(lab.Grid) []lab.Case) bool {
	if os.Getenv("BENCH_LIST") != "1" {
		return false
	}
	grid, err := lab.GridFromEnv(os.LookupEnv)
	if err != nil {
		b.Fatal(err)
	}
	any := false
	for _, c := range cases(grid) {
		switch c.Family {
		case "PipelineCold", "ModuleLoad":
			if grid.Runtime != "compiled" {
				continue
			}
		case "Peer":
			if peersLeftOut() != nil || lab.HavePeer(c.Param("via")) != nil {
				continue
			}
		}
		if c.Param("via") == "psql" {
			if _, err := exec.LookPath("psql"); err != nil {
				continue
			}
		}
		b.Run(c.Sub(), func(b *testing.B) {
			any = true
			b.ReportMetric(1, "listed")
		})
	}
	if !any {
		b.Skip("no case of it is wanted") // or the family itself would look like one
	}
	return true
}
