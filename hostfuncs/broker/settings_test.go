package broker

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

func TestKeys(t *testing.T) {
	if Keys("") != nil || Keys("mysql") != nil {
		t.Error("a broker that does not exist has keys")
	}
	for _, broker := range []string{Postgres, TCP} {
		seen := map[string]bool{}
		for _, k := range Keys(broker) {
			if k.Name == "" || k.Doc == "" || seen[k.Name] {
				t.Errorf("%s: key %q has no name or doc, or is there twice", broker, k.Name)
			}
			seen[k.Name] = true
			switch k.Default.(type) {
			case nil:
			case string:
				if k.Type != "string" {
					t.Errorf("%s: key %q of type %s has a string as default", broker, k.Name, k.Type)
				}
			case int64:
				if k.Type != "int" {
					t.Errorf("%s: key %q of type %s has a number as default", broker, k.Name, k.Type)
				}
			default:
				t.Errorf("%s: key %q has a default of type %T", broker, k.Name, k.Default)
			}
		}
		if len(seen) == 0 {
			t.Errorf("%s has no keys", broker)
		}
		keys := Keys(broker)
		keys[0].Name = "changed"
		if Keys(broker)[0].Name == "changed" {
			t.Errorf("%s: the caller can change the keys of everybody", broker)
		}
	}
}

