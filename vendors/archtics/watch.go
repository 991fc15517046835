package archtics

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"usher/scanner"
)

const (
	// overlap is how far before the newest entry known each fetch begins: entries come
	// late and out of order.
	overlap = 15 * time.Minute
	// mostPages is how many pages are fetched at once; the rest is fetched the next time.
	mostPages = 500
	// leastCost is what a look costs: a page with rows, and the one that ends them.
	leastCost = 2
	// mostTries is how often a page is asked for before a look begins anew.
	mostTries = 3
)

// watch learns which seats were entered at other gates: this device's own admissions
// never get to Archtics, so whatever is there is somebody else's scan.
type watch struct {
	client *Client
	keep   keep
	load   sync.Once
	seats  *entries
	// turn is held by the one fetch under way, with all of what follows it.
	turn chan struct{}
	// mark is the newest entry of the last whole look; zero: there was none.
	mark time.Time
	// unsaved is what the disk has not got yet.
	unsaved []line
	// look is the one that was not finished; nil: it was.
	look *look

	// cost is how many requests a look takes that fetches what is new.
	cost atomic.Int64
}

// look is one fetch of all that is new. It may take several calls of Watch, and goes
// on at the page that it did not get.
type look struct {
	// since is the moment that is asked for, begun when it began: what came after that
	// may be on pages that were fetched before.
	since time.Time
	begun scanner.Stamp
	// again: it is not the first of a device that knows nothing yet.
	again bool
	// whole: Archtics does not take the question, so that all of each event is asked
	// for; event is the one that it is at.
	whole bool
	event int
	// page is the next one, last tells the one before.
	page int
	last [32]byte
	// tries are those of this page that failed.
	tries int
	// cost is the requests that it took.
	cost int

	newest                time.Time
	rows, timeless, early int
}

func newWatch(c *Client, memory scanner.Memory) *watch {
	return &watch{client: c, keep: keep{memory: memory}, seats: newEntries(), turn: make(chan struct{}, 1)}
}

// Every is the pause between two looks at the attendance: as it is configured, but no
// shorter than the attendance's share of the quota allows.
func (c *Client) Every() time.Duration {
	return max(c.cfg.AttendanceEvery, c.cfg.plan(), c.quota.pace(max(leastCost, int(c.watch.cost.Load()))))
}

// Watch fetches the entries that are new.
func (c *Client) Watch(ctx context.Context) error {
	w := c.watch
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return &scanner.CallError{Op: cmdIncremental, Trouble: scanner.Silent, Err: fmt.Errorf("another fetch of the attendance is under way: %w", ctx.Err())}
	}
	defer func() { <-w.turn }()
	w.ready()
	if w.look == nil {
		w.look = w.begin()
	}
	l, before := w.look, c.quota.looks()
	err := w.fetch(ctx, l)
	cost := c.quota.looks() - before
	l.cost += cost
	if err == nil {
		w.end(l)
	} else {
		err = w.failed(l, cost, err)
	}
	w.save()
	return err
}

func (w *watch) begin() *look {
	c := w.client
	l := &look{begun: c.clock.Now(), again: !w.mark.IsZero()}
	l.since = c.clock.True(l.begun).At.Add(-c.cfg.AttendanceBack)
	if l.again {
		l.since = w.mark.Add(-overlap)
	}
	return l
}

// end is after a whole look. The mark is never behind its beginning: what came since
// then may be on pages fetched before, and a wrong clock at another gate would put it
// into the future for ever.
func (w *watch) end(l *look) {
	w.look = nil
	newest := l.newest
	if begun := w.client.clock.True(l.begun).At; newest.After(begun) {
		newest = begun
	}
	if !l.whole && newest.After(w.mark) {
		w.mark = newest
	}
	if l.again || l.whole {
		w.cost.Store(int64(l.cost))
	}
	if waste := l.waste(w.client.cfg.AttendanceSince); w.client.quota.wasted(waste) && waste != "" {
		w.client.log.Warn(waste)
	}
}

// waste is why a look that succeeded fetched more than is new; empty: it did not.
func (l *look) waste(field string) string {
	switch {
	case l.early > 0:
		return fmt.Sprintf("the attendance has entries from long before the moment that was asked for, so that each look at it costs more calls than it must: "+
			"ask Ticketmaster whether vendor.attendance_since (%s) is the right field, and check gate.timezone", field)
	case l.timeless > 0 && l.timeless == l.rows:
		return fmt.Sprintf("no row of the attendance has a time that usher knows, such as action_time: all %d count as entries at another gate, and each look fetches them anew; report it, with the names of its fields", l.rows)
	}
	return ""
}

// failed notes where a look goes on. One that the quota ended waits for its turn;
// another fault rests by what it cost, and a page that fails again and again is no
// place to go on from.
func (w *watch) failed(l *look, cost int, err error) error {
	call := *scanner.CallErrorOf(err)
	if call.Trouble == scanner.Throttled {
		return err
	}
	if l.tries++; l.tries >= mostTries {
		w.look = nil
	}
	if cost > 0 {
		call.RetryAfter = max(call.RetryAfter, w.client.quota.pace(cost))
	}
	return &call
}

