//go:build !wasip1

package postgres

import (
	"testing"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// What an administrator has set for a database does not reach the sessions of
// the connectors, whatever of it the server's version has.
func TestSession(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, `DO $$ DECLARE s record; BEGIN
		FOR s IN SELECT v.name, v.value FROM (VALUES ('client_encoding', 'LATIN1'), ('statement_timeout', '1min'),
			('idle_in_transaction_session_timeout', '1min'), ('transaction_timeout', '1min'), ('idle_session_timeout', '1min'),
			('row_security', 'on'), ('plan_cache_mode', 'auto')) v(name, value) JOIN pg_settings USING (name)
		LOOP EXECUTE format('ALTER DATABASE %I SET %I = %L', current_database(), s.name, s.value); END LOOP; END $$`)

	for _, tt := range []struct {
		name string
		role abi.Role
		open func(*testHost) *wire
		want map[string]string
	}{
		{"source", abi.RoleSource, func(h *testHost) *wire {
			var s *source
			guest := sdk.SourceGuest(func() sdk.Source { s = &source{}; return s })(h)
			if err := h.err(guest.Open()); err != nil {
				t.Fatal(err)
			}
			return s.wire
		}, map[string]string{"row_security": "off"}},
		{"destination", abi.RoleDestination, func(h *testHost) *wire {
			var d *destination
			guest := sdk.DestinationGuest(func() sdk.Destination { d = &destination{}; return d })(h)
			if err := h.err(guest.Open()); err != nil {
				t.Fatal(err)
			}
			return d.wire
		}, map[string]string{"plan_cache_mode": "force_generic_plan"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want["client_encoding"] = "UTF8"
			for _, name := range []string{"statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout", "idle_session_timeout"} {
				tt.want[name] = "0"
			}
			h := newTestHost(tt.role, nil, connectTo(t, dsn))
			w := tt.open(h)
			for name, want := range tt.want {
				rows, err := w.query("SELECT current_setting('" + name + "', true)")
				if err != nil {
					t.Fatal(err)
				}
				switch got := rows[0][0]; {
				case got.null:
					t.Logf("this server has no %s", name)
				case got.s != want:
					t.Errorf("%s is %q, want %q", name, got.s, want)
				}
			}
			if err := h.conns[0].Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
