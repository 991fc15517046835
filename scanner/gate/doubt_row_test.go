package gate_test

import (
	"fmt"
	"strings"
	"time"

	"usher/scanner"
)

// setting is what a night has in common for all its tickets.
type setting struct {
	// review: online.in_doubt is review.
	review bool
	// restart: the daemon dies 5 s after the first scans and starts again.
	restart bool
	// offline: the link is down from then on, until the end.
	offline bool
	// drained: the outbox is uploaded before the rescans.
	drained bool
	// stale: the list is too old to prove that a ticket is unknown.
	stale bool
}

func (s setting) String() string {
	words := []string{"in doubt admit"}
	if s.review {
		words[0] = "in doubt review"
	}
	for _, w := range []struct {
		is   bool
		text string
	}{{s.stale, "a stale list"}, {s.restart, "a restart between"}, {s.offline, "offline at the rescan"}, {s.drained, "uploaded before the rescan"}} {
		if w.is {
			words = append(words, w.text)
		}
	}
	return strings.Join(words, ", ")
}

// judged is what this device makes of the first scan without the vendor.
type judged string

const (
	admitted judged = "admitted here"
	refused  judged = "red, not in the list"
	reviewed judged = "amber, not in the stale list"
	// notStored: listed, and the disk refuses after the attempt was stored.
	notStored judged = "amber, the disk refuses"
	// diskFull: listed, and the disk refuses the attempt too.
	diskFull judged = "amber, the disk is full"
	// diedAsking: no verdict, the daemon died while it asked.
	diedAsking judged = "the daemon died asking"
)

func (j judged) listed() bool { return j != refused && j != reviewed }

// again is who comes again.
type again string

const (
	nobody      again = "nobody comes again"
	holder      again = "the holder comes again"
	holderLater again = "the holder comes again after 3 min"
	copyHere    again = "a copy comes to lane 2, then the holder"
	copyGate2   again = "a copy enters at gate 2, then the holder comes again"
)

// before is the ticket at the vendor before the first scan.
type before string

const (
	fresh     before = "a fresh ticket"
	elsewhere before = "entered at gate 2 before"
	isVoided  before = "a voided ticket"
)

// row is one interleaving for one ticket.
type row struct {
	setting
	way    way
	named  bool
	before before
	judged judged
	again  again
}

// The moments of a night. Rows whose daemon dies asking begin later.
const (
	diesAt    = 5 * time.Second
	drainsAt  = 7 * time.Second
	endsAt    = 5 * time.Minute
	asksAt    = 4 * time.Second // where the daemon dies asking
	gate2At   = 6 * time.Second
	againAt   = 10 * time.Second
	thirdAt   = 20 * time.Second
	laterAt   = 3 * time.Minute
	longCall  = 30 * time.Second // a vendor that states its own call timeout
	patience  = 1500 * time.Millisecond
	lateAt    = 2 * time.Second  // late, and before a rescan
	veryLate  = 15 * time.Second // late, and after a rescan
	gaveUp    = 5 * time.Second  // after this device gave the call up
	timesOut  = 3 * time.Second
	fails     = 200 * time.Millisecond
	doubtEnds = 2 * time.Minute
)

func (r row) String() string {
	words := []string{string(r.before), r.way.String(), string(r.judged), string(r.again)}
	if r.named {
		words = append(words, "the vendor names time and gate")
	}
	return strings.Join(words, "; ")
}

func (w way) String() string {
	var s string
	switch {
	case w.fault == nil && w.ends <= patience:
		return "answered in time"
	case w.fault == nil:
		s = fmt.Sprintf("answered after %v", w.ends)
	case w.ends <= patience:
		s = fmt.Sprintf("lost by %s", w.fault.name)
	default:
		s = fmt.Sprintf("lost after %v by %s", w.ends, w.fault.name)
	}
	if w.fault != nil && !w.fault.err.MaybeSent {
		return strings.Replace(s, "lost", "never sent", 1)
	}
	switch w.acts {
	case never:
		return s + ", never acted on"
	case 0:
		return s + ", acted on"
	}
	return s + fmt.Sprintf(", acted on after %v", w.acts)
}

