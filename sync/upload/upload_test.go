package upload_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
	"usher/sync/upload"
)

func TestDrainsInOrderAndGroups(t *testing.T) {
	clock := newClock()
	b := openBook(t, t.TempDir(), clock)
	var seqs []uint64
	for _, n := range []int{1, 2, 1, 3, 2, 1} {
		clock.pass(time.Second)
		seqs = append(seqs, b.admit(t, clock, n))
	}
	other := b.admit(t, clock, 4, func(r *scanner.Record) { r.Scope.Event = "another" })
	prefixed := b.admit(t, clock, 3, func(r *scanner.Record) { r.Code = "]C1" + r.Code })
	kept := b.admit(t, clock, 5, func(r *scanner.Record) { r.Scope = foreign })
	v := &vendor{limit: 4}
	u := newUploader(b, v, clock)
	counts, err := u.Now(t.Context())
	if err != nil || counts != (upload.Counts{Taken: 8}) {
		t.Errorf("%+v, %v", counts, err)
	}
	want := [][]scanner.Code{{code(1), code(2), code(3)}, {code(4)}, {code(1), code(2), "]C1" + code(3)}, {code(1)}}
	if diff := cmp.Diff(want, v.codes()); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
	for _, seq := range append(seqs, other, prefixed) {
		b.wantFate(t, seq, scanner.FateTaken)
	}
	if e := b.wantFate(t, kept, scanner.FatePending); e.Sent != 0 {
		t.Error("an entry of another account was marked sent")
	}
	m := v.sent()[0][0]
	if m.Seq != seqs[0] || m.Scope != scope || m.Origin.Gate != "Gate 7" || m.TicketID != "1" || string(m.Data) != `{"id":1}` || !m.At.Equal(noon.Add(time.Second)) {
		t.Errorf("movement %+v", m)
	}
	if st := u.Status(); st.Totals.Taken != 8 || st.Uploading || st.Problem != "" {
		t.Errorf("status %+v", st)
	}
}

func TestMarkedBeforeItLeaves(t *testing.T) {
	clock := newClock()
	b := openBook(t, t.TempDir(), clock)
	var seqs []uint64
	for n := range 12 {
		seqs = append(seqs, b.admit(t, clock, n))
	}
	v := &vendor{limit: 3}
	v.answer = func(_ context.Context, n int, batch []scanner.Movement) ([]scanner.Receipt, error) {
		for _, m := range batch {
			if e, err := b.Entry(m.Seq); err != nil || e.Sent != 1 {
				t.Errorf("call %d: record %d sent %d times, %v", n, m.Seq, e.Sent, err)
			}
		}
		return all(batch, scanner.Taken), nil
	}
	if _, err := newUploader(b, v, clock).Now(t.Context()); err != nil {
		t.Error(err)
	}
	if len(v.sent()) != 4 {
		t.Errorf("%d calls", len(v.sent()))
	}
	for _, seq := range seqs {
		b.wantFate(t, seq, scanner.FateTaken)
	}
}

