package journal

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"usher/scanner"
)

func TestFatesAndMarks(t *testing.T) {
	ctx := context.Background()
	settle := func(to scanner.Fate) func(*Journal, uint64) error {
		return func(j *Journal, seq uint64) error {
			return j.Settle(ctx, []scanner.Settlement{{Seq: seq, To: to, Detail: "words"}})
		}
	}
	ack := func(j *Journal, seq uint64) error { return j.Acknowledge(ctx, seq, "ann") }
	requeue := func(j *Journal, seq uint64) error { return j.Requeue(ctx, seq, "ann") }
	type step = func(*Journal, uint64) error
	for name, tc := range map[string]struct {
		steps     []step
		fate      scanner.Fate
		by        string
		open      int
		conflict  bool
		conflicts int
		wantErr   error
	}{
		"taken":                      {steps: []step{settle(scanner.FateTaken)}, fate: scanner.FateTaken},
		"confirmed late":             {steps: []step{settle(scanner.FateConfirmed)}, fate: scanner.FateConfirmed},
		"conflict":                   {steps: []step{settle(scanner.FateConflict)}, fate: scanner.FateConflict, conflict: true, conflicts: 1},
		"conflict, seen":             {steps: []step{settle(scanner.FateConflict), ack}, fate: scanner.FateConflict, by: "ann", conflict: true},
		"parked":                     {steps: []step{settle(scanner.FateParked)}, fate: scanner.FateParked, open: 1},
		"parked, acknowledged":       {steps: []step{settle(scanner.FateParked), ack}, fate: scanner.FateAcknowledged, by: "ann"},
		"parked, requeued":           {steps: []step{settle(scanner.FateParked), requeue}, fate: scanner.FatePending, by: "ann", open: 1},
		"requeued, then in conflict": {steps: []step{settle(scanner.FateParked), requeue, settle(scanner.FateConflict)}, fate: scanner.FateConflict, conflict: true, conflicts: 1},
		"settled twice":              {steps: []step{settle(scanner.FateTaken), settle(scanner.FateConflict)}, fate: scanner.FateTaken},
		"kept for later":             {steps: []step{settle(scanner.FatePending)}, fate: scanner.FatePending, open: 1},
		"requeued, not parked":       {steps: []step{requeue}, fate: scanner.FatePending, open: 1, wantErr: scanner.ErrNotPossible},
		"acknowledged, not parked":   {steps: []step{ack}, fate: scanner.FatePending, open: 1, wantErr: scanner.ErrNotPossible},
		"settled as kept":            {steps: []step{settle(scanner.FateKept)}, fate: scanner.FatePending, open: 1, wantErr: scanner.ErrNotPossible},
	} {
		t.Run(name, func(t *testing.T) {
			opts := options(stateDir(t))
			j := open(t, opts)
			seq := admit(t, j, 1, scanner.FatePending)
			var err error
			for _, step := range tc.steps {
				err = step(j, seq)
			}
			if !errors.Is(err, tc.wantErr) {
				t.Errorf("error %v, want %v", err, tc.wantErr)
			}
			check := func(when string) {
				t.Helper()
				e, err := j.Entry(seq)
				if err != nil || e.Fate != tc.fate || e.FateBy != tc.by {
					t.Errorf("%s: fate %q by %q, %v, want %q by %q", when, e.Fate, e.FateBy, err, tc.fate, tc.by)
				}
				if m := mark(t, j, 1); m.Open != tc.open || m.Conflict != tc.conflict {
					t.Errorf("%s: mark %+v, want %d open, conflict %v", when, m, tc.open, tc.conflict)
				}
				if s := j.Status(); s.Conflicts != tc.conflicts {
					t.Errorf("%s: %d conflicts, want %d", when, s.Conflicts, tc.conflicts)
				}
			}
			check("at once")
			closeAndCheck(t, j)
			j = open(t, opts)
			check("after a restart")
		})
	}
	t.Run("an exit in conflict is no other entry", func(t *testing.T) {
		j := open(t, options(stateDir(t)))
		change := entryChange(t, j, j.opts.Clock.(*clock), 1, scanner.FatePending)
		change.Record.Direction = scanner.Exit
		seq, err := j.Commit(ctx, change)
		if err != nil {
			t.Fatal(err)
		}
		if err := settle(scanner.FateConflict)(j, seq); err != nil {
			t.Fatal(err)
		}
		if m := mark(t, j, 1); m.Conflict || m.Open != 0 || j.Status().Conflicts != 1 {
			t.Errorf("mark %+v, %d conflicts", m, j.Status().Conflicts)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		j := open(t, options(stateDir(t)))
		if err := j.Requeue(ctx, 9, "ann"); !errors.Is(err, scanner.ErrUnknown) {
			t.Errorf("requeue: %v", err)
		}
		if err := j.Acknowledge(ctx, 9, "ann"); !errors.Is(err, scanner.ErrUnknown) {
			t.Errorf("acknowledge: %v", err)
		}
		if err := j.Settle(ctx, []scanner.Settlement{{Seq: 9, To: scanner.FateTaken}}); err != nil {
			t.Errorf("settle: %v", err)
		}
	})
}

func TestSentEntriesAreNotWithdrawn(t *testing.T) {
	ctx := context.Background()
	opts := options(stateDir(t))
	j := open(t, opts)
	seq := admit(t, j, 1, scanner.FatePending)
	withdraw := func() error {
		ch := entryChange(t, j, opts.Clock.(*clock), 1, scanner.FateNone)
		ch.Record.Kind, ch.Record.Of = scanner.KindUndo, seq
		ch.Fate = &scanner.FateChange{Seq: seq, From: scanner.FatePending, To: scanner.FateWithdrawn}
		_, err := j.Commit(ctx, ch)
		return err
	}
	if err := j.Sent(ctx, sendings(seq)); err != nil {
		t.Fatal(err)
	}
	if err := withdraw(); !errors.Is(err, scanner.ErrNotPossible) {
		t.Errorf("withdrawing what was sent: %v", err)
	}
	// The vendor says that it has not got it.
	if err := j.Settle(ctx, []scanner.Settlement{{Seq: seq, To: scanner.FatePending}}); err != nil {
		t.Fatal(err)
	}
	if err := withdraw(); err != nil {
		t.Errorf("withdrawing what came back: %v", err)
	}
	if err := j.Sent(ctx, sendings(seq)); !errors.Is(err, scanner.ErrChanged) {
		t.Errorf("sending what was withdrawn: %v", err)
	}
	if e, err := j.Entry(seq); err != nil || e.Sent != 0 || e.Fate != scanner.FateWithdrawn {
		t.Errorf("entry: %q sent %d, %v", e.Fate, e.Sent, err)
	}
}

// TestWhatWasSentAndParkedIsWithdrawnForAPermit: the vendor has not said what it
// made of the first time.
func TestWhatWasSentAndParkedIsWithdrawnForAPermit(t *testing.T) {
	ctx := context.Background()
	for _, acknowledged := range []bool{false, true} {
		opts := options(stateDir(t))
		j := open(t, opts)
		seq := admit(t, j, 1, scanner.FatePending)
		for range 2 {
			if err := j.Sent(ctx, sendings(seq)); err != nil {
				t.Fatal(err)
			}
		}
		from := scanner.FateParked
		err := j.Settle(ctx, []scanner.Settlement{{Seq: seq, To: from, Detail: "no"}})
		if acknowledged {
			from = scanner.FateAcknowledged
			err = errors.Join(err, j.Acknowledge(ctx, seq, "ann"))
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, permit := range []scanner.Direction{"", scanner.Exit, scanner.Entry} {
			m := mark(t, j, 1)
			m.Permit, m.Open = permit, 0
			_, err := j.Commit(ctx, scanner.Change{
				Record: scanner.Record{Kind: scanner.KindUndo, Scope: scope, Code: code(1), By: "ann", Of: seq},
				Mark:   &m,
				Fate:   &scanner.FateChange{Seq: seq, From: from, To: scanner.FateWithdrawn},
			})
			if possible := !errors.Is(err, scanner.ErrNotPossible); possible != (permit == scanner.Entry) || possible && err != nil {
				t.Errorf("%s, with the permit %q: %v", from, permit, err)
			}
		}
	}
}

func TestPendingByScope(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	var mine []uint64
	for n := range 20 {
		ch := entryChange(t, j, opts.Clock.(*clock), n, scanner.FatePending)
		if n%2 == 0 {
			ch.Record.Scope.Account = "another"
		}
		seq, err := j.Commit(context.Background(), ch)
		if err != nil {
			t.Fatal(err)
		}
		if n%2 == 1 {
			mine = append(mine, seq)
		}
	}
	check := func() {
		t.Helper()
		own := func(s scanner.Scope) bool { return s == scope }
		got, err := j.Pending(own, 0, 3)
		if err != nil || !cmp.Equal(seqsOf(got), mine[:3]) {
			t.Errorf("the first three: %v, %v, want %v", seqsOf(got), err, mine[:3])
		}
		got, err = j.Pending(own, mine[2], 100)
		if err != nil || !cmp.Equal(seqsOf(got), mine[3:]) {
			t.Errorf("the rest: %v, %v, want %v", seqsOf(got), err, mine[3:])
		}
		if s := j.Status(); s.Pending != 20 {
			t.Errorf("%d are pending, want all 20", s.Pending)
		}
	}
	check()
	closeAndCheck(t, j)
	j = open(t, opts)
	check()
}

func TestTallies(t *testing.T) {
	ctx := context.Background()
	opts := options(stateDir(t))
	c := opts.Clock.(*clock)
	j := open(t, opts)
	commit := func(ticket int, edit func(*scanner.Record)) uint64 {
		ch := entryChange(t, j, c, ticket, scanner.FateConfirmed)
		edit(&ch.Record)
		seq, err := j.Commit(ctx, ch)
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	in := commit(1, func(*scanner.Record) {})
	commit(2, func(*scanner.Record) {})
	out := commit(2, func(r *scanner.Record) { r.Direction = scanner.Exit })
	commit(3, func(r *scanner.Record) { r.Kind, r.Overridden = scanner.KindOverride, true })
	commit(4, func(r *scanner.Record) { r.Event = "matinee" })
	undo := func(of uint64) func(*scanner.Record) {
		return func(r *scanner.Record) { r.Kind, r.Of, r.Direction = scanner.KindUndo, of, "" }
	}
	commit(1, undo(in))
	commit(2, undo(out))
	j.Note(refusal(c, 5))
	review := refusal(c, 6)
	review.Verdict, review.Reason = scanner.Review, scanner.NoList
	j.Note(review)
	if err := j.flush(ctx); err != nil {
		t.Fatal(err)
	}
	want := []Tally{
		{Event: "matinee", Entries: 1, Inside: 1},
		{Event: "show", Entries: 3, Exits: 1, Inside: 2, Refused: 1, Overridden: 1, Undone: 2},
	}
	if diff := cmp.Diff(want, j.Status().Tallies); diff != "" {
		t.Errorf("tallies:\n%s", diff)
	}
	if err := j.closeStore(); err != nil {
		t.Fatal(err)
	}
	j = open(t, opts)
	if diff := cmp.Diff(want, j.Status().Tallies); diff != "" {
		t.Errorf("tallies after a crash:\n%s", diff)
	}
}

// A fate tells the last person who decided; history tells all of them, and nothing
// is decided that it does not tell.
func TestHistoryTellsWhoDecided(t *testing.T) {
	ctx := context.Background()
	opts := options(stateDir(t))
	j := open(t, opts)
	seq, conflict := admit(t, j, 1, scanner.FatePending), admit(t, j, 2, scanner.FatePending)
	another := admit(t, j, 3, scanner.FateParked)
	park := []scanner.Settlement{{Seq: seq, To: scanner.FateParked, Detail: "no"}, {Seq: conflict, To: scanner.FateConflict}}
	do := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	before := j.Status().Tallies
	do(j.Settle(ctx, park))
	do(j.Requeue(ctx, seq, "ann"), j.Settle(ctx, park[:1]))
	n, err := j.RequeueAll(ctx, "ben")
	do(err, j.Settle(ctx, append(park[:1], scanner.Settlement{Seq: another, To: scanner.FateTaken})))
	do(j.Acknowledge(ctx, seq, "eve"), j.Acknowledge(ctx, conflict, "fay"))
	if n != 2 {
		t.Errorf("%d requeued, want 2", n)
	}
	// Refused, and so not told.
	for _, err := range []error{j.Requeue(ctx, seq, "gus"), j.Acknowledge(ctx, another, "gus"), j.Requeue(ctx, 99, "gus")} {
		if err == nil {
			t.Error("decided what cannot be")
		}
	}

	type decision struct {
		Kind scanner.Kind
		By   string
		Of   uint64
	}
	want := []decision{
		{scanner.KindRequeue, "ann", seq}, {scanner.KindRequeue, "ben", seq}, {scanner.KindRequeue, "ben", another},
		{scanner.KindAcknowledge, "eve", seq}, {scanner.KindAcknowledge, "fay", conflict},
	}
	check := func(when string) {
		t.Helper()
		var got []decision
		ids := map[string]bool{}
		for _, e := range history(t, j) {
			if e.Of == 0 {
				continue
			}
			got = append(got, decision{e.Kind, e.By, e.Of})
			of, err := j.Entry(e.Of)
			if err != nil {
				t.Fatal(err)
			}
			if e.Code != of.Code || e.Scope != of.Scope || e.Direction != of.Direction || e.Scanner != of.Scanner || e.Ticket == nil || *e.Ticket != *of.Ticket {
				t.Errorf("%s: %s of %d is about %+v", when, e.Kind, e.Of, e.Record)
			}
			if ids[e.ID] || e.ID == "" || e.At == (scanner.Stamp{}) || e.Verdict != "" || e.Fate != scanner.FateNone {
				t.Errorf("%s: %s of %d is kept as %+v", when, e.Kind, e.Of, e)
			}
			ids[e.ID] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		if diff := cmp.Diff(before, j.Status().Tallies); diff != "" {
			t.Errorf("%s: counted as scans (-want +got):\n%s", when, diff)
		}
		if recent, _ := j.Recent(); recent["lane-1"].Seq != another {
			t.Errorf("%s: the newest admission is %d, want %d", when, recent["lane-1"].Seq, another)
		}
	}
	check("at once")
	closeAndCheck(t, j)
	j = open(t, opts)
	check("after a restart")
}

// A decision that the disk refused is neither done nor told.
func TestADecisionIsStoredWithItsRecordOrNotAtAll(t *testing.T) {
	ctx := context.Background()
	for name, decide := range map[string]func(*Journal, uint64) error{
		"requeue":     func(j *Journal, seq uint64) error { return j.Requeue(ctx, seq, "ann") },
		"requeue all": func(j *Journal, _ uint64) error { _, err := j.RequeueAll(ctx, "ann"); return err },
		"acknowledge": func(j *Journal, seq uint64) error { return j.Acknowledge(ctx, seq, "ann") },
	} {
		t.Run(name, func(t *testing.T) {
			j := open(t, options(stateDir(t)))
			seq := admit(t, j, 1, scanner.FateParked)
			for _, fault := range []func(*bbolt.Tx) error{broken, liar} {
				j.db.commit = fault
				if err := decide(j, seq); !errors.Is(err, scanner.ErrNotStored) {
					t.Fatalf("on a failing disk: %v", err)
				}
				check := func() {
					t.Helper()
					if got := fateOf(t, j, seq); got != scanner.FateParked || len(history(t, j)) != 1 {
						t.Errorf("it is %q, and history has %d records", got, len(history(t, j)))
					}
				}
				check()
				// The disk is well again, and what the failed commit left is put back.
				if err := j.flush(ctx); err != nil {
					t.Fatal(err)
				}
				if err := j.submit(ctx, &request{}); err != nil {
					t.Fatal(err)
				}
				check()
			}
			if err := decide(j, seq); err != nil {
				t.Fatal(err)
			}
			if len(history(t, j)) != 2 {
				t.Errorf("history has %d records", len(history(t, j)))
			}
		})
	}
}

// The time that the vendor was told stands for as long as a sending may have
// reached it, over any restart.
func TestTheTimeSentAs(t *testing.T) {
	ctx := context.Background()
	send := func(as time.Time) func(*Journal, uint64) error {
		return func(j *Journal, seq uint64) error { return j.Sent(ctx, []scanner.Sending{{Seq: seq, As: as}}) }
	}
	settle := func(to scanner.Fate) func(*Journal, uint64) error {
		return func(j *Journal, seq uint64) error { return j.Settle(ctx, []scanner.Settlement{{Seq: seq, To: to}}) }
	}
	requeue := func(j *Journal, seq uint64) error { return j.Requeue(ctx, seq, "ann") }
	one := noon.Add(1500*time.Millisecond + 1)
	type step = func(*Journal, uint64) error
	for name, tc := range map[string]struct {
		steps []step
		want  time.Time
	}{
		"never sent":                  {nil, time.Time{}},
		"sent":                        {[]step{send(one)}, one},
		"sent, and not taken":         {[]step{send(one), settle(scanner.FatePending)}, time.Time{}},
		"sent, and parked":            {[]step{send(one), settle(scanner.FateParked)}, time.Time{}},
		"lost, and then not taken":    {[]step{send(one), send(one), settle(scanner.FatePending)}, one},
		"lost, then parked, requeued": {[]step{send(one), send(one), settle(scanner.FateParked), requeue}, one},
		"taken":                       {[]step{send(one), settle(scanner.FateTaken)}, one},
		"not taken, then as another":  {[]step{send(one), settle(scanner.FatePending), send(noon)}, noon},
	} {
		t.Run(name, func(t *testing.T) {
			opts := options(stateDir(t))
			j := open(t, opts)
			seq := admit(t, j, 1, scanner.FatePending)
			for _, step := range tc.steps {
				if err := step(j, seq); err != nil {
					t.Fatal(err)
				}
			}
			for _, when := range []string{"at once", "after a restart"} {
				if e, err := j.Entry(seq); err != nil || !e.SentAs.Equal(tc.want) {
					t.Errorf("%s: sent as %v, %v, want %v", when, e.SentAs, err, tc.want)
				}
				closeAndCheck(t, j)
				j = open(t, opts)
			}
		})
	}
}

// sendings are entries that leave as scanned at noon.
func sendings(seqs ...uint64) []scanner.Sending {
	list := make([]scanner.Sending, len(seqs))
	for i, seq := range seqs {
		list[i] = scanner.Sending{Seq: seq, As: noon}
	}
	return list
}

// audited takes the newest records, which must be a person's decisions about
// others, into the model's history.
func (m *model) audited(t *rapid.T, kind scanner.Kind, by string, of ...uint64) {
	newest, err := m.j.Since(context.Background(), m.maxSeq, 1000)
	if err != nil || len(newest) != len(of) {
		t.Fatalf("%d records of %s %v, %v", len(newest), kind, of, err)
	}
	for i, e := range newest {
		if e.Kind != kind || e.By != by || e.Of != of[i] || e.Movement() || e.Verdict != "" {
			t.Fatalf("%s %d by %s is kept as %+v", kind, of[i], by, e.Record)
		}
		m.appended(t, e.Seq, e.Record)
	}
}
