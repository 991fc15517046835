package journal

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"usher/scanner"
)

// attempted is an open attempt.
type attempted struct {
	ticket   int
	at       scanner.Stamp
	admitted bool
}

// model is what the journal must say, kept the simple way.
type model struct {
	dir   string
	opts  Options
	clock *clock
	j     *Journal
	marks map[int]scanner.Mark
	log   []scanner.Record
	fates map[uint64]scanner.Fate
	sent  map[uint64]int
	seen  map[uint64]string
	tally Tally
	tried map[uint64]attempted
	// counted are the records that count, pruned ones too.
	counted []uint64
	maxSeq  uint64
}

// TestModel does at random what engine, uploader and people do, restarts, failing
// and full disks included, and compares every answer with the model. Where it
// fails, rapid prints the seed, the shortest run of actions that fails and what to
// call to see it again (-rapid.seed=N); -rapid.checks=N asks for more than 60.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "journal")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		m := &model{
			dir: dir, opts: options(dir), marks: make(map[int]scanner.Mark), fates: make(map[uint64]scanner.Fate),
			sent: make(map[uint64]int), seen: make(map[uint64]string), tried: make(map[uint64]attempted),
		}
		m.clock = m.opts.Clock.(*clock)
		m.tally.Event = scope.Event
		m.open(t)
		defer func() { m.j.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"":           m.check,
			"entry":      func(t *rapid.T) { m.move(t, scanner.Entry, nil) },
			"exit":       func(t *rapid.T) { m.move(t, scanner.Exit, nil) },
			"failing":    m.failing,
			"note":       m.note,
			"settle":     m.settle,
			"send":       m.send,
			"requeue":    m.requeue,
			"requeueAll": m.requeueAll,
			"accept":     m.acknowledge,
			"withdraw":   m.withdraw,
			"override":   m.override,
			"attempt":    m.attempt,
			"spend":      m.spend,
			"late":       m.late,
			"full":       m.full,
			"giveWay":    m.giveWay,
			"sweep":      m.sweep,
			"snapshot":   m.snapshot,
			"count":      m.count,
			"reopen":     m.reopen,
			"crash":      m.crash,
		})
		if err := m.j.Close(); err != nil {
			t.Fatal(err)
		}
		checkFile(t, dir)
	})
}

func (m *model) open(t *rapid.T) {
	j, err := Open(m.opts)
	if err != nil {
		t.Fatal(err)
	}
	m.j = j
}

func (m *model) change(ticket int, way scanner.Direction, fate scanner.Fate) scanner.Change {
	mark := m.marks[ticket]
	rec := record(m.clock, ticket, fate)
	rec.Direction = way
	before := mark
	rec.Before = &before
	mark.Entered = mark.Entered || way == scanner.Entry
	mark.Exited = way == scanner.Exit
	mark.Last, mark.LastAt, mark.Undone = scanner.SelfSeq, rec.At, false
	if fate == scanner.FatePending || fate == scanner.FateParked {
		mark.Open++
	}
	mark.Kept = mark.Kept || fate == scanner.FateKept
	return scanner.Change{Record: rec, Mark: &mark}
}

// move commits a movement, sometimes on a state that is gone.
func (m *model) move(t *rapid.T, way scanner.Direction, fault func()) {
	ticket := rapid.IntRange(0, 5).Draw(t, "ticket")
	fate := rapid.SampledFrom([]scanner.Fate{
		scanner.FatePending, scanner.FatePending, scanner.FateConfirmed, scanner.FateKept, scanner.FateParked,
	}).Draw(t, "fate")
	ch := m.change(ticket, way, fate)
	stale := rapid.IntRange(0, 9).Draw(t, "stale") == 0
	if stale {
		ch.Mark.Rev += 3
	}
	if fault != nil {
		fault()
	}
	seq, err := m.j.Commit(context.Background(), ch)
	switch {
	case fault != nil:
		if !errors.Is(err, scanner.ErrNotStored) && !(stale && errors.Is(err, scanner.ErrChanged)) {
			t.Fatalf("commit on a failing disk: %v", err)
		}
		if !stale {
			// What was put back is a revision of its own.
			defer m.readRev(t, ticket)
		}
		return
	case stale:
		if !errors.Is(err, scanner.ErrChanged) {
			t.Fatalf("stale commit: %v", err)
		}
		return
	case err != nil:
		t.Fatal(err)
	}
	m.appended(t, seq, ch.Record)
	mark := *ch.Mark
	mark.Rev++
	mark.Last = seq
	m.marks[ticket] = mark
	m.counted = append(m.counted, seq)
	if way == scanner.Entry {
		m.tally.Entries++
		m.tally.Inside++
	} else {
		m.tally.Exits++
		m.tally.Inside--
	}
}

