package refresh_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
	"usher/sync/refresh"
)

// evolving is a vendor whose list changes. Its cursor is how often it has.
type evolving struct {
	mu      sync.Mutex // guards what follows
	tickets []scanner.Ticket
	changed []int // for each ticket, at which change it did last
	changes int
	calls   []fetched
	// source is what is asked, took how long each kind of call takes; refuses and
	// fails say what a delta does, mute that no list has a cursor.
	source               string
	took                 map[string]time.Duration
	refuses, fails, mute bool
}

// fetched is one call.
type fetched struct {
	kind string
	at   time.Time
}

// sold is how many tickets the vendor has at first.
const sold = 60

const wholeList, changesOnly = "whole", "changes"

func newEvolving(n int) *evolving {
	v := &evolving{source: "event 7", took: map[string]time.Duration{}}
	for i := range n {
		v.sell(i)
	}
	return v
}

// sell adds a ticket or changes one.
func (v *evolving) sell(i int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.changes++
	ticket := scanner.Ticket{Code: scanner.Code(fmt.Sprint("T", i)), Status: scanner.StatusValid, UsedGate: strconv.Itoa(v.changes)}
	if i == len(v.tickets) {
		v.tickets, v.changed = append(v.tickets, ticket), append(v.changed, 0)
	}
	v.tickets[i], v.changed[i] = ticket, v.changes
}

func (v *evolving) call(kind string) (takes time.Duration, page scanner.ListPage) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls = append(v.calls, fetched{kind, time.Now()})
	page = scanner.ListPage{Source: v.source, Cursor: []byte(strconv.Itoa(v.changes))}
	if v.mute {
		page.Cursor = nil
	}
	return v.took[kind], page
}

func (v *evolving) since(cursor int) []scanner.Ticket {
	v.mu.Lock()
	defer v.mu.Unlock()
	var list []scanner.Ticket
	for i, at := range v.changed {
		if at > cursor {
			list = append(list, v.tickets[i])
		}
	}
	return list
}

func (v *evolving) List(_ context.Context, add func(scanner.Ticket, string) error) (scanner.ListPage, error) {
	takes, page := v.call(wholeList)
	page.Complete = true
	var errs []error
	for _, ticket := range v.since(0) {
		errs = append(errs, add(ticket, "a page"))
	}
	time.Sleep(takes)
	return page, errors.Join(errs...)
}

func (v *evolving) Changes(_ context.Context, cursor []byte, add func(scanner.Ticket, string) error) (scanner.ListPage, error) {
	takes, page := v.call(changesOnly)
	page.Delta = true
	v.mu.Lock()
	refuses, fails := v.refuses, v.fails
	v.mu.Unlock()
	from, err := strconv.Atoi(string(cursor))
	if err != nil || refuses {
		return scanner.ListPage{}, scanner.ErrCursor
	}
	for _, ticket := range v.since(from) {
		err = errors.Join(err, add(ticket, "a page"))
	}
	if fails {
		return scanner.ListPage{}, &scanner.CallError{Op: "tickets", Trouble: scanner.Silent, MaybeSent: true, Err: errors.New("cut off")}
	}
	time.Sleep(takes)
	return page, err
}

// kinds are the calls so far, without their times.
func (v *evolving) kinds() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var list []string
	for _, c := range v.calls {
		list = append(list, c.kind)
	}
	return list
}

func (v *evolving) times(kind string) []time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	var list []time.Time
	for _, c := range v.calls {
		if c.kind == kind {
			list = append(list, c.at)
		}
	}
	return list
}

func (v *evolving) set(change func(*evolving)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(v)
}

// box is a device with a list of the vendor's.
type box struct {
	*site
	vendor *evolving
	lists  *refresh.Lists
	clock  scanner.Clock
}

