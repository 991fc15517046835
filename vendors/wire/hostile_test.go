package wire_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"usher/scanner"
	"usher/vendors/vendortest"
	"usher/vendors/vendortest/proxy"
	"usher/vendors/wire"
)

// hostile is a client before a server that answers each connection by serve.
func hostile(t *testing.T, serve func(net.Conn)) *wire.Client {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	p, err := proxy.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	transport := wire.NewTransport()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		p.Close()
	})
	p.Instead(serve)
	return wire.New(wire.Options{Base: base(t, "http://"+p.Addr()), Transport: transport})
}

// after reads a request and then writes text, and more while the caller listens.
func after(text string, more func(w io.Writer) error) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		_, err := io.WriteString(c, text)
		for err == nil && more != nil {
			err = more(c)
		}
		if more == nil {
			return
		}
		_ = c.Close()
	}
}

// hang waits until the caller leaves.
func hang(c io.Writer) error {
	_, err := io.Copy(io.Discard, c.(net.Conn))
	return errors.Join(err, io.EOF)
}

func repeat(text string) func(io.Writer) error {
	block := strings.Repeat(text, 1+4096/len(text))
	return func(w io.Writer) error {
		_, err := io.WriteString(w, block)
		return err
	}
}

func drip(text string, every time.Duration) func(io.Writer) error {
	i := 0
	return func(w io.Writer) error {
		time.Sleep(every)
		_, err := io.WriteString(w, text[i%len(text):i%len(text)+1])
		i++
		return err
	}
}

const ok200 = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

// bomb is gzip that unpacks to 24 MiB, three times what a call may allocate.
func bomb(t *testing.T) string {
	t.Helper()
	var small bytes.Buffer
	w := gzip.NewWriter(&small)
	block := bytes.Repeat([]byte(" "), 1<<20)
	for range 24 {
		if _, err := w.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return small.String()
}

// Whatever answers, the call ends with its context and says what is wrong; memory
// is bounded.
func TestHostileAnswers(t *testing.T) {
	const patience = 150 * time.Millisecond
	packed := bomb(t)
	for _, tt := range []struct {
		name    string
		serve   func(net.Conn)
		trouble scanner.Trouble
		want    string
	}{
		{"never answers", after("", hang), scanner.Silent, "no whole answer in time"},
		{"never reads", func(c net.Conn) { _ = hang(c) }, scanner.Silent, "no whole answer in time"},
		{"closes at once", func(net.Conn) {}, scanner.Silent, ""},
		{"nothing and the end", after("", nil), scanner.Silent, "cut off"},
		{"endless body, fast", after(ok200+"\r\n[0", repeat(",0")), scanner.Nonsense, "longer than"},
		{"endless body, slow", after(ok200+"\r\n[0", drip(",0", 5*time.Millisecond)), scanner.Silent, "no whole answer in time"},
		{"endless error", after("HTTP/1.1 503 No\r\n\r\n", repeat("no ")), scanner.Failing, "503"},
		{"endless headers", after(ok200, repeat("X-More: and more\r\n")), scanner.Nonsense, "no HTTP"},
		{"one endless header", after(ok200+"X-More: ", repeat("more")), scanner.Nonsense, "no HTTP"},
		{"headers, slowly", after(ok200, drip("X: y\r\n", 5*time.Millisecond)), scanner.Silent, "no whole answer in time"},
		{"endless status", after("HTTP/1.1 200 ", repeat("O")), scanner.Nonsense, "no HTTP"},
		{"continue for ever", after("", repeat("HTTP/1.1 100 Continue\r\n\r\n")), scanner.Nonsense, "no HTTP"},
		{"early hints for ever", after("", repeat("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n")), scanner.Nonsense, "no HTTP"},
		{"continue, slowly", after("", func(w io.Writer) error {
			time.Sleep(5 * time.Millisecond)
			_, err := io.WriteString(w, "HTTP/1.1 100 Continue\r\n\r\n")
			return err
		}), scanner.Silent, "no whole answer in time"},
		{"another protocol", after("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", hang), scanner.Nonsense, "HTTP 101"},
		{"chunks of nonsense", after(ok200+"Transfer-Encoding: chunked\r\n\r\nzz\r\n", nil), scanner.Nonsense, "no HTTP"},
		{"a chunk beyond number", after(ok200+"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", nil), scanner.Nonsense, "no HTTP"},
		{"a chunk that is shorter", after(ok200+"Transfer-Encoding: chunked\r\n\r\n9\r\n{}\r\n", nil), scanner.Silent, "cut off"},
		{"a chunk's endless extension", after(ok200+"Transfer-Encoding: chunked\r\n\r\n1;", repeat("x=y;")), scanner.Nonsense, ""},
		{"two lengths", after(ok200+"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", nil), scanner.Nonsense, ""},
		{"no gzip", after(ok200+"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n{\"error\":false,\"a\":1}", nil), scanner.Nonsense, "no HTTP"},
		{"a gzip bomb", after(ok200+"Content-Encoding: gzip\r\n\r\n"+packed, nil), scanner.Nonsense, "longer than"},
		{"another protocol's words", after("SSH-2.0-portal\r\n", hang), scanner.Nonsense, "no HTTP"},
		{"a login page", after("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", nil), scanner.Nonsense, "web page"},
		{"a login wanted", after("HTTP/1.1 511 Network Authentication Required\r\nContent-Length: 0\r\n\r\n", nil), scanner.Nonsense, "login"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := hostile(t, tt.serve)
			call := get("x")
			// What is decided by bytes has time; what only ends by time has little.
			limit := 20 * time.Second
			if tt.want == "no whole answer in time" {
				limit = patience
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began, had := time.Now(), allocated()
			_, err := c.Do(ctx, call)
			took, used := time.Since(began), allocated()-had
			got := scanner.CallErrorOf(err)
			if err == nil || got.Trouble != tt.trouble || !got.MaybeSent || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, maybe sent %v", err, got.MaybeSent)
			}
			if took > limit+time.Second {
				t.Errorf("took %v", took)
			}
			if used > 16<<20 {
				t.Errorf("%d MiB allocated", used>>20)
			}
		})
	}
}

