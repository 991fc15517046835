package vendortest

import (
	"context"
	"sync"
	"testing"

	"usher/scanner"
	"usher/vendors/vendortest/faults"
)

// lost: acted on, and the answer never came.
func (r *runner) lost(t *testing.T) {
	w := r.world(t)
	w.asked(t)
	w.signedIn(t)
	w.set(t, faults.Fault{Kind: faults.Lost, Call: w.ValidateCall, Times: 1})
	code := w.Codes[scanner.OK]
	_, err := w.validate(t, code, ample)
	if call := scanner.CallErrorOf(err); err == nil || call.MaybeSent == w.looks() {
		t.Errorf("got %v, maybe sent %v", err, call.MaybeSent)
	}
	if w.looks() {
		if got, err := w.validate(t, code, ample); err != nil || got.Reason != scanner.OK {
			t.Errorf("then: %s, %v", got.Reason, err)
		}
		return
	}
	if n := w.Recorded(code); n != 1 {
		t.Errorf("recorded %d times, want once: a call is never repeated by itself", n)
	}
	if got, err := w.validate(t, code, ample); err != nil || got.Reason != scanner.AlreadyEntered {
		t.Errorf("then: %s, %v", got.Reason, err)
	}
}

// many: one sign-in serves all, and each ticket enters once.
func (r *runner) many(t *testing.T) {
	w := r.world(t)
	w.asked(t)
	w.registered(t)
	const each = 8
	var wg sync.WaitGroup
	var mu sync.Mutex
	admitted := 0
	for range each {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), ample)
			defer cancel()
			got, err := w.ask(ctx, w.More[0])
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
	switch {
	case w.looks():
		if admitted != each {
			t.Errorf("%d of %d were told that the ticket is good", admitted, each)
		}
	case admitted != 1 || w.Recorded(w.More[0]) != 1:
		t.Errorf("admitted %d times, recorded %d times; want once", admitted, w.Recorded(w.More[0]))
	}
	if w.SignIns != nil && w.SignIns() > 1 {
		t.Errorf("%d sign-ins, want one for all", w.SignIns())
	}
}
