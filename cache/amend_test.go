package cache_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/cache"
	"usher/scanner"
)

// loaded is a store with a list of the tickets, its cursor "1".
func loaded(tb testing.TB, dir string, tickets ...scanner.Ticket) *cache.Store {
	tb.Helper()
	s := open(tb, dir)
	meta := &cache.Meta{Scope: scope, Complete: true, Source: "list", Cursor: []byte("1"), Repeats: true}
	if err := s.Build(context.Background(), meta, rows(tickets...), nil); err != nil {
		tb.Fatal(err)
	}
	return s
}

// amend makes the changes to a list whose cursor is from; the next is to.
func amend(s *cache.Store, from, to string, tickets ...scanner.Ticket) (kept bool, err error) {
	meta := &cache.Meta{Scope: scope, Source: "list", Cursor: []byte(to)}
	err = s.Amend(context.Background(), []byte(from), meta, rows(tickets...), nil)
	return meta.Kept, err
}

func used(i int) scanner.Ticket {
	ticket := sample(i)
	ticket.Status = scanner.StatusUsed
	return ticket
}

// reporter is a test, or one round of one.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// holds fails the test where the list is not exactly the tickets. The codes of the
// first n samples are those that there may be.
func holds(tb reporter, s *cache.Store, n int, want map[scanner.Code]scanner.Ticket) {
	tb.Helper()
	if got := s.List(scope).Count; got != len(want) {
		tb.Errorf("%d tickets, want %d", got, len(want))
	}
	for i := range n {
		code := sample(i).Code
		got, found := s.Lookup(scope, code)
		ticket, there := want[code]
		ticket.ValidFrom, ticket.ValidUntil = ticket.ValidFrom.UTC(), ticket.ValidUntil.UTC()
		switch {
		case there != (found == scanner.Listed) || found == scanner.Damaged:
			tb.Errorf("ticket %d: %v, want it there: %v", i, found, there)
		case there && !cmp.Equal(got, ticket):
			tb.Errorf("ticket %d:\n%s", i, cmp.Diff(ticket, got))
		}
	}
}

func mapOf(tickets ...scanner.Ticket) map[scanner.Code]scanner.Ticket {
	all := map[scanner.Code]scanner.Ticket{}
	for _, ticket := range tickets {
		all[ticket.Code] = ticket
	}
	return all
}

// inode tells one generation's file from another.
func inode(tb testing.TB, dir string) fs.FileInfo {
	tb.Helper()
	info, err := os.Stat(filepath.Join(dir, "tickets.db"))
	if err != nil {
		tb.Fatal(err)
	}
	return info
}

