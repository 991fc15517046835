package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"usher/vendors/audienceview/audienceviewsim"
	"usher/vendors/vendortest/faults"
)

// card is one fault of the network or the vendor.
type card struct {
	kind   faults.Kind
	call   string
	status int
}

// deck gives every card once, in the seed's order, before any comes again: a
// minute sees nearly all of them.
type deck struct {
	random *rand.Rand
	cards  []card
	left   []card
}

func (d *deck) draw() card {
	if len(d.left) == 0 {
		for _, i := range d.random.Perm(len(d.cards)) {
			d.left = append(d.left, d.cards[i])
		}
	}
	c := d.left[0]
	d.left = d.left[1:]
	return c
}

// askCards are what befalls those who ask; all kinds of faults.Kinds but Date: a
// vendor that lies about the time makes every true time unknown.
func askCards() []card {
	list := []card{
		{faults.Refuse, "", 0}, {faults.Refuse, "", 0}, {faults.Close, "", 0}, {faults.BlackHole, "", 0}, {faults.Slow, "", 0}, {faults.Lost, "", 0},
		{faults.HTML, "", 0}, {faults.Redirect, "", 0}, {faults.Status, "", 429}, {faults.Status, "", 503},
		{faults.Status, "authenticate", 500}, {faults.BlackHole, "authenticate", 0}, {faults.Lost, "validateToken", 0},
		{faults.Truncate, "validTickets", 0}, {faults.HalfJSON, "validTickets", 0}, {faults.Endless, "validTickets", 0},
	}
	for _, kind := range []faults.Kind{
		faults.Close, faults.BlackHole, faults.Slow, faults.Slow, faults.HTML, faults.Truncate, faults.HalfJSON, faults.Foreign,
		faults.Lost, faults.Lost, faults.Lost, faults.Garbage, faults.Endless, faults.Trickle,
	} {
		list = append(list, card{kind, "validateTicket", 0})
	}
	for _, status := range []int{401, 403, 404, 429, 500, 502, 504} {
		list = append(list, card{faults.Status, "validateTicket", status})
	}
	return list
}

// uploadCards are what befalls an upload.
func uploadCards() []card {
	var list []card
	for _, kind := range []faults.Kind{
		faults.Close, faults.BlackHole, faults.HTML, faults.Truncate, faults.HalfJSON, faults.Foreign, faults.Lost, faults.Lost, faults.Trickle,
	} {
		list = append(list, card{kind, "syncScans", 0})
	}
	for _, status := range []int{400, 401, 403, 404, 407, 408, 412, 429, 429, 500, 503} {
		list = append(list, card{faults.Status, "syncScans", status})
	}
	return list
}

// vendorTrouble lets the network and the vendor fail, often in two ways at a time:
// what is scanned meanwhile is queued, and its upload fails too.
func (w *world) vendorTrouble(ctx context.Context, r *rand.Rand) {
	asks, uploads := &deck{random: r, cards: askCards()}, &deck{random: r, cards: uploadCards()}
	for pause(ctx, r, 100*time.Millisecond, 1500*time.Millisecond) {
		both := r.IntN(3) > 0
		upload := uploads.draw()
		var ends []func()
		if both {
			ends = append(ends, w.play(r, upload))
		}
		ends = append(ends, w.play(r, asks.draw()))
		pause(ctx, r, 100*time.Millisecond, 2*time.Second)
		w.calm()
		if both {
			ends = append(ends, w.play(r, upload))
			pause(ctx, r, 200*time.Millisecond, 1200*time.Millisecond)
			w.calm()
		}
		for _, end := range ends {
			end()
		}
	}
}

// play switches a fault on, for some calls or until all is calm.
func (w *world) play(r *rand.Rand, c card) func() {
	f := faults.Fault{Kind: c.kind, Call: c.call, Status: c.status, Times: r.IntN(5), Bytes: 1 + r.IntN(300)}
	switch f.Kind {
	case faults.Slow:
		f.Delay = time.Duration(r.IntN(2500)) * time.Millisecond
	case faults.Trickle:
		f.Delay = time.Duration(r.IntN(5)) * time.Millisecond
	case faults.Status:
		if r.IntN(2) == 0 {
			f.RetryAfter = "1"
		}
	}
	name := string(f.Kind)
	if f.Status != 0 {
		name = fmt.Sprint(f.Status)
	}
	w.ledger.count("vendor " + name)
	end := w.ledger.begin("vendor: %s %s, times %d", name, f.Call, f.Times)
	if err := w.wire.Set(f); err != nil {
		w.ledger.differs("the soak's own fault: %v", err)
	}
	return end
}

// calm ends the network's faults. The port may be in use for a moment.
func (w *world) calm() {
	var err error
	for range 50 {
		if err = w.wire.Clear(); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.ledger.differs("the soak's own fault: %v", err)
}

// accountTrouble lets tokens die, sign-ins fail and lists be foreign or cut.
func (w *world) accountTrouble(ctx context.Context, r *rand.Rand) {
	for pause(ctx, r, time.Second, 4*time.Second) {
		switch r.IntN(5) {
		case 0, 1:
			w.sim.ExpireTokens()
			w.ledger.count("tokens expired")
		case 2:
			id := []int{1, 2, 3, 5, 6, 15, 16, 17}[r.IntN(8)]
			call := []string{"validateTicket", "syncScans", "authenticate", "validTickets"}[r.IntN(4)]
			end := w.ledger.begin("vendor: error %d at %s", id, call)
			w.sim.Fail(call, id, id == 17, 1+r.IntN(3))
			pause(ctx, r, 100*time.Millisecond, time.Second)
			w.sim.Fail(call, 0, false, 0)
			end()
			w.ledger.count("vendor errors")
		default:
			mode := []audienceviewsim.List{audienceviewsim.ListForeign, audienceviewsim.ListCut, audienceviewsim.ListDouble, audienceviewsim.ListEmpty}[r.IntN(4)]
			end := w.ledger.begin("vendor: list %s", mode)
			w.sim.SetList(mode)
			pause(ctx, r, 100*time.Millisecond, 2*time.Second)
			w.sim.SetList(audienceviewsim.ListWhole)
			end()
			w.ledger.count("lists spoilt")
		}
	}
}