// TestBadConfig asks for brokers that cannot be. Each error names the key, and
// none repeats a value that could be a password.
func TestBadConfig(t *testing.T) {
	const secret = "S3cret-passw0rd"
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("contents"), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open, closed := file("open", 0o644), file("closed", 0o600)
	missing := filepath.Join(dir, "missing")

	for _, test := range []struct {
		name   string
		broker string
		config map[string]any
		field  string
		want   string // the message
	}{
		{"no such broker", "mysql", nil, "", `there is no broker "mysql"`},
		{"no host", Postgres, map[string]any{"password": secret}, "host", `config key "host": not set; set host, dsn or service`},
		{"an empty host", Postgres, map[string]any{"host": ""}, "host", `config key "host": not set; set host, dsn or service`},
		{"unknown key", Postgres, map[string]any{"host": "h", "passwd": secret}, "passwd", `config key "passwd": the postgres broker has no such key`},
		{"host and dsn", Postgres, map[string]any{"host": "h", "dsn": "postgres://" + secret + "@h"}, "host",
			`config key "host": dsn is set as well; say it there, or leave dsn out`},
		{"port and dsn", Postgres, map[string]any{"port": 6543, "dsn": "host=h"}, "port",
			`config key "port": dsn is set as well; say it there, or leave dsn out`},
		{"service and dsn", Postgres, map[string]any{"service": "s", "dsn": "host=h"}, "service",
			`config key "service": dsn is set as well; say it there, or leave dsn out`},
		{"a number for the password", Postgres, map[string]any{"host": "h", "password": int64(12345)}, "password",
			`config key "password": want a string, got a number; put the value into quotes`},
		{"a list for the host", Postgres, map[string]any{"host": []any{"a"}}, "host", `config key "host": want a string, got a list; put the value into quotes`},
		{"a boolean for the user", Postgres, map[string]any{"host": "h", "user": true}, "user",
			`config key "user": want a string, got a boolean; put the value into quotes`},
		{"text for the port", Postgres, map[string]any{"host": "h", "port": "five"}, "port", `config key "port": want a whole number, got a string`},
		{"half a port", Postgres, map[string]any{"host": "h", "port": 1.5}, "port", `config key "port": want a whole number, got a number`},
		{"port 0", Postgres, map[string]any{"host": "h", "port": 0}, "port", `config key "port": want a number from 1 to 65535`},
		{"port 65536", Postgres, map[string]any{"host": "h", "port": int64(65536)}, "port", `config key "port": want a number from 1 to 65535`},
		{"negative timeout", Postgres, map[string]any{"host": "h", "connect_timeout": -1}, "connect_timeout",
			`config key "connect_timeout": want seconds, 0 or more`},
		{"unknown sslmode", Postgres, map[string]any{"host": "h", "sslmode": "on"}, "sslmode",
			`config key "sslmode": want one of disable, allow, prefer, require, verify-ca, verify-full`},
		{"unknown role", Postgres, map[string]any{"host": "h", "target_session_attrs": "master"}, "target_session_attrs",
			`config key "target_session_attrs": want one of any, read-write, read-only, primary, standby, prefer-standby`},
		{"NUL", Postgres, map[string]any{"host": "h", "user": "a\x00b"}, "user", `config key "user": the value contains a NUL character`},
		{"certificate without key", Postgres, map[string]any{"host": "h", "sslcert": open}, "sslcert",
			`config key "sslcert": sslcert and sslkey need each other: set both or neither`},
		{"missing root certificate", Postgres, map[string]any{"host": "h", "sslrootcert": missing}, "sslrootcert",
			`config key "sslrootcert": stat ` + missing + `: no such file or directory`},
		{"root certificate that is none", Postgres, map[string]any{"host": "h", "sslrootcert": open}, "sslrootcert",
			`config key "sslrootcert": the TLS settings do not fit together: unable to add CA to cert pool`},
		{"client key that is none", Postgres, map[string]any{"host": "h", "sslcert": open, "sslkey": closed}, "sslcert",
			`config key "sslcert": the TLS settings do not fit together: failed to decode sslkey`},
		{"missing passfile", Postgres, map[string]any{"host": "h", "passfile": missing}, "passfile",
			`config key "passfile": stat ` + missing + `: no such file or directory`},
		{"a folder as passfile", Postgres, map[string]any{"host": "h", "passfile": dir}, "passfile", `config key "passfile": ` + dir + ` is a directory`},
		{"passfile for all to read", Postgres, map[string]any{"host": "h", "passfile": open}, "passfile",
			`config key "passfile": ` + open + ` can be read by others (mode 0644); run chmod 600 on it`},
		{"missing service", Postgres, map[string]any{"service": "nowhere", "servicefile": closed}, "service",
			`config key "service": the service is not in the service file (` + closed + `)`},
		{"dsn that is nothing", Postgres, map[string]any{"dsn": secret}, "dsn", `config key "dsn": cannot be parsed; want postgres://`},
		{"dsn with a slash in the password", Postgres, map[string]any{"dsn": "postgres://u:S3cret-/passw0rd@h:x/db"}, "dsn", `config key "dsn": `},
		{"dsn with a bad escape", Postgres, map[string]any{"dsn": "postgres://u:%zz" + secret + "@h/db"}, "dsn", `config key "dsn": cannot be parsed`},
		{"dsn with the password as port", Postgres, map[string]any{"dsn": "postgres://h:" + secret + "/db"}, "dsn",
			`config key "dsn": a port is not a number from 1 to 65535`},
		{"dsn with more ports than hosts", Postgres, map[string]any{"dsn": "host=a port=1,2"}, "dsn",
			`config key "dsn": the number of ports is not that of the hosts`},
		{"dsn with a bad timeout", Postgres, map[string]any{"dsn": "host=a connect_timeout=" + secret}, "dsn",
			`config key "dsn": connect_timeout is not a number of seconds`},
		{"dsn with a bad role", Postgres, map[string]any{"dsn": "host=a target_session_attrs=" + secret}, "dsn",
			`config key "dsn": target_session_attrs has a value that does not exist`},
		{"dsn with an open quote", Postgres, map[string]any{"dsn": "host=a password='" + secret}, "dsn", `config key "dsn": cannot be parsed`},
		{"dsn with a bad sslmode", Postgres, map[string]any{"dsn": "host=a sslmode=" + secret}, "dsn",
			`config key "dsn": the TLS settings do not fit together: sslmode is invalid`},
		{"a mapping for the list", TCP, map[string]any{"allow": map[string]any{}}, "allow", `config key "allow": want a list, got a mapping`},
		{"a number in the list", TCP, map[string]any{"allow": []any{"a:1", 5}}, "allow",
			`config key "allow": entry 2: want a string, got a number; put it into quotes`},
		{"no port", TCP, map[string]any{"allow": []any{"db.example"}}, "allow", `config key "allow": entry "db.example": want host:port, such as`},
		{"no host", TCP, map[string]any{"allow": []any{":5432"}}, "allow", `config key "allow": entry ":5432": want host:port`},
		{"port by name", TCP, map[string]any{"allow": []any{"h:http"}}, "allow", `config key "allow": entry "h:http": want host:port`},
		{"every port", TCP, map[string]any{"allow": []any{"h:0"}}, "allow", `config key "allow": entry "h:0": want host:port`},
		{"unknown key", TCP, map[string]any{"deny": []any{}}, "deny", `config key "deny": the tcp broker has no such key`},
	} {
		t.Run(test.broker+"/"+test.name, func(t *testing.T) {
			_, err := New(test.broker, test.config)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("New = %v, want an *Error", err)
			}
			if e.Category != abi.CategoryConfig || e.Field != test.field || !strings.HasPrefix(e.Message, test.want) {
				t.Errorf("%s, field %q, %q\nwant config, %q, %q", e.Category, e.Field, e.Message, test.field, test.want)
			}
			for _, part := range []string{secret, "passw0rd", "12345"} {
				if strings.Contains(e.Error(), part) {
					t.Errorf("a value is in %q", e)
				}
			}
		})
	}
}