func (m *model) appended(t *rapid.T, seq uint64, rec scanner.Record) {
	if seq <= m.maxSeq {
		t.Fatalf("seq %d after %d", seq, m.maxSeq)
	}
	m.maxSeq = seq
	rec.Seq = seq
	m.log = append(m.log, rec)
	m.fates[seq] = rec.Fate
}

// readRev takes the revision from the journal; everything else must be as it
// was.
func (m *model) readRev(t *rapid.T, ticket int) {
	got, err := m.j.Mark(scope, code(ticket))
	if err != nil {
		t.Fatal(err)
	}
	want := m.marks[ticket]
	want.Rev = got.Rev
	if got != want {
		t.Fatalf("after a failed commit mark %d is %+v, want %+v", ticket, got, want)
	}
	m.marks[ticket] = want
}

func (m *model) failing(t *rapid.T) {
	fault := rapid.SampledFrom([]string{"liar", "broken"}).Draw(t, "fault")
	m.move(t, scanner.Entry, func() {
		m.j.db.commit = liar
		if fault == "broken" {
			m.j.db.commit = broken
		}
	})
	m.check(t)
	if m.j.failure == nil {
		// The commit was refused before it met the disk: make it healthy.
		m.j.db.commit = broken
		_ = m.j.flush(context.Background())
	}
	if err := m.j.submit(context.Background(), &request{}); err != nil {
		t.Fatal(err)
	}
	m.j.db.commit = (*bbolt.Tx).Commit
	for ticket := range m.marks {
		m.readRev(t, ticket)
	}
}

func (m *model) note(t *rapid.T) {
	rec := refusal(m.clock, rapid.IntRange(0, 5).Draw(t, "ticket"))
	m.appended(t, m.j.Note(rec), rec)
	m.counted = append(m.counted, m.maxSeq)
	m.tally.Refused++
}

// pick draws a seq of the log, of any fate.
func (m *model) pick(t *rapid.T) (scanner.Record, bool) {
	if len(m.log) == 0 {
		return scanner.Record{}, false
	}
	rec := rapid.SampledFrom(m.log).Draw(t, "record")
	return rec, true
}

func (m *model) ticket(rec scanner.Record) int {
	for n := range 6 {
		if code(n) == rec.Code {
			return n
		}
	}
	return -1
}

// close lowers the mark's count of open movements.
func (m *model) close(rec scanner.Record, conflict bool) {
	n := m.ticket(rec)
	mark := m.marks[n]
	mark.Rev++
	mark.Open--
	mark.Conflict = mark.Conflict || conflict && rec.Direction == scanner.Entry
	m.marks[n] = mark
}

// arrive is what was kept and reached the vendor all the same.
func (m *model) arrive(rec scanner.Record) {
	m.fates[rec.Seq] = scanner.FateConfirmed
	n := m.ticket(rec)
	if mark := m.marks[n]; mark.Kept && mark.Last == rec.Seq && !mark.Undone {
		mark.Rev++
		mark.Kept = rec.Before.Kept
		m.marks[n] = mark
	}
}

func (m *model) settle(t *rapid.T) {
	rec, ok := m.pick(t)
	if !ok {
		return
	}
	to := rapid.SampledFrom([]scanner.Fate{
		scanner.FateTaken, scanner.FateConfirmed, scanner.FateConflict, scanner.FateParked, scanner.FatePending,
	}).Draw(t, "to")
	if err := m.j.Settle(context.Background(), []scanner.Settlement{{Seq: rec.Seq, To: to, Detail: "words"}}); err != nil {
		t.Fatal(err)
	}
	if m.fates[rec.Seq] == scanner.FateKept && to == scanner.FateConfirmed {
		m.arrive(rec)
		return
	}
	if m.fates[rec.Seq] != scanner.FatePending {
		return
	}
	m.fates[rec.Seq] = to
	delete(m.seen, rec.Seq)
	switch to {
	case scanner.FatePending, scanner.FateParked:
		m.sent[rec.Seq] = max(0, m.sent[rec.Seq]-1)
	default:
		m.close(rec, to == scanner.FateConflict)
	}
}

