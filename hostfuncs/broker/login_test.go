package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// loginCase is a login that fails and what its error says.
type loginCase struct {
	name     string
	config   map[string]any
	category abi.Category
	field    string
	code     string
	message  string // part of it
	hint     string // part of it
}

func (test loginCase) run(t *testing.T, password string) {
	t.Run(test.name, func(t *testing.T) {
		b, e := openError(t, test.config)
		if e == nil {
			t.Fatal("no error")
		}
		if e.Category != test.category || e.Field != test.field || e.Code != test.code {
			t.Errorf("category %s, field %q, code %q, want %s, %q, %q", e.Category, e.Field, e.Code, test.category, test.field, test.code)
		}
		if !strings.Contains(e.Message, test.message) || !strings.Contains(e.Hint, test.hint) {
			t.Errorf("message %q\nhint %q\nwant %q\nand %q", e.Message, e.Hint, test.message, test.hint)
		}
		if strings.ContainsAny(e.Error(), "\n\t") || e.Message == "" || e.Hint == "" && e.Field == "" {
			t.Errorf("not one line with a way out: %q", e.Error())
		}
		noPassword(t, password, b, e)
	})
}

// noPassword looks for the password in everything that can be printed of an
// error, of what it wraps, and of the broker.
func noPassword(t *testing.T, password string, b Broker, err error) {
	t.Helper()
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		texts := []string{fmt.Sprintf(format, b)}
		for e := err; e != nil; e = errors.Unwrap(e) {
			texts = append(texts, fmt.Sprintf(format, e))
		}
		for _, text := range texts {
			if strings.Contains(text, password) || strings.Contains(text, fmt.Sprintf("%q", password)[1:len(password)]) {
				t.Errorf("the password is in %q", text)
			}
		}
	}
	var connect *pgconn.ConnectError
	var parse *pgconn.ParseConfigError
	if errors.As(err, &connect) || errors.As(err, &parse) {
		t.Errorf("%T is in the error's chain, and the password in it", err)
	}
}

