package clocktest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"usher/scanner"
	"usher/scanner/gate"
	"usher/sync/clock"
	"usher/sync/clock/clocktest"
	"usher/sync/journal"
	"usher/sync/upload"
)

var (
	dawn  = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	scope = scanner.Scope{Vendor: "acme", Account: "7", Event: "show"}
)

// tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// house is a device in a world: the real clock, journal, gate and upload, and a
// vendor that keeps what it is told. It holds every scan and every upload to the
// promises of the clock.
type house struct {
	t     tester
	w     *clocktest.World
	dir   string
	trust clock.Trust

	clock   *clock.Clock
	journal *journal.Journal
	gate    *gate.Gate
	upload  *upload.Uploader
	stop    func()

	vendor vendor
	list   map[scanner.Code]scanner.Ticket
	// unsaved: the journal's memory takes nothing. lost: what the clock knew was
	// never saved.
	unsaved atomic.Bool
	lost    bool
	// truths are the true times of movements, stated the errors that the clock
	// named before the upload where it knew the time, by id.
	truths map[string]time.Time
	stated map[string]time.Duration
	now    time.Duration
	ids    int
	lives  int
}

// vendor takes every scan that is not in its future.
type vendor struct {
	h *house
	// ahead is how far its clock is; trip a round trip; dated: answers have a Date.
	ahead, trip time.Duration
	dated       bool
	// stale is the Date of every answer, out of somebody's cache; zero: its own.
	stale time.Time
	// deaf: it takes all and its answers get lost.
	deaf bool
	// lies: its time is wrong, and promises about it do not hold.
	lies bool

	got    map[string]time.Time
	order  []reported
	future int
}

func newHouse(t tester, dir string) *house {
	h := &house{
		t: t, w: clocktest.New(dawn), dir: dir, trust: clock.Kernel,
		list: map[scanner.Code]scanner.Ticket{}, truths: map[string]time.Time{},
	}
	h.vendor = vendor{h: h, trip: 200 * time.Millisecond, dated: true, got: map[string]time.Time{}}
	h.start()
	return h
}