func TestReceipts(t *testing.T) {
	clock := newClock()
	b := openBook(t, t.TempDir(), clock)
	taken := b.admit(t, clock, 1)
	conflict := b.admit(t, clock, 2)
	inDoubt := b.admit(t, clock, 3, func(r *scanner.Record) { r.InDoubt = true })
	sent := b.admit(t, clock, 4)
	rejected := b.admit(t, clock, 5)
	later := b.admit(t, clock, 6)
	missing := b.admit(t, clock, 7)
	if err := b.Sent(t.Context(), []scanner.Sending{{Seq: sent, As: noon}}); err != nil {
		t.Fatal(err)
	}
	deliveries := map[uint64]scanner.Delivery{
		taken: scanner.Taken, conflict: scanner.Duplicate, inDoubt: scanner.Duplicate, sent: scanner.Duplicate, rejected: scanner.Rejected, later: scanner.Later,
	}
	v := &vendor{answer: func(_ context.Context, _ int, batch []scanner.Movement) ([]scanner.Receipt, error) {
		list := []scanner.Receipt{{Seq: 999, Delivery: scanner.Taken}}
		for _, m := range batch {
			if d, ok := deliveries[m.Seq]; ok {
				list = append(list, scanner.Receipt{Seq: m.Seq, Delivery: d, Detail: "says " + string(d), VendorAt: noon.Add(time.Duration(m.Seq) * time.Second)})
			}
		}
		return list, nil
	}}
	u := newUploader(b, v, clock)
	counts, err := u.Now(t.Context())
	if err != nil || counts != (upload.Counts{Taken: 4, Conflicts: 1, Parked: 1, Later: 2}) {
		t.Errorf("%+v, %v", counts, err)
	}
	b.wantFate(t, taken, scanner.FateTaken)
	b.wantFate(t, inDoubt, scanner.FateTaken)
	b.wantFate(t, sent, scanner.FateTaken)
	if e := b.wantFate(t, conflict, scanner.FateConflict); e.Detail != "says duplicate" {
		t.Errorf("conflict's detail %q", e.Detail)
	}
	if e := b.wantFate(t, rejected, scanner.FateParked); e.Detail != "says rejected" {
		t.Errorf("the vendor's reason is %q", e.Detail)
	}
	if e := b.wantFate(t, later, scanner.FatePending); e.Sent != 0 {
		t.Errorf("put off, and counted as sent %d times", e.Sent)
	}
	if e := b.wantFate(t, missing, scanner.FatePending); e.Sent != 1 {
		t.Errorf("left out of the answer, and sent %d times", e.Sent)
	}
	for _, seq := range []uint64{taken, conflict, inDoubt, sent, rejected} {
		if e, err := b.Entry(seq); err != nil || !e.VendorAt.Equal(noon.Add(time.Duration(seq)*time.Second)) {
			t.Errorf("record %d: the vendor's time is %v, %v", seq, e.VendorAt, err)
		}
	}
	for _, seq := range []uint64{later, missing} { // the vendor does not have them
		if e, err := b.Entry(seq); err != nil || !e.VendorAt.IsZero() {
			t.Errorf("record %d: the vendor's time is %v, %v", seq, e.VendorAt, err)
		}
	}
	if len(v.sent()) != 1 {
		t.Errorf("%d calls: what was put off was sent again at once", len(v.sent()))
	}
	if st := u.Status(); st.Problem == "" || st.NextTryAt.Wall.IsZero() {
		t.Errorf("status %+v", st)
	}
}

func TestTroubleKeepsAllAndSplitsNothing(t *testing.T) {
	cases := []struct {
		err  *scanner.CallError
		says string
		sent int
	}{
		{trouble(scanner.Unreachable, 0, false), "cannot be reached", 0},
		{trouble(scanner.Silent, 0, true), "does not answer", 1},
		{trouble(scanner.Nonsense, 200, true), "captive portal", 1},
		{trouble(scanner.Failing, 503, true), "fault of its own (HTTP 503)", 1},
		{trouble(scanner.Denied, 401, false), "refuses the sign-in", 0},
		{trouble(scanner.Denied, 403, false), "refuses the sign-in", 0},
		{trouble(scanner.Malformed, 407, false), "HTTP 407", 0},
		{trouble(scanner.Malformed, 408, true), "HTTP 408", 1},
		{trouble(scanner.Malformed, 412, false), "HTTP 412", 0},
		{trouble(scanner.Throttled, 429, false), "wants fewer calls", 0},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			clock := newClock()
			b := openBook(t, t.TempDir(), clock)
			var seqs []uint64
			for n := range 6 {
				seqs = append(seqs, b.admit(t, clock, n))
			}
			v := &vendor{limit: 4, answer: func(context.Context, int, []scanner.Movement) ([]scanner.Receipt, error) { return nil, c.err }}
			u := newUploader(b, v, clock)
			_, err := u.Now(t.Context())
			var call *scanner.CallError
			if !errors.As(err, &call) || call != c.err || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v", err)
			}
			if st := u.Status(); !strings.Contains(st.Problem, c.says) || st.NextTryAt.Wall.IsZero() {
				t.Errorf("status %+v", st)
			}
			if calls := v.codes(); len(calls) != 1 || len(calls[0]) != 4 {
				t.Errorf("calls %v, want one of four", calls)
			}
			for i, seq := range seqs {
				want := c.sent
				if i >= 4 {
					want = 0 // made ready, and never left
				}
				if e := b.wantFate(t, seq, scanner.FatePending); e.Sent != want {
					t.Errorf("record %d counts as sent %d times, want %d", seq, e.Sent, want)
				}
			}
		})
	}
}

