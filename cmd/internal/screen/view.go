package screen

import (
	"fmt"
	"strings"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// Kind is what fills the screen. Colour, shape, word and sound follow from it: each
// says the same by itself.
type Kind string

// The kinds of surface.
const (
	Calm     Kind = "calm"
	Admitted Kind = "admit"
	Exited   Kind = "exit"
	Refused  Kind = "refuse"
	Reviewed Kind = "review"
	Repeated Kind = "repeat"
	Undone   Kind = "undone"
	Conflict Kind = "conflict"
	// Lost: the screen does not see the daemon. What was shown before may be old.
	Lost Kind = "lost"
	// Blind: the daemon answers, and no scan will be shown: it is not ready, or has
	// no scanner of the wanted name.
	Blind Kind = "blind"
)

// Shape is drawn large: the verdict for eyes that see no colour.
type Shape string

// The shapes.
const (
	ShapeNone  Shape = ""
	ShapeCheck Shape = "check"
	ShapeCross Shape = "cross"
	ShapeWarn  Shape = "warn"
	ShapeSame  Shape = "same"
	ShapeGap   Shape = "gap"
)

// Shape is the kind's own.
func (k Kind) Shape() Shape {
	switch k {
	case Admitted, Exited:
		return ShapeCheck
	case Refused:
		return ShapeCross
	case Reviewed, Conflict, Blind:
		return ShapeWarn
	case Repeated, Undone:
		return ShapeSame
	case Lost:
		return ShapeGap
	}
	return ShapeNone
}

// Label is a value with its name, such as a seat.
type Label struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// View is all that a screen shows of one event. Its texts are foreign in part
// (names, gates, a vendor's words): whoever draws them escapes them.
type View struct {
	Kind  Kind   `json:"kind"`
	Shape Shape  `json:"shape"`
	Word  string `json:"word"`
	// Why is the reason in plain words, Do what to do now.
	Why string `json:"why"`
	Do  string `json:"do"`
	// Ticket is section, seat and name, as far as they are known.
	Ticket []Label `json:"ticket"`
	// Event is the event in words, and when it starts; empty: not known.
	Event string `json:"event"`
	// Marks are what is not usual: offline, late, overridden.
	Marks []string `json:"marks"`

	// Seq and Code name the scan: the record's number, the code masked. At is the
	// time of day.
	Seq       uint64            `json:"seq"`
	Code      string            `json:"code"`
	At        string            `json:"at"`
	Scanner   string            `json:"scanner"`
	Direction scanner.Direction `json:"direction"`
	// MayAdmit and MayUndo say what a person may do about it.
	MayAdmit bool `json:"may_admit"`
	MayUndo  bool `json:"may_undo"`
}

// Shown tells whether anybody at the gate waits for the event.
func Shown(e control.Event) bool { return !e.Kind.Clerical() }

// Event is what the screen shows of an event.
func (s Speaker) Event(e control.Event) View {
	v := View{
		Kind: KindOf(e), Seq: e.Seq, Code: e.Code, Scanner: s.scanner(e.Scanner), Direction: e.Direction,
		At: s.seconds(e.At.Time), Ticket: s.ticket(e.Ticket), Event: s.event(e.EventName, e.EventStartsAt.Time, e.At.Time), Marks: s.marks(e),
	}
	v.Shape, v.Word = v.Kind.Shape(), s.word(v.Kind)
	switch v.Kind {
	case Repeated:
		was := e
		was.Repeat = false
		v.Why = fill(s.Words.WhySame, "ago", s.age(time.Duration(e.AgoMS)*time.Millisecond))
		v.Do = fill(s.Words.WhatItWas, "verdict", s.word(KindOf(was)), "why", s.why(was))
		v.Do = strings.TrimRight(v.Do, " :–-")
	case Undone:
		v.Why = fill(s.Words.WhyUndone, "by", e.By)
	case Conflict:
		why := s.Words.WhyConflict
		if e.Direction == scanner.Exit {
			why = s.Words.WhyConflictExit
		}
		v.Why, v.Do = fill(why, "why", s.why(e)), s.Words.DoTell
	default:
		v.Why, v.Do = s.why(e), s.advice(e)
	}
	scan := passage(e.Kind)
	v.MayAdmit = scan && (v.Kind == Refused || v.Kind == Reviewed)
	v.MayUndo = scan && (v.Kind == Admitted || v.Kind == Exited)
	return v
}

// passage tells of a record that lets somebody pass, or does not.
func passage(k scanner.Kind) bool {
	return k == "" || k == scanner.KindScan || k == scanner.KindOverride
}

// KindOf is what an event fills the screen with.
func KindOf(e control.Event) Kind {
	switch {
	case e.Repeat:
		return Repeated
	case e.Kind == scanner.KindUndo:
		return Undone
	case e.Kind == scanner.KindConflict:
		return Conflict
	case !passage(e.Kind):
		return Reviewed // whatever a newer daemon records: nobody comes in by it
	case e.Verdict == scanner.Admit && e.Direction == scanner.Exit:
		return Exited
	case e.Verdict == scanner.Admit:
		return Admitted
	case e.Verdict == scanner.Refuse:
		return Refused
	}
	// Review, and whatever a newer daemon may send: a person decides.
	return Reviewed
}

func (s Speaker) word(k Kind) string {
	w := s.Words
	switch k {
	case Admitted:
		return w.Admit
	case Exited:
		return w.Exit
	case Refused:
		return w.Refuse
	case Reviewed:
		return w.Review
	case Repeated:
		return w.Same
	case Undone:
		return w.Undone
	case Conflict:
		return w.Conflict
	case Lost:
		return w.NoConnection
	}
	return ""
}

func (s Speaker) ticket(t *scanner.TicketInfo) []Label {
	labels := []Label{}
	if t == nil {
		return labels
	}
	for _, l := range []Label{{s.Words.Section, t.Section}, {s.Words.Seat, t.Seat}, {s.Words.Name, t.Name}} {
		if strings.TrimSpace(l.Value) != "" {
			labels = append(labels, l)
		}
	}
	return labels
}

// event is an event in words, with when it starts: the time of day, and the date
// where that is not now's.
func (s Speaker) event(name string, starts, now time.Time) string {
	if name == "" || starts.IsZero() {
		return name
	}
	return name + " · " + s.clock(starts, now)
}

func (s Speaker) marks(e control.Event) []string {
	w := s.Words
	marks := []string{}
	for _, m := range []struct {
		is   bool
		text string
	}{
		{e.Mode == scanner.Offline && e.Verdict != "", w.MarkOffline},
		{e.Late, w.MarkLate},
		{e.InDoubt, w.MarkInDoubt},
		{e.Conflict, w.MarkConflict},
		{e.Overridden, w.MarkOverridden},
		{e.Unverified, w.MarkUnverified},
		{e.Queued, w.MarkQueued},
	} {
		if m.is {
			marks = append(marks, m.text)
		}
	}
	return marks
}

// scanner is the name of a scanner as people read it.
func (s Speaker) scanner(name string) string {
	if name == Manual {
		return s.Words.TypedByHand
	}
	return name
}

// Manual is the scanner name of codes typed by hand.
const Manual = "manual"

// seconds is a time of day in the venue's zone.
func (s Speaker) seconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(s.Zone).Format("15:04:05")
}

// age is a duration as people say it, in two units at most.
func (s Speaker) age(d time.Duration) string {
	w := s.Words
	n := func(n time.Duration) string { return fmt.Sprint(int64(n)) }
	switch d = max(0, d); {
	case d < time.Minute:
		return fill(w.SecondsShort, "n", n(d/time.Second))
	case d < time.Hour:
		return fill(w.MinutesShort, "n", n(d/time.Minute))
	case d < 48*time.Hour:
		return fill(w.HoursShort, "h", n(d/time.Hour), "m", n(d%time.Hour/time.Minute))
	}
	return fill(w.DaysShort, "n", n(d/(24*time.Hour)))
}

// joined puts what is there of the parts in one line.
func joined(separator string, parts ...string) string {
	var there []string
	for _, part := range parts {
		if part != "" {
			there = append(there, part)
		}
	}
	return strings.Join(there, separator)
}