// allocated is how many bytes were ever allocated.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// A list is read past a bomb in constant memory, to its limit.
func TestABombForAList(t *testing.T) {
	c := hostile(t, after(ok200+"Content-Encoding: gzip\r\n\r\n"+bomb(t), nil))
	call := get("list")
	call.Limit = 1 << 40
	had := allocated()
	s, _, err := c.Open(t.Context(), call)
	if err == nil {
		_, _, err = collect(s)
		s.Close()
	}
	if scanner.CallErrorOf(err).Trouble != scanner.Nonsense || !strings.Contains(fmt.Sprint(err), "too soon") {
		t.Errorf("got %v", err)
	}
	if used := allocated() - had; used > 8<<20 {
		t.Errorf("%d MiB allocated", used>>20)
	}
}

// No credentials follow a redirect, wherever it leads.
func TestRedirectsAreNotFollowed(t *testing.T) {
	asked := make(chan struct{}, 10)
	portal, err := proxy.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	defer portal.Close()
	portal.Instead(func(net.Conn) { asked <- struct{}{} })
	for _, status := range []int{300, 301, 302, 303, 305, 307, 308} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			c := hostile(t, after(fmt.Sprintf("HTTP/1.1 %d Found\r\nLocation: http://%s/login\r\nContent-Length: 0\r\n\r\n", status, portal.Addr()), nil))
			_, err := c.Do(t.Context(), wire.Call{Op: "x", Method: method, Path: "/x", Header: http.Header{"Authorization": {"Basic c2VjcmV0"}}, Body: map[string]int{}})
			if got := scanner.CallErrorOf(err); got.Trouble != scanner.Nonsense || !got.MaybeSent || got.Status != status {
				t.Errorf("%s %d: %v", method, status, err)
			}
		}
	}
	if len(asked) > 0 {
		t.Error("a redirect was followed")
	}
}

