package main

import (
	"slices"
	"time"

	"usher/scanner"
)

// uploadMargin is what the upload takes off a scan made just now, so that it does
// not lie in the vendor's future.
const uploadMargin = time.Second + 50*time.Millisecond

// report is what the vendor was told of one ticket at one moment.
type report struct {
	code string
	at   time.Time
	// told are the moments at which it was, of the movement that it was of.
	told []time.Time
	of   uint64
}

// reports are the uploads that the vendor took, those of the same ticket and
// moment together.
func (a *auditor) reports() []*report {
	type key struct {
		code string
		at   int64
	}
	all := map[key]*report{}
	var list []*report
	for _, c := range a.calls {
		if c.name != "syncScans" || c.id != 0 {
			continue
		}
		for i, code := range c.codes {
			if _, failed := c.failed[code]; failed {
				continue
			}
			k := key{code, c.times[i].UnixMilli()}
			if all[k] == nil {
				all[k] = &report{code: code, at: c.times[i]}
				list = append(list, all[k])
			}
			all[k].told = append(all[k].told, c.at)
		}
	}
	return list
}

// validated are the codes that the vendor admitted online for this device.
func (a *auditor) validated() map[string]time.Time {
	out := map[string]time.Time{}
	for _, c := range a.calls {
		if c.name == "validateTicket" && c.id == 0 && len(c.codes) == 1 {
			out[bare(c.codes[0])] = c.at
		}
	}
	return out
}

// vendorHolds: every movement that the journal calls done is at the vendor, once.
func (a *auditor) vendorHolds() {
	validated := a.validated()
	uploaded := map[uint64][]*report{}
	for _, rep := range a.reports() {
		r, have := a.movementOf(rep, uploaded)
		switch {
		case !have:
			a.differs(rep.code, "the vendor was told of an entry of %s at %s that the journal does not hold", rep.code, clock(rep.at))
			continue
		case r.Fate == string(scanner.FateWithdrawn):
			a.differs(rep.code, "withdrawn, and the vendor was told at %s: %s", clock(rep.told[0]), r)
		}
		rep.of = r.Seq
		uploaded[r.Seq] = append(uploaded[r.Seq], rep)
		for i, again := range rep.told[1:] {
			if before := rep.told[i]; !a.mayBeLost(before) && !a.ambiguous(rep) {
				a.differs(rep.code, "told at %s and, though the answer was not lost, again at %s: %s", clock(before), clock(again), r)
			} else {
				a.ledger.counts["uploads told again after a lost answer"]++
			}
		}
	}
	a.share(uploaded)
	for _, r := range a.rows {
		if !r.movement() {
			continue
		}
		_, online := validated[bare(r.Code)]
		told := uploaded[r.Seq]
		ok := true
		switch scanner.Fate(r.Fate) {
		case scanner.FateConfirmed:
			ok = online
		case scanner.FateTaken:
			ok = len(told) > 0 || online
		case scanner.FateUndone:
			ok = len(told) > 0 || online
		case scanner.FateConflict:
			ok = len(told) > 0
		}
		if !ok {
			a.differs(r.Code, "the journal calls it %s and the vendor does not hold it: %s", r.Fate, r)
		}
		if r.Fate == string(scanner.FateConfirmed) && len(told) > 0 && told[0].of == r.Seq {
			a.differs(r.Code, "the vendor decided it itself and was told of it again: %s", r)
		}
		for _, rep := range told {
			if rep.at.Sub(told[0].at).Abs() > 2*time.Second {
				a.differs(r.Code, "reported at %s and at %s: %s", clock(told[0].at), clock(rep.at), r)
			}
		}
	}
}

// movementOf finds the movement behind a report, in the order in which the vendor
// was told: the ticket's first that was to be uploaded and is not matched, whose
// time fits. Both times were taken under the stated error, and what was known of
// the time may have changed between them.
func (a *auditor) movementOf(rep *report, matched map[uint64][]*report) (row, bool) {
	var best row
	rank := 0
	for _, r := range a.byCode[bare(rep.code)] {
		if !r.movement() || !fits(r, rep) {
			continue
		}
		this := 1
		switch scanner.Fate(r.Fate) {
		case scanner.FateConfirmed: // the vendor decided it itself
		case scanner.FateWithdrawn:
			this = 2
		default:
			this = 3
			if len(matched[r.Seq]) == 0 {
				this = 4
			}
		}
		if this > rank {
			best, rank = r, this
		}
	}
	return best, rank > 0
}

// share gives a movement without a report one that was told more than once: two
// movements of a ticket a moment apart may be told with the same time, since
// neither may be told as before the other.
func (a *auditor) share(uploaded map[uint64][]*report) {
	for _, r := range a.rows {
		if !r.movement() || len(uploaded[r.Seq]) > 0 {
			continue
		}
		for _, other := range a.byCode[bare(r.Code)] {
			for _, rep := range uploaded[other.Seq] {
				if len(rep.told) > 1 && fits(r, rep) {
					uploaded[r.Seq] = []*report{rep}
				}
			}
		}
	}
}

// ambiguous tells whether the report may be of more than one movement.
func (a *auditor) ambiguous(rep *report) bool {
	n := 0
	for _, r := range a.byCode[bare(rep.code)] {
		if r.movement() && fits(r, rep) {
			n++
		}
	}
	return n > 1
}

// fits tells whether the report's time may be the movement's.
func fits(r row, rep *report) bool {
	return r.At.Sub(rep.at).Abs() <= r.AtLatest.Sub(r.AtEarliest)+uploadMargin
}

// mayBeLost tells whether the answer to a call at that moment may have been lost.
func (a *auditor) mayBeLost(at time.Time) bool {
	return len(a.ledger.during(at.Add(-200*time.Millisecond), at.Add(2*timeout), "vendor:", "daemon:", "disk:")) > 0
}

// vendorOnly: the vendor holds no entry online that this device did not show,
// but for the holder who never came back.
func (a *auditor) vendorOnly() {
	for code, at := range a.validated() {
		if slices.ContainsFunc(a.byCode[code], row.movement) {
			continue
		}
		if a.mayBeLost(at) {
			a.ledger.counts["holders whose answer got lost and who left"]++
			continue
		}
		a.differs(code, "the vendor admitted %s at %s and nobody was let in", code, clock(at))
	}
}

// times: the journal's time of each scan that was seen from outside holds the
// moment at which it was made.
func (a *auditor) times() {
	for _, reading := range a.ledger.readings {
		if reading.answer == nil || reading.answer.Repeat {
			continue
		}
		r, have := a.byID[reading.answer.ID]
		if have && (r.AtEarliest.After(reading.done.Add(5*time.Millisecond)) || r.AtLatest.Before(reading.sent.Add(-5*time.Millisecond))) {
			a.differs(r.Code, "scanned between %s and %s, stated as %s to %s", clock(reading.sent), clock(reading.done), clock(r.AtEarliest), clock(r.AtLatest))
		}
	}
}

// waits: nobody waits longer than patience.
func (a *auditor) waits() {
	for _, s := range a.ledger.seen {
		e := s.event
		took := time.Duration(e.TookMS * float64(time.Millisecond))
		if e.Kind != "" || took <= patience+margin {
			continue
		}
		from := e.At.Time.Add(-clockError)
		if limit := patience + margin + a.gauges.hiccup(from, s.at); took > limit && len(a.ledger.during(from, s.at, "daemon: stopped")) == 0 {
			a.differs("", "somebody waited %s, more than %s: %s", took.Round(time.Millisecond), limit.Round(time.Millisecond), eventText(e))
		}
	}
}