// attended tells whether a seat was entered elsewhere.
func (w *watch) attended(s seat) (entryAt, bool) {
	if w.client.cfg.AttendanceEvery == 0 {
		return entryAt{}, false // what was kept before is no news any more
	}
	w.ready()
	return w.seats.find(s.key())
}

// ready reads what was kept, once.
func (w *watch) ready() {
	w.load.Do(func() {
		if w.keep.memory == nil {
			return
		}
		lines, mark, err := w.keep.load()
		if err != nil {
			w.client.log.Warn("the attendance that was kept cannot be read: it is fetched anew", "err", err)
			if err := w.keep.rewrite(nil, 0); err != nil {
				w.client.log.Warn("the attendance cannot be kept", "err", err)
			}
			return
		}
		w.seats.replace(lines)
		if mark != 0 {
			w.mark = time.Unix(mark, 0)
		}
	})
}

// fetch asks for what is new, or, where Archtics does not take that question, for
// all of each event.
func (w *watch) fetch(ctx context.Context, l *look) error {
	c := w.client
	if !l.whole {
		err := w.pages(cmdIncremental, l, func(page int) (AttendancePage, error) { return c.AttendanceSince(ctx, l.since, page) })
		if err == nil || !refusedQuestion(err) {
			return err
		}
		if len(c.wantedEvents()) == 0 {
			w.look = nil
			return hinted(err, "check vendor.attendance_since with Ticketmaster, or set vendor.events, whose whole attendance is asked for then")
		}
		l.whole, l.page, l.tries, l.last = true, 0, 0, [32]byte{}
	}
	for events := c.wantedEvents(); l.event < len(events); l.event++ {
		event := events[l.event]
		if err := w.pages(cmdAttendance, l, func(page int) (AttendancePage, error) { return c.Attendance(ctx, event, 0, page) }); err != nil {
			return err
		}
		l.page, l.last = 0, [32]byte{}
	}
	return nil
}

// refusedQuestion tells that Archtics will not be asked so.
func refusedQuestion(err error) bool {
	call := scanner.CallErrorOf(err)
	return call.Trouble == scanner.Malformed || call.Trouble == scanner.Denied
}

func hinted(err error, hint string) error {
	call := *scanner.CallErrorOf(err)
	call.Err = fmt.Errorf("%w: %s", call.Err, hint)
	return &call
}

// pages takes all pages of one question in, from the look's on. How the last one is
// known is not documented: it is one without rows, or one like the one before.
func (w *watch) pages(op string, l *look, ask func(page int) (AttendancePage, error)) error {
	for range mostPages {
		page, err := ask(l.page)
		if err != nil {
			return err
		}
		if page.Rows == 0 && page.Others > 0 {
			return fault(op, scanner.Nonsense, "usher does not understand the attendance: its rows name no event, section, row and seat")
		}
		if page.Rows == 0 || l.page > 0 && page.sum == l.last {
			return nil
		}
		w.take(page)
		if page.newest.After(l.newest) {
			l.newest = page.newest
		}
		l.rows, l.timeless, l.early = l.rows+page.Rows, l.timeless+page.timeless, l.early+page.early
		l.page, l.last, l.tries = l.page+1, page.sum, 0
	}
	return throttled(op, w.client.quota.pace(mostPages), fmt.Sprintf("the attendance has more than %d pages: it goes on at page %d", mostPages, l.page))
}

// take notes the entries of a page.
func (w *watch) take(page AttendancePage) {
	c := w.client
	heard := uint32(0)
	if truth := c.clock.True(c.clock.Now()); truth.Trusted {
		heard = seconds(truth.At)
	}
	for _, l := range page.seats.lines(time.Time{}) {
		l.heard = heard
		if w.seats.add(l) {
			w.unsaved = append(w.unsaved, l)
		}
	}
}

// save writes what is new behind what is there, or all of it anew where that has
// become too much. What the disk refuses is tried again with the next fetch.
func (w *watch) save() {
	c := w.client
	expired := false
	if truth := c.clock.True(c.clock.Now()); truth.Trusted {
		old := truth.At.Add(-keepEntries)
		oldest := w.seats.date(truth.At)
		if expired = !oldest.IsZero() && oldest.Before(old.Add(-keepEntries/2)); expired {
			w.seats.replace(w.seats.lines(old))
		}
	}
	if w.keep.memory == nil {
		w.unsaved = nil
		return
	}
	mark := int64(0)
	if !w.mark.IsZero() {
		mark = w.mark.Unix()
	}
	var err error
	switch {
	case expired, len(w.unsaved) > 0 && w.keep.chunks >= mostChunks:
		err = w.keep.rewrite(w.seats.lines(time.Time{}), mark)
	case len(w.unsaved) > 0:
		err = w.keep.append(w.unsaved, mark)
	}
	if err != nil {
		c.log.Warn("the attendance cannot be kept: after a restart it is fetched anew", "err", err)
		return
	}
	w.unsaved = nil
}
