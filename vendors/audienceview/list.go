package audienceview

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// maxList is the longest list, in bytes; memory does not depend on it.
const maxList = 4 << 30

// frozen is what syncScans will want of a ticket, as Ticket.Vendor: short names,
// since a list holds a million.
type frozen struct {
	Ticket      int64  `json:"t"`
	Performance int64  `json:"p"`
	Barcode     string `json:"b"`
	// Filters are client, production and performance of the configuration under
	// which the list was fetched; 0: any.
	Filters [3]int64 `json:"f"`
}

// FilterOptions lists what the user may scan now (filterOptions).
func (c *Client) FilterOptions(ctx context.Context) ([]FilterClient, error) {
	const op = "filterOptions"
	var reply optionsReply
	err := c.signedIn(ctx, op, func(ctx context.Context, auth http.Header) error {
		reply = optionsReply{}
		_, err := c.ask(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: "/scanning/filterOptions", Header: auth}, &reply)
		return whole(op, err)
	})
	return reply.Clients, err
}

// List streams the tickets of the filters (cache/validTickets).
func (c *Client) List(ctx context.Context, add func(t scanner.Ticket, place string) error) (scanner.ListPage, error) {
	open := false
	if c.cfg.PerformanceID != 0 {
		clients, err := c.FilterOptions(ctx)
		if err != nil {
			return scanner.ListPage{}, err
		}
		open = c.cfg.within(clients)
	}
	l := &list{client: c, add: add}
	if err := c.signedIn(ctx, "validTickets", l.fetch); err != nil {
		return scanner.ListPage{}, err
	}
	if l.bare > 0 {
		c.log.Warn("tickets without a barcode were left out of the list", "tickets", l.bare)
	}
	return scanner.ListPage{
		Complete:    open && l.given > 0,
		GeneratedAt: l.at,
		Source:      c.cfg.source(),
	}, nil
}

// within tells whether the configured performance can be scanned now.
func (c Config) within(clients []FilterClient) bool {
	for _, client := range clients {
		for _, production := range client.Productions {
			for _, performance := range production.Performances {
				if client.ID == c.ClientID && performance.ID == c.PerformanceID &&
					(c.ProductionID == 0 || c.ProductionID == production.ID) {
					return true
				}
			}
		}
	}
	return false
}

// source names what a list was asked for.
func (c Config) source() string {
	return fmt.Sprintf("%s client=%d production=%d performance=%d", c.base, c.ClientID, c.ProductionID, c.PerformanceID)
}

// list is one download.
type list struct {
	client *Client
	add    func(scanner.Ticket, string) error

	// given counts the tickets that went to add, bare those without a barcode.
	given, bare int
	at          time.Time
}

// addError is add's own: it goes to the caller as it is.
type addError struct{ err error }

func (a *addError) Error() string { return a.err.Error() }

// listHead is everything in the answer beside the tickets.
type listHead struct {
	envelope
	Client, Production, Performance *int64
	tickets                         bool
}

func (l *list) fetch(ctx context.Context, auth http.Header) error {
	c := l.client
	query := url.Values{"clientId": {strconv.FormatInt(c.cfg.ClientID, 10)}}
	if c.cfg.ProductionID != 0 {
		query.Set("productionId", strconv.FormatInt(c.cfg.ProductionID, 10))
	}
	if c.cfg.PerformanceID != 0 {
		query.Set("performanceId", strconv.FormatInt(c.cfg.PerformanceID, 10))
	}
	call := wire.Call{
		Op: "validTickets", Method: http.MethodGet, Path: "/scanning/cache/validTickets",
		Query: query, Header: auth, Limit: maxList,
	}
	stream, got, err := c.http.Open(ctx, call)
	if err != nil {
		var e envelope
		return whole(call.Op, c.read(call, got, err, &e))
	}
	defer stream.Close()
	var head listHead
	err = l.readAll(stream, &head)
	var own *addError
	if errors.As(err, &own) {
		return own.err
	}
	if err != nil {
		return err
	}
	return l.check(call, stream, &head)
}

