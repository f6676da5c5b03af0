package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

const (
	defaultPort           = 5432
	defaultConnectTimeout = 10 // seconds
	defaultAppName        = "rapidbyte"
)

func postgresKeys() []abi.ManifestField {
	return []abi.ManifestField{
		{Name: "host", Type: "string", Doc: "server name or address, or the directory of its unix socket; several, separated by commas, are tried in turn"},
		{Name: "port", Type: "int", Default: int64(defaultPort), Doc: "server port"},
		{Name: "user", Type: "string", Doc: "user to log in as; left out, the operating system's user"},
		{Name: "password", Type: "string", Doc: "password; left out, it is looked up in the passfile"},
		{Name: "database", Type: "string", Doc: "database to connect to; left out, the one named like the user"},
		{Name: "dsn", Type: "string", Doc: "postgres:// URL or \"key=value ...\" string, in place of host, port, user, database and service"},
		{Name: "sslmode", Type: "string", Default: "prefer",
			Enum: []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
			Doc:  "how much TLS to insist on"},
		{Name: "sslrootcert", Type: "string", Doc: "file with the certificates to trust, or \"system\""},
		{Name: "sslcert", Type: "string", Doc: "file with the client certificate"},
		{Name: "sslkey", Type: "string", Doc: "file with the client certificate's key"},
		{Name: "passfile", Type: "string", Doc: "password file, its mode 0600; left out, ~/.pgpass"},
		{Name: "service", Type: "string", Doc: "section of the service file to take settings from"},
		{Name: "servicefile", Type: "string", Doc: "service file; left out, ~/.pg_service.conf"},
		{Name: "connect_timeout", Type: "int", Default: int64(defaultConnectTimeout), Doc: "seconds to wait for each address; 0 waits for ever"},
		{Name: "application_name", Type: "string", Default: defaultAppName, Doc: "name of the session in pg_stat_activity"},
		{Name: "target_session_attrs", Type: "string", Default: "any",
			Enum: []string{"any", "read-write", "read-only", "primary", "standby", "prefer-standby"},
			Doc:  "which of several hosts is acceptable"},
	}
}

// placeKeys say where to log in and as whom, which the dsn says too.
var placeKeys = []string{"host", "port", "user", "database", "service"}

// postgres logs in to one server, or to the first of several that takes it.
type postgres struct {
	config *pgconn.Config
}

// Format keeps the configuration, with its password, out of any formatted text.
func (b *postgres) Format(f fmt.State, _ rune) { f.Write([]byte("postgres broker")) }

func newPostgres(s settings) (Broker, error) {
	if err := s.check(postgresKeys()); err != nil {
		return nil, err
	}

	// Collect what is set. Beside a dsn or a service, a key at its default may
	// just have been filled in and gives way. Else it counts, before the
	// environment, which decides only what nobody has set.
	set := map[string]string{}
	elsewhere := s.config["dsn"] != nil && s.config["dsn"] != "" || s.config["service"] != nil && s.config["service"] != ""
	for _, f := range postgresKeys() {
		value, ok, err := s.text(f)
		if err != nil {
			return nil, err
		}
		if ok && !(elsewhere && value == fmt.Sprint(f.Default)) {
			set[f.Name] = value
		}
	}
	if err := checkPostgres(s, set); err != nil {
		return nil, err
	}

	config, err := pgconn.ParseConfig(connString(set))
	if err != nil {
		return nil, parseError(s, set, err)
	}
	if _, ok := config.RuntimeParams["application_name"]; !ok {
		config.RuntimeParams["application_name"] = defaultAppName
	}
	if n, ok := integer(s.config["connect_timeout"]); config.ConnectTimeout == 0 && !(ok && n == 0) {
		config.ConnectTimeout = defaultConnectTimeout * time.Second
	}
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		var d dialer
		return d.dial(ctx, network, address)
	}
	return &postgres{config: config}, nil
}

