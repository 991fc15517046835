package gate_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"usher/scanner"
)

// fault is how a call fails.
type fault struct {
	name string
	err  scanner.CallError
}

func (f *fault) call() error {
	err := f.err
	err.Op, err.Err = "validate", errors.New(f.name)
	return &err
}

// What may have been sent and got no definite answer.
var (
	timedOut = &fault{"time-out", scanner.CallError{Trouble: scanner.Silent, MaybeSent: true}}
	reset    = &fault{"reset", scanner.CallError{Trouble: scanner.Silent, MaybeSent: true}}
	failing  = &fault{"503", scanner.CallError{Trouble: scanner.Failing, MaybeSent: true, Status: http.StatusServiceUnavailable}}
	cutBody  = &fault{"cut body", scanner.CallError{Trouble: scanner.Nonsense, MaybeSent: true, Status: http.StatusOK}}
)

// What never reached the vendor, or was turned away at its door.
var (
	noDial    = &fault{"no connection", scanner.CallError{Trouble: scanner.Unreachable}}
	noDNS     = &fault{"no DNS", scanner.CallError{Trouble: scanner.Unreachable}}
	noTLS     = &fault{"wrong certificate", scanner.CallError{Trouble: scanner.Unreachable}}
	denied    = &fault{"401", scanner.CallError{Trouble: scanner.Denied, Status: http.StatusUnauthorized}}
	forbidden = &fault{"403", scanner.CallError{Trouble: scanner.Denied, Status: http.StatusForbidden}}
	throttled = &fault{"429", scanner.CallError{Trouble: scanner.Throttled, Status: http.StatusTooManyRequests}}
)

// never is the time of what does not happen.
const never = time.Duration(-1)

// way is how one call goes, in times since it was made.
type way struct {
	// acts is when the vendor acts on it.
	acts time.Duration
	// ends is when this device learns how it went: by an answer where fault is nil.
	ends  time.Duration
	fault *fault
}

// swift is how a call goes where nothing is wrong.
var swift = way{acts: 0, ends: 100 * time.Millisecond}

// gate2 is another device's gate.
const gate2 = "Gate 2"

// till is the vendor: the one truth on who has entered.
type till struct {
	mu      sync.Mutex // guards what follows
	tickets map[scanner.Code]*stub
}

// stub is a ticket at the vendor.
type stub struct {
	voided, entered bool
	at              time.Time
	gate            string
	// names: answers name the time and gate of an earlier entry.
	names bool
	// ways are how the next calls for it go; then all goes well.
	ways []way
	// asked counts the calls.
	asked int
}

func (v *till) stub(code scanner.Code) *stub {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.tickets == nil {
		v.tickets = map[scanner.Code]*stub{}
	}
	if v.tickets[code] == nil {
		v.tickets[code] = &stub{}
	}
	return v.tickets[code]
}

func (v *till) has(code scanner.Code) bool {
	s := v.stub(code)
	v.mu.Lock()
	defer v.mu.Unlock()
	return s.entered
}

// act is the vendor acting on an entry.
func (v *till) act(code scanner.Code, gate string) scanner.Answer {
	s := v.stub(code)
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case s.voided:
		return scanner.Answer{Verdict: scanner.Refuse, Reason: scanner.Voided}
	case s.entered && s.names:
		return scanner.Answer{Verdict: scanner.Refuse, Reason: scanner.AlreadyEntered, FirstEnteredAt: s.at, FirstEnteredGate: s.gate}
	case s.entered:
		return scanner.Answer{Verdict: scanner.Refuse, Reason: scanner.AlreadyEntered}
	}
	s.entered, s.at, s.gate = true, time.Now(), gate
	return scanner.Answer{Verdict: scanner.Admit, Reason: scanner.OK}
}

// Validate goes the way that was laid out for it.
func (v *till) Validate(ctx context.Context, ask scanner.Ask) (scanner.Answer, error) {
	s := v.stub(ask.Code)
	v.mu.Lock()
	w := swift
	if len(s.ways) > 0 {
		w, s.ways = s.ways[0], s.ways[1:]
	}
	s.asked++
	v.mu.Unlock()

	var answer scanner.Answer
	acted := make(chan struct{})
	go func() { // the vendor goes on although nobody waits for it
		defer close(acted)
		if w.acts != never {
			time.Sleep(w.acts)
			if ask.Direction == scanner.Exit {
				answer = scanner.Answer{Verdict: scanner.Admit, Reason: scanner.Exited}
				return
			}
			answer = v.act(ask.Code, "Gate 7")
		}
	}()
	ended := time.NewTimer(w.ends)
	defer ended.Stop()
	select {
	case <-ctx.Done():
		return scanner.Answer{}, timedOut.call()
	case <-ended.C:
	}
	if w.fault != nil {
		return scanner.Answer{}, w.fault.call()
	}
	<-acted
	return answer, nil
}

// Group and Limits put every movement into one batch.
func (v *till) Group(scanner.Movement) string        { return "" }
func (v *till) Limits() (batch int, _ time.Duration) { return 10_000, 0 }

// Upload takes what was admitted offline.
func (v *till) Upload(_ context.Context, batch []scanner.Movement) ([]scanner.Receipt, error) {
	var receipts []scanner.Receipt
	for _, m := range batch {
		r := scanner.Receipt{Seq: m.Seq, Delivery: scanner.Taken}
		if m.Direction == scanner.Entry {
			switch a := v.act(m.Code, m.Origin.Gate); a.Reason {
			case scanner.AlreadyEntered:
				r.Delivery = scanner.Duplicate
			case scanner.Voided:
				r.Delivery, r.Detail = scanner.Rejected, "voided"
			}
		}
		receipts = append(receipts, r)
	}
	return receipts, nil
}