func (b *box) fresh() *refresh.Lists {
	b.lists = refresh.NewLists(refresh.ListOptions{
		Lister: b.vendor, Changes: b.vendor, Scope: scope, Store: b.store, Clock: b.clock,
		Online: func() bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	return b.lists
}

// run runs the lists until the returned function is called.
func (b *box) run() (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- b.lists.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	}
}

// agrees fails the test where the list is not the vendor's.
func (b *box) agrees() {
	b.t.Helper()
	want := b.vendor.since(0)
	if b.count() != len(want) {
		b.t.Errorf("%d tickets, the vendor has %d", b.count(), len(want))
	}
	for _, ticket := range want {
		if got, found := b.store.Lookup(scope, ticket.Code); found != scanner.Listed || got.UsedGate != ticket.UsedGate {
			b.t.Errorf("%s: %v, %+v, want %+v", ticket.Code, found, got, ticket)
		}
	}
}

// inBubble runs a test with a box whose time is the test's own.
func inBubble(t *testing.T, f func(b *box)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &site{t: t, state: t.TempDir()}
		s.boot("")
		b := &box{site: s, vendor: newEvolving(sold), clock: bubble{}}
		b.fresh()
		f(b)
		s.halt()
	})
}

// between fails the test where the pauses between the times are not.
func between(t *testing.T, what string, times []time.Time, least, most time.Duration) {
	t.Helper()
	for i := range len(times) - 1 {
		if pause := times[i+1].Sub(times[i]); pause < least || pause > most {
			t.Errorf("%s %d came after %v, want %v to %v", what, i+1, pause, least, most)
		}
	}
}

// TestChangesKeepAListFresh: every five minutes, and a whole list every half hour.
func TestChangesKeepAListFresh(t *testing.T) {
	inBubble(t, func(b *box) {
		stop := b.run()
		for i := range 24 {
			time.Sleep(5*time.Minute - time.Second)
			b.vendor.sell(sold + i) // one more, and one that changes
			b.vendor.sell(i % 5)
		}
		time.Sleep(6 * time.Minute)
		b.agrees()
		stop()
		between(b.t, "the whole list", b.vendor.times(wholeList), 27*time.Minute, 33*time.Minute)
		all := b.vendor.times(wholeList)
		all = append(all, b.vendor.times(changesOnly)...)
		slices.SortFunc(all, time.Time.Compare)
		between(b.t, "call", all, time.Second, 5*time.Minute+31*time.Second)
		if kinds := b.vendor.kinds(); kinds[0] != wholeList || len(b.vendor.times(changesOnly)) < 18 {
			b.t.Errorf("calls %v", kinds)
		}
	})
}

// TestALinksReturnAsksForChanges at once, and for a whole list only where it is due.
func TestALinksReturnAsksForChanges(t *testing.T) {
	inBubble(t, func(b *box) {
		var online atomic.Bool
		online.Store(true)
		b.lists = refresh.NewLists(refresh.ListOptions{
			Lister: b.vendor, Changes: b.vendor, Scope: scope, Store: b.store, Clock: b.clock,
			Online: online.Load, Log: slog.New(slog.DiscardHandler),
		})
		stop := b.run()
		synctest.Wait()
		back := func(after time.Duration, want ...string) {
			b.t.Helper()
			before := len(b.vendor.kinds())
			online.Store(false)
			time.Sleep(after)
			b.vendor.sell(3)
			online.Store(true)
			b.lists.Kick()
			synctest.Wait()
			if got := b.vendor.kinds()[before:]; !slices.Equal(got, want) {
				b.t.Errorf("back after %v: %v, want %v", after, got, want)
			}
			b.agrees()
		}
		back(time.Minute, changesOnly)
		back(10*time.Minute, changesOnly)
		back(40*time.Minute, wholeList)
		stop()
	})
}

// TestASlowWholeList is not fetched all the time; its changes are.
func TestASlowWholeList(t *testing.T) {
	inBubble(t, func(b *box) {
		b.vendor.took[wholeList] = 3 * time.Minute
		stop := b.run()
		time.Sleep(5 * time.Hour)
		stop()
		between(b.t, "the whole list", b.vendor.times(wholeList), 63*time.Minute, 70*time.Minute)
		if n := len(b.vendor.times(changesOnly)); n < 48 {
			b.t.Errorf("%d deltas in 5 h", n)
		}
	})
}

