package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The profiles of server settings. Numbers of two profiles must never be compared.
const (
	Quiet   = "quiet"   // nothing but our own work: no fsync, no background activity in a measurement
	Durable = "durable" // the same, but with the durability a production server has: measures commit and flush
)

// setting is one server parameter.
type setting struct{ name, value string }

// settings returns the parameters of a profile.
func settings(profile string) []setting {
	durability := "off"
	if profile == Durable {
		durability = "on"
	}
	return []setting{
		{"fsync", durability},
		{"synchronous_commit", durability},
		{"full_page_writes", durability},

		// Nothing runs in the background of a measurement: the harness checkpoints and vacuums between iterations.
		{"autovacuum", "off"},
		{"checkpoint_timeout", "1d"},
		{"max_wal_size", "8GB"},
		{"min_wal_size", "1GB"}, // recycled segments are kept, so that no run pays for making new ones
		{"bgwriter_lru_maxpages", "0"},
		{"log_checkpoints", "on"}, // so that a checkpoint in the wrong place can be found

		// Plans and scans are the same in every run. Scans that start where the last one stopped would change the
		// order of rows, and with it batches and their compression.
		{"jit", "off"},
		{"synchronize_seqscans", "off"},
		{"max_parallel_workers_per_gather", "0"},

		// More than four times the largest default source table (a million rows, about 110 MB), because scans of
		// a table beyond a quarter of this go through a small ring of buffers. It costs memory only as it is used.
		{"shared_buffers", "512MB"},
		{"huge_pages", "off"}, // otherwise on some machines only

		// With wal_level=minimal a table truncated in the same transaction skips the log and is synced at commit:
		// that flatters COPY and moves its cost.
		{"wal_level", "replica"},
		{"wal_compression", "off"},

		// Partitions that are appended to a table are prepared before they are committed together. The server's default
		// is none.
		{"max_prepared_transactions", "16"},

		{"timezone", "UTC"},
		{"log_timezone", "UTC"},
	}
}

// hashed names the parameters that ConfHash covers: the profiles', and others that a given server may have set and
// that move a measurement. Addresses, paths and names are not among them, nor is max_prepared_transactions: a run for
// which there are too few is another one and not a slower one, and says so.
const hashed = `autovacuum, bgwriter_lru_maxpages, block_size, checkpoint_timeout, data_checksums, default_toast_compression,
	effective_io_concurrency, fsync, full_page_writes, huge_pages, jit, log_checkpoints, log_min_duration_statement,
	log_statement, maintenance_work_mem, max_parallel_workers_per_gather, max_wal_size, min_wal_size, server_encoding,
	shared_buffers, shared_preload_libraries, synchronize_seqscans, synchronous_commit, track_io_timing, wal_buffers,
	wal_compression, wal_level, wal_segment_size, work_mem`

// connect fills in what the server itself says about version and settings.
func connect(ctx context.Context, s *Server) (*Server, error) {
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return nil, fmt.Errorf("pgtest: %s: connect: %w", s.Provider, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))

	var version string
	if err := conn.QueryRow(ctx, "SHOW server_version").Scan(&version); err != nil {
		return nil, fmt.Errorf("pgtest: %s: version: %w", s.Provider, err)
	}
	s.Version, _, _ = strings.Cut(version, " ")

	// Ordered, so that the hash depends on names and values only.
	const effective = `SELECT name, setting FROM pg_settings WHERE name = ANY ($1) ORDER BY name COLLATE "C"`
	rows, err := conn.Query(ctx, effective, strings.FieldsFunc(hashed, func(r rune) bool { return strings.ContainsRune(", \n\t", r) }))
	if err != nil {
		return nil, fmt.Errorf("pgtest: %s: settings: %w", s.Provider, err)
	}
	hash, got := sha256.New(), map[string]string{}
	var name, value string
	if _, err := pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		got[name] = value
		_, err := io.WriteString(hash, name+"="+value+"\n")
		return err
	}); err != nil {
		return nil, fmt.Errorf("pgtest: %s: settings: %w", s.Provider, err)
	}
	s.ConfHash = hex.EncodeToString(hash.Sum(nil)[:4])
	s.Profile = profileOf(got)
	return s, nil
}

// profileOf recognizes a profile by the settings that tell the two apart and by the one that makes a measurement quiet.
func profileOf(got map[string]string) string {
	if got["autovacuum"] != "off" || got["synchronize_seqscans"] != "off" {
		return "custom"
	}
	switch got["fsync"] + got["synchronous_commit"] + got["full_page_writes"] {
	case "offoffoff":
		return Quiet
	case "ononon":
		return Durable
	}
	return "custom"
}
