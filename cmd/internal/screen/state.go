package screen

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// Grade is how urgent a part of the bar is.
type Grade string

// The grades.
const (
	Good  Grade = "good"
	Plain Grade = "plain"
	Alarm Grade = "alarm"
)

// Part is one thing that must always be seen.
type Part struct {
	Text  string `json:"text"`
	Grade Grade  `json:"grade"`
}

// State is what a screen shows besides verdicts.
type State struct {
	// Kind is Calm, or Blind with the word and the reason.
	Kind  Kind   `json:"kind"`
	Shape Shape  `json:"shape"`
	Word  string `json:"word"`
	Why   string `json:"why"`
	Do    string `json:"do"`
	// Title is the gate, Event what is scanned there, in words, where that is one, and
	// Scanner the only one shown.
	Title   string `json:"title"`
	Event   string `json:"event"`
	Scanner string `json:"scanner"`
	// Bar is gate, link, outbox, list, scanners: always visible, with the [Speaker.Clock].
	Bar []Part `json:"bar"`
	// Counts are the shift's.
	Counts []Label `json:"counts"`
	// Problems are the daemon's own sentences, in English, for support.
	Problems []string `json:"problems"`
	// Scanners are the names that a page of their own may be had for.
	Scanners []string `json:"scanners"`
	Language string   `json:"language"`
	HoldMS   int64    `json:"hold_ms"`
}

// State is what the screen shows of a status. name is the only scanner shown;
// "": all.
func (s Speaker) State(st control.Status, name string) State {
	w := s.Words
	state := State{
		Kind: Calm, Title: st.Device.Gate, Event: s.event(st.Device.EventName, st.Device.EventStartsAt.Time, time.Time{}), Scanner: name, Bar: s.bar(st, name), Counts: s.counts(st),
		Problems: slices.Clone(st.Problems), Language: w.Language, HoldMS: st.Screen.HoldMS,
		Why: w.ReadyToScan,
	}
	if state.Problems == nil {
		state.Problems = []string{}
	}
	for _, sc := range st.Scanners {
		state.Scanners = append(state.Scanners, sc.Name)
	}
	unknown := name != "" && name != Manual && !slices.Contains(state.Scanners, name)
	switch {
	case st.State == control.NotReady:
		state.Kind, state.Word, state.Why, state.Do = Blind, w.NotReady, strings.Join(st.Problems, " "), w.CallSupport
	case unknown:
		state.Kind, state.Word = Blind, w.NoScanner
		state.Why = fill(w.NoScannerNamed, "name", name, "known", strings.Join(append(state.Scanners, Manual), ", "))
	}
	if away := s.away(st, name); state.Kind == Calm && away != "" {
		state.Kind, state.Word, state.Why, state.Do = Blind, w.NoScanner, away, w.NeedsLook
	}
	state.Shape = state.Kind.Shape()
	return state
}

// away says which scanners are, where no scanner that is to be shown is there; "":
// one is.
func (s Speaker) away(st control.Status, name string) string {
	var away []string
	for _, sc := range st.Scanners {
		switch {
		case name != "" && sc.Name != name:
		case sc.State == control.ScannerMissing:
			away = append(away, fill(s.Words.ScannerMissing, "name", sc.Name))
		case sc.State == control.ScannerError:
			away = append(away, fill(s.Words.ScannerFault, "name", sc.Name))
		default:
			return ""
		}
	}
	return strings.Join(away, ". ")
}

// LostState is what a screen shows that does not see the daemon.
func (s Speaker) LostState(why string) State {
	return State{Kind: Lost, Shape: Lost.Shape(), Word: s.Words.NoConnection, Why: s.Words.DoNotTrust, Do: why}
}

func (s Speaker) bar(st control.Status, name string) []Part {
	w := s.Words
	var bar []Part
	add := func(g Grade, text string) { bar = append(bar, Part{text, g}) }
	add(Plain, joined(", ", st.Device.Gate, s.directions(st, name)))
	switch {
	case st.Link.State == control.LinkOnline:
		add(Good, w.Online)
	case st.Link.Since.IsZero():
		add(Plain, w.Offline) // a vendor that is never asked: nothing is wrong
	default:
		add(Alarm, w.Offline)
	}
	n := func(n int) string { return strconv.Itoa(n) }
	add(Plain, fill(w.Outbox, "n", n(st.Outbox.Pending)))
	switch age := st.Tickets.AgeS; {
	case age == nil:
		add(Alarm, w.NoList)
	case st.Tickets.Stale:
		add(Alarm, fill(w.ListOld, "age", s.age(time.Duration(*age)*time.Second)))
	default:
		add(Plain, fill(w.ListAge, "age", s.age(time.Duration(*age)*time.Second)))
	}
	if !st.Clock.Trusted {
		add(Alarm, w.ClockUncertain)
	}
	for _, sc := range st.Scanners {
		switch sc.State {
		case control.ScannerMissing:
			add(Alarm, fill(w.ScannerMissing, "name", sc.Name))
		case control.ScannerError:
			add(Alarm, fill(w.ScannerFault, "name", sc.Name))
		}
	}
	if st.Parked > 0 {
		add(Alarm, fill(w.Parked, "n", n(st.Parked)))
	}
	if st.Conflicts > 0 {
		add(Alarm, fill(w.Conflicts, "n", n(st.Conflicts)))
	}
	if st.State == control.Degraded {
		add(Alarm, w.NeedsLook)
	}
	return bar
}

// directions are the ways that the shown scanners' scans go.
func (s Speaker) directions(st control.Status, name string) string {
	entries, exits := false, false
	for _, sc := range st.Scanners {
		if name == "" || name == sc.Name {
			entries = entries || sc.Direction == string(scanner.Entry)
			exits = exits || sc.Direction == string(scanner.Exit)
		}
	}
	if !entries && !exits {
		exits = st.Device.Direction == string(scanner.Exit)
		entries = !exits
	}
	switch {
	case entries && exits:
		return s.Words.DirectionEntry + " + " + s.Words.DirectionExit
	case exits:
		return s.Words.DirectionExit
	}
	return s.Words.DirectionEntry
}

func (s Speaker) counts(st control.Status) []Label {
	w, c := s.Words, st.Counts
	counts := []Label{
		{w.CountAdmitted, strconv.Itoa(c.Admit)},
		{w.CountRefused, strconv.Itoa(c.Refuse)},
		{w.CountReviewed, strconv.Itoa(c.Review)},
		{w.CountOffline, strconv.Itoa(c.Offline)},
	}
	inside := 0
	for _, e := range st.Events {
		inside += e.Inside
	}
	return append(counts, Label{w.CountInside, strconv.Itoa(inside)})
}

// Clock is the part of the bar that shows the venue's time, as true as the daemon
// knows it. now is the device's own.
func (s Speaker) Clock(st control.ClockStatus, now time.Time) Part {
	if off := st.OffsetMS; off != nil {
		now = now.Add(time.Duration(*off) * time.Millisecond)
	}
	return Part{s.seconds(now), Plain}
}
