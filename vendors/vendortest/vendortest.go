// Package vendortest is the contract that every vendor passes against its
// simulator: what a verdict is, what is in doubt, what is never sent, and that
// nothing it does outlives a call. A vendor's own test runs it:
//
//	vendortest.Run(t, vendortest.Suite{New: newWorld})
//
// Parts that a vendor does not offer are nil in its scanner.Vendor; their tests
// are skipped and say so.
package vendortest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"usher/scanner"
	"usher/vendors/vendortest/faults"
)

// Suite is a vendor under test.
type Suite struct {
	// New makes a fresh vendor and simulator; it cleans up through t.
	New func(t *testing.T) *World
}

// World is one vendor with its simulator behind a faulty network.
type World struct {
	Vendor scanner.Vendor
	Server *faults.Server
	// Transport carries the vendor's requests, so that what idles can be closed.
	Transport *http.Transport
	// ValidateCall, UploadCall, ListCall and SignInCall name the calls for faults; no
	// SignInCall: nobody signs in before a question.
	ValidateCall, UploadCall, ListCall, SignInCall string
	// Codes has a code for each verdict that the vendor knows, OK first of all.
	Codes map[scanner.Reason]scanner.Code
	// More are codes that may enter, not yet used.
	More []scanner.Code
	// Bad is a code whose upload the vendor refuses; empty: it refuses none.
	Bad scanner.Code
	// Movement makes the movement of a code admitted offline just now.
	Movement func(seq uint64, code scanner.Code) scanner.Movement
	// Recorded is how often the simulator took an entry of the code.
	Recorded func(code scanner.Code) int
	// Expire ends the session at the vendor, or its registration; nil: there is none
	// that ends. Deny changes the secret there, so
	// that sign-ins are refused. SignIns counts the tries.
	Expire, Deny func()
	SignIns      func() int
	// Listed is how many tickets a list holds.
	Listed int
	// Secrets must be in no error and no log; Log is the log so far.
	Secrets []string
	Log     func() string
}

// patience is a call's end in these tests, where it matters.
const patience = 300 * time.Millisecond

// ample is how long a call may take that should answer.
const ample = 10 * time.Second

// Run runs the contract.
func Run(t *testing.T, s Suite) {
	t.Helper()
	r := &runner{suite: s}
	t.Run("verdicts", r.verdicts)
	t.Run("trouble", r.trouble)
	t.Run("time", r.time)
	t.Run("answer lost", r.lost)
	t.Run("session", r.session)
	t.Run("upload", r.upload)
	t.Run("list", r.list)
	t.Run("many at once", r.many)
}

type runner struct{ suite Suite }

// world makes a fresh one, and watches over secrets and goroutines at its end.
func (r *runner) world(t *testing.T) *World {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	w := r.suite.New(t)
	t.Cleanup(func() {
		if w.Vendor.Session != nil {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_ = w.Vendor.Session.SignOut(ctx)
		}
		w.discreet(t, "the log", w.Log())
		w.Server.Close()
		w.Transport.CloseIdleConnections()
	})
	return w
}

// discreet fails where a text holds a secret or a whole code.
func (w *World) discreet(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range w.Secrets {
		if strings.Contains(text, secret) {
			t.Errorf("%s holds a secret", what)
		}
	}
	for _, code := range w.Codes {
		if strings.Contains(text, string(code)) {
			t.Errorf("%s holds a whole code: %s", what, text)
		}
	}
}

func ask(code scanner.Code) scanner.Ask { return scanner.Ask{Code: code, Direction: scanner.Entry} }

// validate asks with a time limit and checks what every error owes.
func (w *World) validate(t *testing.T, code scanner.Code, limit time.Duration) (scanner.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	started := time.Now()
	answer, err := w.Vendor.Validator.Validate(ctx, ask(code))
	if took := time.Since(started); took > limit+time.Second {
		t.Errorf("the call took %v, it had %v", took, limit)
	}
	if err != nil {
		w.owed(t, err)
		if answer.Verdict != "" {
			t.Errorf("an error with the verdict %s", answer.Verdict)
		}
	}
	return answer, err
}

