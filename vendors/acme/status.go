package acme

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"usher/scanner"
)

// result is what a check-in came to.
type result struct {
	// reason is OK only where ACME checked the ticket in by this very call.
	reason scanner.Reason
	// unnamed: the status is in neither list of the configuration; nobody knows what
	// ACME did. nothing: ACME checked nothing in and does not say why.
	unnamed, nothing bool
	// at is when the ticket was checked in by ACME's clock, where it says so; latest
	// the latest that this can have been, where it tells no offset from UTC.
	at, latest time.Time
	// now is ACME's time of the answer; zero: not told.
	now time.Time
	// opens and closes are the ticket's window, where it is known.
	opens, closes time.Time
	detail        string
	uuid          string
	ticket        *scanner.TicketInfo
}

// answer is the result as the person at the gate needs it.
func (r result) answer() scanner.Answer {
	a := scanner.Answer{Verdict: r.reason.Verdict(), Reason: r.reason, Ticket: r.ticket, TicketID: r.uuid, Detail: r.detail}
	switch {
	case r.unnamed:
		a.Verdict, a.MaybeActed = scanner.Review, true
	case r.reason == scanner.OK:
		a.VendorAt = r.at
		if a.Ticket == nil {
			a.Ticket = &scanner.TicketInfo{}
		}
	case r.reason == scanner.AlreadyEntered:
		a.FirstEnteredAt = r.at
	case r.reason == scanner.TooEarly:
		a.OpensAt = r.opens
	case r.reason == scanner.TooLate:
		a.ClosedAt = r.closes
	}
	return a
}

// ownCheckIn is how much longer ago than this call took a check-in may be, by ACME's
// own clock, and still be this call's: ACME's servers may not agree on the second.
const ownCheckIn = time.Minute

// judge gives a status its meaning. The configuration alone names it; what admits
// must be a check-in of this moment as well, so that a status that ACME gives to
// used tickets, named in admit_statuses by mistake, lets nobody in twice. Where ACME
// does not tell its time, our own stands in, if it is trusted.
func (c *Client) judge(r reply, code scanner.Code, now time.Time, took time.Duration) result {
	status := *r.Status.value
	out := result{at: r.CheckedInAt.At, latest: r.CheckedInAt.latest(c.zone), now: now, uuid: string(r.UUID), ticket: r.info()}
	reason, refuses := c.cfg.RefuseStatuses[status]
	switch {
	case slices.Contains(c.cfg.AdmitStatuses, status):
		out.reason = scanner.OK
		if now.IsZero() {
			now = c.earliestNow()
		}
		if !out.latest.IsZero() && !now.IsZero() && now.Sub(out.latest) > took+ownCheckIn {
			out.reason = scanner.AlreadyEntered
		}
	case refuses:
		out.reason = reason
	default:
		out.reason, out.unnamed = scanner.Restricted, true
		c.noteUnnamed(status, code)
	}
	switch {
	case out.unnamed:
		out.detail = fmt.Sprintf("ACME answers check-in status %d, which vendor.admit_statuses and refuse_statuses do not name", status)
		if !out.at.IsZero() {
			out.detail += "; checked in " + stamped(out.at)
		}
	case out.reason == scanner.Restricted:
		out.detail = fmt.Sprintf("ACME answers check-in status %d", status)
		if standing := plain(r.CardStanding); standing != "" {
			out.detail += ": the card is " + withoutCode(standing, code)
		}
	case out.reason == scanner.TooEarly || out.reason == scanner.TooLate:
		out.opens, out.closes = c.windowOf(r)
	}
	return out
}

// earliestNow is the earliest that it can be by our own clock; zero: it is not
// trusted.
func (c *Client) earliestNow() time.Time {
	now := c.clock.True(c.clock.Now())
	if !now.Trusted {
		return time.Time{}
	}
	return now.Earliest
}

// someoneElses tells whether the check-in that ACME has was made before a scan of
// ours, by more than the clocks can be wrong.
func (c *Client) someoneElses(r result, scanned time.Time) bool {
	ours := c.clock.True(c.clock.Now())
	if r.latest.IsZero() || !ours.Trusted && r.now.IsZero() {
		return false
	}
	var wrong time.Duration
	if ours.Trusted {
		wrong = max(ours.Latest.Sub(ours.At), ours.At.Sub(ours.Earliest))
	}
	if !r.now.IsZero() {
		wrong = max(wrong, ours.At.Sub(r.now).Abs())
	}
	return scanned.Sub(r.latest) > ownCheckIn+wrong
}

// windowOf gives the window of the answer's ticket: ACME tells when its event begins,
// and minutes in one of the calls; those of the configured event are known where the
// ticket is for it.
func (c *Client) windowOf(r reply) (opens, closes time.Time) {
	start := r.TicketEventAt.At
	if start.IsZero() {
		return opens, closes
	}
	if r.MinutesBefore.value != nil || r.MinutesAfter.value != nil {
		return checkInWindow{Before: r.MinutesBefore, After: r.MinutesAfter}.edges(start)
	}
	if w, known := c.Window(); known && c.kept.startsAt(start) {
		return w.OpensAt, w.ClosesAt
	}
	return opens, closes
}

// mostUnnamed bounds what is remembered of statuses that nobody named.
const mostUnnamed = 20

// unnamed counts the statuses that the configuration does not name, so that the
// site can find out what they mean. It is safe for concurrent use.
type unnamed struct {
	mu   sync.Mutex // guards seen
	seen map[int64]int
}

// noteUnnamed counts a status and logs it where it is new.
func (c *Client) noteUnnamed(status int64, code scanner.Code) {
	if !c.unnamed.add(status) {
		return
	}
	c.log.Warn("a check-in status that vendor.admit_statuses and refuse_statuses do not name: nobody is admitted by it", "status", status, "code", code)
}

// add tells whether the status was not seen before.
func (u *unnamed) add(status int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.seen == nil {
		u.seen = map[int64]int{}
	}
	if _, have := u.seen[status]; !have && len(u.seen) == mostUnnamed {
		return false
	}
	u.seen[status]++
	return u.seen[status] == 1
}

// text is what a person should do about them; empty: nothing.
func (u *unnamed) text() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.seen) == 0 {
		return ""
	}
	var all []string
	for _, status := range slices.Sorted(maps.Keys(u.seen)) {
		all = append(all, fmt.Sprintf("%d (%d times)", status, u.seen[status]))
	}
	return "ACME answered check-in statuses that nobody named: " + strings.Join(all, ", ") +
		": find out what they mean with a test ticket, and write each into vendor.admit_statuses or vendor.refuse_statuses"
}
