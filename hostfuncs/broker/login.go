package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// parseError describes what the parser of connection strings refused. Its own
// text is left out: it quotes the string, and finding the password in a string
// that does not parse is guesswork.
func parseError(s settings, set map[string]string, err error) *Error {
	key := "host"
	if set["dsn"] != "" {
		key = "dsn"
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "failed to read service"):
		if set["service"] != "" {
			key = "service"
		}
		file := set["servicefile"]
		if file == "" {
			file = "~/.pg_service.conf or $PGSERVICEFILE"
		}
		return s.errorf(key, "the service is not in the service file (%s)", file)
	case strings.Contains(text, "failed to configure TLS"):
		if set["sslcert"] != "" {
			key = "sslcert"
		} else if set["sslrootcert"] != "" {
			key = "sslrootcert"
		}
		return s.errorf(key, "the TLS settings do not fit together: %s", tlsProblem(err))
	case strings.Contains(text, "invalid port"):
		return s.errorf(key, "a port is not a number from 1 to 65535")
	case strings.Contains(text, "port numbers to"):
		return s.errorf(key, "the number of ports is not that of the hosts")
	case strings.Contains(text, "invalid connect_timeout"):
		return s.errorf(key, "connect_timeout is not a number of seconds")
	case strings.Contains(text, "unknown target_session_attrs"):
		return s.errorf(key, "target_session_attrs has a value that does not exist")
	}
	return s.errorf(key, "cannot be parsed; want postgres://user:password@host:port/database, "+
		"with special characters percent-encoded, or key=value pairs, with values that contain spaces in single quotes")
}

// tlsProblem returns what is wrong with the TLS settings, in words that contain
// nothing of the connection string but file names.
func tlsProblem(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Error()
	}
	for _, known := range []string{
		"sslmode is invalid", "unable to add CA to cert pool", "failed to decode sslkey", "unable to find sslpassword",
		"unable to decrypt key", "unable to load cert", `both "sslcert" and "sslkey" are required`,
	} {
		if strings.Contains(err.Error(), known) {
			return known
		}
	}
	return "see sslmode, sslrootcert, sslcert and sslkey"
}

// loginError describes a login that failed.
func (b *postgres) loginError(err error) *Error {
	var e *Error
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		e = b.serverError(pgErr)
	} else {
		e = networkError(err)
	}

	e.Message = fmt.Sprintf("connect to postgres at %s as %q: %s", b.place(), b.config.User, e.Message)
	return b.scrub(e)
}

// place names the hosts that were tried, in the user's terms.
func (b *postgres) place() string {
	var places []string
	add := func(host string, port uint16) {
		_, address := pgconn.NetworkAddress(host, port)
		for _, p := range places {
			if p == address {
				return
			}
		}
		places = append(places, address)
	}
	add(b.config.Host, b.config.Port)
	for _, f := range b.config.Fallbacks {
		add(f.Host, f.Port)
	}
	return strings.Join(places, ", ")
}

// scrub takes the password out of a message. Nothing here writes it there, but
// a server may: it has seen the password if it asked for it in clear.
func (b *postgres) scrub(e *Error) *Error {
	password := b.config.Password
	if password == "" {
		return e
	}
	for _, known := range []string{b.config.User, b.config.Database, b.place()} {
		if strings.Contains(known, password) {
			return e // said openly elsewhere: blotting it out would only point at it
		}
	}
	e.Message = strings.ReplaceAll(e.Message, password, "xxxxx")
	return e
}

// serverError describes a refusal by the server.
func (b *postgres) serverError(err *pgconn.PgError) *Error {
	e := &Error{Code: err.Code, Message: err.Message}
	switch class := err.Code[:min(2, len(err.Code))]; {
	case err.Code == "28P01" && b.config.Password == "":
		e.Category, e.Field = abi.CategoryAuth, "password"
		e.Hint = "no password was given; set password, or passfile to a file that has a line for this server and user"
	case err.Code == "28P01":
		e.Category, e.Field = abi.CategoryAuth, "password"
		e.Hint = "check user and password; the server does not say which of them is wrong"
	case err.Code == "28000":
		e.Category, e.Field = abi.CategoryAuth, "user"
		e.Hint = b.refusedHint(err.Message)
	case err.Code == "3D000":
		e.Category, e.Field = abi.CategoryConfig, "database"
		e.Hint = "create the database or correct the config key database"
	case err.Code == "42501":
		e.Category = abi.CategoryPermission
		e.Hint = fmt.Sprintf("grant connect on the database to %q", b.config.User)
	case err.Code == "53300":
		e.Category = abi.CategoryTransientDB
		e.Hint = "the server has no free connection; close some, or raise max_connections or the limit of this user or database"
	case err.Code == "57P03":
		e.Category = abi.CategoryTransientDB
		e.Hint = "the server is starting up or shutting down; try again in a moment"
	case class == "08":
		e.Category = abi.CategoryTransientNetwork
	case class == "53" || class == "57" || class == "58":
		e.Category = abi.CategoryTransientDB
	default:
		e.Category = abi.CategoryConfig
	}
	return e
}

