package main

import (
	"cmp"
	"os"
	"regexp"
	"slices"
	"time"

	"usher/scanner"
)

// gaveWay is the journal's word on history that it gave up for the room of new
// scans: settled records, up to this time.
var gaveWay = regexp.MustCompile(`history gives way to scans.* before=(\S+)`)

// given is the time up to which the daemon said that history gave way; zero: it
// did not.
func (w *world) given() time.Time {
	var last time.Time
	log, err := os.ReadFile(w.path("log"))
	if err != nil {
		return last
	}
	for _, m := range gaveWay.FindAllSubmatch(log, -1) {
		if at, err := time.Parse(time.RFC3339Nano, string(m[1])); err == nil && at.After(last) {
			last = at
		}
	}
	return last
}

// keep remembers an export, as a site does that wants its history longer than a
// small disk.
func (l *ledger) keep(rows []row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range rows {
		l.exported[r.ID] = r
	}
}

// whole adds to the journal's rows what gave way and stands in an earlier export.
// Only what was settled may give way: what was pending then counts as taken, and
// the vendor's record must bear that out.
func (w *world) whole(rows []row) []row {
	until := w.given()
	if until.IsZero() {
		return rows
	}
	have, undone := map[string]bool{}, map[uint64]bool{}
	for _, r := range rows {
		have[r.ID] = true
	}
	all := slices.Clone(rows)
	w.ledger.mu.Lock()
	for _, r := range w.ledger.exported {
		if !have[r.ID] && !r.At.After(until) {
			all = append(all, r)
		}
	}
	w.ledger.mu.Unlock()
	for _, r := range all {
		if r.Kind == string(scanner.KindUndo) {
			undone[r.Of] = true
		}
	}
	for i := range all {
		r := &all[i]
		if have[r.ID] || r.Fate != string(scanner.FatePending) {
			continue
		}
		r.Fate = string(scanner.FateTaken)
		if undone[r.Seq] {
			r.Fate = string(scanner.FateWithdrawn)
		}
	}
	slices.SortFunc(all, func(a, b row) int { return cmp.Compare(a.Seq, b.Seq) })
	return all
}