// TestAVendorWithoutDeltas for the cursors that it gave gets no more calls for a
// whole list than if it had none.
func TestAVendorWithoutDeltas(t *testing.T) {
	inBubble(t, func(b *box) {
		b.vendor.refuses = true
		stop := b.run()
		time.Sleep(3 * time.Hour)
		if n := len(b.vendor.times(wholeList)); n < 5 || n > 8 {
			b.t.Errorf("%d whole lists in 3 h", n)
		}
		// Once it gives them, they are asked for, and a refusal brings a whole list.
		b.vendor.set(func(v *evolving) { v.refuses = false })
		time.Sleep(time.Hour)
		before := len(b.vendor.kinds())
		b.vendor.set(func(v *evolving) { v.refuses = true })
		b.lists.Kick()
		synctest.Wait()
		if got := b.vendor.kinds()[before:]; !slices.Equal(got, []string{changesOnly, wholeList}) {
			b.t.Errorf("refused: %v", got)
		}
		stop()
	})
}

// TestAListWithoutACursor is fetched whole, as if there were no deltas.
func TestAListWithoutACursor(t *testing.T) {
	inBubble(t, func(b *box) {
		b.vendor.mute = true
		stop := b.run()
		time.Sleep(3 * time.Hour)
		stop()
		between(b.t, "the whole list", b.vendor.times(wholeList), 27*time.Minute, 33*time.Minute)
		if n := len(b.vendor.times(changesOnly)); n != 0 {
			b.t.Errorf("%d deltas", n)
		}
	})
}

// TestADeltaThatIsCutOff changes nothing, is tried again soon, and says why.
func TestADeltaThatIsCutOff(t *testing.T) {
	inBubble(t, func(b *box) {
		stop := b.run()
		synctest.Wait()
		b.vendor.set(func(v *evolving) { v.fails = true })
		b.vendor.sell(3)
		b.vendor.sell(sold)
		b.lists.Kick()
		time.Sleep(20 * time.Second)
		if got, _ := b.store.Lookup(scope, "T3"); got.UsedGate != "4" || b.count() != sold || b.lists.Status().Problem == "" {
			b.t.Errorf("%+v, %d tickets, %+v", got, b.count(), b.lists.Status())
		}
		b.vendor.set(func(v *evolving) { v.fails = false })
		time.Sleep(30 * time.Second)
		b.agrees()
		if b.lists.Status().Problem != "" || len(b.vendor.times(wholeList)) != 1 {
			b.t.Errorf("%+v, calls %v", b.lists.Status(), b.vendor.kinds())
		}
		stop()
	})
}