// owed checks that an error is a CallError that tells no secret.
func (w *World) owed(t *testing.T, err error) {
	t.Helper()
	var call *scanner.CallError
	if !errors.As(err, &call) {
		t.Fatalf("%v (%T) is no CallError", err, err)
	}
	if call.Op == "" || call.Trouble == "" || call.Err == nil {
		t.Errorf("an incomplete error: %+v", call)
	}
	w.discreet(t, "an error", err.Error())
}

// signedIn makes sure that a session exists, so that a fault meets the call
// itself.
func (w *World) signedIn(t *testing.T) {
	t.Helper()
	if w.Vendor.Session == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), ample)
	defer cancel()
	if err := w.Vendor.Session.Probe(ctx); err != nil {
		t.Fatalf("probe: %v", err)
	}
}

// registered makes the device known to a vendor that wants it before the first
// question; of one that wants a sign-in, the question itself must see to it.
func (w *World) registered(t *testing.T) {
	t.Helper()
	if w.Vendor.Registers {
		w.signedIn(t)
	}
}

func (w *World) set(t *testing.T, f faults.Fault) {
	t.Helper()
	if err := w.Server.Set(f); err != nil {
		t.Fatal(err)
	}
}

func (w *World) clear(t *testing.T) {
	t.Helper()
	if err := w.Server.Clear(); err != nil {
		t.Fatal(err)
	}
}

func (r *runner) verdicts(t *testing.T) {
	w := r.world(t)
	if w.Vendor.Validator == nil {
		t.Skip("this vendor does not validate online")
	}
	w.registered(t)
	for reason, code := range w.Codes {
		got, err := w.validate(t, code, ample)
		if err != nil || got.Reason != reason || got.Verdict != reason.Verdict() {
			t.Errorf("%s: got %s %s, %v", reason, got.Verdict, got.Reason, err)
		}
		if reason != scanner.OK {
			continue
		}
		if n := w.Recorded(code); n != 1 {
			t.Errorf("recorded %d times, want once", n)
		}
		again, err := w.validate(t, code, ample)
		if err != nil || again.Reason != scanner.AlreadyEntered {
			t.Errorf("the second time: got %s, %v", again.Reason, err)
		}
	}
}

