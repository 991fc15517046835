package control_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// strict is a house that sees to it that nothing odd is asked of it.
type strict struct {
	house
	t *testing.T
}

func (s *strict) code(code scanner.Code) {
	if code == "" || scanner.Clean(string(code)) != code || len(code) > 64<<10 {
		s.t.Errorf("the house is asked for %q", string(code))
	}
}

func (s *strict) person(seq uint64, by string) {
	if seq == 0 || by == "" || len(by) > 400 || strings.ContainsFunc(by, unicode.IsControl) || strings.TrimSpace(by) != by {
		s.t.Errorf("the house is asked by %q for %d", by, seq)
	}
}

func (s *strict) limit(n, most int) {
	if n < 1 || n > most {
		s.t.Errorf("the house is asked for %d at once", n)
	}
}

func (s *strict) Newest(ctx context.Context, limit int, after uint64) ([]control.Event, error) {
	s.limit(limit, 1000)
	return s.house.Newest(ctx, limit, after)
}

func (s *strict) Scan(ctx context.Context, code scanner.Code, d scanner.Direction) (control.Event, error) {
	s.code(code)
	if d != "" && !d.Valid() {
		s.t.Errorf("direction %q", d)
	}
	return s.house.Scan(ctx, code, d)
}

func (s *strict) Admit(ctx context.Context, seq uint64, by string) (control.Event, error) {
	s.person(seq, by)
	return s.house.Admit(ctx, seq, by)
}

func (s *strict) Undo(ctx context.Context, seq uint64, by string) (control.Event, error) {
	s.person(seq, by)
	return s.house.Undo(ctx, seq, by)
}

func (s *strict) Requeue(ctx context.Context, seq uint64, by string) error {
	s.person(seq, by)
	return s.house.Requeue(ctx, seq, by)
}

func (s *strict) RequeueAll(ctx context.Context, by string) (int, error) {
	s.person(1, by)
	return s.house.RequeueAll(ctx, by)
}

func (s *strict) Acknowledge(ctx context.Context, seq uint64, by string) error {
	s.person(seq, by)
	return s.house.Acknowledge(ctx, seq, by)
}

func (s *strict) Ticket(ctx context.Context, code scanner.Code) (control.TicketView, error) {
	s.code(code)
	if err := code.Check(); err != nil {
		s.t.Error(err)
	}
	return s.house.Ticket(ctx, code)
}

func (s *strict) Find(ctx context.Context, text string, limit int) ([]control.Ticket, error) {
	s.limit(limit, 500)
	return s.house.Find(ctx, text, limit)
}

func (s *strict) Outbox(ctx context.Context, limit int) ([]control.OutboxEntry, error) {
	s.limit(limit, 10000)
	return s.house.Outbox(ctx, limit)
}

func (s *strict) Parked(ctx context.Context, limit int) ([]control.ParkedEntry, error) {
	s.limit(limit, 10000)
	return s.house.Parked(ctx, limit)
}

// FuzzRequest: whatever bytes come down the socket, each answer is an HTTP answer
// of the documented kind, the house is only asked for what can be asked, and the
// next client is served.
func FuzzRequest(f *testing.F) {
	dir, err := os.MkdirTemp("", "u")
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(dir, "u.sock")
	asked := &strict{}
	server := &control.Server{Path: path, House: asked, Feed: &asked.feed, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(context.Background())
	if err := server.Listen(ctx); err != nil { // clients that connect now wait for Run
		f.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	f.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.Error(err)
		}
		os.RemoveAll(dir)
	})
	client := &control.Client{Path: path}
	f.Cleanup(func() { client.Close() })
	f.Fuzz(func(t *testing.T, request []byte) {
		asked.t = t
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		// The server may hang up in the middle of it.
		_, _ = conn.Write(request)
		_ = conn.(*net.UnixConn).CloseWrite()
		answers := bufio.NewReader(conn)
		for {
			if _, err := answers.Peek(1); err != nil {
				break
			}
			if err := checkAnswer(answers); err != nil {
				t.Fatalf("%q: %v", request, err)
			}
		}
		if _, err := client.Status(t.Context()); err != nil {
			t.Fatalf("after %q nobody is served: %v", request, err)
		}
	})
}

