package upload_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/sync/upload"
	"usher/vendors/audienceview/audienceviewsim"
	"usher/vendors/vendortest/faults"
)

// outcome is one way for a night's upload to go. Fates are a letter for each scan,
// in scan order: t taken, c taken and a conflict, x parked, . still in the outbox.
type outcome struct {
	name string
	// scans are so many tickets, one entry each (default 8); tickets, where set, are
	// those scanned instead. Batch is the most in a call (default the vendor's 100).
	scans, batch int
	tickets      []int
	// inDoubt are those whose own call had got no answer at the gate.
	inDoubt []int
	// script is the vendor where the real client and its simulator cannot play the
	// part; nil: those two, over HTTP.
	script func(n *night, batch []scanner.Movement) ([]scanner.Receipt, error)
	// trouble comes before the first of tries uploads (default 1); during is what is
	// known then, most the calls that it took; 0: not counted.
	trouble func(n *night)
	tries   int
	during  string
	most    int
	// heal comes next, and a healthy gate: uploads until nothing changes, each after
	// a further scan where more says so.
	heal  func(n *night)
	more  int
	after string
}

// The rules of an upload. Whatever a row is about, it is held to these as well:
// nothing is lost; nothing parks but what the vendor named, or what failed alone
// after another entry was taken; everything else is taken in the end, and the
// vendor holds it once, as one scan of one time; a ticket's movements leave in
// order.
func TestOutcomes(t *testing.T) {
	const none = "........"
	status := func(code int, retryAfter string) func(*night) {
		return func(n *night) { n.fault(faults.Fault{Kind: faults.Status, Status: code, RetryAfter: retryAfter}) }
	}
	fault := func(kind faults.Kind, times int) func(*night) {
		return func(n *night) { n.fault(faults.Fault{Kind: kind, Times: times}) }
	}
	poison := func(how string, tickets ...int) func(*night) {
		return func(n *night) { n.spoil(how, tickets...) }
	}
	clear := func(n *night) {
		if err := n.server.Clear(); err != nil {
			n.Fatal(err)
		}
		n.fall("", 0)
		if err := n.vendor.Session.SignIn(n.Context()); err != nil {
			n.Fatal(err)
		}
	}
	// A new life has no pause to sit out.
	again := func(n *night) { clear(n); n.restart() }
	row := func(scans int, parked ...int) string {
		fates := []byte(strings.Repeat("t", scans))
		for _, n := range parked {
			fates[n-1] = 'x'
		}
		return string(fates)
	}

	for _, o := range []outcome{
		// Per item.
		{name: "taken", during: "tttttttt", most: 1},
		{name: "taken in batches", batch: 3, during: "tttttttt", most: 3},
		{name: "rejected by name: parked, the others taken", during: "ttxttttt", most: 1, trouble: func(n *night) {
			n.sim.AddTickets(audienceviewsim.Ticket{ID: 3, Performance: simPerformance, Barcode: string(code(3)), Voided: true})
		}},
		{name: "every one rejected by name: all parked", during: "xxxxxxxx", most: 1, trouble: func(n *night) { n.sim.AddTickets(voided(8)...) }},
		{name: "later (the vendor's clock is behind): kept, then taken", during: none, most: 1, after: "tttttttt",
			trouble: func(n *night) { n.sim.SetClock(-time.Hour) }, heal: func(n *night) { n.sim.SetClock(0) }},
		{name: "duplicate: a conflict unless sent before or in doubt", scans: 4, inDoubt: []int{3}, during: "tctc", most: 1, trouble: sentBefore(1),
			script: func(n *night, batch []scanner.Movement) ([]scanner.Receipt, error) {
				n.take(batch...)
				return all(batch, scanner.Duplicate), nil
			}},
		{name: "duplicate of somebody else's entry: a conflict whatever was sent", scans: 4, inDoubt: []int{3}, during: "cccc", most: 1, trouble: sentBefore(1),
			script: func(n *night, batch []scanner.Movement) ([]scanner.Receipt, error) {
				n.take(batch...)
				list := all(batch, scanner.Duplicate)
				for i := range list {
					list[i].Theirs = true
				}
				return list, nil
			}},
		{name: "no receipt: kept, and known as sent", during: "ttt.tttt", after: "tttttttt", most: 1, script: func(n *night, batch []scanner.Movement) ([]scanner.Receipt, error) {
			list := n.take(batch...)
			if n.calls == 1 {
				list = append(list[:3], list[4:]...)
			}
			return list, nil
		}},
		{name: "a receipt for an entry that was not sent: no matter", during: "tttttttt", most: 1, script: func(n *night, batch []scanner.Movement) ([]scanner.Receipt, error) {
			return append(n.take(batch...), scanner.Receipt{Seq: 999, Delivery: scanner.Rejected}, scanner.Receipt{Seq: 0}), nil
		}},
		{name: "two receipts that say the same: one", during: "tttttttt", most: 1, script: func(n *night, batch []scanner.Movement) ([]scanner.Receipt, error) {
			list := n.take(batch...)
			return append(list, list...), nil
		}},
		{name: "two receipts that contradict each other: none", during: "t.tttttt", after: "tttttttt", most: 1, script: func(n *night, batch []scanner.Movement) ([]scanner.Receipt, error) {
			list := n.take(batch...)
			if n.calls == 1 {
				list = append(list, scanner.Receipt{Seq: batch[1].Seq, Delivery: scanner.Rejected}, scanner.Receipt{Seq: batch[1].Seq, Delivery: scanner.Taken})
			}
			return list, nil
		}},
		{name: "no receipts at all", during: none, after: "tttttttt", most: 1, script: func(n *night, batch []scanner.Movement) ([]scanner.Receipt, error) {
			if n.calls == 1 {
				return nil, nil
			}
			return n.take(batch...), nil
		}},
		{name: "one ticket five times: one after the other", tickets: []int{1, 2, 1, 3, 1, 1, 1}, during: "ttttttt", most: 5, script: func(n *night, batch []scanner.Movement) ([]scanner.Receipt, error) {
			return n.take(batch...), nil
		}},
		{name: "one ticket five times, every other answer lost", tickets: []int{1, 2, 1, 3, 1, 1, 1}, tries: 20, during: "ttttttt", most: 10, script: func(n *night, batch []scanner.Movement) ([]scanner.Receipt, error) {
			if list := n.take(batch...); n.calls%2 == 0 {
				return list, nil
			}
			return nil, trouble(scanner.Silent, 0, true)
		}},
		{name: "one ticket three times, its first refused: the others follow", tickets: []int{1, 2, 1, 3, 1}, during: "xtttt", most: 3, script: func(n *night, batch []scanner.Movement) ([]scanner.Receipt, error) {
			if n.calls == 1 {
				return append(n.take(batch[1:]...), scanner.Receipt{Seq: batch[0].Seq, Delivery: scanner.Rejected}), nil
			}
			return n.take(batch...), nil
		}},

		// The whole call: kept, and never split.
		{name: "401", trouble: status(401, ""), tries: 5, during: none, most: 5, heal: clear, after: "tttttttt"},
		{name: "403", trouble: status(403, ""), tries: 5, during: none, most: 5, heal: clear, after: "tttttttt"},
		{name: "407", trouble: status(407, ""), tries: 5, during: none, most: 5, heal: clear, after: "tttttttt"},
		{name: "408", trouble: status(408, ""), tries: 5, during: none, most: 5, heal: clear, after: "tttttttt"},
		{name: "412", trouble: status(412, ""), tries: 5, during: none, most: 5, heal: clear, after: "tttttttt"},
		{name: "429", trouble: status(429, ""), tries: 5, during: none, most: 5, heal: clear, after: "tttttttt"},
		{name: "rights withdrawn in the middle", batch: 2, trouble: func(n *night) { n.fall("403", 3) }, tries: 5, during: "tttt....", most: 7, heal: clear, after: "tttttttt"},
		{name: "the token dies in the middle", batch: 2, trouble: func(n *night) { n.fault(faults.Fault{Kind: faults.Status, Status: 401, Times: 1}) },
			during: "tttttttt", most: 4},
		{name: "the user may not scan any more", trouble: func(n *night) {
			n.sim.AddUser(audienceviewsim.User{Name: simUser, Password: simPassword, Clients: []int64{simClient}, NoScanning: true})
		}, tries: 5, during: none, most: 5, after: "tttttttt", heal: func(n *night) {
			n.sim.AddUser(audienceviewsim.User{Name: simUser, Password: simPassword, Clients: []int64{simClient}})
			clear(n)
		}},
		{name: "429 with seconds: no call before", trouble: status(429, "120"), tries: 5, during: none, most: 1, heal: again, after: "tttttttt"},
		{name: "408 with seconds: no call before", trouble: status(408, "120"), tries: 5, during: none, most: 1, heal: again, after: "tttttttt"},
		{name: "412 with seconds: no call before", trouble: status(412, "120"), tries: 5, during: none, most: 1, heal: again, after: "tttttttt"},
		{name: "429 with a date: no call before", tries: 5, during: none, most: 1, heal: again, after: "tttttttt",
			trouble: func(n *night) {
				status(429, time.Now().Add(time.Hour).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"))(n)
			}},
		{name: "429 for a thousand years: a day at most", trouble: status(429, "31536000000"), tries: 5, during: none, most: 1, heal: again, after: "tttttttt"},
		{name: "429 with nonsense: our own pause", trouble: status(429, "soon"), tries: 5, during: none, most: 5, heal: clear, after: "tttttttt"},
		{name: "429 with less than nothing: our own pause", trouble: status(429, "-5"), tries: 5, during: none, most: 5, heal: clear, after: "tttttttt"},

		// The whole call, perhaps for one entry's sake: split, and nothing parks while
		// nothing is taken.
		{name: "400 for everything", trouble: status(400, ""), tries: 30, during: none, most: 34, heal: clear, after: "tttttttt"},
		{name: "404 as a web page for everything", trouble: func(n *night) { n.fall("404 page", 0) }, tries: 30, during: none, most: 34, heal: clear, after: "tttttttt"},
		{name: "500 for everything, the probe answers", trouble: status(500, ""), tries: 30, during: none, most: 34, heal: clear, after: "tttttttt"},
		{name: "500 for everything, the probe too", tries: 30, during: none, most: 30, heal: clear, after: "tttttttt", trouble: func(n *night) {
			status(500, "")(n)
			if err := n.server.Set(faults.Fault{Kind: faults.Status, Status: 500, Call: "validateToken"}); err != nil {
				n.Fatal(err)
			}
		}},
		{name: "refused", trouble: fault(faults.Refuse, 0), tries: 10, during: none, most: 10, heal: clear, after: "tttttttt"},
		{name: "cut", trouble: fault(faults.Close, 0), tries: 10, during: none, most: 14, heal: clear, after: "tttttttt"},
		{name: "a captive portal", trouble: fault(faults.HTML, 0), tries: 10, during: none, most: 14, heal: clear, after: "tttttttt"},
		{name: "somebody else's JSON", trouble: fault(faults.Foreign, 0), tries: 10, during: none, most: 14, heal: clear, after: "tttttttt"},

		// The answer is lost: the vendor has it all the same.
		{name: "the answer is lost once", trouble: fault(faults.Lost, 1), during: none, most: 1, after: "tttttttt"},
		{name: "the answer is lost twice", trouble: fault(faults.Lost, 2), tries: 2, during: none, most: 2, after: "tttttttt"},
		{name: "the answer is lost five times: smaller batches are tried", trouble: fault(faults.Lost, 5), tries: 5, during: "tttttttt", most: 10},
		{name: "the answer is cut", trouble: fault(faults.Truncate, 2), tries: 2, during: none, most: 2, after: "tttttttt"},
		{name: "a crash between answer and note", during: none, most: 1, after: "tttttttt", trouble: func(n *night) {
			n.settles = func(j upload.Journal) upload.Journal { return crashing{j} }
			n.restart()
		}, heal: func(n *night) { n.settles = nil; n.restart() }},
		{name: "a crash between answer and note, in batches", batch: 3, during: none, most: 2, after: "tttttttt", trouble: func(n *night) {
			n.settles = func(j upload.Journal) upload.Journal { return crashing{j} }
			n.restart()
		}, heal: func(n *night) { n.settles = nil; n.restart() }},

		// One entry spoils its calls. A batch of 100 is halved seven times; each half
		// without the poison is taken on the way, so a level costs two calls at most,
		// and three more that fail before three 5xx in a row are believed.
		{name: "400 with one entry in it", trouble: poison("400", 5), tries: 9, during: row(8, 5), most: 9},
		{name: "500 with one entry in it", trouble: poison("500", 5), tries: 12, during: row(8, 5), most: 15},
		{name: "404 page with one entry in it", trouble: poison("404 page", 5), tries: 9, during: row(8, 5), most: 9},
		{name: "the first is poison: it waits behind the rest", trouble: poison("400", 1), tries: 9, during: row(8, 1), most: 8},
		{name: "the last is poison", trouble: poison("400", 8), tries: 9, during: row(8, 8), most: 8},
		{name: "the last is poison, as 500", trouble: poison("500", 8), tries: 15, during: row(8, 8), most: 15},
		{name: "the last two are poison: they wait for another scan", trouble: poison("400", 7, 8), tries: 9, during: "tttttt..", more: 1, after: "ttttttxxt"},
		{name: "two poison", trouble: poison("400", 2, 7), tries: 12, during: row(8, 2, 7), most: 14},
		{name: "all poison: none parks", trouble: poison("400", numbers(8)...), tries: 30, during: none, most: 34},
		{name: "all poison, and one that is not comes: it tells", trouble: poison("400", numbers(8)...), tries: 10, during: none, more: 1, after: "xxxxxxxxt"},
		{name: "poison alone: it stays", scans: 1, trouble: poison("400", 1), tries: 20, during: ".", most: 20},
		{name: "poison alone, then another scan", scans: 1, trouble: poison("400", 1), tries: 5, during: ".", more: 1, after: "xt"},
		{name: "poison that resets: the rest goes, it stays", trouble: poison("reset", 5), tries: 25, during: "tttt.ttt", most: 25 + 8, more: 1, after: "tttt.tttt"},
		{name: "poison that is met with silence: the rest goes, it stays", trouble: poison("silence", 5), tries: 25, during: "tttt.ttt", most: 25 + 8, more: 1, after: "tttt.tttt"},
		{name: "poison that some filter answers with a page: the rest goes, it stays", trouble: poison("page", 5), tries: 25, during: "tttt.ttt", most: 25 + 8, more: 1, after: "tttt.tttt"},
		{name: "poison that fails twice and then hangs: the vendor never said no", tries: 25, during: "tttt.ttt", more: 1, after: "tttt.tttt", script: moody(5)},
		{name: "poison for a while", trouble: poison("reset", 5), tries: 25, during: "tttt.ttt", heal: func(n *night) { n.spoil("", 5) }, after: "tttttttt"},
		{name: "the vendor falls in the middle of splitting: none is blamed for that", trouble: func(n *night) {
			n.spoil("400", 5)
			n.fall("500", 4)
		}, tries: 30, during: "tttt....", heal: clear, after: row(8, 5)},
		{name: "the network falls in the middle of splitting", trouble: func(n *night) {
			n.spoil("400", 5)
			n.fall("reset", 3)
		}, tries: 30, during: "tttt....", heal: clear, after: row(8, 5)},
		{name: "a reboot in the middle of splitting", trouble: func(n *night) {
			n.spoil("400", 5)
			n.fall("reset", 3)
		}, tries: 3, during: "tttt....", heal: again, after: row(8, 5)},

		// 1 000 scans are 10 batches. The one with the poison is halved to the end in
		// log2(100) = 7 steps of a call that fails and one that does not, and the poison
		// is asked for once more. As 500, each step may fail three times.
		{name: "one poison in 1000", scans: 1000, trouble: poison("400", 634), tries: 5, during: row(1000, 634), most: 10 + 2*7 + 1},
		{name: "one poison in 500, as 500", scans: 500, trouble: poison("500", 234), tries: 40, during: row(500, 234), most: 5 + 4*7 + 3},
		{name: "two poison in 500", scans: 500, trouble: poison("400", 1, 450), tries: 8, during: row(500, 1, 450), most: 5 + 2*(2*7+1)},
	} {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			o.play(newNight(t, o.batch, o.script))
		})
	}
}