// poisoned refuses every call that holds one of the tickets.
func poisoned(err error, tickets ...scanner.Code) func(context.Context, int, []scanner.Movement) ([]scanner.Receipt, error) {
	return func(_ context.Context, _ int, batch []scanner.Movement) ([]scanner.Receipt, error) {
		for _, m := range batch {
			for _, bad := range tickets {
				if m.Code == bad {
					return nil, err
				}
			}
		}
		return all(batch, scanner.Taken), nil
	}
}

func TestPoisonIsFoundAndParked(t *testing.T) {
	for name, bad := range map[string][]int{"first": {0}, "last": {99}, "middle": {41}, "several": {0, 1, 50, 97, 98}, "most": {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			b := openBook(t, t.TempDir(), clock)
			var seqs []uint64
			for n := range 100 {
				seqs = append(seqs, b.admit(t, clock, n))
			}
			poison := map[int]bool{}
			var codes []scanner.Code
			for _, n := range bad {
				poison[n] = true
				codes = append(codes, code(n))
			}
			v := &vendor{answer: poisoned(trouble(scanner.Malformed, 400, false), codes...)}
			u := newUploader(b, v, clock)
			for range 3 {
				_, _ = u.Now(t.Context())
			}
			for n, seq := range seqs {
				if poison[n] {
					if e := b.wantFate(t, seq, scanner.FateParked); e.Detail != "the vendor calls the upload wrong (HTTP 400): because" {
						t.Errorf("detail %q", e.Detail)
					}
				} else {
					b.wantFate(t, seq, scanner.FateTaken)
				}
			}
			if n := len(v.sent()); n > 15*len(bad)+15 {
				t.Errorf("%d calls", n)
			}
			if st := u.Status(); st.Problem != "" || st.Totals.Parked != len(bad) {
				t.Errorf("status %+v", st)
			}
		})
	}
}

func TestPoisonThatBreaksTheVendor(t *testing.T) {
	clock := newClock()
	b := openBook(t, t.TempDir(), clock)
	var seqs []uint64
	for n := range 10 {
		seqs = append(seqs, b.admit(t, clock, n))
	}
	v := &vendor{dead: true, answer: poisoned(trouble(scanner.Failing, 500, true), code(6))}
	u := newUploader(b, v, clock)
	for range 10 {
		_, _ = u.Now(t.Context())
	}
	for i, call := range v.sent() {
		if len(call) != 10 {
			t.Fatalf("call %d was split while the vendor answers no probe", i)
		}
	}
	v.dead = false
	for range 20 {
		_, _ = u.Now(t.Context())
	}
	for n, seq := range seqs {
		want := scanner.FateTaken
		if n == 6 {
			want = scanner.FateParked
		}
		b.wantFate(t, seq, want)
	}
}

func TestAVendorThatRefusesEverythingParksNothing(t *testing.T) {
	for name, err := range map[string]*scanner.CallError{"4xx": trouble(scanner.Malformed, 400, false), "5xx": trouble(scanner.Failing, 500, true)} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			b := openBook(t, t.TempDir(), clock)
			for n := range 50 {
				b.admit(t, clock, n)
			}
			v := &vendor{answer: func(context.Context, int, []scanner.Movement) ([]scanner.Receipt, error) { return nil, err }}
			u := newUploader(b, v, clock)
			const tries = 80
			for range tries {
				_, _ = u.Now(t.Context())
			}
			if n := len(v.sent()); n > tries+10 {
				t.Errorf("%d calls for %d tries", n, tries)
			}
			if st := b.Status(); st.Parked != 0 || st.Pending != 50 {
				t.Errorf("%d parked, %d pending", st.Parked, st.Pending)
			}
			v.answer = nil
			before := len(v.sent())
			if counts, err := u.Now(t.Context()); err != nil || counts.Taken != 50 {
				t.Errorf("%+v, %v", counts, err)
			}
			t.Logf("%d calls to drain what was in doubt", len(v.sent())-before)
		})
	}
}

