package journal

import (
	"context"
	"errors"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"usher/scanner"
)

// attempt opens one, or closes one with a verdict.
func (m *model) attempt(t *rapid.T) {
	n := rapid.IntRange(0, 5).Draw(t, "ticket")
	for id, at := range m.tried {
		if at.ticket == n {
			if err := m.j.CloseAttempt(context.Background(), id); err != nil {
				t.Fatal(err)
			}
			delete(m.tried, id)
			return
		}
	}
	id, err := m.j.Attempt(context.Background(), Attempt{Scope: scope, Code: code(n), Direction: scanner.Entry, At: m.clock.Now()})
	if err != nil {
		t.Fatal(err)
	}
	m.tried[id] = attempted{ticket: n, at: m.clock.Now()}
}

// someAttempt draws an open attempt, or one that was never made.
func (m *model) someAttempt(t *rapid.T) (id uint64, open bool) {
	ids := slices.Sorted(maps.Keys(m.tried))
	id = rapid.SampledFrom(append(ids, 1_000_000)).Draw(t, "attempt")
	_, open = m.tried[id]
	return id, open
}

// spend admits on the strength of an attempt, which serves one verdict only.
func (m *model) spend(t *rapid.T) {
	id, open := m.someAttempt(t)
	n := rapid.IntRange(0, 5).Draw(t, "ticket")
	if open {
		n = m.tried[id].ticket
	}
	ch := m.change(n, scanner.Entry, scanner.FateConfirmed)
	ch.SpendAttempt = id
	seq, err := m.j.Commit(context.Background(), ch)
	if !open {
		if !errors.Is(err, scanner.ErrChanged) {
			t.Fatalf("an attempt that is not open was spent: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	delete(m.tried, id)
	m.entered(t, seq, n, ch)
}

// entered makes the model follow an admission.
func (m *model) entered(t *rapid.T, seq uint64, ticket int, ch scanner.Change) {
	m.appended(t, seq, ch.Record)
	mark := *ch.Mark
	mark.Rev++
	mark.Last = seq
	m.marks[ticket] = mark
	m.counted = append(m.counted, seq)
	m.tally.Entries++
	m.tally.Inside++
}

// late keeps a vendor's late yes with its attempt.
func (m *model) late(t *rapid.T) {
	id, open := m.someAttempt(t)
	if err := m.j.AdmitAttempt(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	if open {
		at := m.tried[id]
		at.admitted = true
		m.tried[id] = at
	}
}

// override admits what was refused, on behalf of a person.
func (m *model) override(t *rapid.T) {
	n := rapid.IntRange(0, 5).Draw(t, "ticket")
	ch := m.change(n, scanner.Entry, scanner.FatePending)
	ch.Record.Kind, ch.Record.Overridden, ch.Record.By = scanner.KindOverride, true, "ann"
	seq, err := m.j.Commit(context.Background(), ch)
	if err != nil {
		t.Fatal(err)
	}
	m.entered(t, seq, n, ch)
	m.tally.Overridden++
}
