package acme

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"usher/scanner"
)

const (
	// watchEvery is how often the event's window is looked at: Back Office may move an
	// event while its gate is open.
	watchEvery = 10 * time.Minute
	// windowKey is where Memory keeps the event last told.
	windowKey = "event"
)

// checkInWindow is ticketDetails.checkInWindow: minutes before and after the start
// of the event in which its tickets are admitted.
type checkInWindow struct {
	Before integer `json:"minutesBefore"`
	After  integer `json:"minutesAfter"`
	// Block: tickets carry no barcode and are not to be scanned; nil: not told.
	Block *flag `json:"blockScan"`
	// Rebook: a ticket of another time of the same template is rebooked when scanned.
	Rebook *flag `json:"autoRebook"`
}

func (f *flag) on() bool { return f != nil && bool(*f) }

// unfilled tells the two zeroes of a form that nobody filled in.
func (w checkInWindow) unfilled() bool {
	before, after := w.Before.value, w.After.value
	return before != nil && after != nil && *before == 0 && *after == 0
}

// whole tells whether both edges are an event's own.
func (w *checkInWindow) whole() bool {
	return w != nil && w.Before.value != nil && w.After.value != nil && !w.unfilled()
}

// or fills in from the template's what an event does not tell itself, be it nil. A
// flag that is off counts as told only beside minutes: forms are sent with it empty.
func (w *checkInWindow) or(template checkInWindow) checkInWindow {
	if w == nil {
		return template
	}
	out := *w
	if w.unfilled() {
		out.Before, out.After = integer{}, integer{}
	}
	filled := out.Before.value != nil || out.After.value != nil
	if out.Before.value == nil {
		out.Before = template.Before
	}
	if out.After.value == nil {
		out.After = template.After
	}
	if out.Block == nil || !filled && !out.Block.on() {
		out.Block = template.Block
	}
	if out.Rebook == nil || !filled && !out.Rebook.on() {
		out.Rebook = template.Rebook
	}
	return out
}

// mostMinutes is the longest window that is believed: beyond it the number means
// something else, and no edge is known.
const mostMinutes = 10 * 366 * 24 * 60

// edges gives the window of an event that starts then; zero: open. Two zeroes are
// not a window of one instant.
func (w checkInWindow) edges(start time.Time) (opens, closes time.Time) {
	if w.unfilled() {
		return opens, closes
	}
	edge := func(minutes *int64, sign int64) time.Time {
		if minutes == nil || start.IsZero() || math.Abs(float64(*minutes)) > mostMinutes {
			return time.Time{}
		}
		return start.Add(time.Duration(sign**minutes) * time.Minute)
	}
	return edge(w.Before.value, -1), edge(w.After.value, 1)
}

func (w checkInWindow) same(other checkInWindow) bool {
	return w.Before.same(other.Before) && w.After.same(other.After) && w.Block.on() == other.Block.on() && w.Rebook.on() == other.Rebook.on()
}

// knownEvent is what is kept of the configured event.
type knownEvent struct {
	// What it was told for.
	URL    string `json:"url"`
	Tenant string `json:"tenant"`
	ID     string `json:"id"`

	Name     string    `json:"name,omitempty"`
	Template string    `json:"template,omitempty"`
	Start    time.Time `json:"start,omitzero"`
	// Window is the event's own, with its template's where it tells none; FromTemplate
	// is the template's as last told.
	Window       checkInWindow `json:"window"`
	FromTemplate checkInWindow `json:"template_window,omitzero"`
	// Unread is what of the window could not be read.
	Unread string `json:"unread,omitempty"`
}

// problem is what a person should know of the event; empty: nothing.
func (e knownEvent) problem() string {
	switch {
	case e.Unread != "":
		return fmt.Sprintf("ACME tells the event's %s in a form that cannot be read: its check-in window stays the one told before, if there was any; ask ACME's support", e.Unread)
	case e.Start.IsZero():
		return "ACME tells no startTime with an offset from UTC for the event: no check-in window is known in an outage; correct the event in Back Office, or ask ACME's support"
	}
	return ""
}

// kept is the configured event as ACME last told it, in this run or before it. It is
// safe for concurrent use.
type kept struct {
	memory scanner.Memory
	want   knownEvent // the first three fields
	load   sync.Once

	mu    sync.Mutex // guards what follows; never held across I/O
	event knownEvent
	known bool
}