// trouble: each fault gives its trouble, and afterwards all is well.
func (r *runner) trouble(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault faults.Fault
		want  scanner.Trouble
		maybe bool
	}{
		{"refused", faults.Fault{Kind: faults.Refuse}, scanner.Unreachable, false},
		{"closed", faults.Fault{Kind: faults.Close}, scanner.Silent, true},
		{"cut body", faults.Fault{Kind: faults.Truncate}, scanner.Silent, true},
		{"half JSON", faults.Fault{Kind: faults.HalfJSON}, scanner.Nonsense, true},
		{"HTML", faults.Fault{Kind: faults.HTML}, scanner.Nonsense, true},
		{"redirect", faults.Fault{Kind: faults.Redirect}, scanner.Nonsense, true},
		{"foreign JSON", faults.Fault{Kind: faults.Foreign}, scanner.Nonsense, true},
		{"no HTTP", faults.Fault{Kind: faults.Garbage}, scanner.Nonsense, true},
		{"endless", faults.Fault{Kind: faults.Endless}, scanner.Nonsense, true},
		{"500", faults.Fault{Kind: faults.Status, Status: 500}, scanner.Failing, true},
		{"503", faults.Fault{Kind: faults.Status, Status: 503, RetryAfter: "7"}, scanner.Failing, true},
		{"429", faults.Fault{Kind: faults.Status, Status: 429, RetryAfter: "7"}, scanner.Throttled, false},
		{"400", faults.Fault{Kind: faults.Status, Status: 400}, scanner.Malformed, false},
		{"511", faults.Fault{Kind: faults.Status, Status: 511}, scanner.Nonsense, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := r.world(t)
			if w.Vendor.Validator == nil {
				t.Skip("this vendor does not validate online")
			}
			w.signedIn(t)
			// A connection that idles may be taken before its end is noticed; then the
			// call counts as sent, as it should.
			w.Transport.CloseIdleConnections()
			fault := tt.fault
			fault.Call = w.ValidateCall
			w.set(t, fault)
			_, err := w.validate(t, w.Codes[scanner.OK], ample)
			call := scanner.CallErrorOf(err)
			if err == nil || call.Trouble != tt.want || call.MaybeSent != tt.maybe {
				t.Errorf("got %v, maybe sent %v; want %s, %v", err, call.MaybeSent, tt.want, tt.maybe)
			}
			if fault.RetryAfter != "" && call.RetryAfter != 7*time.Second {
				t.Errorf("retry after %v, want 7s", call.RetryAfter)
			}
			w.clear(t)
			if _, err := w.validate(t, w.More[0], ample); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// time: no call outlasts its context, whatever the other side does.
func (r *runner) time(t *testing.T) {
	for _, kind := range []faults.Kind{faults.BlackHole, faults.Slow, faults.Trickle} {
		t.Run(string(kind), func(t *testing.T) {
			w := r.world(t)
			if w.Vendor.Validator == nil {
				t.Skip("this vendor does not validate online")
			}
			w.signedIn(t)
			w.set(t, faults.Fault{Kind: kind, Call: w.ValidateCall, Delay: 5 * time.Second})
			_, err := w.validate(t, w.Codes[scanner.OK], patience)
			if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Silent || !call.MaybeSent {
				t.Errorf("got %v", err)
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v does not wrap the deadline", err)
			}
		})
	}
	t.Run("sign-in", func(t *testing.T) {
		w := r.world(t)
		if w.SignInCall == "" || w.Vendor.Validator == nil {
			t.Skip("this vendor has no sign-in")
		}
		w.set(t, faults.Fault{Kind: faults.BlackHole, Call: w.SignInCall})
		_, err := w.validate(t, w.Codes[scanner.OK], patience)
		if call := scanner.CallErrorOf(err); err == nil || call.MaybeSent {
			t.Errorf("got %v, maybe sent %v: the ticket was never sent", err, call.MaybeSent)
		}
		w.clear(t)
	})
	t.Run("cancelled", func(t *testing.T) {
		w := r.world(t)
		if w.Vendor.Validator == nil {
			t.Skip("this vendor does not validate online")
		}
		w.signedIn(t)
		w.set(t, faults.Fault{Kind: faults.BlackHole, Call: w.ValidateCall})
		ctx, cancel := context.WithCancel(context.Background())
		calls := w.Server.Calls()
		ended := make(chan error, 1)
		go func() {
			_, err := w.Vendor.Validator.Validate(ctx, ask(w.Codes[scanner.OK]))
			ended <- err
		}()
		for w.Server.Calls() == calls {
			time.Sleep(time.Millisecond)
		}
		cancel()
		select {
		case err := <-ended:
			w.owed(t, err)
		case <-time.After(ample):
			t.Fatal("the call goes on after its context ended")
		}
	})
}

// lost: acted on, and the answer never came.
func (r *runner) lost(t *testing.T) {
	w := r.world(t)
	if w.Vendor.Validator == nil {
		t.Skip("this vendor does not validate online")
	}
	w.signedIn(t)
	w.set(t, faults.Fault{Kind: faults.Lost, Call: w.ValidateCall, Times: 1})
	code := w.Codes[scanner.OK]
	_, err := w.validate(t, code, ample)
	if call := scanner.CallErrorOf(err); err == nil || !call.MaybeSent {
		t.Errorf("got %v, maybe sent %v", err, call.MaybeSent)
	}
	if n := w.Recorded(code); n != 1 {
		t.Errorf("recorded %d times, want once: a call is never repeated by itself", n)
	}
	if got, err := w.validate(t, code, ample); err != nil || got.Reason != scanner.AlreadyEntered {
		t.Errorf("then: %s, %v", got.Reason, err)
	}
}

func (r *runner) session(t *testing.T) {
	t.Run("expired", func(t *testing.T) {
		w := r.world(t)
		if w.Expire == nil || w.Vendor.Validator == nil {
			t.Skip("this vendor has no session that ends")
		}
		w.signedIn(t)
		tries := w.SignIns()
		w.Expire()
		code := w.Codes[scanner.OK]
		if w.Vendor.Registers {
			// Nothing is asked under a registration that the vendor has lost, until the
			// next probe has found that out.
			if _, err := w.validate(t, code, ample); err == nil || scanner.CallErrorOf(err).MaybeSent || w.Recorded(code) != 0 {
				t.Errorf("under a lost registration: %v, recorded %d times", err, w.Recorded(code))
			}
			w.signedIn(t)
		}
		got, err := w.validate(t, code, ample)
		if err != nil || got.Verdict != scanner.Admit || w.Recorded(code) != 1 {
			t.Errorf("got %s, %v, recorded %d times", got.Verdict, err, w.Recorded(code))
		}
		if n := w.SignIns() - tries; n != 1 {
			t.Errorf("signed in %d times, want once", n)
		}
	})
	t.Run("denied", func(t *testing.T) {
		w := r.world(t)
		if w.Vendor.Session == nil {
			t.Skip("this vendor has no session")
		}
		w.Deny()
		ctx, cancel := context.WithTimeout(context.Background(), ample)
		defer cancel()
		for range 5 {
			err := w.Vendor.Session.Probe(ctx)
			w.owed(t, err)
			if call := scanner.CallErrorOf(err); call.Trouble != scanner.Denied || call.MaybeSent {
				t.Errorf("got %v", err)
			}
		}
		if n := w.SignIns(); n != 1 {
			t.Errorf("%d sign-ins with refused credentials, want 1: accounts lock", n)
		}
		if s := w.Vendor.Session.Status(); s.Ready || s.Problem == "" {
			t.Errorf("status %+v", s)
		}
		if err := w.Vendor.Session.SignIn(ctx); err == nil || w.SignIns() != 2 {
			t.Errorf("asked to sign in: %v, %d tries", err, w.SignIns())
		}
	})
}

func (r *runner) upload(t *testing.T) {
	send := func(t *testing.T, w *World, codes ...scanner.Code) ([]scanner.Receipt, error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), ample)
		defer cancel()
		var batch []scanner.Movement
		for i, code := range codes {
			batch = append(batch, w.Movement(uint64(i+1), code))
		}
		got, err := w.Vendor.Uploader.Upload(ctx, batch)
		if err == nil && len(got) != len(batch) {
			t.Fatalf("%d receipts for %d movements", len(got), len(batch))
		}
		for i := range got {
			if got[i].Seq != batch[i].Seq {
				t.Errorf("receipt %d is for %d", i, got[i].Seq)
			}
			w.discreet(t, "a receipt", got[i].Detail)
		}
		if err != nil {
			w.owed(t, err)
		}
		return got, err
	}
	world := func(t *testing.T) *World {
		w := r.world(t)
		if w.Vendor.Uploader == nil {
			t.Skip("this vendor takes no uploads")
		}
		w.signedIn(t)
		return w
	}
	t.Run("taken, some rejected", func(t *testing.T) {
		w := world(t)
		if w.Bad == "" {
			got, err := send(t, w, w.More[0], w.More[1])
			if err != nil || got[0].Delivery != scanner.Taken || got[1].Delivery != scanner.Taken || w.Recorded(w.More[0]) != 1 || w.Recorded(w.More[1]) != 1 {
				t.Errorf("got %+v, %v", got, err)
			}
			return
		}
		got, err := send(t, w, w.More[0], w.Bad, w.More[1])
		if err != nil {
			t.Fatal(err)
		}
		if got[0].Delivery != scanner.Taken || got[2].Delivery != scanner.Taken || got[1].Delivery != scanner.Rejected || got[1].Detail == "" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("twice", func(t *testing.T) {
		w := world(t)
		for range 2 {
			got, err := send(t, w, w.More[0])
			if err != nil || got[0].Delivery != scanner.Taken && got[0].Delivery != scanner.Duplicate {
				t.Errorf("got %+v, %v", got, err)
			}
		}
	})
	t.Run("answer lost", func(t *testing.T) {
		w := world(t)
		w.set(t, faults.Fault{Kind: faults.Lost, Call: w.UploadCall, Times: 1})
		_, err := send(t, w, w.More[0])
		if call := scanner.CallErrorOf(err); err == nil || !call.MaybeSent || w.Recorded(w.More[0]) != 1 {
			t.Errorf("got %v, recorded %d times", err, w.Recorded(w.More[0]))
		}
	})
	t.Run("session expired", func(t *testing.T) {
		w := world(t)
		if w.Expire == nil {
			t.Skip("this vendor has no session")
		}
		w.Expire()
		if got, err := send(t, w, w.More[0]); err != nil || got[0].Delivery != scanner.Taken || w.Recorded(w.More[0]) != 1 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	for _, f := range []faults.Fault{
		{Kind: faults.HTML}, {Kind: faults.Foreign}, {Kind: faults.Truncate}, {Kind: faults.HalfJSON},
		{Kind: faults.Status, Status: 500}, {Kind: faults.Status, Status: 429}, {Kind: faults.Refuse},
	} {
		t.Run(string(f.Kind)+fmt.Sprint(f.Status), func(t *testing.T) {
			w := world(t)
			f.Call = w.UploadCall
			w.set(t, f)
			if got, err := send(t, w, w.More[0]); err == nil {
				t.Errorf("got %+v", got)
			}
			w.clear(t)
			if _, err := send(t, w, w.More[0]); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func (r *runner) list(t *testing.T) {
	world := func(t *testing.T) *World {
		w := r.world(t)
		if w.Vendor.Lister == nil {
			t.Skip("this vendor gives no list")
		}
		w.signedIn(t)
		return w
	}
	fetch := func(w *World, limit time.Duration, add func(scanner.Ticket, string) error) (int, error) {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		n := 0
		_, err := w.Vendor.Lister.List(ctx, func(t scanner.Ticket, place string) error {
			n++
			if t.Code == "" || place == "" || !t.Status.Known() {
				return fmt.Errorf("ticket %d: code %v, place %q, status %q", n, t.Code != "", place, t.Status)
			}
			return add(t, place)
		})
		return n, err
	}
	nothing := func(scanner.Ticket, string) error { return nil }
	t.Run("whole", func(t *testing.T) {
		w := world(t)
		if n, err := fetch(w, ample, nothing); err != nil || n != w.Listed {
			t.Errorf("got %d tickets, %v; want %d", n, err, w.Listed)
		}
	})
	t.Run("add's own error", func(t *testing.T) {
		w := world(t)
		full := errors.New("disk full")
		if n, err := fetch(w, ample, func(scanner.Ticket, string) error { return full }); err != full || n != 1 {
			t.Errorf("got %v after %d tickets, want add's own error as it is", err, n)
		}
	})
	for _, f := range []faults.Fault{
		{Kind: faults.Truncate, Bytes: 900}, {Kind: faults.HalfJSON}, {Kind: faults.HTML}, {Kind: faults.Foreign}, {Kind: faults.Redirect},
		{Kind: faults.Status, Status: 500}, {Kind: faults.Refuse}, {Kind: faults.Garbage}, {Kind: faults.Endless},
	} {
		t.Run(string(f.Kind), func(t *testing.T) {
			w := world(t)
			f.Call = w.ListCall
			w.set(t, f)
			limit := ample
			if f.Kind == faults.Endless {
				limit = patience
			}
			_, err := fetch(w, limit, nothing)
			if err == nil {
				t.Fatal("no error")
			}
			w.owed(t, err)
		})
	}
	t.Run("black hole", func(t *testing.T) {
		w := world(t)
		w.set(t, faults.Fault{Kind: faults.BlackHole, Call: w.ListCall})
		_, err := fetch(w, patience, nothing)
		if err == nil {
			t.Fatal("no error")
		}
		w.owed(t, err)
	})
}

// many: one sign-in serves all, and each ticket enters once.
func (r *runner) many(t *testing.T) {
	w := r.world(t)
	if w.Vendor.Validator == nil {
		t.Skip("this vendor does not validate online")
	}
	w.registered(t)
	const each = 8
	var wg sync.WaitGroup
	var mu sync.Mutex
	admitted := 0
	for range each {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), ample)
			defer cancel()
			got, err := w.Vendor.Validator.Validate(ctx, ask(w.More[0]))
			if err != nil {
				t.Errorf("validate: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if got.Verdict == scanner.Admit {
				admitted++
			}
		})
	}
	wg.Wait()
	if admitted != 1 || w.Recorded(w.More[0]) != 1 {
		t.Errorf("admitted %d times, recorded %d times; want once", admitted, w.Recorded(w.More[0]))
	}
	if w.SignIns != nil && w.SignIns() > 1 {
		t.Errorf("%d sign-ins, want one for all", w.SignIns())
	}
}
