package journal

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
)

const day = 24 * time.Hour

func sweep(t *testing.T, j *Journal) {
	t.Helper()
	if err := j.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestMarksEnd(t *testing.T) {
	ctx := context.Background()
	opts := options(stateDir(t))
	c := opts.Clock.(*clock)
	j := open(t, opts)
	const plain, pending, ending, permit = 1, 2, 3, 4
	admit(t, j, plain, scanner.FateConfirmed)
	owed := admit(t, j, pending, scanner.FatePending)
	for ticket, edit := range map[int]func(*scanner.Mark){
		ending: func(m *scanner.Mark) { m.EventEnds = noon.Add(3 * day) },
		permit: func(m *scanner.Mark) { m.Permit, m.Conflict = scanner.Entry, true },
	} {
		ch := entryChange(t, j, c, ticket, scanner.FateConfirmed)
		edit(ch.Mark)
		if _, err := j.Commit(ctx, ch); err != nil {
			t.Fatal(err)
		}
	}
	left := func() []int {
		var list []int
		for _, n := range []int{plain, pending, ending, permit} {
			if mark(t, j, n).Rev > 0 {
				list = append(list, n)
			}
		}
		return list
	}
	for _, step := range []struct {
		name string
		wait time.Duration
		do   func()
		want []int
	}{
		{name: "at once", want: []int{plain, pending, ending, permit}},
		{name: "just before forget_after", wait: day - time.Minute, want: []int{plain, pending, ending, permit}},
		{name: "after forget_after", wait: 2 * time.Minute, want: []int{pending, ending}},
		{name: "an open mark never ends", wait: 2 * day, want: []int{pending, ending}},
		{name: "24 h after the event's end", wait: day, want: []int{pending}},
		{name: "once it is acknowledged", do: func() {
			if err := j.Settle(ctx, []scanner.Settlement{{Seq: owed, To: scanner.FateTaken}}); err != nil {
				t.Fatal(err)
			}
		}, want: nil},
	} {
		c.advance(step.wait)
		if step.do != nil {
			step.do()
		}
		sweep(t, j)
		if got := left(); !cmp.Equal(got, step.want) {
			t.Errorf("%s: marks %v are left, want %v", step.name, got, step.want)
		}
	}
}

// TestMarksAndTheClock: without a trusted time only what passed in this boot
// counts.
func TestMarksAndTheClock(t *testing.T) {
	for name, tc := range map[string]struct {
		anchored bool
		off      time.Duration
		then     time.Duration
		ended    bool
	}{
		"another boot, no trusted time": {off: 30 * day},
		"another boot, trusted":         {off: 30 * day, anchored: true, ended: true},
		"another boot, trusted, early":  {off: time.Hour, anchored: true},
	} {
		t.Run(name, func(t *testing.T) {
			opts := options(stateDir(t))
			c := opts.Clock.(*clock)
			j := open(t, opts)
			admit(t, j, 1, scanner.FateConfirmed)
			c.reboot("boot-2", tc.off, tc.anchored)
			sweep(t, j)
			if ended := mark(t, j, 1).Rev == 0; ended != tc.ended {
				t.Errorf("ended %v, want %v", ended, tc.ended)
			}
			if kept := len(history(t, j)) == 1; kept == tc.ended {
				t.Errorf("history kept %v, want %v", kept, !tc.ended)
			}
		})
	}
	t.Run("the same boot, untrusted", func(t *testing.T) {
		opts := options(stateDir(t))
		c := opts.Clock.(*clock)
		delete(c.anchored, "boot-1")
		j := open(t, opts)
		admit(t, j, 1, scanner.FateConfirmed)
		c.advance(day + time.Second)
		sweep(t, j)
		if m := mark(t, j, 1); m.Rev != 0 {
			t.Errorf("mark is left: %+v", m)
		}
	})
}

func TestHistoryIsPruned(t *testing.T) {
	ctx := context.Background()
	opts := options(stateDir(t))
	c := opts.Clock.(*clock)
	j := open(t, opts)
	fates := []scanner.Fate{scanner.FateConfirmed, scanner.FatePending, scanner.FateParked, scanner.FateKept}
	var old []uint64
	for n, f := range fates {
		old = append(old, admit(t, j, n, f))
	}
	for n := range 300 {
		j.Note(refusal(c, n))
	}
	// An untrusted record between trusted ones goes with them.
	odd := refusal(c, 1)
	odd.At = scanner.Stamp{Wall: time.Unix(0, 0), Boot: "lost"}
	j.Note(odd)
	j.Note(refusal(c, 1))
	if err := j.flush(ctx); err != nil {
		t.Fatal(err)
	}
	c.advance(opts.Keep / 2)
	young := admit(t, j, 50, scanner.FateConfirmed)
	before := j.Status()

	sweep(t, j)
	if got := len(history(t, j)); got != len(fates)+303 {
		t.Errorf("%d records are left of a young history", got)
	}
	c.advance(opts.Keep/2 + time.Minute)
	sweep(t, j)
	want := append(old[1:len(old):len(old)], young)
	if got := seqsOf(history(t, j)); !cmp.Equal(got, want) {
		t.Errorf("left are %v, want what is owed, what is kept and what is young: %v", got, want)
	}
	if diff := cmp.Diff(before.Tallies, j.Status().Tallies); diff != "" {
		t.Errorf("pruning changed the tallies:\n%s", diff)
	}
	// The counts hold over a crash.
	if err := j.closeStore(); err != nil {
		t.Fatal(err)
	}
	checkFile(t, opts.Dir)
	j = open(t, opts)
	if diff := cmp.Diff(before.Tallies, j.Status().Tallies); diff != "" {
		t.Errorf("a crash after pruning changed the tallies:\n%s", diff)
	}
	if s := j.Status(); s.Pending != 1 || s.Parked != 1 {
		t.Errorf("status after a crash: %+v", s)
	}
	if err := j.Settle(ctx, []scanner.Settlement{{Seq: old[1], To: scanner.FateTaken}}); err != nil {
		t.Fatal(err)
	}
	c.advance(opts.Keep)
	sweep(t, j)
	if got := seqsOf(history(t, j)); !cmp.Equal(got, old[2:]) {
		t.Errorf("at last %v are left, want %v", got, old[2:])
	}
}

func TestTalliesEndWithTheirHistory(t *testing.T) {
	opts := options(stateDir(t))
	c := opts.Clock.(*clock)
	j := open(t, opts)
	admit(t, j, 1, scanner.FateConfirmed)
	c.advance(opts.Keep + time.Minute)
	sweep(t, j)
	if s := j.Status(); len(s.Tallies) != 0 {
		t.Errorf("tallies: %+v", s.Tallies)
	}
	closeAndCheck(t, j)
	j = open(t, opts)
	if s := j.Status(); len(s.Tallies) != 0 {
		t.Errorf("tallies after a restart: %+v", s.Tallies)
	}
}

func TestAttemptsAreSwept(t *testing.T) {
	ctx := context.Background()
	opts := options(stateDir(t))
	c := opts.Clock.(*clock)
	j := open(t, opts)
	add := func(ticket int) uint64 {
		id, err := j.Attempt(ctx, Attempt{Scope: scope, Code: code(ticket), Direction: scanner.Entry, Scanner: "lane-1", At: c.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	add(1)
	c.advance(opts.ForgetAfter - time.Minute)
	second := add(1)
	sweep(t, j) // what the vendor says may speak of the first for as long as a mark lives
	c.advance(2 * time.Minute)
	closeAndCheck(t, j)
	j = open(t, opts)
	if got := j.Attempts(scope, code(1)); len(got) != 2 || got[0].Scanner != "lane-1" {
		t.Errorf("attempts after a restart: %+v", got)
	}
	sweep(t, j)
	if got := j.Attempts(scope, code(1)); len(got) != 1 || got[0].ID != second {
		t.Errorf("attempts after a sweep: %+v", got)
	}
	// The first verdict that uses it spends it.
	ch := entryChange(t, j, c, 1, scanner.FateConfirmed)
	ch.SpendAttempt = second
	if _, err := j.Commit(ctx, ch); err != nil {
		t.Fatal(err)
	}
	ch.Mark.Rev++
	if _, err := j.Commit(ctx, ch); err == nil {
		t.Error("an attempt was spent twice")
	}
	if next := add(2); next <= second {
		t.Errorf("attempt id %d after %d", next, second)
	}
	for _, later := range []time.Duration{0, opts.ForgetAfter} {
		c.reboot("boot-2", time.Hour+later, true)
		sweep(t, j)
		if got := j.Attempts(scope, code(2)); (len(got) == 0) != (later > 0) {
			t.Errorf("attempts of an earlier boot, %v later: %+v", later, got)
		}
	}
}

// TestAttemptsAreBounded: a vendor that never answers must not fill the memory.
func TestAttemptsAreBounded(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	const more = 150
	err := j.submit(context.Background(), &request{apply: func(b *batch) error {
		for id := uint64(1); id <= maxAttempts+more; id++ {
			a := Attempt{ID: id, Scope: scope, Code: code(int(id)), Direction: scanner.Entry, At: opts.Clock.Now()}
			if err := b.encode(bucketAttempts, kindAttempt, hintNone, seqKey(id), a); err != nil {
				return err
			}
			b.effect(func(ix *index) { ix.addAttempt(a) })
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	sweep(t, j)
	if got := len(j.index.attemptOf); got != maxAttempts || len(j.index.attempts) != got {
		t.Errorf("%d attempts of %d tickets, want %d", got, len(j.index.attempts), maxAttempts)
	}
	if len(j.Attempts(scope, code(more))) != 0 || len(j.Attempts(scope, code(more+1))) != 1 {
		t.Error("it is not the oldest that went")
	}
}

// TestMarksEndWhenTheListShowsThem: the list says the same by then; what it
// cannot say stays.
func TestMarksEndWhenTheListShowsThem(t *testing.T) {
	opts := options(stateDir(t))
	c := opts.Clock.(*clock)
	const shown, unshown, left, owed = 1, 2, 3, 4
	opts.Used = func(_ scanner.Scope, c scanner.Code) bool { return c != code(unshown) }
	j := open(t, opts)
	admit(t, j, shown, scanner.FateConfirmed)
	admit(t, j, unshown, scanner.FateConfirmed)
	admit(t, j, owed, scanner.FatePending)
	ch := entryChange(t, j, c, left, scanner.FateConfirmed)
	ch.Mark.Exited = true
	if _, err := j.Commit(context.Background(), ch); err != nil {
		t.Fatal(err)
	}
	c.advance(undoable - time.Minute)
	sweep(t, j)
	if mark(t, j, shown).Rev == 0 {
		t.Error("gone while a person may still undo it")
	}
	c.advance(2 * time.Minute)
	sweep(t, j)
	for ticket, want := range map[int]bool{shown: false, unshown: true, left: true, owed: true} {
		if got := mark(t, j, ticket).Rev > 0; got != want {
			t.Errorf("ticket %d: mark %v, want %v", ticket, got, want)
		}
	}
}