// get gives the event, from memory but for the first time.
func (k *kept) get(c *Client) (knownEvent, bool) {
	k.load.Do(func() {
		if k.memory == nil {
			return
		}
		raw, err := k.memory.Load(windowKey)
		if err != nil {
			c.log.Warn("the event's check-in window cannot be read: until ACME tells it again none is known", "err", err)
		}
		var event knownEvent
		if err != nil || len(raw) == 0 || json.Unmarshal(raw, &event) != nil || !event.of(k.want) {
			return
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if !k.known {
			k.event, k.known = event, true
		}
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.event, k.known
}

func (e knownEvent) of(want knownEvent) bool {
	return e.URL == want.URL && e.Tenant == want.Tenant && e.ID == want.ID && want.ID != ""
}

// startsAt tells whether the event is known to begin then.
func (k *kept) startsAt(at time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known && k.event.Start.Equal(at)
}

// set takes in what ACME told and keeps it over a restart.
func (k *kept) set(c *Client, event knownEvent) {
	before, had := k.get(c)
	event.URL, event.Tenant, event.ID = k.want.URL, k.want.Tenant, k.want.ID
	k.mu.Lock()
	k.event, k.known = event, true
	k.mu.Unlock()
	if had && before.same(event) {
		return
	}
	opens, closes := event.Window.edges(event.Start)
	c.log.Info("the event's check-in window", "event", event.Name, "starts", event.Start, "opens", opens, "closes", closes,
		"blocked", event.Window.Block.on(), "auto_rebook", event.Window.Rebook.on())
	if k.memory == nil {
		return
	}
	raw, err := json.Marshal(event)
	if err == nil {
		err = k.memory.Save(windowKey, raw)
	}
	if err != nil {
		c.log.Warn("the event's check-in window cannot be kept: after a restart without a network none is known", "err", err)
	}
}

func (e knownEvent) same(other knownEvent) bool {
	return e.Start.Equal(other.Start) && e.Window.same(other.Window) && e.FromTemplate.same(other.FromTemplate) &&
		e.Name == other.Name && e.Template == other.Template && e.Unread == other.Unread
}

// Window gives the configured event's check-in window, from memory; false: it was
// never told.
func (c *Client) Window() (scanner.Window, bool) {
	event, known := c.kept.get(c)
	if !known {
		return scanner.Window{}, false
	}
	w := scanner.Window{Event: event.ID, Name: event.Name, Blocked: event.Window.Block.on()}
	w.OpensAt, w.ClosesAt = event.Window.edges(event.Start)
	if w.Blocked {
		w.Detail = "ACME blocks the scanning of this event's tickets (blockScan)"
	}
	return w, true
}

// Every is the pause between two looks at the event.
func (c *Client) Every() time.Duration { return watchEvery }

// Watch fetches the configured event and, where it does not tell both edges of its
// window itself, its template.
func (c *Client) Watch(ctx context.Context) error {
	err := c.watch(ctx)
	if err == nil {
		return nil
	}
	look := *scanner.CallErrorOf(err)
	look.MaybeSent = false // a look changes nothing there
	return &look
}

func (c *Client) watch(ctx context.Context) error {
	instance, err := c.configured(ctx)
	if err != nil || instance.unread != "" || instance.Details.Window.whole() || instance.Template == "" || !plainID(string(instance.Template)) {
		return err
	}
	template, err := c.Template(ctx, string(instance.Template), Query{})
	if err != nil && scanner.CallErrorOf(err).Status == http.StatusNotFound {
		return nil // buyers are not shown every template: what the event itself tells is all
	}
	if err != nil {
		return err
	}
	c.take(instance, &template)
	return nil
}

// configured fetches the configured event, and takes in what it tells. That it is
// there is enough to scan into it: what of its window is not told, or not to be read,
// is told in the status.
func (c *Client) configured(ctx context.Context) (Instance, error) {
	instance, err := c.Instance(ctx, c.cfg.EventInstance)
	if err != nil {
		return instance, unknownEvent(err, c.cfg.EventInstance)
	}
	c.take(instance, nil)
	return instance, nil
}

// take keeps the event as it was told. Without the template (nil) what that told
// before stands.
func (c *Client) take(instance Instance, template *Template) {
	before, _ := c.kept.get(c)
	event := knownEvent{Name: plain(instance.Name), Template: string(instance.Template), Start: instance.StartsAt.At, Unread: instance.unread}
	switch {
	case template != nil && template.Details.Window != nil:
		event.FromTemplate = *template.Details.Window
	case template == nil && event.Template == before.Template:
		event.FromTemplate = before.FromTemplate
	}
	event.Window = instance.Details.Window.or(event.FromTemplate)
	if event.Unread != "" {
		event.Template, event.FromTemplate, event.Window = before.Template, before.FromTemplate, before.Window
	}
	c.kept.set(c, event)
}

// unknownEvent says what to do where ACME does not have the configured event.
func unknownEvent(err error, event string) error {
	call := *scanner.CallErrorOf(err)
	if call.Status == http.StatusNotFound {
		call.Trouble = scanner.Denied
		call.Err = fmt.Errorf("ACME does not know the event %s: correct vendor.event_instance (`usher events` lists them), or vendor.base_url, where that is a sandbox", event)
	}
	return &call
}

func nonsense(op, text string) error {
	return &scanner.CallError{Op: op, Trouble: scanner.Nonsense, MaybeSent: true, Status: http.StatusOK, Err: errors.New(text)}
}