func TestChangesAreMade(t *testing.T) {
	dir := t.TempDir()
	s := loaded(t, dir, samples(3000)...)
	want := mapOf(samples(3000)...)
	change := []scanner.Ticket{used(0), used(1500), used(2999), sample(3001), used(3002)}
	for _, ticket := range change {
		want[ticket.Code] = ticket
	}
	if kept, err := amend(s, "1", "2", change...); err != nil || kept {
		t.Fatal(kept, err)
	}
	for range 2 { // as built, and as opened again
		holds(t, s, 3100, want)
		if source, cursor, ok := s.Source(scope); !ok || source != "list" || string(cursor) != "2" || !s.List(scope).Complete {
			t.Errorf("source %q, cursor %q, %v, %+v", source, cursor, ok, s.List(scope))
		}
		s.Close()
		s = open(t, dir)
	}
	defer s.Close()
	if left := files(t, dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	// The next ones go on from there, and not from before.
	if _, err := amend(s, "1", "3", sample(4000)); !errors.Is(err, cache.ErrBase) {
		t.Errorf("from an old cursor: %v", err)
	}
	if _, err := amend(s, "2", "3", sample(4000)); err != nil || s.List(scope).Count != 3003 {
		t.Errorf("from the cursor: %v", err)
	}
}

// TestChangesThatAreKnown write nothing: deltas overlap.
func TestChangesThatAreKnown(t *testing.T) {
	dir := t.TempDir()
	s := loaded(t, dir, samples(50)...)
	defer s.Close()
	before := inode(t, dir)
	for name, list := range map[string][]scanner.Ticket{"none": nil, "known": {sample(3), sample(49), sample(3)}} {
		if kept, err := amend(s, "1", "2", list...); err != nil || !kept {
			t.Errorf("%s: %v, %v", name, kept, err)
		}
		if _, cursor, _ := s.Source(scope); !os.SameFile(before, inode(t, dir)) || string(cursor) != "1" {
			t.Errorf("%s: written, cursor %q", name, cursor)
		}
	}
	holds(t, s, 60, mapOf(samples(50)...))
}

// TestATicketChangedTwice in one delta and not the same is for a supervisor; what the
// list said does not count, and the next delta that speaks of it settles it.
func TestATicketChangedTwice(t *testing.T) {
	s := loaded(t, t.TempDir(), samples(5)...)
	defer s.Close()
	if _, err := amend(s, "1", "2", sample(3), used(3), used(2), used(2)); err != nil {
		t.Fatal(err)
	}
	want := mapOf(samples(5)...)
	twice := sample(3)
	twice.Status = scanner.StatusTwice
	want[twice.Code], want[used(2).Code] = twice, used(2)
	holds(t, s, 5, want)
	if _, err := amend(s, "2", "3", used(3)); err != nil {
		t.Fatal(err)
	}
	want[twice.Code] = used(3)
	holds(t, s, 5, want)
}

// TestOnlyTheRightListIsAmended: whatever else is there needs a whole list.
func TestOnlyTheRightListIsAmended(t *testing.T) {
	for name, c := range map[string]struct {
		meta   cache.Meta
		cursor string
		damage bool
	}{
		"another source": {meta: cache.Meta{Scope: scope, Source: "import"}, cursor: "1"},
		"another scope":  {meta: cache.Meta{Scope: scanner.Scope{Vendor: "v"}, Source: "list"}, cursor: "1"},
		"another cursor": {meta: cache.Meta{Scope: scope, Source: "list"}, cursor: "0"},
		"no cursor":      {meta: cache.Meta{Scope: scope, Source: "list"}},
		"damaged":        {meta: cache.Meta{Scope: scope, Source: "list"}, cursor: "1", damage: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := loaded(t, dir, samples(300)...)
			defer s.Close()
			if c.damage {
				path := filepath.Join(dir, "tickets.db")
				overwrite(t, path, make([]byte, inode(t, dir).Size()))
			}
			err := s.Amend(t.Context(), []byte(c.cursor), &c.meta, rows(used(1)), nil)
			if !errors.Is(err, cache.ErrBase) {
				t.Errorf("got %v", err)
			}
			if c.damage != s.Damaged(scope) {
				t.Errorf("damaged: %v", s.Damaged(scope))
			}
			if left := files(t, dir); len(left) != 1 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	s := open(t, t.TempDir())
	defer s.Close()
	if _, err := amend(s, "1", "2", sample(1)); !errors.Is(err, cache.ErrBase) {
		t.Errorf("no list: %v", err)
	}
}

// TestAFailedAmendmentChangesNothing: cut off, refused or called off.
func TestAFailedAmendmentChangesNothing(t *testing.T) {
	dir := t.TempDir()
	s := loaded(t, dir, samples(500)...)
	defer s.Close()
	before := inode(t, dir)
	cut := errors.New("connection reset")
	cancelled, cancel := context.WithCancel(t.Context())
	for name, c := range map[string]struct {
		ctx  context.Context
		feed cache.Feed
		want string
	}{
		"cut off": {t.Context(), func(add func(scanner.Ticket, string) error) error {
			return errors.Join(rows(used(1), used(2))(add), cut)
		}, "connection reset"},
		"refused": {t.Context(), func(func(scanner.Ticket, string) error) error { return cut }, "connection reset"},
		"cancelled": {cancelled, func(add func(scanner.Ticket, string) error) error {
			err := rows(used(1))(add)
			cancel()
			return err
		}, "context canceled"},
		"no code":         {t.Context(), rows(used(1), scanner.Ticket{}), "list.csv:2: a ticket without a code"},
		"error swallowed": {t.Context(), func(add func(scanner.Ticket, string) error) error { _ = add(scanner.Ticket{}, "x"); return nil }, "without a code"},
	} {
		err := s.Amend(c.ctx, []byte("1"), &cache.Meta{Scope: scope, Source: "list", Cursor: []byte("2")}, c.feed, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, cache.ErrBase) {
			t.Errorf("%s: %v", name, err)
		}
		if !os.SameFile(before, inode(t, dir)) || len(files(t, dir)) != 1 {
			t.Errorf("%s: the list changed, or something is left behind: %v", name, files(t, dir))
		}
	}
	holds(t, s, 510, mapOf(samples(500)...))
}

// TestTheSameListAgain is known by what it says, in whatever order, also after
// deltas; and never where one record differs.
func TestTheSameListAgain(t *testing.T) {
	again := func(t *testing.T, s *cache.Store, tickets ...scanner.Ticket) bool {
		t.Helper()
		meta := &cache.Meta{Scope: scope, Complete: true, Source: "list", Cursor: []byte("9"), Repeats: true, KeepSame: true}
		if err := s.Build(t.Context(), meta, rows(tickets...), nil); err != nil {
			t.Fatal(err)
		}
		return meta.Kept
	}
	shuffled := func(tickets ...scanner.Ticket) []scanner.Ticket {
		rand.Shuffle(len(tickets), func(i, j int) { tickets[i], tickets[j] = tickets[j], tickets[i] })
		return tickets
	}
	t.Run("no delta", func(t *testing.T) {
		s := loaded(t, t.TempDir(), samples(40)...)
		defer s.Close()
		if !again(t, s, shuffled(samples(40)...)...) {
			t.Error("written anew")
		}
		if again(t, s, append(samples(39), used(39))...) {
			t.Error("not written")
		}
	})
	t.Run("deltas", func(t *testing.T) {
		s := loaded(t, t.TempDir(), samples(40)...)
		defer s.Close()
		for i, list := range [][]scanner.Ticket{{used(7), sample(41)}, {sample(7), used(8)}, {used(7), used(41), sample(42), sample(42)}} {
			if _, err := amend(s, strconv.Itoa(i+1), strconv.Itoa(i+2), list...); err != nil {
				t.Fatal(err)
			}
		}
		now := samples(43)
		now[7], now[8], now[41] = used(7), used(8), used(41)
		whole := append(append([]scanner.Ticket{}, now[:40]...), now[41], now[42])
		if !again(t, s, shuffled(whole...)...) {
			t.Error("written anew, though the deltas had made it the same")
		}
		if again(t, s, shuffled(append(whole, sample(99))...)...) {
			t.Error("not written")
		}
	})
	// A sum of rows of which two had one code is none of the records.
	t.Run("listed twice", func(t *testing.T) {
		s := loaded(t, t.TempDir(), sample(1), sample(1), sample(2))
		defer s.Close()
		if !again(t, s, sample(1), sample(2), sample(1)) {
			t.Error("the same list was written anew")
		}
		if _, err := amend(s, "1", "2", used(1)); err != nil {
			t.Fatal(err)
		}
		if again(t, s, sample(1), used(1), sample(2)) {
			t.Error("not written: it would say that the ticket is used, and the list says it twice")
		}
	})
	t.Run("another source, or not complete", func(t *testing.T) {
		s := loaded(t, t.TempDir(), samples(4)...)
		defer s.Close()
		for _, meta := range []cache.Meta{
			{Scope: scope, Complete: true, Source: "other", KeepSame: true},
			{Scope: scope, Source: "other", KeepSame: true},
			{Scope: scope, Source: "other"},
		} {
			if err := s.Build(t.Context(), &meta, rows(samples(4)...), nil); err != nil || meta.Kept {
				t.Errorf("%+v: %v", meta, err)
			}
		}
	})
}
