package broker

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// proxy stands between a broker and the real server, on loopback, and does to
// the connection what a network or a server can do. Set its fields before the
// first connection.
type proxy struct {
	network, address string      // the server
	tls              *tls.Config // speak TLS to the client, in the way Postgres starts it
	chunk            int         // pass the server's answers on in pieces of this size; 0: as they come

	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	clients  []*net.TCPConn
	servers  []net.Conn
	sent     [][]byte // what each client sent
}

// start listens and returns the port. The proxy ends with the test.
func (p *proxy) start(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.listener = listener
	p.wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(client.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		p.reset()
		p.wg.Wait()
	})
	return listener.Addr().(*net.TCPAddr).Port
}

func (p *proxy) serve(raw *net.TCPConn) {
	defer raw.Close()
	server, err := net.Dial(p.network, p.address)
	if err != nil {
		return
	}
	defer server.Close()

	p.mu.Lock()
	n := len(p.sent)
	p.sent = append(p.sent, nil)
	p.clients = append(p.clients, raw)
	p.servers = append(p.servers, server)
	p.mu.Unlock()

	client := net.Conn(raw)
	if p.tls != nil {
		request := make([]byte, 8) // SSLRequest
		if _, err := io.ReadFull(raw, request); err != nil {
			return
		}
		raw.Write([]byte{'S'})
		client = tls.Server(raw, p.tls)
	}

	// The end of the client's output is passed on; the connection lasts until
	// the server ends it or can no longer reach the client.
	p.wg.Go(func() {
		io.Copy(io.MultiWriter(p.recorder(n), server), client)
		server.(interface{ CloseWrite() error }).CloseWrite()
	})
	size := 64 << 10
	if p.chunk > 0 {
		size = p.chunk
	}
	io.CopyBuffer(writerFunc(client.Write), readerFunc(server.Read), make([]byte, size))
	if p.tls != nil {
		client.Close() // says goodbye in TLS's own way
	}
}

// recorder keeps what client n sends.
func (p *proxy) recorder(n int) io.Writer {
	return writerFunc(func(b []byte) (int, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.sent[n] = append(p.sent[n], b...)
		return len(b), nil
	})
}

type (
	writerFunc func([]byte) (int, error)
	readerFunc func([]byte) (int, error)
)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
func (f readerFunc) Read(b []byte) (int, error)  { return f(b) }

// sentBy returns what the n-th client has sent so far.
func (p *proxy) sentBy(n int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n >= len(p.sent) {
		return nil
	}
	return bytes.Clone(p.sent[n])
}

// reset ends all connections the hard way.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		c.SetLinger(0)
		c.Close()
	}
	for _, c := range p.servers {
		c.Close()
	}
}

// authority signs certificates for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its certificate, for sslrootcert
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), name+".crt")}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, key := sign(t, template, nil)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, a.key = cert, key
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

// issue returns a certificate for a server at the given host or address, or
// for a client.
func (a *authority) issue(t testing.TB, host string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: host},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, key := sign(t, template, a)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func sign(t testing.TB, template *x509.Certificate, by *authority) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, parentKey := template, key
	if by != nil {
		parent, parentKey = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

func writePEM(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
