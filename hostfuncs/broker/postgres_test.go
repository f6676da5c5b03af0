package broker

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// role is a user of its own with a database of its own, on the shared server.
type role struct {
	host, port, user, password, database string
	admin                                *pgx.Conn // the superuser, in the database
}

// newRole makes one. Its password holds every character that means something in
// one of the places a password can come from, and nothing that is part of
// another setting.
func newRole(t testing.TB) *role {
	t.Helper()
	ctx := context.Background()
	dsn := pgtest.Shared(t).NewDatabase(t)
	admin, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	c := admin.Config()
	r := &role{
		host: c.Host, port: fmt.Sprint(c.Port), database: c.Database, admin: admin,
		user:     "rb_" + strings.ToLower(rand.Text()[:10]),
		password: `S3cr"et'\:@/?#&=% ` + rand.Text()[:6],
	}
	if strings.HasPrefix(r.host, "/") {
		r.host = "127.0.0.1" // where a local server asks for passwords
	}
	r.exec(t, "CREATE ROLE "+r.user+" LOGIN PASSWORD '"+strings.ReplaceAll(r.password, "'", "''")+"'")
	r.exec(t, "GRANT ALL ON DATABASE "+r.database+" TO "+r.user)
	r.exec(t, "GRANT ALL ON SCHEMA public TO "+r.user)
	t.Cleanup(func() {
		admin.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", r.user)
		r.exec(t, "DROP OWNED BY "+r.user)
		r.exec(t, "DROP ROLE "+r.user)
		admin.Close(ctx)
	})
	return r
}

// exec runs a statement as the superuser.
func (r *role) exec(t testing.TB, sql string) {
	t.Helper()
	if _, err := r.admin.Exec(context.Background(), sql); err != nil {
		t.Fatal(err)
	}
}

// config returns the keys to log in, with changes: pairs of a key and its
// value, "" to leave it out.
func (r *role) config(changes ...any) map[string]any {
	c := map[string]any{
		"host": r.host, "port": r.port, "user": r.user, "password": r.password, "database": r.database, "sslmode": "disable",
	}
	for i := 0; i < len(changes); i += 2 {
		c[changes[i].(string)] = changes[i+1]
	}
	return c
}

// open logs in.
func open(t testing.TB, config map[string]any) *conn {
	t.Helper()
	b, err := New(Postgres, config)
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.Open(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*conn)
}

// message returns a message of the protocol.
func message(kind byte, body string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(body)))
	return append(b, body...)
}

// receive reads one message.
func receive(t testing.TB, c Conn) (kind byte, body []byte) {
	t.Helper()
	var header [5]byte
	if _, err := io.ReadFull(c, header[:]); err != nil {
		t.Fatal("reading a message:", err)
	}
	body = make([]byte, binary.BigEndian.Uint32(header[1:])-4)
	if _, err := io.ReadFull(c, body); err != nil {
		t.Fatal("reading a message:", err)
	}
	return header[0], body
}

// query runs a statement that returns one row with one column.
func query(t testing.TB, c Conn, sql string) string {
	t.Helper()
	if _, err := c.Write(message('Q', sql+"\x00")); err != nil {
		t.Fatal(err)
	}
	answer := ""
	for {
		switch kind, body := receive(t, c); kind {
		case 'D':
			answer = string(body[6:])
		case 'E':
			t.Fatalf("%s: %q", sql, body)
		case 'Z':
			return answer
		}
	}
}

