package journal

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"usher/scanner"
)

// TestANotedMovementLeavesItsMark: what the vendor confirmed while the disk
// refused counts as entered after a restart too, as soon as its note is written;
// and a change of the ticket that came between is not undone by it.
func TestANotedMovementLeavesItsMark(t *testing.T) {
	for name, fault := range map[string]func(*bbolt.Tx) error{"liar": liar, "broken": broken} {
		t.Run(name, func(t *testing.T) {
			opts := options(stateDir(t))
			j := open(t, opts)
			c := opts.Clock.(*clock)
			stale := entryChange(t, j, c, 1, scanner.FateConfirmed)
			newer := admit(t, j, 1, scanner.FateConfirmed)
			j.NoteMoved(stale.Record, *stale.Mark)
			j.db.commit = fault
			ch := entryChange(t, j, c, 0, scanner.FateConfirmed)
			if _, err := j.Commit(context.Background(), ch); !errors.Is(err, scanner.ErrNotStored) {
				t.Fatalf("commit: %v", err)
			}
			noted := j.NoteMoved(ch.Record, *ch.Mark)
			closeAndCheck(t, j)
			j = open(t, opts)
			for ticket, want := range []uint64{noted, newer} {
				if m := mark(t, j, ticket); !m.Entered || m.Last != want {
					t.Errorf("ticket %d after a restart: %+v, want the movement %d", ticket, m, want)
				}
			}
		})
	}
}

// noteMoves notes an entry and then the exit that was decided on it.
func noteMoves(t *testing.T, j *Journal, ticket int) (exit uint64) {
	t.Helper()
	c := j.opts.Clock.(*clock)
	in := entryChange(t, j, c, ticket, scanner.FateConfirmed)
	entry := j.NoteMoved(in.Record, *in.Mark)
	if m := mark(t, j, ticket); !m.Entered || m.Last != entry {
		t.Errorf("right after the entry: %+v, want the movement %d", m, entry)
	}
	c.advance(time.Second)
	out := entryChange(t, j, c, ticket, scanner.FateConfirmed)
	out.Record.Direction, out.Mark.Exited = scanner.Exit, true
	return j.NoteMoved(out.Record, *out.Mark)
}

// TestTwoNotedMovementsOfATicket: both while the disk refused, each with its mark.
func TestTwoNotedMovementsOfATicket(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	exit := noteMoves(t, j, 1)
	for _, when := range []string{"noted", "written", "after a restart"} {
		switch when {
		case "written":
			admit(t, j, 2, scanner.FatePending) // takes them along
			if len(j.moved) != 0 {
				t.Errorf("%d tickets are still in memory", len(j.moved))
			}
		case "after a restart":
			closeAndCheck(t, j)
			j = open(t, opts)
		}
		if m := mark(t, j, 1); !m.Exited || m.Last != exit {
			t.Errorf("%s: %+v, want the movement %d", when, m, exit)
		}
	}
}

// TestNotedMovementsThatAreWrittenApart: a commit takes along only so many notes.
// The ticket's next movement may come before or after the second is written.
func TestNotedMovementsThatAreWrittenApart(t *testing.T) {
	for _, between := range []bool{false, true} {
		opts := options(stateDir(t))
		j := open(t, opts)
		for n := range ridingNotes - 1 {
			j.Note(refusal(opts.Clock.(*clock), n+10))
		}
		last := noteMoves(t, j, 1)
		admit(t, j, 2, scanner.FatePending)
		if j.waiting() != 1 {
			t.Fatalf("%d notes wait, want the exit alone", j.waiting())
		}
		if between {
			last = admit(t, j, 1, scanner.FatePending)
		}
		for range 2 {
			if m := mark(t, j, 1); !m.Exited || m.Last != last {
				t.Errorf("%d notes wait: %+v, want the movement %d", j.waiting(), m, last)
			}
			admit(t, j, 3, scanner.FatePending)
		}
		admit(t, j, 1, scanner.FatePending)
	}
}

// TestANotedMarkEndsLikeAnyOther, also where its note had to be dropped.
func TestANotedMarkEndsLikeAnyOther(t *testing.T) {
	for name, notes := range map[string]int{"written": 0, "dropped": maxNotes} {
		t.Run(name, func(t *testing.T) {
			opts := options(stateDir(t))
			j := open(t, opts)
			c := opts.Clock.(*clock)
			noteMoves(t, j, 1)
			for range notes {
				j.Note(scanner.Record{Scope: scope, Code: code(9), At: c.Now()})
			}
			sweep(t, j)
			if m := mark(t, j, 1); !m.Exited {
				t.Errorf("the same night: %+v", m)
			}
			c.advance(opts.ForgetAfter + time.Minute)
			for range 2 { // the first moves it to where the second ends it
				admit(t, j, 2, scanner.FatePending)
				if err := j.moveMarks(context.Background(), marksAtLast); err != nil {
					t.Fatal(err)
				}
				sweep(t, j)
			}
			if m := mark(t, j, 1); m != (scanner.Mark{}) {
				t.Errorf("after it was swept: %+v", m)
			}
			if len(j.moved) != 0 {
				t.Errorf("%d tickets are still in memory", len(j.moved))
			}
		})
	}
}

// TestUndoWaitsForTheNoteOfItsMovement: it is not on the disk yet.
func TestUndoWaitsForTheNoteOfItsMovement(t *testing.T) {
	j := open(t, options(stateDir(t)))
	exit := noteMoves(t, j, 1)
	m := mark(t, j, 1)
	undo := scanner.Change{
		Record: scanner.Record{Kind: scanner.KindUndo, Scope: scope, Code: code(1), By: "ann", Of: exit},
		Mark:   &m,
		Fate:   &scanner.FateChange{Seq: exit, From: scanner.FateConfirmed, To: scanner.FateUndone},
	}
	if _, err := j.Commit(context.Background(), undo); !errors.Is(err, scanner.ErrNotStored) {
		t.Errorf("while it waits: %v", err)
	}
	admit(t, j, 2, scanner.FatePending)
	m = mark(t, j, 1)
	if _, err := j.Commit(context.Background(), undo); err != nil {
		t.Errorf("once it is written: %v", err)
	}
}
