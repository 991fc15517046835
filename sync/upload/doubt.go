package upload

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"usher/scanner"
)

// inARow is how many calls, one after the other, that failed or got no proper
// answer make the batch itself suspect.
const inARow = 3

// doubts are the entries that may be why a call fails. The holder of the turn
// owns them.
type doubts struct {
	of map[uint64]*doubt
	// taken counts entries that the vendor took.
	taken uint64
	// lonely counts entries that failed alone.
	lonely uint64
	// failing counts the calls in a row that failed or got no proper answer.
	failing int
	// only is the entry whose calls alone have failed since an entry was taken; zero:
	// none has. mixed: others have too.
	only  uint64
	mixed bool
	// all: an entry failed alone and none was taken since. It may be the vendor
	// that refuses everything, which one entry at a time finds out.
	all bool
}

// doubt is one such entry.
type doubt struct {
	// most is the size of the largest batch it may be in.
	most int
	// since is the count of taken entries when it first failed, when it last failed
	// alone, or when something else last ended a drain: what was taken earlier says
	// nothing of this trouble.
	since uint64
	// alone orders the entries that failed alone; zero: it has not.
	alone uint64
}

// most is the size of the next batch, where its entries allow it.
func (s *doubts) most(limit int) int {
	if s.all {
		return 1
	}
	return limit
}

// suspect notes entries of a call that failed.
func (s *doubts) suspect(seqs []uint64) {
	for _, seq := range seqs {
		x := s.of[seq]
		if x == nil {
			x = &doubt{since: s.taken}
			s.of[seq] = x
		}
		x.most = (len(seqs) + 1) / 2
	}
}

// failed notes a call that gave no receipts.
func (s *doubts) failed(seqs []uint64) {
	if len(seqs) > 1 || s.only != 0 && s.only != seqs[0] {
		s.mixed = true
	}
	s.only = seqs[0]
}

// likely tells whether an entry that fails alone may be to blame: it failed before,
// and the vendor has taken another in between.
func (s *doubts) likely(seq uint64) bool {
	x := s.of[seq]
	return x != nil && s.taken > x.since
}

// guilty tells whether it is: the other was taken right before, or after this one
// had failed alone. Otherwise it may have failed for a neighbour then, and for an
// outage now.
func (s *doubts) guilty(seq uint64) bool {
	return s.likely(seq) && (s.of[seq].alone > 0 || !s.mixed)
}

// alone puts an entry behind all others.
func (s *doubts) alone(seq uint64) {
	s.lonely++
	x := s.of[seq]
	x.alone, x.since = s.lonely, s.taken
	s.all = true
}

// shaken notes a failure that ends a drain and that only the given entries may be
// guilty of: nobody else is condemned for what was taken before it.
func (s *doubts) shaken(guilty []uint64) {
	for seq, x := range s.of {
		if !slices.Contains(guilty, seq) {
			x.since = s.taken
		}
	}
}

// keep forgets all but the entries of a window: the others have left the outbox.
func (s *doubts) keep(window []scanner.Recorded) {
	if len(s.of) == 0 {
		return
	}
	here := make(map[uint64]*doubt, len(s.of))
	for _, e := range window {
		if x := s.of[e.Seq]; x != nil {
			here[e.Seq] = x
		}
	}
	s.of = here
}

// answered clears entries that got their answers. One that was taken shows that
// the vendor does take some.
func (s *doubts) answered(seqs []uint64, taken int) {
	s.failing = 0
	for _, seq := range seqs {
		delete(s.of, seq)
	}
	s.taken += uint64(taken)
	if taken == 0 {
		return
	}
	s.only, s.mixed = 0, false
	if !s.all {
		return
	}
	s.all = false
	for seq, x := range s.of {
		if x.alone == 0 {
			delete(s.of, seq)
		}
	}
}

