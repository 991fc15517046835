package ticketing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

const (
	// overlap is how long before a list's own time its next delta begins.
	overlap = 2 * time.Minute
	// readings is how often a list is read that changes meanwhile.
	readings = 3
)

// listedTicket is an entry of GET /events/{event}/tickets. The owner's address,
// user name and e-mail end in the decoder.
type listedTicket struct {
	Serial   *string         `json:"serial"`
	Status   *string         `json:"status"`
	Section  *sectionRef     `json:"section"`
	Owner    *person         `json:"owner"`
	Redeemed json.RawMessage `json:"redeemed"`
}

// cursor is where a delta goes on.
type cursor struct {
	// Source is what the list was asked for.
	Source string    `json:"source"`
	Since  time.Time `json:"since"`
}

// source names what a list is asked for: where one differs, no delta goes on.
func (c *Client) source(g *grant) string {
	return fmt.Sprintf("%s event=%s token=%s sections=%s with=%s", g.URL, g.Event, g.Tag, strings.Join(g.Sections, ","), c.cfg.ListWith)
}

// List streams the tickets of the event: all of the token's sections, and those of
// other sections where the base key may see them.
func (c *Client) List(ctx context.Context, add func(t scanner.Ticket, place string) error) (scanner.ListPage, error) {
	g, _, err := c.session.renewed(ctx)
	if err != nil {
		return scanner.ListPage{}, err
	}
	l := c.newList(g, add)
	if err := l.read(ctx); err != nil {
		return scanner.ListPage{}, own(err)
	}
	page := scanner.ListPage{Complete: l.own > 0, GeneratedAt: l.time(), Source: c.source(g)}
	if page.Cursor, err = l.cursor(); err != nil {
		return scanner.ListPage{}, err
	}
	return page, nil
}

// Changes streams the tickets whose status changed since the cursor.
func (c *Client) Changes(ctx context.Context, from []byte, add func(t scanner.Ticket, place string) error) (scanner.ListPage, error) {
	var since cursor
	if wire.Decode(from, &since) != nil || since.Since.IsZero() {
		return scanner.ListPage{}, scanner.ErrCursor
	}
	g, _, err := c.session.renewed(ctx)
	if err != nil {
		return scanner.ListPage{}, err
	}
	if since.Source != c.source(g) {
		return scanner.ListPage{}, scanner.ErrCursor
	}
	l := c.newList(g, add)
	l.since = since.Since
	if err := l.read(ctx); err != nil {
		return scanner.ListPage{}, own(err)
	}
	page := scanner.ListPage{Delta: true, GeneratedAt: l.time(), Source: c.source(g)}
	if page.Cursor, err = l.cursor(); err != nil {
		return scanner.ListPage{}, err
	}
	return page, nil
}

// list is one download.
type list struct {
	client *Client
	grant  *grant
	add    func(scanner.Ticket, string) error
	// since is where a delta begins; zero: everything.
	since time.Time

	seed maphash.Seed
	// seen tells for each serial, by its hash, in which reading it last came: a list
	// may be long, and nothing else of it is kept.
	seen    map[uint64]uint8
	reading uint8
	given   int
	at      time.Time
	// own is how many tickets the token's own sections have. A vendor that suddenly
	// knows none is not believed.
	own int
}

func (c *Client) newList(g *grant, add func(scanner.Ticket, string) error) *list {
	return &list{client: c, grant: g, add: add, seed: maphash.MakeSeed(), seen: map[uint64]uint8{}}
}

// addError is add's own: it goes to the caller as it is.
type addError struct{ err error }

func (a *addError) Error() string { return a.err.Error() }

func own(err error) error {
	var a *addError
	if errors.As(err, &a) {
		return a.err
	}
	return err
}

// cursor is where the next delta goes on: a little before this list's own time. Where
// the vendor told no time, none does: this device's clock is not the vendor's.
func (l *list) cursor() ([]byte, error) {
	if l.at.IsZero() {
		return nil, nil
	}
	since := l.at.Add(-overlap)
	if !l.since.IsZero() && since.Before(l.since) {
		since = l.since
	}
	return json.Marshal(cursor{l.client.source(l.grant), since.UTC()})
}

// time is when the list was made, as well as is known.
func (l *list) time() time.Time {
	if l.at.IsZero() {
		return l.client.clock.True(l.client.clock.Now()).At
	}
	return l.at
}

// read reads the token's own tickets, then those of other sections.
func (l *list) read(ctx context.Context) error {
	c := l.client
	own := l.mine()
	if err := l.whole(ctx, own, false); err != nil {
		return err
	}
	l.at, l.own = own.at, own.total
	if c.cfg.ListWith == listToken || l.own == 0 && l.since.IsZero() {
		return nil
	}
	return l.leave(ctx, l.others(ctx))
}

