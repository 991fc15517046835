package upload_test

import (
	"context"
	"testing"
	"time"

	"usher/scanner"
)

// What a vendor may hold under one time is never sent under another, however much
// better the clock has become; what it certainly does not hold is.
func TestAResendCarriesTheSameTime(t *testing.T) {
	const learned = 40 * time.Second // how much the clock learns after the first sending
	answers := func(list ...error) func(context.Context, int, []scanner.Movement) ([]scanner.Receipt, error) {
		return func(_ context.Context, n int, batch []scanner.Movement) ([]scanner.Receipt, error) {
			if n <= len(list) && list[n-1] != nil {
				return nil, list[n-1]
			}
			return all(batch, scanner.Taken), nil
		}
	}
	delivered := func(d scanner.Delivery) func(context.Context, int, []scanner.Movement) ([]scanner.Receipt, error) {
		return func(_ context.Context, n int, batch []scanner.Movement) ([]scanner.Receipt, error) {
			if n > 1 {
				d = scanner.Taken
			}
			return all(batch, d), nil
		}
	}
	lost := trouble(scanner.Silent, 0, true)
	for _, c := range []struct {
		name   string
		answer func(context.Context, int, []scanner.Movement) ([]scanner.Receipt, error)
		// between comes after the first try.
		between func(t *testing.T, b book, clock *handClock, seq uint64)
		restart bool
		// same: the second sending has the first one's time.
		same bool
	}{
		{name: "the answer is lost", answer: answers(lost), same: true},
		{name: "the answer is lost, and the device restarts", answer: answers(lost), restart: true, same: true},
		{name: "the answer is lost three times", answer: answers(lost, lost, lost), same: true},
		{name: "the vendor breaks", answer: answers(trouble(scanner.Failing, 500, true)), same: true},
		{name: "a page instead of an answer", answer: answers(trouble(scanner.Nonsense, 200, true)), same: true},
		{name: "no receipt", same: true, answer: func(_ context.Context, n int, batch []scanner.Movement) ([]scanner.Receipt, error) {
			if n == 1 {
				return nil, nil
			}
			return all(batch, scanner.Taken), nil
		}},
		{name: "lost, then certainly not taken", same: true, answer: answers(lost, trouble(scanner.Malformed, 400, false))},
		{name: "not reached", answer: answers(trouble(scanner.Unreachable, 0, false))},
		{name: "called wrong", answer: answers(trouble(scanner.Malformed, 400, false))},
		{name: "throttled", answer: answers(trouble(scanner.Throttled, 429, false))},
		{name: "later", answer: delivered(scanner.Later)},
		{name: "rejected, and requeued by a person", answer: delivered(scanner.Rejected), between: func(t *testing.T, b book, _ *handClock, seq uint64) {
			if err := b.Requeue(t.Context(), seq, "Eve"); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "lost, and the time turns out to lie in the vendor's future", answer: answers(lost), between: func(_ *testing.T, _ book, clock *handClock, _ uint64) {
			clock.learn("one", noon.Add(-25*time.Hour))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			clock := newClock()
			clock.forget("one") // a device without a battery, before any answer
			b := openBook(t, dir, clock)
			seq := b.admit(t, clock, 1)
			clock.pass(time.Minute)
			v := &vendor{answer: c.answer}
			u := newUploader(b, v, clock)
			_, _ = u.Now(t.Context())
			first := v.sent()[0][0].At
			if e, err := b.Entry(seq); err != nil || e.Sent > 0 && !e.SentAs.Equal(first) || e.Sent == 0 && !e.SentAs.IsZero() {
				t.Errorf("kept as sent %d times as %v, %v; it was sent as %v", e.Sent, e.SentAs, err, first)
			}

			clock.learn("one", noon.Add(-time.Hour+learned))
			if c.between != nil {
				c.between(t, b, clock, seq)
			}
			if c.restart {
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				b = openBook(t, dir, clock)
				u = newUploader(b, v, clock)
			}
			for range 6 {
				_, _ = u.Now(t.Context())
			}
			e := b.wantFate(t, seq, scanner.FateTaken)
			calls := v.sent()
			last := calls[len(calls)-1][0].At
			if len(calls) < 2 || last.Equal(first) != c.same {
				t.Errorf("sent as %v, then as %v: want the same %v", first, last, c.same)
			}
			if !e.SentAs.Equal(last) {
				t.Errorf("kept as sent as %v, want %v", e.SentAs, last)
			}
		})
	}
}

// A batch that is made ready and never leaves tells the vendor no time.
func TestABatchThatDidNotLeaveHasNoTime(t *testing.T) {
	clock := newClock()
	clock.forget("one")
	b := openBook(t, t.TempDir(), clock)
	var seqs []uint64
	for n := range 4 {
		seqs = append(seqs, b.admit(t, clock, n))
	}
	clock.pass(time.Minute)
	v := &vendor{limit: 2}
	v.answer = func(context.Context, int, []scanner.Movement) ([]scanner.Receipt, error) {
		return nil, trouble(scanner.Silent, 0, true)
	}
	_, _ = newUploader(b, v, clock).Now(t.Context())
	if len(v.sent()) != 1 {
		t.Fatalf("%d calls", len(v.sent()))
	}
	for i, seq := range seqs {
		e, err := b.Entry(seq)
		if err != nil {
			t.Fatal(err)
		}
		if left := i < 2; left != (e.Sent == 1) || left == e.SentAs.IsZero() {
			t.Errorf("record %d: sent %d times as %v, left %v", seq, e.Sent, e.SentAs, left)
		}
	}

	// It is marked early all the same, with the time that it will leave with.
	v.answer = func(_ context.Context, _ int, batch []scanner.Movement) ([]scanner.Receipt, error) {
		for _, m := range batch {
			if e, err := b.Entry(m.Seq); err != nil || !e.SentAs.Equal(m.At) {
				t.Errorf("record %d leaves as %v and is kept as %v, %v", m.Seq, m.At, e.SentAs, err)
			}
		}
		return all(batch, scanner.Taken), nil
	}
	if counts, err := newUploader(b, v, clock).Now(t.Context()); err != nil || counts.Taken != 4 {
		t.Errorf("%+v, %v", counts, err)
	}
}