// check judges what stood beside the tickets.
func (l *list) check(call wire.Call, stream *wire.Stream, head *listHead) error {
	nonsense := func(text string) error { return wire.Nonsense(call.Op, stream.Status, errors.New(text)) }
	if !head.genuine() {
		return wire.Nonsense(call.Op, stream.Status, errNoErrorField)
	}
	if err := l.client.heard(call, stream.Answer, &head.envelope); err != nil {
		if l.given > 0 {
			return nonsense("a list of tickets and an error at once")
		}
		return whole(call.Op, err)
	}
	cfg := l.client.cfg
	switch {
	case !head.tickets:
		return nonsense("an answer without a list of tickets")
	case head.Client == nil || *head.Client != cfg.ClientID:
		return nonsense(fmt.Sprintf("the list of another client than %d", cfg.ClientID))
	case !echoes(head.Production, cfg.ProductionID):
		return nonsense("a list for another production than vendor.production_id")
	case !echoes(head.Performance, cfg.PerformanceID):
		return nonsense("a list for another performance than vendor.performance_id")
	}
	if l.at = stream.Date; l.at.IsZero() {
		l.at = l.client.clock.True(l.client.clock.Now()).At
	}
	return nil
}

// echoes compares an id with the one that was asked for; 0 and null: any.
func echoes(got *int64, asked int64) bool {
	if got == nil {
		return asked == 0
	}
	return *got == asked
}

// readAll reads the answer in whatever order its fields come.
func (l *list) readAll(stream *wire.Stream, head *listHead) error {
	seen := map[string]bool{}
	targets := map[string]any{
		"accessTokenExpiration": &head.Expires,
		"error":                 &head.Failed,
		"errorMessageHTML":      &head.HTML,
		"errorDetails":          &head.Details,
		"clientId":              &head.Client,
		"productionId":          &head.Production,
		"performanceId":         &head.Performance,
	}
	err := stream.Object(func(name string) error {
		if seen[name] {
			return wire.Nonsense(stream.Op, stream.Status, errors.New("a name stands twice in the answer"))
		}
		target, known := targets[name]
		switch {
		case known:
			seen[name] = true
			return stream.Value(target)
		case name != "tickets":
			return stream.Skip()
		}
		seen[name] = true
		if null, err := stream.Null(); null || err != nil {
			return err
		}
		head.tickets = true
		return wire.Each(stream, func(n int, t listedTicket) error { return l.take(stream, n, t) })
	})
	if err != nil {
		return err
	}
	return stream.End()
}

// take gives one ticket on. A field that the document promises and that is not
// there spoils the list: nobody knows what else of it is wrong.
func (l *list) take(stream *wire.Stream, n int, t listedTicket) error {
	cfg := l.client.cfg
	switch {
	case t.ID == nil || t.Performance == nil || t.Scanned == nil || t.Dead == nil:
		return wire.Nonsense(stream.Op, stream.Status, fmt.Errorf("entry %d of the list lacks a field", n))
	case cfg.PerformanceID != 0 && *t.Performance != cfg.PerformanceID:
		return wire.Nonsense(stream.Op, stream.Status, fmt.Errorf("entry %d of the list is of another performance than vendor.performance_id", n))
	case t.Barcode == nil || *t.Barcode == "":
		l.bare++
		return nil
	}
	ticket, err := cfg.ticket(t)
	if err != nil {
		return err
	}
	l.given++
	if err := l.add(ticket, "ticket "+strconv.Itoa(n)); err != nil {
		return &addError{err}
	}
	return nil
}

// ticket is the list's record in the house's words.
func (c Config) ticket(t listedTicket) (scanner.Ticket, error) {
	upload, err := json.Marshal(frozen{*t.ID, *t.Performance, *t.Barcode, [3]int64{c.ClientID, c.ProductionID, c.PerformanceID}})
	if err != nil {
		return scanner.Ticket{}, err
	}
	status := scanner.StatusValid
	switch {
	case *t.Dead:
		status = scanner.StatusVoided
	case *t.Scanned:
		status = scanner.StatusUsed
	}
	event := plain(t.Event)
	if event == "" {
		event = plain(t.Production)
	}
	return scanner.Ticket{
		Code:    scanner.Code(*t.Barcode),
		ID:      strconv.FormatInt(*t.ID, 10),
		Name:    personName(t.Patron, t.Consumer),
		Section: plain(t.Section),
		Seat:    plain(t.Seat),
		Event:   event,
		Series:  plain(t.Production),
		Client:  strconv.FormatInt(c.ClientID, 10),
		Status:  status,
		Vendor:  upload,
	}, nil
}