// TestWhatIsFetched tells for each state of the list what is asked for.
func TestWhatIsFetched(t *testing.T) {
	type boxed = func(b *box)
	nothing := func(*box) {}
	wait := func(d time.Duration) boxed { return func(*box) { time.Sleep(d) } }
	have := func(then ...boxed) boxed {
		return func(b *box) {
			if err := b.lists.Whole(b.t.Context(), nil); err != nil {
				b.t.Fatal(err)
			}
			for _, f := range then {
				f(b)
			}
		}
	}
	start := func(b *box) {
		b.fresh()
		stop := b.run()
		synctest.Wait()
		time.Sleep(time.Second)
		stop()
	}
	now := func(b *box) {
		if err := b.lists.Now(b.t.Context(), nil); err != nil {
			b.t.Error(err)
		}
	}
	all := func(b *box) {
		if err := b.lists.Whole(b.t.Context(), nil); err != nil {
			b.t.Error(err)
		}
	}
	imported := func(b *box) {
		meta := refresh.Meta{Scope: scope, Complete: true, Source: `{"kind":"import"}`}
		if err := b.store.Build(b.t.Context(), &meta, func(add func(scanner.Ticket, string) error) error {
			return add(scanner.Ticket{Code: "other", Status: scanner.StatusValid}, "1")
		}, nil); err != nil {
			b.t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		before, act boxed
		want        []string
	}{
		"a start without a list":                     {nothing, start, []string{wholeList}},
		"a start with a list of this half hour":      {have(wait(20 * time.Minute)), start, []string{changesOnly}},
		"a start with an older list":                 {have(wait(31 * time.Minute)), start, []string{wholeList}},
		"a start after another boot":                 {have(func(b *box) { b.clock = rebooted{} }), start, []string{wholeList}},
		"a start with an imported list":              {have(imported), start, []string{wholeList}},
		"a start with a list of something else":      {have(func(b *box) { b.vendor.source = "event 8" }), start, []string{changesOnly, wholeList}},
		"a start with a cursor that is refused":      {have(func(b *box) { b.vendor.refuses = true }), start, []string{changesOnly, wholeList}},
		"a person, without a list":                   {nothing, now, []string{wholeList}},
		"a person, with a list":                      {have(), now, []string{changesOnly}},
		"a person, with a list that is due":          {have(wait(time.Hour)), now, []string{wholeList}},
		"a person, with a cursor that is refused":    {have(func(b *box) { b.vendor.refuses = true }), now, []string{changesOnly, wholeList}},
		"a person, with a damaged list":              {have((*box).hurt, (*box).met), now, []string{wholeList}},
		"a person, with an imported list":            {have(imported), now, []string{wholeList}},
		"a person who wants the whole list":          {have(), all, []string{wholeList}},
		"a person, with damage that a delta finds":   {have((*box).sellAll, (*box).hurt), now, []string{changesOnly, wholeList}},
		"a person, with a delta that finds nothing":  {have(func(b *box) { b.vendor.changes++ }), now, []string{changesOnly}},
		"a start, and everything changed meanwhile":  {have(wait(time.Minute), (*box).sellAll), start, []string{changesOnly}},
		"a person, and nothing changed since a week": {have(wait(time.Minute), now, wait(time.Minute), now), now, []string{changesOnly}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *box) {
				c.before(b)
				before := len(b.vendor.kinds())
				c.act(b)
				if got := b.vendor.kinds()[before:]; !slices.Equal(got, c.want) {
					b.t.Errorf("asked for %v, want %v", got, c.want)
				}
				b.agrees()
			})
		})
	}
}

// rebooted is the bubble's clock in another boot.
type rebooted struct{ bubble }

func (r rebooted) Now() scanner.Stamp {
	s := r.bubble.Now()
	s.Boot = "another"
	return s
}

// hurt makes records unreadable.
func (b *box) hurt() { b.harm() }

// met has a look-up find that out.
func (b *box) met() {
	for i := range sold {
		b.store.Lookup(scope, scanner.Code(fmt.Sprint("T", i)))
	}
	if !b.store.Damaged(scope) {
		b.t.Fatal("nothing was damaged: this test proves nothing")
	}
}

func (b *box) sellAll() {
	for i := range sold {
		b.vendor.sell(i)
	}
}

// TestAnUnchangedListIsChecked without a write, by whole lists and by deltas, so that
// it stays fresh.
func TestAnUnchangedListIsChecked(t *testing.T) {
	inBubble(t, func(b *box) {
		stop := b.run()
		synctest.Wait()
		_, cursor, _ := b.store.Source(scope)
		generated := b.store.List(scope).GeneratedAt
		for range 20 {
			time.Sleep(6 * time.Minute)
			info := b.store.List(scope)
			if age, ok := b.clock.Now().Since(info.Checked); !ok || age > 6*time.Minute {
				b.t.Errorf("last checked %v ago", age)
			}
			if _, now, _ := b.store.Source(scope); string(now) != string(cursor) || !info.GeneratedAt.Equal(generated) {
				b.t.Errorf("a list that says the same was written")
			}
		}
		stop()
	})
}
