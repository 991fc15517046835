// Package gatetest is the gate rules as one table: what a ticket may do at the
// two kinds of gate, step by step. The same rows hold for the pure rule
// (scanner.Decide), for a gate that decides offline, and for a vendor that is
// asked. It is imported only by tests.
//
// Sources: the house's own rules (gate.rule, gate.reentry, gate.exit_required),
// and the rules that Ticketmaster publishes for Presence, "External Scanning" and
// "Internal Scanning", which they follow. Where Presence says nothing a step is
// marked House: only the house's own answer is known, and no vendor is held to it.
// One published rule cannot be told in these steps: that an internal entry at a
// gate which is not set up for them is accepted. It belongs to a call that was
// withdrawn in March 2020; an entry there is an external one since.
package gatetest

import "usher/scanner"

// Row is one ticket's evening: a fresh ticket, and what it does in order.
type Row struct {
	Name string
	// Reentry and ExitRequired are the rules of all its gates.
	Reentry, ExitRequired bool
	Steps                 []Step
}

// Step is one scan and its verdict.
type Step struct {
	Kind scanner.GateKind
	Way  scanner.Direction
	// Want is the reason of the verdict.
	Want scanner.Reason
	// House: no vendor's document says so. What follows in the row rests on it.
	House bool
}

// Verdict is the step's.
func (s Step) Verdict() scanner.Verdict { return s.Want.Verdict() }

// String tells the step for a test's report.
func (s Step) String() string {
	return string(s.Kind) + " " + string(s.Way) + " " + string(s.Want)
}

func enter(want scanner.Reason) Step {
	return Step{Kind: scanner.External, Way: scanner.Entry, Want: want}
}
func leave(want scanner.Reason) Step {
	return Step{Kind: scanner.External, Way: scanner.Exit, Want: want}
}
func goIn(want scanner.Reason) Step {
	return Step{Kind: scanner.Internal, Way: scanner.Entry, Want: want}
}
func goOut(want scanner.Reason) Step {
	return Step{Kind: scanner.Internal, Way: scanner.Exit, Want: want}
}

func house(s Step) Step {
	s.House = true
	return s
}

// Rows is the table.
func Rows() []Row {
	const (
		ok      = scanner.OK
		exited  = scanner.Exited
		already = scanner.AlreadyEntered
		denied  = scanner.ExitNotPermitted
	)
	return []Row{
		{Name: "external: one entry", Steps: []Step{enter(ok), enter(already), enter(already)}},
		{Name: "external: one exit", Steps: []Step{enter(ok), leave(exited), leave(denied), leave(denied)}},
		{Name: "external: no exit without an entry", Steps: []Step{leave(denied), leave(denied)}},
		{Name: "external: a refused exit uses up no entry", Steps: []Step{leave(denied), enter(ok), leave(exited)}},
		{Name: "external: a refused entry uses up no exit", Steps: []Step{enter(ok), enter(already), leave(exited)}},
		{Name: "external: no entry after the exit", Steps: []Step{enter(ok), leave(exited), house(enter(already)), leave(denied)}},
		{Name: "external: entry after the exit, by policy", Reentry: true, Steps: []Step{
			enter(ok), leave(exited), house(enter(ok)), enter(already), leave(exited), leave(denied), enter(ok),
		}},
		{Name: "external: the policy is for who has left", Reentry: true, Steps: []Step{enter(ok), enter(already), leave(exited)}},

		{Name: "internal: several entries", Steps: []Step{goIn(ok), goIn(ok), goIn(ok)}},
		{Name: "internal: one exit", Steps: []Step{goIn(ok), goOut(exited), goOut(denied), goOut(denied)}},
		{Name: "internal: several entries are ended by one exit", Steps: []Step{goIn(ok), goIn(ok), goOut(exited), goOut(denied)}},
		{Name: "internal: no exit without an entry", Steps: []Step{goOut(denied), goIn(ok), goOut(exited)}},
		{Name: "internal: in and out", Steps: []Step{goIn(ok), goOut(exited), goIn(ok), goOut(exited), goIn(ok)}},
		{Name: "internal, exit required: one entry", ExitRequired: true, Steps: []Step{goIn(ok), goIn(already), goIn(already)}},
		{Name: "internal, exit required: in and out", ExitRequired: true, Steps: []Step{
			goIn(ok), goIn(already), goOut(exited), goIn(ok), goIn(already), goOut(exited), goOut(denied),
		}},
		{Name: "internal, exit required: no exit without an entry", ExitRequired: true, Steps: []Step{goOut(denied), goIn(ok)}},

		{Name: "both: the first internal entry is an entry into the venue", Steps: []Step{goIn(ok), enter(already), leave(exited)}},
		{Name: "both: an external entry is no internal one", Steps: []Step{enter(ok), goOut(denied), goIn(ok), goOut(exited)}},
		{Name: "both: an external entry does not stand in an internal one's way", ExitRequired: true, Steps: []Step{enter(ok), goIn(ok), goIn(already)}},
		{Name: "both: an internal gate makes no external exit", Steps: []Step{enter(ok), goOut(denied), leave(exited), leave(denied)}},
		{Name: "both: an internal exit is not out of the venue", Steps: []Step{enter(ok), goIn(ok), goOut(exited), enter(already), leave(exited)}},
		{Name: "both: nor is it where the internal entry was the first", Reentry: true, Steps: []Step{goIn(ok), goOut(exited), enter(already), leave(exited)}},
		{Name: "both: internal entries after the exit from the area", ExitRequired: true, Steps: []Step{
			enter(ok), goIn(ok), goOut(exited), goIn(ok), goOut(exited), leave(exited),
		}},
		{Name: "both: who leaves the venue leaves the area", ExitRequired: true, Steps: []Step{
			enter(ok), goIn(ok), leave(exited), house(goOut(denied)), house(goIn(ok)),
		}},
		{Name: "both: who is in the area is in the venue again", Steps: []Step{
			enter(ok), leave(exited), house(goIn(ok)), enter(already), leave(exited),
		}},
	}
}
