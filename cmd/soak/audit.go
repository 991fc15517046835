package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"usher/scanner"
)

const (
	// margin is what a verdict may take beyond patience: the machine has two busy
	// cores, and the daemon runs under the race detector. What the soak itself was
	// late in that time comes on top.
	margin = time.Second
	// clockError is the most that an event's time may be wrong: a Date has no parts
	// of a second.
	clockError = time.Second
	// journalHeals is how long after a full disk the journal may still be
	// unwritable: it tries every five seconds.
	journalHeals = 7 * time.Second
)

// difference is one thing that does not add up, and the ticket it is about.
type difference struct {
	text string
	code string
}

// audit compares the books. Every check is told what the run really did, so that
// only what nothing explains is a difference.
func (w *world) audit(b *books) []difference {
	a := &auditor{world: w, books: b, byID: map[string]row{}, byCode: map[string][]row{}}
	for _, text := range w.ledger.odd {
		a.differs("", "%s", text)
	}
	// The files must say what the daemon said before they are completed.
	a.graves()
	whole := w.whole(b.rows)
	if gone := len(whole) - len(b.rows); gone > 0 {
		w.ledger.counts["records that gave way on a full disk"] = gone
	}
	b.rows = whole
	for _, r := range b.rows {
		if _, twice := a.byID[r.ID]; twice {
			a.differs(r.Code, "id %s stands twice in the journal", r.ID)
		}
		a.byID[r.ID] = r
		a.byCode[bare(r.Code)] = append(a.byCode[bare(r.Code)], r)
	}
	a.greens()
	a.tickets()
	a.refusals()
	a.fates()
	a.vendorHolds()
	a.vendorOnly()
	a.times()
	a.waits()
	a.logged()
	a.used()
	return a.found
}

type auditor struct {
	*world
	*books
	byID map[string]row
	// byCode are a ticket's rows, oldest first, whatever prefix its reading had.
	byCode map[string][]row
	found  []difference
}

func (a *auditor) differs(code, format string, args ...any) {
	a.found = append(a.found, difference{fmt.Sprintf(format, args...), bare(code)})
}

// greens: every green light that anybody saw is in the journal, as it was seen.
func (a *auditor) greens() {
	for id, s := range a.ledger.seen {
		r, have := a.byID[id]
		switch {
		case !green(s.event):
		case !have && a.noted(s, s.at.Add(time.Hour)):
			a.ledger.counts["greens that only the vendor kept: disk full, then killed"]++
		case !have:
			a.differs("", "a green light seen on %s at %s is not in the journal: %s", s.surface, clock(s.at), eventText(s.event))
		case r.Seq != s.event.Seq || r.Verdict != string(scanner.Admit) || scanner.Code(r.Code).Mask() != s.event.Code:
			a.differs(r.Code, "seen on %s: %s; in the journal: %s", s.surface, eventText(s.event), r)
		}
	}
}

// noted tells whether a green light was the vendor's own while the disk refused:
// the vendor holds it, and the journal's note of it waits for the disk, and dies
// with the daemon.
func (w *world) noted(s sighting, until time.Time) bool {
	return s.event.Mode == scanner.Online && len(w.ledger.during(s.at.Add(-journalHeals), s.at, "disk: full")) > 0 &&
		(until.Sub(s.at) < journalHeals || len(w.ledger.during(s.at, s.at.Add(journalHeals), "daemon: killed", "daemon: terminated")) > 0)
}

// tickets: each enters once, unless a person said otherwise, and none that the
// rules refuse.
func (a *auditor) tickets() {
	for code, rows := range a.byCode {
		t := a.office.of(code)
		inside := false
		for _, r := range rows {
			if r.Kind == string(scanner.KindConflict) && (t == nil || !a.office.turnedBefore(t, r.At.Add(clockError))) {
				a.differs(code, "a conflict that nothing explains: %s", r)
			}
			switch {
			case r.Kind == string(scanner.KindUndo):
				inside = false
			case !r.movement():
			case r.Overridden:
				inside = true
			default:
				if inside {
					a.differs(code, "%s was admitted again and nobody had said so: %s", code, r)
				}
				inside = true
				if t == nil || t.kind.refusable() {
					a.differs(code, "%s (%s) was admitted: %s", code, kindOf(t), r)
				} else if r.Mode == string(scanner.Online) && !r.Late && a.office.turnedBefore(t, r.At.Add(-timeout)) {
					a.differs(code, "%s (%s) was admitted online after the vendor knew: %s", code, t.kind, r)
				}
			}
		}
	}
}

func kindOf(t *ticket) kind {
	if t == nil {
		return "noise"
	}
	return t.kind
}