// dns answers every question of a client's with one code (0: the address
// 127.0.0.1), or not at all.
func dns(t *testing.T, silent bool, code byte) *net.Resolver {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := l.ReadFrom(buf)
			if err != nil {
				return
			}
			end := bytes.IndexByte(buf[12:n], 0) + 12 + 5
			if silent || end > n {
				continue
			}
			answer := append([]byte{}, buf[:end]...)
			answer[2], answer[3] = 0x81, 0x80|code
			copy(answer[4:12], []byte{0, 1, 0, 0, 0, 0, 0, 0})
			if code == 0 && buf[end-3] == 1 { // A
				answer[7] = 1
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1)
			}
			_, _ = l.WriteTo(answer, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", l.LocalAddr().String())
	}}
}

// No answer for the name, or somebody else's address: the call was not sent.
func TestNamesThatLeadNowhere(t *testing.T) {
	other, _, err := vendortest.Certificate(vendortest.Cert{Hosts: []string{"portal.example"}})
	if err != nil {
		t.Fatal(err)
	}
	_, trusted, err := vendortest.Certificate(vendortest.Cert{Hosts: []string{"api.vendor.example"}})
	if err != nil {
		t.Fatal(err)
	}
	pool := trusted.Clone()
	pool.AddCert(other.Leaf)
	portal := secureServer(t, other)
	for _, tt := range []struct {
		name     string
		resolver *net.Resolver
		want     string
	}{
		{"NXDOMAIN", dns(t, false, 3), "api.vendor.example is not found"},
		{"SERVFAIL", dns(t, false, 2), "api.vendor.example is not found"},
		{"a portal's address", dns(t, false, 0), "another host's"},
		{"a silent name server", dns(t, true, 0), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			defer func() {
				// A resolver's question to nobody ends by itself, 5 s later.
				if tt.name != "a silent name server" {
					goleak.VerifyNone(t, before)
				}
			}()
			transport := wire.NewTransport()
			transport.DialContext = (&net.Dialer{Resolver: tt.resolver}).DialContext
			transport.TLSClientConfig = &tls.Config{RootCAs: pool}
			defer transport.CloseIdleConnections()
			_, port, _ := net.SplitHostPort(portal)
			c := wire.New(wire.Options{Base: base(t, "https://api.vendor.example:"+port), Transport: transport})
			unsent(t, c, tt.want)
		})
	}
}

// unsent makes a call that must not be sent, and end in time.
func unsent(t *testing.T, c *wire.Client, want string) {
	t.Helper()
	const limit = 700 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	began := time.Now()
	_, err := c.Do(ctx, get("x"))
	got := scanner.CallErrorOf(err)
	if err == nil || got.Trouble != scanner.Unreachable || got.MaybeSent || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, maybe sent %v", err, got.MaybeSent)
	}
	if took := time.Since(began); took > limit+time.Second {
		t.Errorf("took %v", took)
	}
}

// secureServer answers {} to whoever trusts its certificate; it gives its address.
func secureServer(t *testing.T, cert tls.Certificate) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })}
	server.ErrorLog = log.New(io.Discard, "", 0)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

