package upload_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"usher/scanner"
	"usher/sync/journal"
	"usher/sync/upload"
)

// nature is what is the matter with an entry at the vendor.
type nature int

const (
	good nature = iota
	// held: another gate entered the ticket first.
	held
	// refused gets a receipt that rejects it.
	refused
	// malformed and breaking make every call fail that they are in.
	malformed
	breaking
	// elsewhere is of another account.
	elsewhere
)

// world is a vendor that goes wrong as a property test draws it, and what is
// known of every entry.
type world struct {
	t       *rapid.T
	natures map[uint64]nature
	tickets map[uint64]scanner.Code
	order   []uint64
	// has are the entries the vendor took, and how often it was told of them.
	has map[uint64]int
	// answered had their receipt; lost may be at the vendor unknown to us.
	answered, lost map[uint64]bool
	// outage fails every call while it lasts.
	outage *scanner.CallError
	// mishaps strike calls one by one.
	mishaps []string
	calls   int
}

func (w *world) Group(m scanner.Movement) string { return m.Scope.Event }
func (w *world) Limits() (int, time.Duration)    { return 0, 0 }
func (w *world) probe(context.Context) error     { return nil }
func (w *world) mishap() (next string)           { next, w.mishaps = w.mishaps[0], w.mishaps[1:]; return next }
func (w *world) fails(format string, args ...any) {
	w.t.Errorf("call %d: "+format, append([]any{w.calls}, args...)...)
}
func (w *world) gone(seq uint64) bool                { return w.answered[seq] }
func (w *world) poison(seq uint64, kind nature) bool { return w.natures[seq] == kind }

func (w *world) Upload(_ context.Context, batch []scanner.Movement) ([]scanner.Receipt, error) {
	w.calls++
	w.check(batch)
	if w.outage != nil {
		return nil, w.outage
	}
	mishap := "none"
	if len(w.mishaps) > 0 {
		mishap = w.mishap()
	}
	switch mishap {
	case "unreachable":
		return nil, trouble(scanner.Unreachable, 0, false)
	case "cut":
		return nil, trouble(scanner.Silent, 0, true)
	case "denied":
		return nil, trouble(scanner.Denied, 401, false)
	case "quota":
		return nil, trouble(scanner.Throttled, 429, false)
	case "html":
		return nil, trouble(scanner.Nonsense, 200, true)
	case "fault":
		return nil, trouble(scanner.Failing, 503, true)
	}
	for _, m := range batch {
		if w.poison(m.Seq, malformed) {
			return nil, trouble(scanner.Malformed, 400, false)
		}
		if w.poison(m.Seq, breaking) {
			return nil, trouble(scanner.Failing, 500, true)
		}
	}
	var receipts []scanner.Receipt
	for i, m := range batch {
		r := scanner.Receipt{Seq: m.Seq, Delivery: scanner.Taken}
		switch {
		case mishap == "later" && i%2 == 0:
			r.Delivery = scanner.Later
		case mishap == "short" && i%2 == 0:
			w.has[m.Seq]++
			w.lost[m.Seq] = true
			continue
		case w.natures[m.Seq] == refused:
			r.Delivery = scanner.Rejected
		default:
			if w.natures[m.Seq] == held || w.has[m.Seq] > 0 {
				r.Delivery = scanner.Duplicate
			}
			w.has[m.Seq]++
		}
		receipts = append(receipts, r)
	}
	if mishap == "lost" {
		for _, m := range batch {
			w.lost[m.Seq] = true
		}
		return nil, trouble(scanner.Silent, 0, true)
	}
	for _, r := range receipts {
		w.answered[r.Seq] = r.Delivery != scanner.Later
	}
	return receipts, nil
}

// check holds a batch to the rules.
func (w *world) check(batch []scanner.Movement) {
	in := map[scanner.Code]bool{}
	for _, m := range batch {
		if m.Scope.Account != scope.Account {
			w.fails("record %d of account %s was sent", m.Seq, m.Scope.Account)
		}
		if m.Scope.Event != batch[0].Scope.Event {
			w.fails("two groups in one batch")
		}
		if in[m.Code] {
			w.fails("ticket %s twice in one batch", m.Code)
		}
		in[m.Code] = true
		for _, seq := range w.order {
			poison := w.poison(seq, malformed) || w.poison(seq, breaking)
			if seq < m.Seq && w.tickets[seq] == m.Code && !w.gone(seq) && !poison && w.natures[seq] != elsewhere {
				w.fails("record %d left before record %d of the same ticket", m.Seq, seq)
			}
		}
	}
}