// checkAnswer reads one answer.
func checkAnswer(answers *bufio.Reader) error {
	// What belongs to HEAD looks like any other but has no body; the method is not
	// allowed on most paths, and its answers end the connection here.
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		return fmt.Errorf("no HTTP: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if len(body) >= 1<<20 {
		return fmt.Errorf("an endless answer")
	}
	kind := resp.Header.Get("Content-Type")
	switch {
	case err != nil, resp.Request != nil:
		return nil // broken off: told by the connection
	case kind == "application/json" && len(body) > 0 && !json.Valid(body):
		return fmt.Errorf("no JSON: %q", body)
	case resp.StatusCode >= 500 && resp.StatusCode != http.StatusServiceUnavailable && resp.StatusCode != http.StatusNotImplemented && resp.StatusCode != http.StatusHTTPVersionNotSupported:
		return fmt.Errorf("a fault of our own: %s %q", resp.Status, body)
	case resp.StatusCode >= 400 && kind == "application/json" && len(body) > 0:
		var e control.ErrorBody
		if json.Unmarshal(body, &e) != nil || e.Error == "" && !bytes.Contains(body, []byte("state")) {
			return fmt.Errorf("an error without words: %q", body)
		}
	}
	return nil
}

// FuzzCell: a text of any kind is safe in a spreadsheet and comes back.
func FuzzCell(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "\r") {
			return // CSV readers take CR LF for LF
		}
		checkCell(t, text)
	})
}

// A request that is too large in any of its parts is refused, and one that comes
// drop by drop is given up; nobody else waits for it.
func TestRequestsAreBounded(t *testing.T) {
	client, _ := serve(t, &house{})
	for name, c := range map[string]struct {
		request string
		want    int
	}{
		"a header":  {"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 80<<10) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"headers":   {"GET /healthz HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", 20<<10) + "\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"a query":   {"GET /v1/tickets?q=" + strings.Repeat("x", 80<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"a path":    {"GET /v1/tickets/" + strings.Repeat("x", 5<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusBadRequest},
		"a body":    {"POST /v1/scans/1/undo HTTP/1.1\r\nHost: x\r\nContent-Length: 6000\r\n\r\n" + strings.Repeat(" ", 6000), http.StatusRequestEntityTooLarge},
		"a claim":   {"POST /v1/scans/1/undo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + strings.Repeat(" ", 6000), http.StatusRequestEntityTooLarge},
		"chunks":    {"POST /v1/scans/1/undo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("400\r\n"+strings.Repeat(" ", 1024)+"\r\n", 6) + "0\r\n\r\n", http.StatusRequestEntityTooLarge},
		"a code":    {scanOf(strings.Repeat("x", 70<<10)), http.StatusRequestEntityTooLarge},
		"nothing":   {"POST /v1/scans HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", http.StatusBadRequest},
		"a limit":   {"GET /v1/scans?limit=99999999999999999999 HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusBadRequest},
		"both ways": {"POST /v1/sync HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", http.StatusBadRequest},
	} {
		conn, err := net.Dial("unix", client.Path)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(conn, c.request)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if resp.StatusCode != c.want {
			t.Errorf("%s: %s, want %d", name, resp.Status, c.want)
		}
		conn.Close()
	}
	// Who never says what is wanted is hung up on, and keeps nobody waiting.
	slow, err := net.Dial("unix", client.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	_, _ = io.WriteString(slow, "GET /v1/sta")
	if _, err := client.Status(t.Context()); err != nil {
		t.Error(err)
	}
	_ = slow.SetReadDeadline(time.Now().Add(8 * time.Second))
	if _, err := io.Copy(io.Discard, slow); err != nil {
		t.Errorf("a request without an end is waited for: %v", err)
	}
}

func scanOf(code string) string {
	body := `{"code":"` + code + `"}`
	return "POST /v1/scans HTTP/1.1\r\nHost: x\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}