func TestALonePoisonWaitsBehindTheRest(t *testing.T) {
	clock := newClock()
	b := openBook(t, t.TempDir(), clock)
	bad := b.admit(t, clock, 1)
	behind := b.admit(t, clock, 1) // the same ticket: not before the first
	v := &vendor{answer: poisoned(trouble(scanner.Malformed, 400, false), code(1))}
	u := newUploader(b, v, clock)
	for range 3 {
		if _, err := u.Now(t.Context()); err == nil {
			t.Error("no error")
		}
	}
	b.wantFate(t, bad, scanner.FatePending)
	good := b.admit(t, clock, 2)
	if counts, err := u.Now(t.Context()); err == nil || counts.Taken != 1 || counts.Parked != 1 {
		t.Errorf("%+v, %v", counts, err)
	}
	b.wantFate(t, good, scanner.FateTaken)
	b.wantFate(t, bad, scanner.FateParked)
	b.wantFate(t, behind, scanner.FatePending)
	for i, call := range v.sent() {
		if len(call) != 1 {
			t.Errorf("call %d of %d", i, len(call))
		}
	}
}

// What failed alone last comes last: a poisoned entry does not starve one that
// only met a vendor that refused everything.
func TestNoStarvationBehindAPoison(t *testing.T) {
	clock := newClock()
	b := openBook(t, t.TempDir(), clock)
	bad, good := b.admit(t, clock, 1), b.admit(t, clock, 2)
	v := &vendor{answer: func(context.Context, int, []scanner.Movement) ([]scanner.Receipt, error) {
		return nil, trouble(scanner.Malformed, 400, false)
	}}
	u := newUploader(b, v, clock)
	for range 5 {
		_, _ = u.Now(t.Context())
	}
	v.answer = poisoned(trouble(scanner.Malformed, 400, false), code(1))
	for range 3 {
		_, _ = u.Now(t.Context())
	}
	b.wantFate(t, good, scanner.FateTaken)
	b.wantFate(t, bad, scanner.FateParked)
}

func TestBusyEntriesStay(t *testing.T) {
	clock := newClock()
	b := openBook(t, t.TempDir(), clock)
	first, second, other := b.admit(t, clock, 1), b.admit(t, clock, 1), b.admit(t, clock, 2)
	busy := true
	v := &vendor{}
	u := newUploader(b, v, clock, func(o *upload.Options) {
		o.Busy = func(id string) bool { return busy && id == b.id(t, first) }
	})
	if counts, err := u.Now(t.Context()); err != nil || counts.Taken != 1 {
		t.Errorf("%+v, %v", counts, err)
	}
	b.wantFate(t, first, scanner.FatePending)
	b.wantFate(t, second, scanner.FatePending)
	b.wantFate(t, other, scanner.FateTaken)
	busy = false
	if counts, err := u.Now(t.Context()); err != nil || counts.Taken != 2 {
		t.Errorf("%+v, %v", counts, err)
	}
}