func TestAnySequenceOfOutcomes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "upload")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		clock := newClock()
		w := &world{
			t: t, natures: map[uint64]nature{}, tickets: map[uint64]scanner.Code{}, has: map[uint64]int{},
			answered: map[uint64]bool{}, lost: map[uint64]bool{},
		}
		var b book
		var u *upload.Uploader
		batch := rapid.IntRange(1, 12).Draw(t, "batch")
		start := func() {
			j, err := journal.Open(journal.Options{Dir: dir, Clock: clock, Keep: 24 * time.Hour, ForgetAfter: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			b = book{j}
			u = upload.New(upload.Options{
				Journal: b, Vendor: w, Probe: w.probe, Scope: scope, Clock: clock, Batch: batch, RetryMin: time.Second, RetryMax: time.Minute,
			})
		}
		start()
		defer func() { b.Close() }()

		for round := range rapid.IntRange(1, 2).Draw(t, "rounds") {
			for range rapid.IntRange(1, 10).Draw(t, "scans") {
				w.scan(t, b, clock)
			}
			if rapid.IntRange(0, 2).Draw(t, "outage") == 0 {
				w.endure(t, b, u)
			}
			w.mishaps = rapid.SliceOfN(rapid.SampledFrom([]string{
				"none", "none", "none", "none", "later", "short", "lost", "cut", "unreachable", "denied", "quota", "html", "fault",
			}), 0, 12).Draw(t, "mishaps")
			for range rapid.IntRange(0, 6).Draw(t, "tries") {
				_, _ = u.Now(context.Background())
			}
			if rapid.Bool().Draw(t, "restart") {
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				start()
			}
			w.mishaps = nil
			w.drained(t, b, u, clock, fmt.Sprint("round ", round))
		}
	})
}

// scan admits a ticket offline.
func (w *world) scan(t *rapid.T, b book, clock *handClock) {
	clock.pass(time.Second)
	kind := nature(rapid.SampledFrom([]nature{good, good, good, good, held, refused, malformed, breaking, elsewhere}).Draw(t, "nature"))
	ticket := rapid.IntRange(1, 8).Draw(t, "ticket")
	if kind == held {
		ticket += 100 // every entry of it meets the other gate's
	}
	seq := b.admit(t, clock, ticket, func(r *scanner.Record) {
		if kind == elsewhere {
			r.Scope = foreign
		}
		r.Scope.Event = rapid.SampledFrom([]string{"show", "show", "matinee"}).Draw(t, "event")
	})
	w.natures[seq], w.tickets[seq] = kind, code(ticket)
	w.order = append(w.order, seq)
}

// endure lives through a vendor that fails every call: nothing is parked.
func (w *world) endure(t *rapid.T, b book, u *upload.Uploader) {
	w.outage = rapid.SampledFrom([]*scanner.CallError{
		trouble(scanner.Malformed, 400, false), trouble(scanner.Failing, 500, true), trouble(scanner.Denied, 403, false), trouble(scanner.Malformed, 412, false),
	}).Draw(t, "outage kind")
	before := b.Status()
	for range rapid.IntRange(1, 12).Draw(t, "outage tries") {
		_, _ = u.Now(context.Background())
	}
	if after := b.Status(); after.Parked != before.Parked || after.Pending != before.Pending {
		t.Errorf("%d more parked, %d fewer pending in an outage", after.Parked-before.Parked, before.Pending-after.Pending)
	}
	w.outage = nil
}

// drained has a healthy vendor take what it will, with one more good scan now
// and then as a gate has them, and looks at what became of every entry.
func (w *world) drained(t *rapid.T, b book, u *upload.Uploader, clock *handClock, when string) {
	// A poisoned entry may need three tries once it is alone, and so may each
	// behind it.
	for i := range 20 + 8*len(w.order) {
		_, _ = u.Now(context.Background())
		if i%4 == 3 && w.left(b) > 0 {
			clock.pass(time.Second)
			seq := b.admit(t, clock, 1000+len(w.order))
			w.natures[seq], w.tickets[seq] = good, code(1000+len(w.order))
			w.order = append(w.order, seq)
		}
		if w.left(b) == 0 {
			break
		}
	}
	for _, seq := range w.order {
		e, err := b.Entry(seq)
		if err != nil {
			t.Fatal(err)
		}
		kind := w.natures[seq]
		want := map[nature]scanner.Fate{
			good: scanner.FateTaken, held: scanner.FateConflict, refused: scanner.FateParked, malformed: scanner.FateParked,
			breaking: scanner.FateParked, elsewhere: scanner.FatePending,
		}[kind]
		if kind == held && e.Fate == scanner.FateTaken && e.Sent > 1 {
			want = scanner.FateTaken // sent before: its own call, as far as anybody knows
		}
		if e.Fate != want {
			t.Errorf("%s: record %d of nature %d is %q (%s), want %q", when, seq, kind, e.Fate, e.Detail, want)
		}
		if kind == good && (w.has[seq] == 0 || w.has[seq] > 1 && !w.lost[seq]) {
			t.Errorf("%s: the vendor was given record %d %d times", when, seq, w.has[seq])
		}
		if kind == elsewhere && e.Sent != 0 {
			t.Errorf("%s: record %d of another account was marked sent", when, seq)
		}
	}
}

// left counts the entries that the vendor is still owed.
func (w *world) left(b book) int {
	foreigners := 0
	for _, kind := range w.natures {
		if kind == elsewhere {
			foreigners++
		}
	}
	return b.Status().Pending - foreigners
}
