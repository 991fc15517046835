package archtics

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"usher/scanner"
)

const (
	// overlap is how far before the newest entry known each fetch begins: entries come
	// late and out of order.
	overlap = 15 * time.Minute
	// mostPages ends a fetch that does not end.
	mostPages = 500
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
	// mark is the newest entry of the last whole fetch; zero: there was none.
	mark time.Time
	// unsaved is what the disk has not got yet.
	unsaved []line
	// since and page are where the quota ended an incremental fetch, event and eventPage
	// where it ended one of whole events; zero: it did not.
	since            time.Time
	page             int
	event, eventPage int
}

func newWatch(c *Client, memory scanner.Memory) *watch {
	return &watch{client: c, keep: keep{memory: memory}, seats: newEntries(), turn: make(chan struct{}, 1)}
}

// Every is the pause between two looks at the attendance.
func (c *Client) Every() time.Duration { return c.cfg.AttendanceEvery }

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
	mark, err := w.fetch(ctx)
	if err == nil {
		w.mark = mark
	}
	w.save()
	return err
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
// all of each event. It gives the mark for the next time.
func (w *watch) fetch(ctx context.Context) (time.Time, error) {
	c := w.client
	now := c.clock.True(c.clock.Now()).At
	since := now.Add(-c.cfg.AttendanceBack)
	switch {
	case !w.since.IsZero():
		since = w.since
	case !w.mark.IsZero():
		since = w.mark.Add(-overlap)
	}
	newest, page, err := w.pages(cmdIncremental, w.page, func(page int) (AttendancePage, error) { return c.AttendanceSince(ctx, since, page) })
	if w.since, w.page = (time.Time{}), page; page > 0 {
		w.since = since
	}
	if err == nil || !refusedQuestion(err) {
		return w.next(newest, now), err
	}
	events := c.wantedEvents()
	if len(events) == 0 {
		return w.mark, hinted(err, "check vendor.attendance_since with Ticketmaster, or set vendor.events, whose whole attendance is asked for then")
	}
	for ; w.event < len(events); w.event++ {
		event := events[w.event]
		if _, w.eventPage, err = w.pages(cmdAttendance, w.eventPage, func(page int) (AttendancePage, error) { return c.Attendance(ctx, event, 0, page) }); err != nil {
			return w.mark, err
		}
	}
	w.event = 0
	return w.mark, nil
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

// next is the mark after a whole fetch: never in the future, where a wrong clock at
// another gate would have put it for ever.
func (w *watch) next(newest, now time.Time) time.Time {
	if newest.After(now) {
		newest = now
	}
	if newest.Before(w.mark) {
		return w.mark
	}
	return newest
}

// pages takes all pages of one question in, from one on. How the last one is known
// is not documented: it is one without rows, or one like the one before. Where the
// quota ends it, stopped is the page to go on from.
func (w *watch) pages(op string, from int, ask func(page int) (AttendancePage, error)) (newest time.Time, stopped int, err error) {
	var last []byte
	for n := from; n < mostPages; n++ {
		page, err := ask(n)
		if err != nil {
			if scanner.CallErrorOf(err).Trouble == scanner.Throttled {
				stopped = n
			}
			return newest, stopped, err
		}
		if len(page.rows) == 0 && page.others > 0 {
			return newest, 0, fault(op, scanner.Nonsense, "usher does not understand the attendance: its rows name no event, section, row and seat")
		}
		sum := w.sum(page)
		if len(page.rows) == 0 || bytes.Equal(sum, last) {
			return newest, 0, nil
		}
		last = sum
		if at := w.take(page.rows); at.After(newest) {
			newest = at
		}
	}
	return newest, 0, fault(op, scanner.Nonsense, "the pages of the attendance do not end")
}

// sum tells one page from another.
func (w *watch) sum(page AttendancePage) []byte {
	h := sha256.New()
	for _, row := range page.rows {
		fmt.Fprintf(h, "%q\n", row.fields)
	}
	return h.Sum(nil)
}

// take notes the entries of some rows, and gives the time of the newest.
func (w *watch) take(rows []sighting) (newest time.Time) {
	c := w.client
	now := c.clock.True(c.clock.Now()).At
	for _, row := range rows {
		e, entered := row.entry(c.zone)
		if !entered {
			continue
		}
		l := line{seat: row.seat().key(), gate: e.gate, vague: e.at.IsZero(), seconds: seconds(now)}
		if !l.vague {
			l.seconds = seconds(e.at)
			if e.at.After(newest) {
				newest = e.at
			}
		}
		if w.seats.add(l) {
			w.unsaved = append(w.unsaved, l)
		}
	}
	return newest
}

func seconds(at time.Time) uint32 { return uint32(min(max(at.Unix(), 0), 1<<32-1)) }

// save writes what is new behind what is there, or all of it anew where that has
// become too much. What the disk refuses is tried again with the next fetch.
func (w *watch) save() {
	c := w.client
	old := time.Time{}
	if truth := c.clock.True(c.clock.Now()); truth.Trusted {
		old = truth.At.Add(-keepEntries)
	}
	count, oldest := w.seats.count()
	expired := count > 0 && oldest.Before(old.Add(-keepEntries/2))
	if expired {
		w.seats.replace(w.seats.lines(old))
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
