package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unicode/utf8"

	"usher/scanner"
)

// Client asks a running daemon. The zero value asks at [DefaultSocket]. It is
// safe for concurrent use.
type Client struct {
	// Path is the socket's; "" is [DefaultSocket].
	Path string
	// OnVersion, if set, is told the daemon's version with every answer.
	OnVersion func(version string)

	once sync.Once
	http *http.Client
}

// NotRunningError says that no daemon answers at the path.
type NotRunningError struct {
	Path string
	// Instead is what is there in the place of a socket, "a directory" for
	// example; empty: nothing, or the socket of a dead daemon.
	Instead string
}

func (e *NotRunningError) Error() string {
	if e.Instead != "" {
		return "the daemon is not running: " + e.Path + " is " + e.Instead + ", no socket"
	}
	return "the daemon is not running: nobody answers at " + e.Path
}

// Hint says what to do.
func (e *NotRunningError) Hint() string {
	return "start it with `systemctl start usher`, or name its socket with --socket"
}

// DeniedError says that this user may not talk to the daemon.
type DeniedError struct{ Path string }

func (e *DeniedError) Error() string { return e.Path + ": permission denied" }

// Hint says what to do.
func (e *DeniedError) Hint() string {
	return "use sudo, or join the group: sudo adduser $USER " + socketGroup + ", and log in again"
}

// APIError is the daemon's own "no".
type APIError struct {
	// Status is the HTTP status code.
	Status int
	ErrorBody
}

func (e *APIError) Error() string { return e.ErrorBody.Error }

// Status asks for the daemon's status.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return get[Status](ctx, c, "/v1/status", nil)
}

// Newest asks for the newest events whose seq is above after, newest first; a
// limit of 0 is the daemon's usual.
func (c *Client) Newest(ctx context.Context, limit int, after uint64) ([]Event, error) {
	query := limited(limit)
	if after > 0 {
		query.Set("after", strconv.FormatUint(after, 10))
	}
	return get[[]Event](ctx, c, "/v1/scans", query)
}

// Scan has a code judged that was typed by hand.
func (c *Client) Scan(ctx context.Context, code string, direction scanner.Direction) (Event, error) {
	if !utf8.ValidString(code) {
		// JSON would carry another code.
		return Event{}, BadRequest("the code is not text (UTF-8)")
	}
	return post[Event](ctx, c, "/v1/scans", ScanRequest{Code: code, Direction: direction})
}

// Admit admits a refused or reviewed scan in the name of a person.
func (c *Client) Admit(ctx context.Context, seq uint64, by string) (Event, error) {
	return post[Event](ctx, c, fmt.Sprintf("/v1/scans/%d/admit", seq), ByRequest{By: by})
}

// Undo takes back an admission in the name of a person.
func (c *Client) Undo(ctx context.Context, seq uint64, by string) (Event, error) {
	return post[Event](ctx, c, fmt.Sprintf("/v1/scans/%d/undo", seq), ByRequest{By: by})
}

// Ticket asks for all that is known of a code.
func (c *Client) Ticket(ctx context.Context, code string) (TicketView, error) {
	if !utf8.ValidString(code) {
		return TicketView{}, BadRequest("the code is not text (UTF-8)")
	}
	// Unescaped, "." and ".." would be cleaned out of the path.
	segment := strings.ReplaceAll(url.PathEscape(code), ".", "%2E")
	return get[TicketView](ctx, c, "/v1/tickets/"+segment, nil)
}

// Find searches tickets by name, order or seat.
func (c *Client) Find(ctx context.Context, text string, limit int) ([]Ticket, error) {
	query := limited(limit)
	query.Set("q", text)
	return get[[]Ticket](ctx, c, "/v1/tickets", query)
}

// Import loads a manifest, streamed from r.
func (c *Client) Import(ctx context.Context, name string, r io.Reader) (ImportResult, error) {
	var result ImportResult
	query := url.Values{"name": {name}}
	// The wrapper keeps the transport from closing what is not its own.
	err := c.call(ctx, http.MethodPost, "/v1/tickets/import", query, struct{ io.Reader }{r}, &result)
	return result, err
}

// VendorEvents asks what the vendor says can be scanned.
func (c *Client) VendorEvents(ctx context.Context, of Period) (VendorEvents, error) {
	query := url.Values{}
	for name, text := range map[string]string{"from": of.From, "to": of.To} {
		if text != "" {
			query.Set(name, text)
		}
	}
	return get[VendorEvents](ctx, c, "/v1/events", query)
}

// Sync has everything synchronised now.
func (c *Client) Sync(ctx context.Context, what SyncRequest) (SyncResult, error) {
	return post[SyncResult](ctx, c, "/v1/sync", what)
}

// Reload has the configuration file read again.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	return post[Reloaded](ctx, c, "/v1/reload", nil)
}

// Outbox asks for the oldest movements not acknowledged yet.
func (c *Client) Outbox(ctx context.Context, limit int) ([]OutboxEntry, error) {
	return get[[]OutboxEntry](ctx, c, "/v1/outbox", limited(limit))
}