func TestDeadline(t *testing.T) {
	clock := newClock()
	b := openBook(t, t.TempDir(), clock)
	v := &vendor{age: 48 * time.Hour}
	u := newUploader(b, v, clock, func(o *upload.Options) { o.Scope.Account = "none yet" })
	if _, err := u.Now(t.Context()); err != nil || u.Status().Deadline != nil {
		t.Errorf("%v, %+v", err, u.Status())
	}
	b.admit(t, clock, 1)
	u = newUploader(b, v, clock)
	v.answer = func(context.Context, int, []scanner.Movement) ([]scanner.Receipt, error) {
		return nil, trouble(scanner.Unreachable, 0, false)
	}
	_, _ = u.Now(t.Context())
	for _, step := range []struct {
		pass time.Duration
		says string
	}{{0, ""}, {36*time.Hour - time.Second, ""}, {2 * time.Second, "before 2026-11-23T12:00:00Z"}, {12 * time.Hour, "will be tried, and parked"}} {
		clock.pass(step.pass)
		st := u.Status()
		if st.Deadline == nil || !st.Deadline.Equal(noon.Add(48*time.Hour)) {
			t.Errorf("deadline %v", st.Deadline)
		}
		if (step.says == "") != (st.Warning == "") || !strings.Contains(st.Warning, step.says) {
			t.Errorf("warning %q, want %q", st.Warning, step.says)
		}
	}
	v.answer = func(_ context.Context, _ int, batch []scanner.Movement) ([]scanner.Receipt, error) {
		return all(batch, scanner.Rejected), nil
	}
	if counts, err := u.Now(t.Context()); err != nil || counts.Parked != 1 {
		t.Errorf("too old: %+v, %v", counts, err)
	}
	if st := u.Status(); st.Deadline != nil || st.Warning != "" {
		t.Errorf("status %+v", st)
	}
}

func TestADiskThatRefusesSendsNothing(t *testing.T) {
	clock := newClock()
	b := openBook(t, t.TempDir(), clock)
	for n := range 4 {
		b.admit(t, clock, n)
	}
	v := &vendor{limit: 2}
	full := &fullDisk{book: b, sent: true}
	u := newUploader(full, v, clock)
	if _, err := u.Now(t.Context()); !errors.Is(err, scanner.ErrNotStored) || len(v.sent()) != 0 {
		t.Errorf("%v, %d calls", err, len(v.sent()))
	}
	full.sent, full.settle = false, true
	if _, err := u.Now(t.Context()); !errors.Is(err, scanner.ErrNotStored) {
		t.Errorf("%v", err)
	}
	full.settle = false
	v.answer = func(_ context.Context, _ int, batch []scanner.Movement) ([]scanner.Receipt, error) {
		return all(batch, scanner.Duplicate), nil
	}
	if counts, err := u.Now(t.Context()); err != nil || counts.Taken != 4 || counts.Conflicts > 2 {
		t.Errorf("%+v, %v: what the vendor took is no conflict", counts, err)
	}
}

type fullDisk struct {
	book
	sent, settle bool
}

func (f *fullDisk) Sent(ctx context.Context, list []scanner.Sending) error {
	if f.sent {
		return scanner.ErrNotStored
	}
	return f.book.Sent(ctx, list)
}

func (f *fullDisk) Settle(ctx context.Context, list []scanner.Settlement) error {
	if f.settle {
		return scanner.ErrNotStored
	}
	return f.book.Settle(ctx, list)
}

// Evidence from before a failure that nobody explained condemns nobody after it.
func TestOldEvidenceCondemnsNobody(t *testing.T) {
	refused := trouble(scanner.Malformed, 400, false)
	cases := map[string]struct {
		events []string
		errs   []error
	}{
		// [1 3] fails, [1] is taken, [2] fails alone, then all fails.
		"another failed alone": {[]string{"show", "matinee", "show"}, []error{refused, nil, refused, refused}},
		// [1 2 3] fails, [1 2] is taken, [3] meets a quota, then all fails.
		"a quota": {[]string{"show", "show", "show"}, []error{refused, nil, trouble(scanner.Throttled, 429, false), refused}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			b := openBook(t, t.TempDir(), clock)
			var last uint64
			for n, event := range c.events {
				last = b.admit(t, clock, n, func(r *scanner.Record) { r.Scope.Event = event })
			}
			v := &vendor{answer: func(_ context.Context, n int, batch []scanner.Movement) ([]scanner.Receipt, error) {
				if n > len(c.errs) {
					return nil, refused
				}
				if err := c.errs[n-1]; err != nil {
					return nil, err
				}
				return all(batch, scanner.Taken), nil
			}}
			u := newUploader(b, v, clock)
			for range 5 {
				_, _ = u.Now(t.Context())
			}
			b.wantFate(t, last, scanner.FatePending)
			if b.Status().Pending == 3 {
				t.Error("nothing was taken: the script does not fit")
			}
		})
	}
}