// mine are the pages that the token's own key lists.
func (l *list) mine() *pages[listedTicket] {
	c := l.client
	return l.pages(func(ctx context.Context, call func(string) error) error {
		return c.session.with(ctx, opTickets, func(g *grant) error {
			if c.source(g) != c.source(l.grant) {
				return moved(opTickets) // the token admits to something else by now
			}
			return call(g.key)
		})
	})
}

func (l *list) pages(once func(context.Context, func(string) error) error) *pages[listedTicket] {
	p := &pages[listedTicket]{
		client: l.client, op: opTickets, path: "/events/" + l.grant.Event + "/tickets", records: l.client.cfg.Records, once: once,
	}
	if !l.since.IsZero() {
		p.filtered = true
		p.query = url.Values{"modified_since": {l.since.UTC().Format("2006-01-02T15:04:05-07:00")}}
	}
	return p
}

// whole reads the list until one reading has found all that the vendor says there
// is. The list's time is that of the first: what changed since is the next delta's.
func (l *list) whole(ctx context.Context, p *pages[listedTicket], others bool) error {
	var at time.Time
	for range readings {
		l.reading++
		found := 0
		err := p.each(ctx, func(t listedTicket) error {
			fresh, err := l.take(t, others)
			if fresh {
				found++
			}
			return err
		})
		if err != nil {
			return err
		}
		if at.IsZero() {
			at = p.at
		}
		p.at = at
		if found >= p.total {
			return nil
		}
	}
	return moved(p.op)
}

// others adds the tickets of other sections, where the base key may list them.
func (l *list) others(ctx context.Context) error {
	c := l.client
	p := l.pages(func(ctx context.Context, call func(string) error) error { return c.base.with(ctx, opTickets, call) })
	if l.since.IsZero() {
		p.records = 1 // one ticket tells how many there are
		reply, end, err := p.fetch(ctx, 1)
		if err != nil || end || int(*reply.Total) <= l.own {
			return err
		}
		p.records = c.cfg.Records
	}
	return l.whole(ctx, p, true)
}

// leave goes on without the tickets of other sections, or without some of them. They
// serve to say "wrong section" alone: the own list is worth more. An end that the
// caller made stays one.
func (l *list) leave(ctx context.Context, err error) error {
	var a *addError
	if err == nil || ctx.Err() != nil || errors.As(err, &a) {
		return err
	}
	l.client.log.Info("the tickets of other sections cannot be listed: they count as not found instead of wrong section", "err", err)
	return nil
}

// take gives one ticket on, unless it was given before; fresh: it is the first time
// in this reading. A field that the document promises and that is not there spoils
// the list: nobody knows what else of it is wrong.
func (l *list) take(t listedTicket, others bool) (fresh bool, err error) {
	if value(t.Serial) == "" || t.Status == nil {
		return false, wire.Nonsense(opTickets, http.StatusOK, fmt.Errorf("ticket %d of the list lacks its serial or status", l.given+1))
	}
	hash := maphash.String(l.seed, *t.Serial)
	before, had := l.seen[hash]
	l.seen[hash] = l.reading
	fresh = !had || before != l.reading
	ticket := t.ticket()
	if had || others && (ticket.SectionID == "" || slices.Contains(l.grant.Sections, ticket.SectionID)) {
		return fresh, nil
	}
	l.given++
	if err := l.add(ticket, "ticket "+strconv.Itoa(l.given)); err != nil {
		return fresh, &addError{err}
	}
	return fresh, nil
}

// ticket is the list's record in the house's words. It has no id but the serial,
// which is the code itself.
func (t listedTicket) ticket() scanner.Ticket {
	out := scanner.Ticket{Code: scanner.Code(*t.Serial), Name: t.Owner.name()}
	out.SectionID, out.Section = t.Section.names()
	out.Status, out.UsedAt, out.Detail = t.state()
	return out
}

// unredeemed is what the vendor writes for a ticket that was not used.
const unredeemed = "N/A"

// state tells what the vendor's words mean: any that are not known let nobody in.
func (t listedTicket) state() (status scanner.Status, usedAt time.Time, detail string) {
	words := plain(t.Status)
	switch strings.ToLower(words) {
	case "refunded":
		return scanner.StatusRefunded, usedAt, ""
	case "cancelled", "canceled", "void", "voided":
		return scanner.StatusVoided, usedAt, ""
	}
	redeemed := unquoted(t.Redeemed)
	if at, ok := moment(redeemed); ok {
		return scanner.StatusUsed, at, ""
	}
	switch strings.ToLower(words) {
	case "redeemed", "admitted", "used":
		return scanner.StatusUsed, usedAt, ""
	case "issued":
	default:
		return scanner.StatusBlocked, usedAt, "TickeTing says: " + strconv.Quote(words)
	}
	if t.Redeemed == nil || redeemed != "" && !strings.EqualFold(strings.TrimSpace(redeemed), unredeemed) {
		return scanner.StatusBlocked, usedAt, "TickeTing does not say whether it was used"
	}
	return scanner.StatusValid, usedAt, ""
}