// Parked asks for the oldest movements that the vendor will not take.
func (c *Client) Parked(ctx context.Context, limit int) ([]ParkedEntry, error) {
	return get[[]ParkedEntry](ctx, c, "/v1/parked", limited(limit))
}

// Requeue puts a parked movement back into the outbox.
func (c *Client) Requeue(ctx context.Context, seq uint64, by string) (Moved, error) {
	return post[Moved](ctx, c, fmt.Sprintf("/v1/parked/%d/requeue", seq), ByRequest{By: by})
}

// RequeueAll puts every parked movement back into the outbox.
func (c *Client) RequeueAll(ctx context.Context, by string) (Moved, error) {
	return post[Moved](ctx, c, "/v1/parked/requeue", ByRequest{By: by})
}

// Acknowledge says that a person took care of a parked movement.
func (c *Client) Acknowledge(ctx context.Context, seq uint64, by string) (Moved, error) {
	return post[Moved](ctx, c, fmt.Sprintf("/v1/parked/%d/acknowledge", seq), ByRequest{By: by})
}

// Export copies the whole history to w. An error means that what w got is not
// all of it.
func (c *Client) Export(ctx context.Context, format Format, w io.Writer) error {
	resp, err := c.do(ctx, http.MethodGet, "/v1/export", url.Values{"format": {string(format)}}, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("the export was cut off: %w", err)
	}
	return nil
}

// Stream is a followed feed. Close it.
type Stream struct {
	body io.ReadCloser
	dec  *json.Decoder
}

// Follow receives events as they happen. It returns when it is connected: every
// later event will come.
func (c *Client) Follow(ctx context.Context) (*Stream, error) {
	return c.follow(ctx, url.Values{"follow": {"true"}})
}

// FollowFrom receives the events whose seq is above after, the missed ones
// first, in order.
func (c *Client) FollowFrom(ctx context.Context, after uint64) (*Stream, error) {
	return c.follow(ctx, url.Values{"follow": {"true"}, "after": {strconv.FormatUint(after, 10)}})
}

func (c *Client) follow(ctx context.Context, query url.Values) (*Stream, error) {
	resp, err := c.do(ctx, http.MethodGet, "/v1/scans", query, nil)
	if err != nil {
		return nil, err
	}
	return &Stream{body: resp.Body, dec: json.NewDecoder(resp.Body)}, nil
}

// Next waits for the next event. It gives io.EOF when the daemon stopped, and
// io.ErrUnexpectedEOF when events are missing: this end was too slow, or the
// daemon died.
func (s *Stream) Next() (Event, error) {
	var e Event
	err := s.dec.Decode(&e)
	return e, err
}

// Close ends the following.
func (s *Stream) Close() error { return s.body.Close() }

func limited(limit int) url.Values {
	if limit <= 0 {
		return url.Values{}
	}
	return url.Values{"limit": {strconv.Itoa(limit)}}
}

func get[T any](ctx context.Context, c *Client, path string, query url.Values) (T, error) {
	var result T
	err := c.call(ctx, http.MethodGet, path, query, nil, &result)
	return result, err
}

func post[T any](ctx context.Context, c *Client, path string, body any) (T, error) {
	var result T
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return result, err
		}
		reader = bytes.NewReader(text)
	}
	err := c.call(ctx, http.MethodPost, path, nil, reader, &result)
	return result, err
}

func (c *Client) call(ctx context.Context, method, path string, query url.Values, body io.Reader, into any) error {
	resp, err := c.do(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("the daemon's answer cannot be read: %w", err)
	}
	return nil
}

// do gives the daemon's answer where it is a good one.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Response, error) {
	c.once.Do(c.connect)
	target := "http://usher" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if c.OnVersion != nil {
		c.OnVersion(resp.Header.Get(VersionHeader))
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, apiError(resp)
	}
	return resp, nil
}

// connect makes the HTTP client, whose every connection goes to the socket.
func (c *Client) connect() {
	var dialer net.Dialer
	c.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", c.path())
		},
		IdleConnTimeout:    idleTimeout / 2,
		DisableCompression: true,
	}}
}

// Close gives back idle connections.
func (c *Client) Close() {
	c.once.Do(c.connect)
	c.http.CloseIdleConnections()
}

func (c *Client) path() string {
	if c.Path == "" {
		return DefaultSocket
	}
	return c.Path
}

// explain says in words what a failed call means.
func (c *Client) explain(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("the daemon at %s does not answer: %w", c.path(), ctx.Err())
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return &NotRunningError{Path: c.path(), Instead: noSocket(c.path())}
	case errors.Is(err, fs.ErrPermission):
		return &DeniedError{Path: c.path()}
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("the daemon ended before it answered: %w", err)
	}
	return fmt.Errorf("ask the daemon at %s: %w", c.path(), err)
}

// noSocket says what is at the path where that is no socket.
func noSocket(path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil, info.Mode().Type() == fs.ModeSocket:
		return ""
	case info.IsDir():
		return "a directory"
	}
	return "a file"
}

func apiError(resp *http.Response) error {
	e := &APIError{Status: resp.StatusCode}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if json.Unmarshal(text, &e.ErrorBody) != nil || e.ErrorBody.Error == "" {
		e.ErrorBody.Error = "the daemon answered " + resp.Status
	}
	return e
}