// TestLogin logs in by each way to say where, as whom and with what password.
func TestLogin(t *testing.T) {
	r := newRole(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	escaped := strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(r.password)
	passfile := write("pgpass", "*:*:"+r.database+":"+r.user+":"+escaped+"\n")
	servicefile := write("service.conf", "[here]\nhost="+r.host+"\nport="+r.port+"\nuser="+r.user+"\ndbname="+r.database+"\n")
	quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(r.password)
	dsn := &url.URL{Scheme: "postgres", User: url.UserPassword(r.user, r.password), Host: r.host + ":" + r.port, Path: "/" + r.database}

	for _, test := range []struct {
		name   string
		config map[string]any
		env    map[string]string
	}{
		{name: "keys", config: r.config()},
		{name: "port as a number", config: r.config("port", int64(atoi(t, r.port)))},
		{name: "passfile", config: r.config("password", "", "passfile", passfile)},
		{name: "passfile from the environment", config: r.config("password", ""), env: map[string]string{"PGPASSFILE": passfile}},
		{name: "password from the environment", config: r.config("password", ""), env: map[string]string{"PGPASSWORD": r.password}},
		{name: "URL", config: map[string]any{"dsn": dsn.String()}},
		{name: "URL with settings", config: map[string]any{"dsn": dsn.String() + "?sslmode=disable&application_name=url"}},
		{name: "URL and password", config: map[string]any{"dsn": withoutPassword(dsn), "password": r.password}},
		{name: "URL with settings and password", config: map[string]any{"dsn": withoutPassword(dsn) + "?sslmode=disable", "password": r.password}},
		{name: "pairs", config: map[string]any{"dsn": fmt.Sprintf("host=%s port=%s user=%s password='%s' dbname=%s", r.host, r.port, r.user, quoted, r.database)}},
		{name: "pairs and password", config: map[string]any{
			"dsn": fmt.Sprintf("host=%s port=%s user=%s password=wrong dbname=%s", r.host, r.port, r.user, r.database), "password": r.password}},
		{name: "service", config: map[string]any{"service": "here", "servicefile": servicefile, "password": r.password}},
		{name: "a dsn beside keys at their defaults", config: map[string]any{
			"dsn": dsn.String(), "port": int64(defaultPort), "connect_timeout": int64(10), "sslmode": "prefer", "target_session_attrs": "any"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for k, v := range test.env {
				t.Setenv(k, v)
			}
			c := open(t, test.config)
			if got, want := query(t, c, "SELECT current_user || '@' || current_database()"), r.user+"@"+r.database; got != want {
				t.Errorf("logged in as %s, want %s", got, want)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func atoi(t *testing.T, s string) (n int) {
	t.Helper()
	if _, err := fmt.Sscan(s, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func withoutPassword(u *url.URL) string {
	v := *u
	v.User = url.User(u.User.Username())
	return v.String()
}

// TestUnixSocket logs in through the directory of the server's socket.
func TestUnixSocket(t *testing.T) {
	c, err := pgconn.ParseConfig(pgtest.Shared(t).DSN())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(c.Host, "/") {
		t.Skipf("the server (%s) has no unix socket here", pgtest.Shared(t).Provider)
	}
	s := open(t, pgtest.SourceConfig(pgtest.Shared(t).DSN()))
	if got := query(t, s, "SELECT inet_server_addr() IS NULL"); got != "t" {
		t.Errorf("not through a unix socket: %s", got)
	}
	if s.sock.network != "unix" {
		t.Errorf("dialled %s", s.sock.network)
	}
}

// TestSession looks at the settings of a session and its state.
func TestSession(t *testing.T) {
	r := newRole(t)
	for _, test := range []struct {
		config map[string]any
		name   string
	}{
		{r.config(), "rapidbyte"},
		{r.config("application_name", "nightly load"), "nightly load"},
		{map[string]any{"dsn": fmt.Sprintf("host=%s port=%s user=%s dbname=%s application_name=dsn", r.host, r.port, r.user, r.database),
			"password": r.password, "application_name": defaultAppName}, "dsn"},
	} {
		c := open(t, test.config)
		if ready, err := c.Ready(); ready || err != nil {
			t.Errorf("after login: Ready = %v, %v: something is left to read", ready, err)
		}
		if got := query(t, c, "SHOW application_name"); got != test.name {
			t.Errorf("application_name is %q, want %q", got, test.name)
		}
		c.Close()
	}

	b, err := New(Postgres, r.config())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(context.Background(), "elsewhere:5432"); err == nil {
		t.Error("a target that the guest chose is accepted")
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, b); got != "postgres broker" {
			t.Errorf("formatted with %s the broker says %q", format, got)
		}
	}
}

// TestTargetSessionAttrs asks for a role the server does not have.
func TestTargetSessionAttrs(t *testing.T) {
	r := newRole(t)
	open(t, r.config("target_session_attrs", "primary"))
	_, err := openError(t, r.config("target_session_attrs", "standby"))
	if err == nil || err.Category != "transient_db" || err.Field != "target_session_attrs" {
		t.Errorf("a standby is wanted: %v", err)
	}
}

// openError makes a broker, opens a connection and returns the error of either.
func openError(t testing.TB, config map[string]any) (Broker, *Error) {
	t.Helper()
	b, err := New(Postgres, maps.Clone(config))
	if err == nil {
		var c Conn
		if c, err = b.Open(context.Background(), ""); err == nil {
			c.Close()
			return b, nil
		}
	}
	e, ok := err.(*Error)
	if !ok {
		t.Fatalf("an error of type %T: %v", err, err)
	}
	return b, e
}