// checkPostgres reports what the parser would not, or not by the key's name.
func checkPostgres(s settings, set map[string]string) error {
	if set["dsn"] != "" {
		for _, key := range placeKeys {
			if set[key] != "" {
				return s.errorf(key, "dsn is set as well; say it there, or leave dsn out")
			}
		}
	} else if set["host"] == "" && set["service"] == "" {
		return s.errorf("host", "not set; set host, dsn or service")
	}

	if port, ok := set["port"]; ok {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return s.errorf("port", "want a number from 1 to 65535")
		}
	}
	if strings.HasPrefix(set["connect_timeout"], "-") {
		return s.errorf("connect_timeout", "want seconds, 0 or more")
	}
	if (set["sslcert"] == "") != (set["sslkey"] == "") {
		return s.errorf("sslcert", "sslcert and sslkey need each other: set both or neither")
	}

	for _, key := range []string{"sslrootcert", "sslcert", "sslkey", "passfile", "servicefile"} {
		file := set[key]
		if file == "" || key == "sslrootcert" && file == "system" {
			continue
		}
		info, err := os.Stat(file)
		if err == nil && info.Mode().IsRegular() {
			var f *os.File
			if f, err = os.Open(file); err == nil {
				f.Close()
			}
		}
		if err != nil {
			return s.errorf(key, "%v", err)
		}
		if info.IsDir() {
			return s.errorf(key, "%s is a directory", file)
		}
		if key == "passfile" && os.PathSeparator == '/' && info.Mode().Perm()&0o077 != 0 {
			return s.errorf(key, "%s can be read by others (mode %04o); run chmod 600 on it", file, info.Mode().Perm())
		}
	}
	return nil
}

// connString returns what is set in the form the parser takes: the dsn followed
// by the other keys, of which the last one counts.
func connString(set map[string]string) string {
	dsn := set["dsn"]
	isURL := strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")

	var b strings.Builder
	b.WriteString(dsn)
	separator := byte('?')
	if strings.Contains(dsn, "?") {
		separator = '&'
	}
	for _, f := range postgresKeys() {
		value, ok := set[f.Name]
		if !ok || f.Name == "dsn" {
			continue
		}
		if isURL {
			b.WriteByte(separator)
			b.WriteString(f.Name + "=")
			escapeURL(&b, value)
			separator = '&'
			continue
		}
		b.WriteString(" " + f.Name + "='" + keywordEscaper.Replace(value) + "'")
	}
	return b.String()
}

var keywordEscaper = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// escapeURL writes value so that no character of it means anything in a URL.
func escapeURL(b *strings.Builder, value string) {
	for _, c := range []byte(value) {
		fmt.Fprintf(b, "%%%02X", c)
	}
}

// Open implements [Broker]. The session it returns is idle, outside a
// transaction.
func (b *postgres) Open(ctx context.Context, target string) (Conn, error) {
	if target != "" {
		return nil, &Error{
			Category: abi.CategoryInternal,
			Message:  fmt.Sprintf("the postgres broker takes no target, got %q", target),
			Hint:     "the pipeline's config says where to connect",
		}
	}

	pg, err := pgconn.ConnectConfig(ctx, b.config)
	if err != nil {
		return nil, b.loginError(err)
	}
	if err := pg.SyncConn(ctx); err != nil {
		pg.Close(ctx)
		return nil, b.loginError(err)
	}
	hijacked, err := pg.Hijack()
	if err != nil {
		pg.Close(ctx)
		return nil, b.loginError(err)
	}

	s, ok := lowest(hijacked.Conn).(*sock)
	if !ok {
		hijacked.Conn.Close()
		return nil, b.loginError(errors.New("the connection is of an unknown kind"))
	}
	s.SetDeadline(time.Time{})

	c := newConn("postgres at "+s.address, hijacked.Conn, s)
	c.proto = newSession(hijacked, s)
	return c, nil
}

// lowest returns the connection below TLS, or nc itself.
func lowest(nc net.Conn) net.Conn {
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return nc
}