// scans are when and where the ticket is read.
func (r row) scans() []reading {
	first := reading{0, "lane-1"}
	if r.judged == diedAsking {
		first.at = asksAt
	}
	at := func(d time.Duration, lane string) reading { return reading{first.at + d, lane} }
	switch r.again {
	case holder, copyGate2:
		return []reading{first, at(againAt, "lane-1")}
	case holderLater:
		return []reading{first, at(laterAt, "lane-1")}
	case copyHere:
		return []reading{first, at(againAt, "lane-2"), at(thirdAt, "lane-1")}
	}
	return []reading{first}
}

type reading struct {
	at   time.Duration
	lane string
}

// The ways that a call can go. The first serve the full cross product, the rest
// differ from them only in how they fail.
func ways() (full, kinds []way) {
	full = []way{
		swift,
		{acts: 0, ends: lateAt},
		{acts: 0, ends: veryLate},
		{acts: veryLate, ends: veryLate},
		{acts: 0, ends: timesOut, fault: timedOut},
		{acts: never, ends: timesOut, fault: timedOut},
		{acts: gaveUp, ends: timesOut, fault: timedOut},
		{acts: 0, ends: fails, fault: reset},
		{acts: never, ends: fails, fault: reset},
		{acts: never, ends: fails, fault: noDial},
		{acts: never, ends: lateAt, fault: noDial},
	}
	for _, f := range []*fault{reset, failing, cutBody} {
		for _, acts := range []time.Duration{0, never} {
			kinds = append(kinds, way{acts, fails, f}, way{acts, lateAt, f})
		}
	}
	for _, f := range []*fault{noDNS, noTLS, denied, forbidden, throttled} {
		kinds = append(kinds, way{never, fails, f}, way{never, lateAt, f})
	}
	return full, kinds
}

// settings are the nights.
func settings() []setting {
	var list []setting
	for _, stale := range []bool{false, true} {
		for _, restart := range []bool{false, true} {
			list = append(list,
				setting{stale: stale, restart: restart},
				setting{stale: stale, restart: restart, review: true},
				setting{stale: stale, restart: restart, offline: true},
				setting{stale: stale, restart: restart, drained: true},
			)
		}
	}
	return list
}

// rows are a night's tickets: the cross product.
func rows(s setting) []row {
	full, kinds := ways()
	verdicts := []judged{refused, admitted, notStored, diskFull}
	if s.stale {
		verdicts = []judged{reviewed}
	}
	if s.restart && !s.stale {
		verdicts = append(verdicts, diedAsking)
	}
	both := []bool{false, true}
	var list []row
	add := func(names []bool, w way, b before, agains ...again) {
		for _, named := range names {
			for _, j := range verdicts {
				for _, a := range agains {
					r := row{s, w, named, b, j, a}
					if r.possible() {
						list = append(list, r)
					}
				}
			}
		}
	}
	for _, w := range full {
		add(both, w, fresh, nobody, holder, holderLater, copyHere, copyGate2)
		add(both, w, elsewhere, nobody, holder, copyHere)
		add(both[:1], w, isVoided, nobody, holder)
	}
	for _, w := range kinds {
		add(both[:1], w, fresh, holder, copyHere, copyGate2)
	}
	return list
}

// possible leaves out what is no row: nobody names what nobody asks again, and
// nobody dies asking who was answered.
func (r row) possible() bool {
	switch {
	case r.named && r.again == nobody && r.before == fresh:
		return false
	case r.judged == diedAsking && r.way.ends <= fails:
		return false // answered before it could die
	}
	return true
}

// wanted is what a row must lead to.
type wanted struct {
	// scans are the verdicts, as told tells them.
	scans []string
	// conflicts is how many conflicts are shown or kept, parked how many movements
	// the vendor will not take.
	conflicts, parked int
}

func red(reason scanner.Reason, mode scanner.Mode) string {
	return fmt.Sprintf("%s/%s %s", reason.Verdict(), reason, mode)
}