// failed judges a call that gave no receipts: what is to be written, and the
// error where a pause is due.
func (d *drain) failed(ctx context.Context, b *batch, failure error) ([]scanner.Settlement, error) {
	call := scanner.CallErrorOf(failure)
	var list []scanner.Settlement
	if !call.MaybeSent {
		list = notSent(b.seqs())
	}
	seqs := b.seqs()
	d.doubts.failed(seqs)
	if !d.divides(ctx, call) {
		if call.Trouble != scanner.Failing {
			d.doubts.shaken(nil)
		} else {
			d.doubts.shaken(seqs)
		}
		return list, explain(call)
	}
	if len(seqs) == 1 && blames(call) && d.doubts.guilty(seqs[0]) {
		delete(d.doubts.of, seqs[0])
		before := d.counts
		d.counts.Parked++
		d.tally(before)
		return []scanner.Settlement{{Seq: seqs[0], To: scanner.FateParked, Detail: explain(call).Error()}}, nil
	}
	likely := d.doubts.likely(seqs[0])
	d.doubts.suspect(seqs)
	if len(seqs) > 1 {
		return list, nil
	}
	d.doubts.alone(seqs[0])
	if likely {
		// The next one tells: those that were with it in one batch, each once.
		return list, nil
	}
	d.doubts.shaken(seqs)
	d.lone = true
	return list, explain(call)
}

// blames tells whether a failure is the vendor's own word: silence, or what some
// network says in its place, parks nobody.
func blames(call *scanner.CallError) bool {
	return call.Trouble == scanner.Malformed || call.Trouble == scanner.Failing
}

// divides tells whether a failure may be the fault of one entry in the batch. One
// that only crashes the vendor, or is too long for the network, would otherwise
// keep all others here for ever.
func (d *drain) divides(ctx context.Context, call *scanner.CallError) bool {
	switch call.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired,
		http.StatusRequestTimeout, http.StatusPreconditionFailed, http.StatusTooManyRequests:
		d.doubts.failing = 0
		return false
	}
	switch call.Trouble {
	case scanner.Failing, scanner.Silent, scanner.Nonsense:
		d.doubts.failing++
		return d.doubts.failing >= inARow && d.alive(ctx)
	}
	d.doubts.failing = 0
	return call.Trouble == scanner.Malformed
}

// alive tells whether the vendor answers at all.
func (d *drain) alive(ctx context.Context) bool {
	if d.o.Probe == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, d.o.Timeout)
	defer cancel()
	return d.o.Probe(ctx) == nil
}

// trouble is a failed call in a person's words.
type trouble struct {
	text string
	call *scanner.CallError
}

func (t *trouble) Error() string { return t.text }
func (t *trouble) Unwrap() error { return t.call }

func explain(call *scanner.CallError) error {
	var text string
	switch call.Trouble {
	case scanner.Unreachable:
		text = "the vendor cannot be reached"
	case scanner.Nonsense:
		text = "what answers is not the vendor; look for a captive portal or a proxy"
	case scanner.Failing:
		text = "the vendor has a fault of its own"
	case scanner.Throttled:
		text = "the vendor wants fewer calls"
	case scanner.Denied:
		text = "the vendor refuses the sign-in or this call; check user, password and permissions"
	case scanner.Malformed:
		text = "the vendor calls the upload wrong"
	default:
		text = "the vendor does not answer"
	}
	if call.Status != 0 {
		text += fmt.Sprintf(" (HTTP %d)", call.Status)
	}
	if call.Err != nil {
		text += ": " + call.Err.Error()
	}
	if asked := retryAfter(call); asked > 0 {
		text += fmt.Sprintf("; it asks to be left alone for %v", asked.Round(time.Second))
	}
	return &trouble{text: text, call: call}
}

func putOffText(r scanner.Receipt) string {
	switch {
	case r.Delivery != scanner.Later:
		return "the vendor's answer does not say what became of some scans"
	case r.Detail != "":
		return "the vendor takes some scans later: " + r.Detail
	}
	return "the vendor takes some scans later"
}
