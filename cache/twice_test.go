package cache_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"usher/cache"
	"usher/cache/seal"
	"usher/scanner"
)

func openTold(t *testing.T, dir string, told func()) *cache.Store {
	t.Helper()
	key, err := seal.New(secret)
	if err != nil {
		t.Fatal(err)
	}
	s, err := cache.Open(cache.Options{Dir: dir, Key: key, Log: slog.New(slog.DiscardHandler), OnDamage: told})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestATicketListedTwice by a vendor: the same is one ticket, and what differs is
// for a supervisor.
func TestATicketListedTwice(t *testing.T) {
	var log bytes.Buffer
	key, err := seal.New(secret)
	if err != nil {
		t.Fatal(err)
	}
	s, err := cache.Open(cache.Options{Dir: t.TempDir(), Key: key, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	voided := sample(7)
	voided.Status = scanner.StatusVoided
	moved := sample(2999)
	moved.Seat = "another"
	// The differing one first, last and between.
	list := append(samples(3000), sample(5), sample(5), voided, sample(7), moved, sample(0))
	if err := s.Build(t.Context(), &cache.Meta{Scope: scope, Repeats: true}, rows(list...), nil); err != nil {
		t.Fatal(err)
	}
	if n := s.List(scope).Count; n != 3000 {
		t.Errorf("%d tickets, want 3000", n)
	}
	for i := range 3000 {
		got, found := s.Lookup(scope, sample(i).Code)
		want := scanner.StatusValid
		if i == 7 || i == 2999 {
			want = scanner.StatusTwice
		}
		if found != scanner.Listed || got.Status != want || got.ID != sample(i).ID {
			t.Errorf("ticket %d: %v, %+v", i, found, got)
		}
	}
	if !strings.Contains(log.String(), "same=3 differing=2") {
		t.Errorf("log: %s", log.String())
	}
}

// TestTwiceIsForASupervisor, whatever the two records say.
func TestTwiceIsForASupervisor(t *testing.T) {
	ticket := sample(1)
	ticket.Status = scanner.StatusTwice
	facts := scanner.Facts{
		Direction: scanner.Entry, Found: scanner.Listed, Ticket: ticket,
		Rule: scanner.Rule{Kind: scanner.External, Event: "another", Sections: []string{"another"}},
		List: scanner.ListState{Loaded: true, Complete: true, Fresh: true},
	}
	if d := scanner.Decide(facts); d.Reason != scanner.DamagedRecord || d.Verdict != scanner.Review || !strings.Contains(d.Message(ticket.ValidFrom, nil), "lists this ticket twice") {
		t.Errorf("got %+v: %s", d, d.Message(ticket.ValidFrom, nil))
	}
	if _, elsewhere := facts.Elsewhere(); elsewhere {
		t.Error("the vendor, who may know better, would not be asked")
	}
}
