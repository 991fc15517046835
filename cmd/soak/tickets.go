package main

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync"
	"time"

	"usher/scanner"
	"usher/vendors/audienceview/audienceviewsim"
)

// kind is what is true of a ticket, whatever anybody has heard of it.
type kind string

const (
	// good tickets are sold and listed; each must get in, once.
	good kind = "good"
	// walkUp tickets are sold after the list was fetched.
	walkUp kind = "sold at the door"
	// gone tickets are listed and voided at the vendor while the run goes on.
	gone kind = "voided meanwhile"
	// twin tickets are listed and enter by another gate while the run goes on.
	twin     kind = "entered elsewhere"
	used     kind = "used before"
	voided   kind = "voided"
	refunded kind = "refunded"
	foreign  kind = "for another show"
	unknown  kind = "never sold"
)

// refusable tells whether nothing but a person may admit such a ticket.
func (k kind) refusable() bool {
	switch k {
	case used, voided, refunded, foreign, unknown:
		return true
	}
	return false
}

// ticket is one ticket. Its code ends in digits that its neighbours do not share,
// so that masked codes can be told apart.
type ticket struct {
	number int
	code   string
	kind   kind
	// turned is when the vendor came to know what this device does not: zero for
	// kinds that never change.
	turned time.Time
}

func codeOf(n int) string { return fmt.Sprintf("SOAK%012d", n) }

// wholeCode finds what must not be in a log: more of a code than its end.
var wholeCode = regexp.MustCompile(`SOAK\d{5,}`)

// patron is in every holder's name, and in no log.
const patron = "Zebulon"

// The venue: the show that is scanned, and another one of the same series.
const (
	client  = 284
	series  = 3622
	show    = 49182
	matinee = 49183
)

// office sells tickets: it knows every ticket there is.
type office struct {
	sim *audienceviewsim.Sim

	mu      sync.Mutex // guards what follows
	tickets map[string]*ticket
	next    int
	fresh   []*ticket // good ones that nobody has shown yet
	// sold are those sold before the run.
	sold map[kind][]*ticket
}

// newOffice sells goods tickets before the run, and some of every other kind.
func newOffice(sim *audienceviewsim.Sim, goods int, random *rand.Rand) *office {
	o := &office{sim: sim, tickets: map[string]*ticket{}, sold: map[kind][]*ticket{}, next: random.IntN(1_000_000)}
	add := func(k kind) {
		t, sold := o.make(k)
		o.sold[k] = append(o.sold[k], t)
		sim.AddTickets(sold)
	}
	for i := range goods {
		add(good)
		if i%25 == 0 {
			for _, k := range []kind{used, voided, refunded, foreign, gone, twin} {
				add(k)
			}
		}
	}
	o.fresh = slices.Clone(o.sold[good])
	return o
}

// make invents a ticket; the mutex is held, or nobody else is there.
func (o *office) make(k kind) (*ticket, audienceviewsim.Ticket) {
	o.next++
	t := &ticket{number: o.next, code: codeOf(o.next), kind: k}
	o.tickets[t.code] = t
	return t, t.atVendor()
}

// atVendor is the ticket as the vendor has it.
func (t *ticket) atVendor() audienceviewsim.Ticket {
	turned := !t.turned.IsZero()
	sold := audienceviewsim.Ticket{
		ID: 580_000_000 + int64(t.number), Performance: show, Barcode: t.code, Consumer: fmt.Sprint(patron, " ", t.number),
		First: patron, Last: fmt.Sprint(t.number), Section: "Stalls", Seat: fmt.Sprint(t.number),
		Voided: t.kind == voided || t.kind == gone && turned, Refunded: t.kind == refunded, Scanned: t.kind == used || t.kind == twin && turned,
	}
	if t.kind == foreign {
		sold.Performance = matinee
	}
	return sold
}

// good gives a ticket that nobody has shown yet; at the end of the stock one is
// sold at the door.
func (o *office) good() *ticket {
	o.mu.Lock()
	if len(o.fresh) == 0 {
		o.mu.Unlock()
		return o.sell()
	}
	defer o.mu.Unlock()
	t := o.fresh[0]
	o.fresh = o.fresh[1:]
	return t
}

// sell sells one at the door.
func (o *office) sell() *ticket {
	o.mu.Lock()
	defer o.mu.Unlock()
	t, sold := o.make(walkUp)
	o.sim.AddTickets(sold)
	return t
}

// forge makes a code that was never sold.
func (o *office) forge() *ticket {
	o.mu.Lock()
	defer o.mu.Unlock()
	t, _ := o.make(unknown)
	return t
}

// any gives one of a kind that was sold before the run.
func (o *office) any(random *rand.Rand, k kind) *ticket {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sold[k][random.IntN(len(o.sold[k]))]
}

// turn lets the vendor learn what this device does not know: the ticket is voided,
// or enters by another gate.
func (o *office) turn(t *ticket) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !t.turned.IsZero() || t.kind != gone && t.kind != twin {
		return
	}
	t.turned = time.Now()
	o.sim.AddTickets(t.atVendor())
}

// of gives the ticket of a code as read, whatever prefix it had; nil: noise.
func (o *office) of(code string) *ticket {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tickets[string(scanner.Code(code).Bare())]
}

// turnedBefore tells whether the vendor knew by then what this device did not.
func (o *office) turnedBefore(t *ticket, at time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !t.turned.IsZero() && t.turned.Before(at)
}