// start starts the daemon.
func (h *house) start() {
	h.t.Helper()
	h.lives++
	h.clock = clock.On(h.trust, h.w.BootID(), h.w)
	var err error
	h.journal, err = journal.Open(journal.Options{Dir: h.dir, Clock: h.clock, Keep: 14 * 24 * time.Hour, ForgetAfter: 24 * time.Hour})
	if err != nil {
		h.t.Fatalf("open: %v", err)
	}
	mem := memory{h, h.journal.Memory("clock/")}
	if err := h.clock.Restore(mem); err != nil {
		h.t.Fatalf("restore: %v", err)
	}
	newest, err := h.journal.Scans(0, 200)
	if err != nil {
		h.t.Fatalf("scans: %v", err)
	}
	for _, e := range newest {
		if e.True.Trusted {
			h.clock.Remember(e.At, e.True)
			break
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = h.clock.Run(ctx, mem)
	}()
	h.stop = func() { cancel(); <-ended }
	h.gate = gate.New(gate.Config{
		Scope: scope, Lists: scope, Rule: scanner.Rule{Kind: scanner.External, Reentry: true, Unknown: scanner.PolicyRefuse, ExitUnknown: scanner.PolicyAdmit},
		Direction: scanner.Entry, Venue: time.UTC, Uploads: true,
	}, gate.Deps{
		Clock: h.clock, Tickets: h, Journal: h.journal, NewID: h.id, Show: func(scanner.Outcome) {}, Log: slog.New(slog.DiscardHandler),
	})
	h.upload = upload.New(upload.Options{Journal: h.journal, Vendor: &h.vendor, Scope: scope, Clock: h.clock, RetryMin: time.Second, RetryMax: time.Minute})
}

// die ends the daemon: what is not on the disk is gone.
func (h *house) die() {
	h.t.Helper()
	h.stop()
	h.lost = h.lost || h.unsaved.Load()
	if err := h.journal.Close(); err != nil {
		h.t.Fatalf("close: %v", err)
	}
}

// restart starts the daemon anew in the same boot.
func (h *house) restart() { h.t.Helper(); h.die(); h.start() }

// reboot is a reboot of the device that takes a minute.
func (h *house) reboot(wall time.Time) {
	h.t.Helper()
	h.die()
	h.w.Reboot(time.Minute, wall)
	h.start()
}

func (h *house) id() string { h.ids++; return fmt.Sprint("scan-", h.ids) }

// Lookup and List make the house its own list.
func (h *house) Lookup(_ scanner.Scope, code scanner.Code) (scanner.Ticket, scanner.Found) {
	if t, ok := h.list[code]; ok {
		return t, scanner.Listed
	}
	return scanner.Ticket{Code: code, Status: scanner.StatusValid}, scanner.Listed
}

func (h *house) List(scanner.Scope) scanner.ListInfo {
	return scanner.ListInfo{Loaded: true, Complete: true, Checked: h.clock.Now()}
}

// scan reads the ticket now and holds the verdict to the ticket's window.
func (h *house) scan(code string, way scanner.Direction) scanner.Record {
	h.t.Helper()
	at := h.clock.Now()
	truth := h.clock.True(at)
	out, _ := h.gate.Judge(context.Background(), scanner.Reading{Scanner: fmt.Sprint("lane-", h.ids), Raw: code, Direction: way, At: at})
	now := h.w.Now()
	if out.Movement() {
		h.truths[out.ID] = now
	}
	h.covers("at the scan", truth, now)
	h.windowed(out.Record, truth, now)
	return out.Record
}

// covers tells whether what is stated of a time is true.
func (h *house) covers(when string, stated scanner.Instant, truth time.Time) {
	h.t.Helper()
	if h.vendor.lies {
		return
	}
	const read = time.Millisecond
	if !stated.Earliest.IsZero() && truth.Before(stated.Earliest.Add(-read)) || !stated.Latest.IsZero() && truth.After(stated.Latest.Add(read)) {
		h.t.Errorf("%s: it is %v, and %+v is stated", when, truth, stated)
	}
}

// windowed holds a verdict to its window: never wrong where it matters, amber
// only where the answer is not the same across what is known.
func (h *house) windowed(rec scanner.Record, stated scanner.Instant, truth time.Time) {
	h.t.Helper()
	t := h.list[rec.Code]
	if rec.Direction != scanner.Entry || t.ValidFrom.IsZero() || rec.Reason == scanner.AlreadyEntered || h.vendor.lies {
		return
	}
	near := func(edge time.Time) bool {
		return stated.Trusted && truth.Sub(edge).Abs() <= 2*time.Minute
	}
	want := scanner.OK
	switch {
	case truth.Before(t.ValidFrom):
		want = scanner.TooEarly
	case truth.After(t.ValidUntil):
		want = scanner.TooLate
	}
	switch rec.Reason {
	case want:
	case scanner.ClockDoubt:
		splits := func(edge time.Time) bool {
			return (stated.Earliest.IsZero() || stated.Earliest.Before(edge)) && (stated.Latest.IsZero() || stated.Latest.After(edge))
		}
		if !splits(t.ValidFrom) && !splits(t.ValidUntil) {
			h.t.Errorf("amber at %v for a window from %v to %v, though %+v is known", truth, t.ValidFrom, t.ValidUntil, stated)
		}
	default:
		if !near(t.ValidFrom) && !near(t.ValidUntil) {
			h.t.Errorf("%s at %v for a window from %v to %v, want %s; %+v was known", rec.Reason, truth, t.ValidFrom, t.ValidUntil, want, stated)
		}
	}
}

// ask has the vendor answer a call that is no upload, such as a sign-in.
func (h *house) ask() { h.vendor.answer() }

// drain signs in and uploads what there is.
func (h *house) drain() error {
	h.t.Helper()
	h.ask()
	h.state()
	_, err := h.upload.Now(context.Background())
	return err
}

// state notes what the clock states before an upload.
func (h *house) state() {
	h.t.Helper()
	h.stated = map[string]time.Duration{}
	pending, err := h.journal.Pending(nil, 0, 10000)
	if err != nil {
		h.t.Fatalf("pending: %v", err)
	}
	for _, e := range pending {
		if i := h.clock.True(e.At); i.Trusted {
			h.covers("record "+e.ID, i, h.truths[e.ID])
			h.stated[e.ID] = i.Latest.Sub(i.At)
		}
	}
	now := h.clock.True(h.clock.Now())
	h.now = now.At.Sub(now.Earliest)
}

func (v *vendor) Group(scanner.Movement) string        { return "" }
func (v *vendor) Limits() (int, time.Duration)         { return 0, 0 }
func (v *vendor) time() time.Time                      { return v.h.w.Now().Add(v.ahead) }
func (v *vendor) truth(m scanner.Movement) time.Time   { return v.h.truths[m.ID] }
func (v *vendor) off(m scanner.Movement) time.Duration { return m.At.Sub(v.truth(m)).Abs() }

// answer lets a round trip pass and gives the vendor's time to the clock.
func (v *vendor) answer() {
	sent := v.h.clock.Now()
	v.h.w.Pass(v.trip / 2)
	date := v.time().Truncate(time.Second)
	if !v.stale.IsZero() {
		date = v.stale
	}
	v.h.w.Pass(v.trip - v.trip/2)
	if v.dated {
		v.h.clock.Observe(date, sent, v.h.clock.Now())
	}
}

func (v *vendor) Upload(_ context.Context, batch []scanner.Movement) ([]scanner.Receipt, error) {
	t := v.h.t
	var receipts []scanner.Receipt
	for _, m := range batch {
		r := scanner.Receipt{Seq: m.Seq, Delivery: scanner.Taken}
		before, known := v.got[m.ID]
		switch {
		case m.At.After(v.time()):
			v.future++
			if !v.lies {
				t.Errorf("%s at %v lies in the vendor's future: it is %v", m.ID, m.At, v.time())
			}
			r.Delivery = scanner.Later
		case known:
			if !before.Equal(m.At) {
				t.Errorf("%s was %v and is now %v", m.ID, before, m.At)
			}
			r.Delivery = scanner.Duplicate
		default:
			v.check(m)
			v.got[m.ID] = m.At
			v.order = append(v.order, reported{m, v.h.lives})
		}
		receipts = append(receipts, r)
	}
	if v.deaf {
		v.h.w.Pass(v.trip)
		return nil, &scanner.CallError{Op: "upload", Trouble: scanner.Silent, MaybeSent: true, Err: errors.New("lost")}
	}
	v.answer()
	return receipts, nil
}

// check holds an upload to what was stated of its time.
func (v *vendor) check(m scanner.Movement) {
	t := v.h.t
	if off, sure := v.h.stated[m.ID]; sure && !v.lies {
		// A scan of this moment is held back as far as the present is unsure.
		if back := time.Second + v.h.now; v.h.w.Now().Sub(v.truth(m)) <= back+off {
			off += back
		}
		if v.off(m) > off+time.Millisecond {
			t.Errorf("%s was made at %v and uploaded as %v, stated error %v", m.ID, v.truth(m), m.At, off)
		}
	}
	for _, earlier := range v.order {
		if earlier.Seq >= m.Seq || !m.At.Before(earlier.At) || v.lies || v.h.lost {
			continue
		}
		// What a daemon before this one uploaded may be contradicted by no more than
		// both errors.
		slack := 2 * (v.h.stated[m.ID] + v.h.now + 2*time.Second)
		if earlier.life == v.h.lives || earlier.At.Sub(m.At) > slack {
			t.Errorf("%s (%s) at %v comes after %s (%s) at %v", m.ID, m.Code, m.At, earlier.ID, earlier.Code, earlier.At)
		}
	}
}

// reported is an upload by one life of the daemon.
type reported struct {
	scanner.Movement
	life int
}

// memory is the journal's, unless the disk refuses.
type memory struct {
	h *house
	scanner.Memory
}

func (m memory) Save(key string, value []byte) error {
	if m.h.unsaved.Load() {
		return errors.New("the disk is full")
	}
	return m.Memory.Save(key, value)
}