func TestWrongCertificates(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name  string
		cert  vendortest.Cert
		trust bool
		want  string
	}{
		{"good", vendortest.Cert{Hosts: []string{"127.0.0.1"}}, true, ""},
		{"run out", vendortest.Cert{Hosts: []string{"127.0.0.1"}, From: now.Add(-2 * time.Hour), Until: now.Add(-time.Hour)}, true, "has run out"},
		{"not yet", vendortest.Cert{Hosts: []string{"127.0.0.1"}, From: now.Add(time.Hour), Until: now.Add(2 * time.Hour)}, true, "set the clock"},
		{"another name", vendortest.Cert{Hosts: []string{"portal.example"}}, true, "another host's"},
		{"nobody's", vendortest.Cert{Hosts: []string{"127.0.0.1"}}, false, "nobody this device trusts"},
	} {
		cert, pool, err := vendortest.Certificate(tt.cert)
		if err != nil {
			t.Fatal(err)
		}
		if !tt.trust {
			pool = x509.NewCertPool()
		}
		transport := wire.NewTransport()
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
		c := wire.New(wire.Options{Base: base(t, "https://"+secureServer(t, cert)), Transport: transport})
		if tt.name != "good" {
			unsent(t, c, tt.want)
		} else if a, err := c.Do(t.Context(), get("x")); err != nil || string(a.Body) != "{}" {
			t.Errorf("good: %v", err)
		}
		transport.CloseIdleConnections()
	}
}

// A certificate is judged at the given time, whatever this device's clock shows.
func TestCertificateTime(t *testing.T) {
	day := 24 * time.Hour
	issued := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	cert, pool, err := vendortest.Certificate(vendortest.Cert{Hosts: []string{"127.0.0.1"}, From: issued, Until: issued.Add(90 * day)})
	if err != nil {
		t.Fatal(err)
	}
	addr := secureServer(t, cert)
	for at, want := range map[time.Time]string{
		time.Unix(60, 0):           "set the clock",
		issued.Add(-day):           "set the clock",
		issued.Add(20 * day):       "",
		issued.Add(91 * day):       "has run out",
		issued.Add(20 * 365 * day): "has run out",
	} {
		c := wire.New(wire.Options{Base: base(t, "https://"+addr), Time: func() time.Time { return at }})
		c.Trust(pool)
		if want != "" {
			unsent(t, c, want)
		} else if a, err := c.Do(t.Context(), get("x")); err != nil || string(a.Body) != "{}" {
			t.Errorf("at %v: %v", at, err)
		}
		c.HangUp()
	}
}

// A TLS server that falls silent at any step of the handshake, or that speaks
// plainly, got no call.
func TestNoHandshake(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"silence":     func(c net.Conn) { _ = hang(c) },
		"plain HTTP":  func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); _ = hang(c) },
		"the end":     func(net.Conn) {},
		"an alert":    func(c net.Conn) { _, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, 40}); _ = hang(c) },
		"endless TLS": func(c net.Conn) { _ = records(c) },
	} {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			defer goleak.VerifyNone(t, before)
			p, err := proxy.Listen("")
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			p.Instead(serve)
			transport := wire.NewTransport()
			defer transport.CloseIdleConnections()
			unsent(t, wire.New(wire.Options{Base: base(t, "https://"+p.Addr()), Transport: transport}), "")
		})
	}
}

// records sends handshake records without end.
func records(c net.Conn) error {
	record := append([]byte{22, 3, 3, 0x40, 0}, make([]byte, 0x4000)...)
	for {
		if _, err := c.Write(record); err != nil {
			return err
		}
	}
}

// A host that drops every SYN: nobody waits beyond the call's own end, and no
// dial outlives it for long.
func TestBlackHole(t *testing.T) {
	before := goleak.IgnoreCurrent()
	defer goleak.VerifyNone(t, before)
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	// The kernel answers until the backlog of nobody's accept is full.
	for full := false; !full; {
		c, err := net.DialTimeout("tcp", addr, 100*time.Millisecond)
		if full = err != nil; !full {
			defer c.Close()
		}
	}
	transport := wire.NewTransport()
	defer transport.CloseIdleConnections()
	unsent(t, wire.New(wire.Options{Base: base(t, "http://"+addr), Transport: transport}), "no connection in time")
}

// Only HTTP/1.1 is spoken, and a header is bounded, whoever makes the client.
func TestTransport(t *testing.T) {
	transport := wire.NewTransport()
	if transport.Protocols.HTTP2() || transport.MaxResponseHeaderBytes > 64<<10 || transport.TLSHandshakeTimeout == 0 {
		t.Errorf("%+v", transport)
	}
}