// TestLoginErrors makes a real server refuse, for each way in which a password
// can arrive.
func TestLoginErrors(t *testing.T) {
	r := newRole(t)
	const wrong = "Wr0ng-passw0rd"
	passfile := filepath.Join(t.TempDir(), "pgpass")
	if err := os.WriteFile(passfile, []byte("*:*:*:*:"+wrong+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	servicefile := filepath.Join(t.TempDir(), "service.conf")
	section := "[here]\nhost=" + r.host + "\nport=" + r.port + "\nuser=" + r.user + "\ndbname=" + r.database + "\npassword=" + wrong + "\n"
	if err := os.WriteFile(servicefile, []byte(section), 0o600); err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("connect to postgres at %s:%s as %q: ", r.host, r.port, r.user)
	rejected := loginCase{category: abi.CategoryAuth, field: "password", code: "28P01",
		message: at + "password authentication failed", hint: "check user and password"}

	// A wrong password.
	for name, config := range map[string]map[string]any{
		"key":                           r.config("password", wrong),
		"passfile":                      r.config("password", "", "passfile", passfile),
		"URL":                           {"dsn": fmt.Sprintf("postgres://%s:%s@%s:%s/%s?sslmode=disable", r.user, wrong, r.host, r.port, r.database)},
		"URL, with TLS if there is any": {"dsn": fmt.Sprintf("postgres://%s:%s@%s:%s/%s", r.user, wrong, r.host, r.port, r.database)},
		"pairs":                         {"dsn": fmt.Sprintf("host=%s port=%s user=%s password=%s dbname=%s", r.host, r.port, r.user, wrong, r.database)},
		"service":                       {"service": "here", "servicefile": servicefile},
	} {
		test := rejected
		test.name, test.config = "wrong password by "+name, config
		test.run(t, wrong)
	}
	t.Run("environment", func(t *testing.T) {
		t.Setenv("PGPASSWORD", wrong)
		test := rejected
		test.name, test.config = "wrong password", r.config("password", "")
		test.run(t, wrong)
	})

	// Everything else, with the right one.
	other := newRole(t)
	other.exec(t, "REVOKE ALL ON DATABASE "+other.database+" FROM PUBLIC")
	full := newRole(t)
	full.exec(t, "ALTER ROLE "+full.user+" CONNECTION LIMIT 0")
	for _, test := range []loginCase{
		{"no password", r.config("password", ""), abi.CategoryAuth, "password", "28P01", at, "no password was given"},
		{"unknown user", r.config("user", "rb_nobody"), abi.CategoryAuth, "password", "28P01", `as "rb_nobody"`, "does not say which"},
		{"missing database", r.config("database", "no_such_db"), abi.CategoryConfig, "database", "3D000",
			at + `database "no_such_db" does not exist`, "create the database"},
		{"missing permission", r.config("database", other.database), abi.CategoryPermission, "", "42501",
			"permission denied for database", "grant connect on the database to"},
		{"too many connections", full.config(), abi.CategoryTransientDB, "", "53300", "too many connections", "no free connection"},
	} {
		test.run(t, r.password)
	}
}

// TestNetworkErrors meets no server at all, or something else.
func TestNetworkErrors(t *testing.T) {
	const password = "S3cret-passw0rd"
	base := map[string]any{"host": "127.0.0.1", "user": "loader", "password": password, "database": "raw", "sslmode": "disable"}
	with := func(changes ...any) map[string]any {
		c := maps.Clone(base)
		for i := 0; i < len(changes); i += 2 {
			c[changes[i].(string)] = changes[i+1]
		}
		return c
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	nobody := free.Addr().(*net.TCPAddr).Port
	silent := fakeServer(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	closing := fakeServer(t, func(net.Conn) {})
	resetting := fakeServer(t, func(c net.Conn) {
		c.Read(make([]byte, 1))
		c.(*net.TCPConn).SetLinger(0)
	})
	noTLS := fakeServer(t, func(c net.Conn) {
		c.Read(make([]byte, 8))
		c.Write([]byte{'N'})
	})
	web := fakeServer(t, func(c net.Conn) {
		c.Read(make([]byte, 8))
		c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	})
	dir := t.TempDir()

	for _, test := range []loginCase{
		{"unknown host", with("host", "no-such-host.invalid"), abi.CategoryTransientNetwork, "host", "", `no-such-host.invalid`, "name server"},
		{"refused", with("port", nobody), abi.CategoryTransientNetwork, "", "",
			fmt.Sprintf(`connect to postgres at 127.0.0.1:%d as "loader": connection refused`, nobody), "the server is running and listens there"},
		{"refused, two hosts", with("host", "127.0.0.1,::1", "port", nobody), abi.CategoryTransientNetwork, "", "",
			fmt.Sprintf("at 127.0.0.1:%d, [::1]:%d as", nobody, nobody), "check host and port"},
		{"no answer", with("port", silent, "connect_timeout", 1), abi.CategoryTransientNetwork, "", "", "no answer in time", "raise connect_timeout"},
		{"closed", with("port", closing), abi.CategoryTransientNetwork, "", "", "closed during login", "check that a Postgres server"},
		{"reset", with("port", resetting), abi.CategoryTransientNetwork, "", "", "closed during login", "check that a Postgres server"},
		{"no socket", with("host", dir), abi.CategoryTransientNetwork, "host", "", filepath.Join(dir, ".s.PGSQL.5432"), "check the socket directory"},
		{"TLS refused", with("port", noTLS, "sslmode", "require"), abi.CategoryConfig, "sslmode", "", "the server refused TLS", "sslmode to prefer or disable"},
		{"not Postgres", with("port", web), abi.CategoryTransientNetwork, "", "", "", ""},
	} {
		if test.name == "not Postgres" {
			// What comes of it depends on the bytes; that it is an error without a secret does not.
			b, e := openError(t, test.config)
			noPassword(t, password, b, e)
			continue
		}
		test.run(t, password)
	}
}

// TestTooManyOpenFiles is the error of a process at its limit.
func TestTooManyOpenFiles(t *testing.T) {
	for _, cause := range []error{syscall.EMFILE, syscall.ENFILE} {
		e := networkError(&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", cause)})
		if e.Message != "too many open files" || !strings.Contains(e.Hint, "ulimit -n") {
			t.Errorf("%v: %q, hint %q", cause, e.Message, e.Hint)
		}
	}
}

// fakeServer serves each connection with the function and returns its port.
func fakeServer(t testing.TB, serve func(net.Conn)) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

// TestServerThatRepeatsThePassword has a server ask for it in clear and put it
// into its error.
func TestServerThatRepeatsThePassword(t *testing.T) {
	const password = "S3cret-passw0rd"
	port := fakeServer(t, func(c net.Conn) {
		c.Read(make([]byte, 1000))
		c.Write(message('R', "\x00\x00\x00\x03")) // AuthenticationCleartextPassword
		buf := make([]byte, 1000)
		n, _ := c.Read(buf)
		given := strings.TrimRight(string(buf[5:n]), "\x00")
		c.Write(message('E', "SFATAL\x00C28P01\x00Mnot with "+given+" you do not\x00\x00"))
	})
	loginCase{"clear text", map[string]any{"host": "127.0.0.1", "port": port, "user": "loader", "password": password, "sslmode": "disable"},
		abi.CategoryAuth, "password", "28P01", "not with xxxxx you do not", "check user"}.run(t, password)

	// A password that is said openly elsewhere is not blotted out there.
	loginCase{"no secret", map[string]any{"host": "127.0.0.1", "port": port, "user": "loader", "password": "loader", "sslmode": "disable"},
		abi.CategoryAuth, "password", "28P01", `as "loader": not with loader you`, "check user"}.run(t, "no secret at all")
}

// TestServerErrors maps what a server may say that is hard to make it say.
func TestServerErrors(t *testing.T) {
	for _, test := range []struct {
		code, message string
		sslmode       string
		category      abi.Category
		field, hint   string
	}{
		{"28000", `no pg_hba.conf entry for host "10.0.0.1", user "loader", database "raw", no encryption`, "disable", abi.CategoryAuth, "user", "set sslmode to require"},
		{"28000", `no pg_hba.conf entry for host "10.0.0.1", user "loader", database "raw", SSL encryption`, "require", abi.CategoryAuth, "user", "have an entry"},
		{"28000", `role "loader" does not exist`, "disable", abi.CategoryAuth, "user", "create the user"},
		{"28000", `connection requires a valid client certificate`, "require", abi.CategoryAuth, "user", "sslcert and sslkey"},
		{"28000", `Peer authentication failed for user "loader"`, "disable", abi.CategoryAuth, "user", "pg_hba.conf"},
		{"57P03", "the database system is starting up", "disable", abi.CategoryTransientDB, "", "try again"},
		{"57P01", "terminating connection due to administrator command", "disable", abi.CategoryTransientDB, "", ""},
		{"53200", "out of memory", "disable", abi.CategoryTransientDB, "", ""},
		{"08006", "connection failure", "disable", abi.CategoryTransientNetwork, "", ""},
		{"22023", "invalid value for parameter", "disable", abi.CategoryConfig, "", ""},
		{"", "no code", "disable", abi.CategoryConfig, "", ""},
	} {
		b, err := New(Postgres, map[string]any{"host": "db.example", "user": "loader", "password": "x", "sslmode": test.sslmode})
		if err != nil {
			t.Fatal(err)
		}
		e := b.(*postgres).loginError(fmt.Errorf("layers: %w", &pgconn.PgError{Code: test.code, Message: test.message}))
		if e.Category != test.category || e.Field != test.field || e.Code != test.code || !strings.Contains(e.Hint, test.hint) {
			t.Errorf("%s %s: %s, field %q, code %q, hint %q, want %s, %q and %q",
				test.code, test.message, e.Category, e.Field, e.Code, e.Hint, test.category, test.field, test.hint)
		}
		if want := `connect to postgres at db.example:5432 as "loader": ` + test.message; e.Message != want {
			t.Errorf("message %q, want %q", e.Message, want)
		}
	}
}

// TestOpenCancelled cancels a login that waits.
func TestOpenCancelled(t *testing.T) {
	reached := make(chan bool, 1)
	port := fakeServer(t, func(c net.Conn) {
		reached <- true
		io.Copy(io.Discard, c)
	})
	b, err := New(Postgres, map[string]any{"host": "127.0.0.1", "port": port, "user": "u", "sslmode": "disable", "connect_timeout": 60})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-reached
		cancel()
	}()
	if _, err := b.Open(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("Open = %v, want context.Canceled", err)
	}
	if _, err := b.Open(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("Open under a cancelled context = %v, want context.Canceled", err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	var e *Error
	if _, err := b.Open(ctx, ""); !errors.As(err, &e) || e.Category != abi.CategoryTransientNetwork {
		t.Errorf("Open past the context's deadline = %v", err)
	}
}

// TestTLS logs in to the real server behind an end of TLS.
func TestTLS(t *testing.T) {
	r := newRole(t)
	trusted, stranger := newAuthority(t, "trusted"), newAuthority(t, "stranger")
	server := func(host string, clients *authority) int {
		config := &tls.Config{Certificates: []tls.Certificate{trusted.issue(t, host)}}
		if clients != nil {
			config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
			config.ClientCAs.AddCert(clients.cert)
		}
		return (&proxy{network: "tcp", address: net.JoinHostPort(r.host, r.port), tls: config}).start(t)
	}
	plain, elsewhere, strict := server("127.0.0.1", nil), server("db.example", nil), server("127.0.0.1", trusted)

	// A client certificate as files.
	client := trusted.issue(t, r.user)
	cert, key := filepath.Join(t.TempDir(), "client.crt"), filepath.Join(t.TempDir(), "client.key")
	writePEM(t, cert, "CERTIFICATE", client.Certificate[0])
	der, err := x509.MarshalPKCS8PrivateKey(client.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, key, "PRIVATE KEY", der)

	with := func(port int, mode string, changes ...any) map[string]any {
		return r.config(append([]any{"host", "127.0.0.1", "port", port, "sslmode", mode}, changes...)...)
	}
	for name, config := range map[string]map[string]any{
		"prefer":             with(plain, "prefer"),
		"require":            with(plain, "require"),
		"verify-ca":          with(plain, "verify-ca", "sslrootcert", trusted.file),
		"verify-full":        with(plain, "verify-full", "sslrootcert", trusted.file),
		"verify-ca, another": with(elsewhere, "verify-ca", "sslrootcert", trusted.file),
		"client certificate": with(strict, "verify-full", "sslrootcert", trusted.file, "sslcert", cert, "sslkey", key),
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, config)
			if _, ok := c.nc.(*tls.Conn); !ok {
				t.Fatal("not under TLS")
			}
			if got := query(t, c, "SELECT current_user"); got != r.user {
				t.Errorf("logged in as %s", got)
			}
			if ready, err := c.Ready(); ready || err != nil {
				t.Errorf("Ready = %v, %v", ready, err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, test := range []loginCase{
		{"authority not trusted", with(plain, "verify-full"), abi.CategoryConfig, "sslrootcert", "", "not trusted", "set sslrootcert"},
		{"another authority trusted", with(plain, "verify-ca", "sslrootcert", stranger.file), abi.CategoryConfig, "sslrootcert", "", "not trusted", "set sslrootcert"},
		{"certificate of another host", with(elsewhere, "verify-full", "sslrootcert", trusted.file), abi.CategoryConfig, "sslmode", "", "for another host", "verify-ca"},
		{"client certificate missing", with(strict, "require"), abi.CategoryConfig, "sslmode", "", "certificate required", "sslcert and sslkey"},
	} {
		test.run(t, r.password)
	}
}