// refusals: no holder of a good ticket is refused for anything but an entry that
// the journal shows.
func (a *auditor) refusals() {
	for code, rows := range a.byCode {
		t := a.office.of(code)
		if t == nil || t.kind != good && t.kind != walkUp {
			continue
		}
		inside, before := false, map[uint64]bool{}
		for _, r := range rows {
			switch {
			case r.Kind == string(scanner.KindUndo):
				inside = before[r.Of] // what was true before the movement is again
			case r.movement():
				before[r.Seq], inside = inside, true
			case r.Kind != string(scanner.KindScan):
			case r.Reason == string(scanner.NotStored):
				if len(a.ledger.during(r.At.Add(-journalHeals), r.At.Add(timeout), "disk: full")) == 0 {
					a.differs(code, "not stored, and the disk was not full: %s", r)
				}
			case r.Reason == string(scanner.AlreadyEntered) && inside:
			case t.kind == walkUp && r.Mode == string(scanner.Offline) && (r.Reason == string(scanner.NotFound) || r.Reason == string(scanner.NotInList)):
			case r.Reason == string(scanner.AlreadyEntered) && a.unheard(code, r):
				a.ledger.counts["refused after an answer that died with the daemon on a full disk, or two minutes later"]++
			default:
				a.differs(code, "the holder of %s (%s) was refused: %s", code, t.kind, r)
			}
		}
	}
}

// unheard tells whether the vendor had said yes to the ticket and this device could
// not know.
func (a *auditor) unheard(code string, r row) bool {
	return slices.ContainsFunc(a.calls, func(c vendorCall) bool {
		return c.name == "validateTicket" && c.id == 0 && slices.Contains(c.codes, code) && c.at.Before(r.At.Add(timeout)) &&
			(a.forgotten(c.at, r.At) || r.At.Sub(c.at) > doubted)
	})
}

// forgotten tells whether what was asked then was on no disk when the daemon
// ended: the disk was full.
func (w *world) forgotten(asked, until time.Time) bool {
	return len(w.ledger.during(asked.Add(-journalHeals), asked.Add(timeout), "disk: full")) > 0 &&
		len(w.ledger.during(asked, until.Add(clockError), "daemon: killed", "daemon: terminated")) > 0
}

// fates: nothing waits any more, and what is parked the vendor is right not to
// take.
func (a *auditor) fates() {
	for _, r := range a.rows {
		t := a.office.of(r.Code)
		sold := t != nil && (t.kind == good || t.kind == walkUp || t.kind == twin)
		switch scanner.Fate(r.Fate) {
		case scanner.FatePending, scanner.FateKept:
			a.differs(r.Code, "still owed to the vendor: %s", r)
		case scanner.FateParked, scanner.FateAcknowledged:
			// A person admitted what the list did not hold: its upload wants more than
			// the code, and says so.
			unlisted := t != nil && t.kind == walkUp && r.Overridden && strings.Contains(r.FateDetail, "was not in the list")
			if sold && r.movement() && !unlisted {
				a.differs(r.Code, "parked, and the vendor would take it: %s", r)
			}
		}
		if r.movement() && r.Fate == "" {
			a.differs(r.Code, "a movement without a fate: %s", r)
		}
	}
	if got := a.status.Outbox.Pending; got != 0 {
		a.differs("", "the status tells of %d in the outbox", got)
	}
}

// graves: the files say what the daemon said.
func (a *auditor) graves() {
	alive := map[string]row{}
	for _, r := range a.rows {
		alive[r.ID] = r
	}
	for _, r := range a.dead {
		was, have := alive[r.ID]
		if have && (was.Seq != r.Seq || was.Code != r.Code || was.Verdict != r.Verdict || was.Fate != r.Fate) {
			a.differs(r.Code, "the running daemon said %s, its files say %s", was, r)
		}
		delete(alive, r.ID)
	}
	for _, r := range alive {
		a.differs(r.Code, "the files lack what the daemon exported: %s", r)
	}
}

// logged: no panic, no race, no secret, no whole barcode.
func (a *auditor) logged() {
	secrets := append(slices.Clone(a.secrets), a.vendor.secrets()...)
	told := map[string]bool{}
	n := 0
	for line := range bytes.Lines(a.books.log) {
		n++
		text := string(line)
		what := ""
		switch {
		case strings.Contains(text, "panic"), strings.Contains(text, "DATA RACE"), strings.Contains(text, "fatal error"):
			what = "a fault of its own"
		case wholeCode.MatchString(text):
			what = "a barcode"
		}
		for _, s := range secrets {
			if strings.Contains(text, s) {
				what = "a secret"
			}
		}
		if what != "" && !told[what] {
			told[what] = true
			a.differs("", "the log holds %s, line %d: %.300s", what, n, text)
		}
	}
}

// used: what the daemon uses does not grow while it lives.
func (a *auditor) used() {
	u, ok := a.gauges.usage()
	if !ok {
		a.differs("", "too few samples of what the daemon uses: the soak sees nothing")
		return
	}
	if grown := u.last.goroutines - u.first.goroutines; grown > 3*sleepers {
		a.differs("", "%d goroutines more at the end of life %d than at its beginning (%d)", grown, u.life, u.first.goroutines)
	}
	if grown := u.last.files - u.first.files; grown > 2*sleepers {
		a.differs("", "%d descriptors more at the end of life %d than at its beginning (%d)", grown, u.life, u.first.files)
	}
	grows := 48 << 10
	if raced(a.rig.Bin) {
		grows *= 4 // the detector keeps several times of all memory that was ever touched
	}
	if limit := u.first.anonymous*13/10 + grows; u.last.anonymous > limit {
		a.differs("", "anonymous memory grew from %d to %d KiB in life %d", u.first.anonymous, u.last.anonymous, u.life)
	}
}

// raced tells whether a program was built with the race detector.
func raced(bin string) bool {
	info, err := buildinfo.ReadFile(bin)
	return err == nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
