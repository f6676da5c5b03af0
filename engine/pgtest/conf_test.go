package pgtest

import (
	"fmt"
	"strings"
	"testing"
)

// The profiles are written out, because results refer to them by name: a change here makes old results incomparable.
func TestSettings(t *testing.T) {
	const common = " autovacuum=off checkpoint_timeout=1d max_wal_size=8GB min_wal_size=1GB bgwriter_lru_maxpages=0 log_checkpoints=on" +
		" jit=off synchronize_seqscans=off max_parallel_workers_per_gather=0 shared_buffers=512MB huge_pages=off" +
		" wal_level=replica wal_compression=off max_prepared_transactions=16 timezone=UTC log_timezone=UTC"
	for profile, want := range map[string]string{
		Quiet:   "fsync=off synchronous_commit=off full_page_writes=off" + common,
		Durable: "fsync=on synchronous_commit=on full_page_writes=on" + common,
	} {
		var got []string
		for _, s := range settings(profile) {
			got = append(got, fmt.Sprintf("%s=%s", s.name, s.value))
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s: got\n%s, want\n%s", profile, got, want)
		}
	}
}

func TestProfileOf(t *testing.T) {
	quiet := "autovacuum=off synchronize_seqscans=off fsync=off synchronous_commit=off full_page_writes=off"
	durable := strings.NewReplacer("fsync=off", "fsync=on", "commit=off", "commit=on", "writes=off", "writes=on").Replace(quiet)
	for _, tt := range []struct{ settings, want string }{
		{quiet, Quiet},
		{durable, Durable},
		{strings.Replace(quiet, "fsync=off", "fsync=on", 1), "custom"},
		{strings.Replace(quiet, "autovacuum=off", "autovacuum=on", 1), "custom"},
		{strings.Replace(durable, "seqscans=off", "seqscans=on", 1), "custom"},
		{"", "custom"},
	} {
		got := map[string]string{}
		for _, s := range strings.Fields(tt.settings) {
			name, value, _ := strings.Cut(s, "=")
			got[name] = value
		}
		if got := profileOf(got); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.settings, got, tt.want)
		}
	}
}