func (m *model) send(t *rapid.T) {
	rec, ok := m.pick(t)
	if !ok {
		return
	}
	pending := m.withFate(scanner.FatePending)
	seqs := append(pending[:min(3, len(pending))], rec.Seq)
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	err := m.j.Sent(context.Background(), sendings(seqs...))
	noted := !slices.ContainsFunc(m.log, func(r scanner.Record) bool { return r.Seq == rec.Seq && r.Movement() })
	switch {
	case noted:
		if err == nil {
			t.Fatal("a note was sent")
		}
	case m.fates[rec.Seq] != scanner.FatePending:
		if !errors.Is(err, scanner.ErrChanged) {
			t.Fatalf("sent what is %q: %v", m.fates[rec.Seq], err)
		}
	case err != nil:
		t.Fatal(err)
	default:
		for _, seq := range seqs {
			m.sent[seq]++
		}
	}
}

func (m *model) requeue(t *rapid.T) {
	rec, ok := m.pick(t)
	if !ok {
		return
	}
	err := m.j.Requeue(context.Background(), rec.Seq, "ann")
	if m.fates[rec.Seq] != scanner.FateParked {
		if err == nil {
			t.Fatalf("requeued what is %q", m.fates[rec.Seq])
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.fates[rec.Seq], m.seen[rec.Seq] = scanner.FatePending, "ann"
	m.audited(t, scanner.KindRequeue, "ann", rec.Seq)
}

func (m *model) requeueAll(t *rapid.T) {
	parked := m.withFate(scanner.FateParked)
	n, err := m.j.RequeueAll(context.Background(), "ben")
	if err != nil || n != len(parked) {
		t.Fatalf("requeued %d of %d: %v", n, len(parked), err)
	}
	for _, seq := range parked {
		m.fates[seq], m.seen[seq] = scanner.FatePending, "ben"
	}
	m.audited(t, scanner.KindRequeue, "ben", parked...)
}

func (m *model) acknowledge(t *rapid.T) {
	rec, ok := m.pick(t)
	if !ok {
		return
	}
	err := m.j.Acknowledge(context.Background(), rec.Seq, "eve")
	fate := m.fates[rec.Seq]
	if fate != scanner.FateParked && fate != scanner.FateConflict {
		if err == nil {
			t.Fatalf("acknowledged what is %q", fate)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.seen[rec.Seq] = "eve"
	m.audited(t, scanner.KindAcknowledge, "eve", rec.Seq)
	if fate == scanner.FateParked {
		m.fates[rec.Seq] = scanner.FateAcknowledged
		m.close(rec, false)
	}
}

// withdraw undoes a movement in the outbox, as the engine does.
func (m *model) withdraw(t *rapid.T) {
	pending := m.withFate(scanner.FatePending)
	if len(pending) == 0 {
		return
	}
	seq := rapid.SampledFrom(pending).Draw(t, "seq")
	i := slices.IndexFunc(m.log, func(r scanner.Record) bool { return r.Seq == seq })
	was := m.log[i]
	n := m.ticket(was)
	mark := m.marks[n]
	mark.Open--
	mark.Undone = true
	undo := record(m.clock, n, scanner.FateNone)
	undo.Kind, undo.Of, undo.By, undo.Direction = scanner.KindUndo, seq, "ann", was.Direction
	got, err := m.j.Commit(context.Background(), scanner.Change{
		Record: undo, Mark: &mark,
		Fate: &scanner.FateChange{Seq: seq, From: scanner.FatePending, To: scanner.FateWithdrawn},
	})
	if m.sent[seq] > 0 {
		if !errors.Is(err, scanner.ErrNotPossible) {
			t.Fatalf("withdrew what was sent: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.appended(t, got, undo)
	m.fates[seq], m.seen[seq] = scanner.FateWithdrawn, undo.By
	mark.Rev++
	m.marks[n] = mark
	m.counted = append(m.counted, got)
	m.tally.Undone++
	if was.Direction == scanner.Exit {
		m.tally.Inside++
	} else {
		m.tally.Inside--
	}
}

func (m *model) snapshot(t *rapid.T) {
	if err := m.j.flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := m.j.snapshot(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// count writes a snapshot while marks are still fresh.
func (m *model) count(t *rapid.T) {
	if err := m.j.submit(context.Background(), &request{snapshot: true, marks: rapid.IntRange(0, 2).Draw(t, "marks")}); err != nil {
		t.Fatal(err)
	}
}

func (m *model) reopen(t *rapid.T) {
	if err := m.j.Close(); err != nil {
		t.Fatal(err)
	}
	checkFile(t, m.dir)
	m.open(t)
}

// crash ends the life without a close: notes that were not written are gone,
// their numbers are not given again.
func (m *model) crash(t *rapid.T) {
	m.j.mu.Lock()
	for _, lost := range m.j.notes {
		m.log = slices.DeleteFunc(m.log, func(r scanner.Record) bool { return r.Seq == lost.Seq })
		delete(m.fates, lost.Seq)
		m.tally.Refused--
		m.counted = slices.DeleteFunc(m.counted, func(seq uint64) bool { return seq == lost.Seq })
	}
	m.j.mu.Unlock()
	if err := m.j.closeStore(); err != nil {
		t.Fatal(err)
	}
	checkFile(t, m.dir)
	m.open(t)
}

func (m *model) withFate(f scanner.Fate) []uint64 {
	var seqs []uint64
	for _, rec := range m.log {
		if m.fates[rec.Seq] == f {
			seqs = append(seqs, rec.Seq)
		}
	}
	return seqs
}

// check compares everything the journal says.
func (m *model) check(t *rapid.T) {
	for n, want := range m.marks {
		got, err := m.j.Mark(scope, code(n))
		if err != nil || got != want {
			t.Fatalf("mark %d is %+v, %v, want %+v", n, got, err, want)
		}
	}
	var got []uint64
	err := m.j.Each(context.Background(), func(e Entry) error {
		got = append(got, e.Seq)
		if e.Fate != m.fates[e.Seq] || e.Sent != m.sent[e.Seq] || e.FateBy != m.seen[e.Seq] {
			t.Fatalf("record %d is %q sent %d by %q, want %q %d %q", e.Seq, e.Fate, e.Sent, e.FateBy, m.fates[e.Seq], m.sent[e.Seq], m.seen[e.Seq])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	var want []uint64
	for _, rec := range m.log {
		want = append(want, rec.Seq)
	}
	if !cmp.Equal(got, want) {
		t.Fatalf("history is %v, want %v", got, want)
	}
	pending, err := m.j.Outbox(1000)
	if err != nil || !cmp.Equal(seqsOf(pending), m.withFate(scanner.FatePending)) {
		t.Fatalf("outbox is %v, %v, want %v", seqsOf(pending), err, m.withFate(scanner.FatePending))
	}
	parked, err := m.j.Parked()
	if err != nil || !cmp.Equal(seqsOf(parked), m.withFate(scanner.FateParked)) {
		t.Fatalf("parked is %v, %v, want %v", seqsOf(parked), err, m.withFate(scanner.FateParked))
	}
	conflicts, err := m.j.Conflicts()
	unseen := slices.DeleteFunc(m.withFate(scanner.FateConflict), func(seq uint64) bool { return m.seen[seq] != "" })
	if err != nil || !slices.Equal(seqsOf(conflicts), unseen) {
		t.Fatalf("conflicts are %v, %v, want %v", seqsOf(conflicts), err, unseen)
	}
	s := m.j.Status()
	if s.Pending != len(pending) || s.Parked != len(parked) || s.Conflicts != len(unseen) {
		t.Fatalf("status %+v", s)
	}
	m.checkTally(t, s)
	open := 0
	for n := range 6 {
		for _, a := range m.j.Attempts(scope, code(n)) {
			open++
			if want := m.tried[a.ID]; want.ticket != n || want.admitted != a.Admitted {
				t.Fatalf("attempt %+v, want %+v", a, want)
			}
		}
	}
	if open != len(m.tried) {
		t.Fatalf("%d attempts are open, want %d", open, len(m.tried))
	}
	m.checkOpen(t)
}

func (m *model) checkTally(t *rapid.T, s Status) {
	want := m.tally
	m.j.mu.Lock()
	want.Refused -= len(m.j.notes)
	m.j.mu.Unlock()
	got := Tally{Event: scope.Event}
	if len(s.Tallies) > 0 {
		got = s.Tallies[0]
	}
	if got != want {
		t.Fatalf("tally is %+v, want %+v", got, want)
	}
}

// checkOpen: a mark's Open is the number of its movements that are owed.
func (m *model) checkOpen(t *rapid.T) {
	owed := make(map[int]int)
	for _, rec := range m.log {
		if f := m.fates[rec.Seq]; f == scanner.FatePending || f == scanner.FateParked {
			owed[m.ticket(rec)]++
		}
	}
	for n := range maps.Keys(m.marks) {
		if got := m.marks[n].Open; got != owed[n] {
			t.Fatalf("mark %d has %d open, owed are %d", n, got, owed[n])
		}
	}
}
