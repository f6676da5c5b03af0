package lab

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Every program that is missed is named; ours is built.
func TestHavePeer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, via := range Peers() {
		err := HavePeer(via)
		var absent *AbsentError
		if ours := via == "rapidbyte"; ours != (err == nil) || !ours && (!errors.As(err, &absent) || absent.Program != via) {
			t.Errorf("%s: %v", via, err)
		}
	}
	if err := HaveRival(); err == nil || !strings.Contains(err.Error(), "pgcopydb") || !strings.Contains(err.Error(), "pgloader") {
		t.Errorf("no rival: %v", err)
	}
}

// Every program on this machine moves every row, and one that does not is found out.
func TestPeersAreVerified(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs whole programs")
	}
	e := openEnv(t)
	for _, c := range (Grid{Rows: []int{50}}).Peers() {
		t.Run(c.Param("via"), func(t *testing.T) {
			if err := HavePeer(c.Param("via")); err != nil {
				t.Skip(err)
			}
			trial, done, err := e.PeerTrial(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := done(); err != nil {
					t.Error(err)
				}
			}()
			s := trial.Source
			verify := trial.Verify
			if verify == nil {
				verify = s.Verify
			}
			for range 2 {
				if err := s.Reset(t.Context()); err != nil {
					t.Fatal(err)
				}
				if trial.Prepare != nil {
					if err := trial.Prepare(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				out, err := trial.Run(t.Context())
				if err != nil || out.Rows != 50 {
					t.Fatalf("%d rows, %v", out.Rows, err)
				}
				single := c.Param("via") == "rapidbyte" || c.Param("via") == "pgloader"
				if peak := out.Values["peak-RSS-bytes"]; runtime.GOOS == "linux" && single != (peak > 1<<20) {
					t.Errorf("the peak is %v bytes, and that it is of one process is %v", peak, single)
				}
				if err := verify(t.Context(), true); err != nil {
					t.Fatal(err)
				}
			}

			for _, table := range []string{"raw.bench_events", "public.bench_events"} {
				dsn := e.Server.DSNFor(s.database)
				if table[0] == 'p' {
					if trial.Prepare == nil {
						continue
					}
					dsn = e.Server.DSNFor(s.database + "_peer")
				}
				conn, err := pgx.Connect(t.Context(), dsn)
				if err != nil {
					t.Fatal(err)
				}
				_, err = conn.Exec(t.Context(), "UPDATE "+table+" SET user_id = user_id + 1 WHERE id = 7")
				if err := errors.Join(err, conn.Close(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			if err := verify(t.Context(), true); !errors.Is(err, ErrWrongData) {
				t.Errorf("a changed row: %v", err)
			}
		})
	}
}
