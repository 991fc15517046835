package gate_test

import (
	"time"

	"usher/scanner"
)

// oracle tells what the rules on doubt lead to, step by step along a row's
// time. It knows nothing of how the gate does it.
type oracle struct {
	row
	now time.Duration

	// The vendor's truth.
	entered bool
	byUs    bool
	gate    string

	// What this device knows.
	green   bool // it has let the holder in
	repeats bool // on lane 1, as the newest admission before a death
	pending bool // and the vendor has not heard of it otherwise
	doubted bool // the pending entry may be at the vendor by a call of ours
	open    bool // the first call may have been recorded, and nobody was let in on it
	yes     bool // it was, for sure
	rests   bool // a green that rests on the first call, which still runs
	parked  bool // the pending entry is parked
	want    wanted
}

// expect gives what the row must lead to.
func expect(r row) wanted {
	o := &oracle{row: r, entered: r.before == elsewhere, gate: gate2}
	scans := r.scans()
	first := scans[0].at
	if r.before == fresh {
		o.gate = ""
	}
	answer := scanner.Reason("")
	type event struct {
		at time.Duration
		do func()
	}
	dead := func() bool { return r.restart && o.now > diesAt }
	events := []event{{first, func() { o.first() }}}
	if r.way.acts != never {
		events = append(events, event{first + r.way.acts, func() { answer = o.record(true) }})
	}
	if r.way.ends > patience {
		events = append(events, event{first + r.way.ends, func() {
			if !dead() {
				o.late(answer)
			}
		}})
	}
	if r.again == copyGate2 {
		events = append(events, event{first + gate2At, func() { o.record(false) }})
	}
	if r.restart {
		events = append(events, event{diesAt, o.die})
	}
	if r.drained {
		events = append(events, event{drainsAt, func() { o.upload() }})
	}
	for _, s := range scans[1:] {
		events = append(events, event{s.at, func() { o.again(s.lane) }})
	}
	events = append(events, event{endsAt, func() { o.upload() }})
	for len(events) > 0 {
		next := 0
		for i := range events {
			if events[i].at < events[next].at {
				next = i
			}
		}
		o.now = events[next].at
		events[next].do()
		events = append(events[:next], events[next+1:]...)
	}
	return o.want
}

// record is the vendor acting on an entry, here or at gate 2.
func (o *oracle) record(us bool) scanner.Reason {
	switch {
	case o.before == isVoided:
		return scanner.Voided
	case o.entered:
		return scanner.AlreadyEntered
	}
	o.entered, o.byUs, o.gate = true, us, gate2
	if us {
		o.gate = "Gate 7"
	}
	return scanner.OK
}

func (o *oracle) verdict(text string) { o.want.scans = append(o.want.scans, text) }

// first judges the first scan. The vendor's answer, where one comes in time, is
// what it will record then.
func (o *oracle) first() {
	if o.way == swift {
		switch {
		case o.before == isVoided:
			o.verdict(red(scanner.Voided, scanner.Online))
		case o.entered:
			o.verdict(red(scanner.AlreadyEntered, scanner.Online))
		default:
			o.green = true
			o.verdict(red(scanner.OK, scanner.Online))
		}
		return
	}
	unsent := o.way.fault != nil && !o.way.fault.err.MaybeSent && o.way.ends <= patience
	o.open = !unsent
	switch o.judged {
	case admitted:
		o.admitHere()
		o.rests = o.way.ends > patience
	case refused:
		o.verdict(red(scanner.NotFound, scanner.Offline))
	case reviewed:
		o.verdict(red(scanner.NotInList, scanner.Offline))
	case notStored, diskFull:
		o.verdict(red(scanner.NotStored, scanner.Offline))
	case diedAsking:
		o.verdict("none")
	}
}

// admitHere is an entry that this device decides.
func (o *oracle) admitHere() {
	text := red(scanner.OK, scanner.Offline)
	if o.open {
		text += " in-doubt"
	}
	o.verdict(text)
	o.green, o.pending, o.doubted, o.open, o.yes = true, true, o.open, false, false
}

// late is the first call's end, after its scan was judged without it.
func (o *oracle) late(answer scanner.Reason) {
	lost := o.way.fault != nil
	sent := !lost || o.way.fault.err.MaybeSent
	switch {
	case lost && sent:
	case lost:
		o.open, o.doubted = false, false
		if o.rests && !o.pending {
			o.conflict() // the vendor's entry is not ours, and it was let in on it
		}
	case answer == scanner.OK && o.green:
		o.pending = false
	case answer == scanner.OK:
		o.yes = true
	case o.rests:
		o.conflict() // shown, and still uploaded
	default:
		o.open = false
	}
	o.rests = false
}

func (o *oracle) conflict() { o.want.conflicts++ }

// die forgets what was only in memory.
func (o *oracle) die() {
	o.repeats = o.green
	o.rests = false
	if o.judged == diskFull {
		o.open, o.yes = false, false
	}
	if o.judged == notStored {
		// The attempt is on the disk, and how it ended is not.
		o.open, o.yes = true, false
	}
}

// again judges a rescan.
func (o *oracle) again(lane string) {
	young := o.now-o.scans()[0].at <= doubtEnds
	switch {
	case o.repeats && lane == "lane-1" && o.now <= diesAt+30*time.Second:
		o.verdict("admit/ok repeat")
		return
	case o.yes && young:
		o.verdict(red(scanner.OK, scanner.Online) + " late")
		o.green, o.yes, o.open = true, false, false
		return
	case o.pending:
		o.verdict(red(scanner.AlreadyEntered, scanner.Offline))
		return
	case !o.offline:
		o.ask(young)
		return
	}
	switch {
	case o.green:
		o.verdict(red(scanner.AlreadyEntered, scanner.Offline))
	case o.judged.listed():
		o.admitHere()
		o.rests = o.runs()
	case o.stale:
		o.verdict(red(scanner.NotInList, scanner.Offline))
	default:
		o.verdict(red(scanner.NotFound, scanner.Offline))
	}
}

// runs tells whether the first call still runs.
func (o *oracle) runs() bool { return !o.restart && o.scans()[0].at+o.way.ends > o.now }

// ask has the vendor judge a rescan.
func (o *oracle) ask(young bool) {
	was := o.gate
	switch o.record(true) {
	case scanner.OK:
		o.verdict(red(scanner.OK, scanner.Online))
		o.green, o.open, o.yes = true, false, false
	case scanner.Voided:
		o.verdict(red(scanner.Voided, scanner.Online))
	default:
		mayBeOurs := !o.named || was == "Gate 7"
		switch {
		case o.green || !o.open || !young || !mayBeOurs:
			o.verdict(red(scanner.AlreadyEntered, scanner.Online))
		case o.review:
			o.open = false
			o.verdict("review/already_entered online late")
		default:
			o.green, o.open = true, false
			o.rests = o.runs()
			o.verdict(red(scanner.OK, scanner.Online) + " late")
		}
	}
}

// upload brings the pending entry to the vendor, unless the first call still
// runs.
func (o *oracle) upload() {
	if !o.pending || o.parked || o.runs() {
		return
	}
	switch o.record(true) {
	case scanner.AlreadyEntered:
		if !o.doubted {
			o.conflict()
		}
	case scanner.Voided:
		o.parked = true
		o.want.parked++
		return
	}
	o.pending = false
}