// refusedHint explains an invalid authorization, for which the server has one
// code and many messages.
func (b *postgres) refusedHint(message string) string {
	switch {
	case strings.Contains(message, "does not exist"):
		return "create the user or correct the config key user"
	case strings.Contains(message, "client certificate"):
		return "the server wants a client certificate; set sslcert and sslkey"
	case strings.Contains(message, "pg_hba.conf") && b.config.TLSConfig == nil && len(b.config.Fallbacks) == 0:
		return "the server's pg_hba.conf does not allow this host, user and database without TLS; set sslmode to require, or have the entry added"
	case strings.Contains(message, "pg_hba.conf"):
		return "have an entry for this host, user and database added to the server's pg_hba.conf"
	}
	return "check user, password and the server's pg_hba.conf"
}

// networkError describes a failure that no server explains. The message does
// not say where; the caller does.
func networkError(err error) *Error {
	e := &Error{Category: abi.CategoryTransientNetwork}

	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.Is(err, context.Canceled):
		e.Category, e.Message, e.cause = abi.CategoryInternal, "cancelled", context.Canceled
	case errors.As(err, &dns) && dns.IsNotFound:
		e.Message, e.Field = fmt.Sprintf("there is no host %q", dns.Name), "host"
		e.Hint = "check the host name, and the name server if it should exist"
	case errors.As(err, &dns):
		e.Message, e.Field = fmt.Sprintf("looking up the host %q: %s", dns.Name, dns.Err), "host"
		e.Hint = "check the name server and try again"
	case errors.As(err, &authority):
		e.Category, e.Field = abi.CategoryConfig, "sslrootcert"
		e.Message = "the server's certificate is signed by an authority that is not trusted"
		e.Hint = "set sslrootcert to the file with that authority's certificate"
	case errors.As(err, &hostname):
		e.Category, e.Field = abi.CategoryConfig, "sslmode"
		e.Message = "the server's certificate is for another host: " + hostname.Error()
		e.Hint = "connect by the name in the certificate, or set sslmode to verify-ca"
	case errors.As(err, &invalid):
		e.Category, e.Message, e.Field = abi.CategoryConfig, "the server's certificate: "+invalid.Error(), "sslrootcert"
		e.Hint = "have the certificate renewed"
	case strings.Contains(err.Error(), "server refused TLS connection"):
		e.Category, e.Message, e.Field = abi.CategoryConfig, "the server refused TLS", "sslmode"
		e.Hint = "set sslmode to prefer or disable, or turn ssl on in the server"
	case handshakeProblem(err) != "":
		e.Category, e.Message, e.Field = abi.CategoryConfig, "the TLS handshake ended with: "+handshakeProblem(err), "sslmode"
		e.Hint = "check sslmode, sslcert and sslkey against what the server wants"
	case wrongRole(err) != nil:
		e.Category, e.Field = abi.CategoryTransientDB, "target_session_attrs"
		e.Message = "no server with the wanted role: " + wrongRole(err).Error()
		e.Hint = "wait for a failover to end, or correct target_session_attrs"
	case isTimeout(err):
		e.Message, e.cause = "no answer in time", os.ErrDeadlineExceeded
		e.Hint = "check host, port and firewalls; if the server is only slow, raise connect_timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Message, e.cause = "connection refused", syscall.ECONNREFUSED
		e.Hint = "check host and port, and that the server is running and listens there"
	case errors.Is(err, syscall.ENOENT):
		e.Message, e.Field = "there is no such socket", "host"
		e.Hint = "check the socket directory and port, and that the server is running"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		e.Message = "too many open files"
		e.Hint = "raise the limit of open files (ulimit -n), or lower resources.parallelism"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		e.Category, e.Message = abi.CategoryPermission, "permission denied"
		e.Hint = "check the permissions of the socket, or the firewall"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		e.Message = "the connection was closed during login"
		e.Hint = "check that a Postgres server listens on that port; its log may say more"
	default:
		e.Message = innermost(err).Error()
	}
	return e
}

// wrongRole returns why a server is not of the kind target_session_attrs asks
// for, or nil if that is not what is wrong.
func wrongRole(err error) error {
	for _, known := range []error{
		pgconn.ErrReadOnlyConnection, pgconn.ErrReadWriteConnection, pgconn.ErrPrimaryConnection, pgconn.ErrStandbyConnection,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}

func isTimeout(err error) bool {
	var n net.Error
	return pgconn.Timeout(err) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// handshakeProblem returns what one end of a TLS handshake had against it, or
// "" if that is not what is wrong.
func handshakeProblem(err error) string {
	var notTLS tls.RecordHeaderError
	if errors.As(err, &notTLS) {
		return notTLS.Msg
	}
	// The library has no exported type for an alert, but an operation of its own.
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") {
		return strings.TrimPrefix(op.Err.Error(), "tls: ")
	}
	return ""
}

// innermost follows the first cause of err to its end. The layers above repeat
// addresses and users that the message has already.
func innermost(err error) error {
	for {
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			inner := e.Unwrap()
			if inner == nil {
				return err
			}
			err = inner
		case interface{ Unwrap() []error }:
			list := e.Unwrap()
			if len(list) == 0 {
				return err
			}
			err = list[0]
		default:
			return err
		}
	}
}
