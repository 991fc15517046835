package vendortest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/vendortest/faults"
)

// looks tells whether the vendor looks tickets up and redeems none: nothing is in
// doubt then, and every scan is answered alike.
func (w *World) looks() bool { return w.Vendor.Finder != nil }

// asked skips what only a vendor that is asked at the scan can be held to.
func (w *World) asked(t *testing.T) {
	t.Helper()
	if w.Vendor.Validator == nil && !w.looks() {
		t.Skip("this vendor is not asked about a scan")
	}
}

// ask is the scan's own call and the verdict that it leads to.
func (w *World) ask(ctx context.Context, code scanner.Code) (scanner.Answer, error) {
	if !w.looks() {
		return w.Vendor.Validator.Validate(ctx, ask(code))
	}
	ticket, found, err := w.Vendor.Finder.Find(ctx, ask(code))
	if err != nil {
		return scanner.Answer{}, err
	}
	return decided(ticket, found), nil
}

// decided is the verdict of a gate that has not seen the ticket before.
func decided(ticket scanner.Ticket, found scanner.Found) scanner.Answer {
	now := time.Now()
	d := scanner.Decide(scanner.Facts{
		Direction: scanner.Entry, At: scanner.Instant{At: now, Earliest: now, Latest: now, Trusted: true}, Ready: true,
		Rule:  scanner.Rule{Kind: scanner.External, Unknown: scanner.PolicyRefuse},
		Found: found, Ticket: ticket, List: scanner.ListState{Loaded: true, Complete: true, Fresh: true},
	})
	return scanner.Answer{
		Verdict: d.Verdict, Reason: d.Reason, Detail: d.Detail, FirstEnteredAt: d.FirstEnteredAt, FirstEnteredGate: d.FirstEnteredGate,
		Ticket: ticket.Info(), TicketID: ticket.ID,
	}
}

// watched has the vendor tell what was scanned elsewhere.
func (w *World) watched(t *testing.T) {
	t.Helper()
	if w.Vendor.Watcher == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), ample)
	defer cancel()
	if err := w.Vendor.Watcher.Watch(ctx); err != nil {
		t.Fatalf("watch: %v", err)
	}
}

// parts: what a vendor offers is said by type, and fits together.
func (r *runner) parts(t *testing.T) {
	v := r.world(t).Vendor
	for why, wrong := range map[string]bool{
		"it both validates and looks up":                             v.Validator != nil && v.Finder != nil,
		"it watches, and nothing heeds what it learns":               v.Watcher != nil && v.Finder == nil && v.Window == nil,
		"it watches without a pause":                                 v.Watcher != nil && v.Watcher.Every() <= 0,
		"it redeems nothing, and takes movements back":               v.Finder != nil && v.Undoer != nil,
		"it can be asked, and nothing tells whether it is there":     (v.Validator != nil || v.Finder != nil || v.Uploader != nil || v.Lister != nil) && v.Session == nil,
		"an answer may take longer than the call":                    v.CallTimeout > 0 && v.Normal > v.CallTimeout,
		"it lists changes, and no list that they are the changes of": v.Changes != nil && v.Lister == nil,
	} {
		if wrong {
			t.Error(why)
		}
	}
}

// watch: what goes wrong is an error, never a doubt, and ends with its context.
func (r *runner) watch(t *testing.T) {
	world := func(t *testing.T) *World {
		w := r.world(t)
		if w.Vendor.Watcher == nil {
			t.Skip("this vendor does not tell what was scanned elsewhere")
		}
		w.signedIn(t)
		return w
	}
	for _, f := range []faults.Fault{
		{Kind: faults.Refuse}, {Kind: faults.HTML}, {Kind: faults.Foreign}, {Kind: faults.Truncate}, {Kind: faults.HalfJSON},
		{Kind: faults.Status, Status: 500}, {Kind: faults.Status, Status: 429, RetryAfter: "7"}, {Kind: faults.BlackHole},
	} {
		t.Run(string(f.Kind), func(t *testing.T) {
			w := world(t)
			f.Call = w.WatchCall
			w.set(t, f)
			limit := ample
			if f.Kind == faults.BlackHole {
				limit = patience
			}
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			err := w.Vendor.Watcher.Watch(ctx)
			if err == nil {
				t.Fatal("no error")
			}
			w.owed(t, err)
			call := scanner.CallErrorOf(err)
			if call.MaybeSent || f.Status == 429 && (call.Trouble != scanner.Throttled || call.RetryAfter != 7*time.Second) {
				t.Errorf("got %v, maybe sent %v, retry after %v", err, call.MaybeSent, call.RetryAfter)
			}
			w.clear(t)
		})
	}
	t.Run("afterwards", func(t *testing.T) {
		w := world(t)
		w.set(t, faults.Fault{Kind: faults.Truncate, Call: w.WatchCall, Times: 1})
		ctx, cancel := context.WithTimeout(context.Background(), ample)
		defer cancel()
		if err := w.Vendor.Watcher.Watch(ctx); err == nil {
			t.Error("no error")
		}
		w.watched(t)
		if code, ok := w.Codes[scanner.AlreadyEntered]; ok {
			if got, err := w.validate(t, code, ample); err != nil || got.Reason != scanner.AlreadyEntered {
				t.Errorf("entered elsewhere: %s, %v", got.Reason, err)
			}
		}
	})
}

// finds and findsNot sweep the look-up: a good ticket is never refused nor in doubt,
// one that is not good never admits.
func (l *line) finds(ctx context.Context, n int) (func(bool) error, error) {
	ticket, found, err := l.vendor.Finder.Find(ctx, ask(l.site.Code(n)))
	return func(lies bool) error {
		if got := decided(ticket, found); got.Verdict != scanner.Admit && !lies {
			return fmt.Errorf("%s %s", got.Verdict, got.Reason)
		}
		return nil
	}, certain(err)
}

func (l *line) findsNot(ctx context.Context, _ int) (func(bool) error, error) {
	ticket, found, err := l.vendor.Finder.Find(ctx, ask(l.site.Refused))
	return func(lies bool) error {
		got := decided(ticket, found)
		if got.Verdict == scanner.Admit || got.Reason != l.site.Why && !lies {
			return fmt.Errorf("%s %s, want %s", got.Verdict, got.Reason, l.site.Why)
		}
		return nil
	}, certain(err)
}

// certain turns an error that is in doubt into one that is no CallError, which the
// sweep does not let pass.
func certain(err error) error {
	if err != nil && scanner.CallErrorOf(err).MaybeSent {
		return fmt.Errorf("in doubt, and it changes nothing: %s", err)
	}
	return err
}