func (o outcome) play(n *night) {
	if o.scans == 0 {
		o.scans = 8
	}
	if o.tickets == nil {
		o.tickets = numbers(o.scans)
	}
	n.inDoubt = o.inDoubt
	n.scan(o.tickets...)
	if o.trouble != nil {
		o.trouble(n)
	}
	said := n.try(max(o.tries, 1))
	if got := n.fates(); got != o.during {
		n.Errorf("in trouble the scans are\n%s, want\n%s\n(%v)", brief(got), brief(o.during), said)
	}
	if o.most > 0 && n.calls > o.most {
		n.Errorf("%d calls, want at most %d", n.calls, o.most)
	}
	n.Logf("%s: %d calls", o.name, n.calls)
	n.audit()
	if o.after == "" {
		return
	}

	if o.heal != nil {
		o.heal(n)
	}
	for i := range o.more {
		n.scan(o.scans + 1 + i)
	}
	for range 3 * len(n.seqs) {
		_ = n.try(1)
	}
	if got := n.fates(); got != o.after {
		n.Errorf("in the end the scans are\n%s, want\n%s\n(%v)", brief(got), brief(o.after), n.u.Status().Problem)
	}
	n.audit()
}

// moody fails twice on calls with the ticket, and gives no answer to the next.
func moody(ticket int) func(*night, []scanner.Movement) ([]scanner.Receipt, error) {
	row := 0
	return func(n *night, batch []scanner.Movement) ([]scanner.Receipt, error) {
		if !slices.ContainsFunc(batch, func(m scanner.Movement) bool { return m.Code == code(ticket) }) {
			row = 0
			return n.take(batch...), nil
		}
		if row++; row <= 2 {
			return nil, trouble(scanner.Failing, 500, true)
		}
		return nil, trouble(scanner.Silent, 0, true)
	}
}

// sentBefore marks a scan as one that left before a crash.
func sentBefore(scan int) func(*night) {
	return func(n *night) {
		if err := n.book.Sent(n.Context(), []scanner.Sending{{Seq: n.seqs[scan-1], As: noon}}); err != nil {
			n.Fatal(err)
		}
	}
}

// brief shortens what is the same over and over.
func brief(fates string) string {
	if len(fates) < 200 {
		return fates
	}
	var out strings.Builder
	for i, c := range fates {
		if c != 't' {
			out.WriteString(" " + string(c) + "@" + time.Duration(i+1).String())
		}
	}
	return out.String()
}

func voided(n int) []audienceviewsim.Ticket {
	list := make([]audienceviewsim.Ticket, n)
	for i := range list {
		list[i] = audienceviewsim.Ticket{ID: int64(i + 1), Performance: simPerformance, Barcode: string(code(i + 1)), Voided: true}
	}
	return list
}
