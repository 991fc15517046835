package screen

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

var (
	sevenOClock = time.Date(2026, 11, 21, 18, 3, 0, 0, time.UTC)
	now         = time.Date(2026, 11, 21, 18, 42, 7, 0, time.UTC)
)

// speakers are all languages, at a venue an hour east of UTC.
func speakers(t *testing.T) []Speaker {
	t.Helper()
	var all []Speaker
	for _, language := range Languages() {
		w, err := WordsIn(language)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Speaker{Words: w, Zone: time.FixedZone("venue", 3600)})
	}
	return all
}

// variants are an event with more and less known about it.
func variants(e control.Event) []control.Event {
	full := e
	full.FirstEnteredAt, full.FirstEnteredGate = control.At(sevenOClock), "Gate 2"
	full.OpensAt, full.ClosedAt = control.At(sevenOClock), control.At(sevenOClock.Add(48*time.Hour))
	full.Detail, full.By, full.AgoMS = "Seat under repair", "Jo", 2000
	all := []control.Event{e, full}
	for _, change := range []func(*control.Event){
		func(e *control.Event) { e.FirstEnteredAt = control.Time{} },
		func(e *control.Event) { e.FirstEnteredGate = "" },
		func(e *control.Event) { e.OpensAt = control.Time{} },
		func(e *control.Event) { e.ClosedAt = control.Time{} },
		func(e *control.Event) { e.Conflict, e.Late, e.InDoubt, e.Queued = true, true, true, true },
		func(e *control.Event) { e.Overridden = true },
		func(e *control.Event) { e.Unverified = true },
		func(e *control.Event) { e.Repeat = true },
		func(e *control.Event) { e.Kind = scanner.KindOverride },
		func(e *control.Event) { e.Kind = scanner.KindConflict },
		func(e *control.Event) { e.Kind = scanner.KindUndo },
		func(e *control.Event) { e.Direction = scanner.Exit },
	} {
		other := full
		change(&other)
		all = append(all, other)
	}
	return all
}

// TestEveryReasonIsSaid: whatever is judged is said in every language, with no
// placeholder left, and with what to do where nobody may pass.
func TestEveryReasonIsSaid(t *testing.T) {
	reasons := append(scanner.Reasons(), "of_a_newer_daemon", "")
	for _, s := range speakers(t) {
		said := map[string]scanner.Reason{}
		for _, reason := range reasons {
			for _, verdict := range []scanner.Verdict{scanner.Admit, scanner.Refuse, scanner.Review, "newer"} {
				if reason == scanner.OK && verdict != scanner.Admit {
					continue // there is no such thing
				}
				plain := control.Event{Seq: 1, At: control.At(now), Scanner: "lane-1", Code: "…456", Verdict: verdict, Reason: reason, Direction: scanner.Entry}
				for i, e := range variants(plain) {
					v := s.Event(e)
					where := fmt.Sprintf("%s: %s %q (%d): %+v", s.Words.Language, verdict, reason, i, v)
					if v.Kind == "" || v.Shape == ShapeNone || v.Word == "" || v.At != "19:42:07" {
						t.Errorf("%s: no kind, shape, word or time", where)
					}
					if text := v.Word + v.Why + v.Do + strings.Join(v.Marks, ""); strings.ContainsAny(text, "{}") || strings.Contains(text, "  ") || strings.Contains(text, "0001") {
						t.Errorf("%s: not filled", where)
					}
					silent := v.Kind == Admitted || v.Kind == Exited || v.Kind == Undone
					if !silent && (v.Why == "" || v.Do == "") {
						t.Errorf("%s: nobody knows why, or what to do", where)
					}
					if v.MayAdmit != (v.Kind == Refused || v.Kind == Reviewed) || v.MayUndo != (v.Kind == Admitted || v.Kind == Exited) {
						t.Errorf("%s: may admit %v, may undo %v", where, v.MayAdmit, v.MayUndo)
					}
				}
			}
			if reason == scanner.OK {
				continue
			}
			why := s.why(control.Event{Reason: reason})
			if other, twice := said[why]; twice {
				t.Errorf("%s: %q says %q and %q", s.Words.Language, why, reason, other)
			}
			said[why] = reason
			if known := slices.Contains(scanner.Reasons(), reason); known == (why == fill(s.Words.WhyUnknown, "reason", string(reason))) {
				t.Errorf("%s: %q is said as %q", s.Words.Language, reason, why)
			}
		}
	}
}

// TestNobodyComesInByAnUnknownRecord: a newer daemon may tell what this screen does
// not know, and that is never green.
func TestNobodyComesInByAnUnknownRecord(t *testing.T) {
	s := speakers(t)[0]
	for _, direction := range []scanner.Direction{scanner.Entry, scanner.Exit} {
		v := s.Event(control.Event{Seq: 1, Kind: "handover", Verdict: scanner.Admit, Reason: scanner.OK, Direction: direction})
		if v.Kind != Reviewed || v.Do == "" || v.MayAdmit || v.MayUndo {
			t.Errorf("%s: %+v", direction, v)
		}
	}
}

// TestTheShownExample is the one of the issue, word by word.
func TestTheShownExample(t *testing.T) {
	s := speakers(t)[0]
	e := control.Event{
		Seq: 4, At: control.At(now), Scanner: Manual, Code: "…456", Verdict: scanner.Refuse, Reason: scanner.AlreadyEntered, Direction: scanner.Entry,
		FirstEnteredAt: control.At(sevenOClock), FirstEnteredGate: "Gate 2", Mode: scanner.Offline, Late: true,
		Ticket: &scanner.TicketInfo{Name: "Ada Lovelace", Seat: "A12", Section: " "},
	}
	v := s.Event(e)
	if v.Kind != Refused || v.Shape != ShapeCross || v.Word != "REFUSE" || v.Why != "Already entered at Gate 2, 19:03." || v.Do != "Ask for another ticket, or send to the help desk." {
		t.Errorf("%+v", v)
	}
	if fmt.Sprint(v.Ticket) != "[{Seat A12} {Name Ada Lovelace}]" || fmt.Sprint(v.Marks) != "[offline late answer]" || v.Scanner != "typed" {
		t.Errorf("%+v", v)
	}
	if v.Event != "" {
		t.Errorf("an event that nobody named: %q", v.Event)
	}
	e.EventName = "Hamlet"
	if v := s.Event(e); v.Event != "Hamlet" {
		t.Errorf("without a time: %q", v.Event)
	}
	e.EventStartsAt = control.At(now)
	if v := s.Event(e); v.Event != "Hamlet · "+now.In(s.Zone).Format("15:04") {
		t.Errorf("tonight's: %q", v.Event)
	}
	e.EventStartsAt = control.At(now.AddDate(0, 0, 1))
	if v := s.Event(e); v.Event != "Hamlet · "+now.In(s.Zone).AddDate(0, 0, 1).Format("2006-01-02 15:04") {
		t.Errorf("tomorrow's: %q", v.Event)
	}
	if st := s.State(control.Status{Device: control.DeviceStatus{EventName: "Hamlet", EventStartsAt: control.At(now)}}, ""); st.Event != "Hamlet · "+now.In(s.Zone).Format("2006-01-02 15:04") {
		t.Errorf("the gate's: %q", st.Event)
	}
	e.FirstEnteredAt = control.At(sevenOClock.AddDate(0, 0, -1))
	if v := s.Event(e); v.Why != "Already entered at Gate 2, 2026-11-20 19:03." {
		t.Errorf("another day: %s", v.Why)
	}
	e.Repeat, e.AgoMS = true, 2400
	if v := s.Event(e); v.Kind != Repeated || v.Why != "Same ticket, read 2 s ago." || v.Do != "Before: REFUSE. Already entered at Gate 2, 2026-11-20 19:03." || v.MayAdmit {
		t.Errorf("a repeat: %+v", v)
	}
}

// TestOnlyAnAdmissionLooksLikeOne: no other kind has its shape or word.
func TestOnlyAnAdmissionLooksLikeOne(t *testing.T) {
	for _, s := range speakers(t) {
		words := map[string]Kind{}
		for _, k := range []Kind{Admitted, Exited, Refused, Reviewed, Repeated, Undone, Conflict, Lost} {
			if green := k == Admitted || k == Exited; green != (k.Shape() == ShapeCheck) {
				t.Errorf("%s has the shape %q", k, k.Shape())
			}
			if other, twice := words[s.word(k)]; twice || s.word(k) == "" {
				t.Errorf("%s: %s and %s both say %q", s.Words.Language, k, other, s.word(k))
			}
			words[s.word(k)] = k
		}
		if v := s.Event(control.Event{Verdict: scanner.Admit, Reason: scanner.OK, Repeat: true}); v.Kind != Repeated || v.MayUndo {
			t.Errorf("a repeat looks like %+v", v)
		}
	}
}

// TestTheBarNamesTheWaysOfTheScannersShown: the page of an exit lane must not say
// that it is an entrance.
func TestTheBarNamesTheWaysOfTheScannersShown(t *testing.T) {
	lane := func(name, direction string) control.ScannerStatus {
		return control.ScannerStatus{Name: name, Direction: direction}
	}
	both := []control.ScannerStatus{lane("in", "entry"), lane("out", "exit")}
	for _, tt := range []struct {
		gate  string
		lanes []control.ScannerStatus
		name  string
		want  string
	}{
		{"entry", both, "", "Gate 7, entry + exit"},
		{"entry", both, "in", "Gate 7, entry"},
		{"entry", both, "out", "Gate 7, exit"},
		{"exit", nil, "", "Gate 7, exit"},
		{"entry", nil, "", "Gate 7, entry"},
		{"exit", both, Manual, "Gate 7, exit"},
		{"entry", both[1:], "", "Gate 7, exit"},
	} {
		s := speakers(t)[0]
		state := s.State(control.Status{Device: control.DeviceStatus{Gate: "Gate 7", Direction: tt.gate}, Scanners: tt.lanes}, tt.name)
		if got := state.Bar[0].Text; got != tt.want {
			t.Errorf("gate %s, page %q: %q, want %q", tt.gate, tt.name, got, tt.want)
		}
	}
}

// TestAnExitIsNoEntry: who was let out was not let in.
func TestAnExitIsNoEntry(t *testing.T) {
	for _, s := range speakers(t) {
		for _, e := range []control.Event{
			{Kind: scanner.KindOverride, Verdict: scanner.Admit, Overridden: true, By: "Jo"},
			{Kind: scanner.KindConflict, Reason: scanner.Restricted},
		} {
			in, out := e, e
			in.Direction, out.Direction = scanner.Entry, scanner.Exit
			if e.Kind == scanner.KindOverride {
				in.Reason, out.Reason = scanner.OK, scanner.Exited
			}
			was, is := s.Event(in), s.Event(out)
			if is.Why == was.Why || is.Why == "" || e.By != "" && !strings.Contains(is.Why, e.By) {
				t.Errorf("%s: %s of an exit is %q, of an entry %q", s.Words.Language, e.Kind, is.Why, was.Why)
			}
		}
	}
}

// TestEveryStateIsSaid: what must always be seen is there, in every language.
func TestEveryStateIsSaid(t *testing.T) {
	short, long := int64(59), int64(200_000)
	away := control.LinkStatus{State: control.LinkOffline, Since: control.At(sevenOClock)}
	for _, s := range speakers(t) {
		w := s.Words
		for _, tt := range []struct {
			what   string
			status control.Status
			name   string
			kind   Kind
			alarms []string
		}{
			{"well", control.Status{State: control.Ready, Link: control.LinkStatus{State: control.LinkOnline}, Tickets: control.TicketsStatus{AgeS: &short}, Clock: control.ClockStatus{Trusted: true}}, "", Calm, nil},
			{"never asked", control.Status{State: control.Ready, Link: control.LinkStatus{State: control.LinkOffline}, Tickets: control.TicketsStatus{AgeS: &short}, Clock: control.ClockStatus{Trusted: true}}, "", Calm, nil},
			{"offline", control.Status{State: control.Ready, Link: away, Tickets: control.TicketsStatus{AgeS: &short}, Clock: control.ClockStatus{Trusted: true}}, "", Calm, []string{w.Offline}},
			{"a night gone wrong", control.Status{
				State: control.Degraded, Link: away, Tickets: control.TicketsStatus{AgeS: &long, Stale: true}, Parked: 2, Conflicts: 3, Problems: []string{"x"},
				Scanners: []control.ScannerStatus{{Name: "a", State: control.ScannerMissing}, {Name: "b", State: control.ScannerError}, {Name: "c", State: control.ScannerConnected}},
			}, "c", Calm, []string{w.Offline, fill(w.ListOld, "age", s.age(200_000*time.Second)), w.ClockUncertain, fill(w.ScannerMissing, "name", "a"), fill(w.ScannerFault, "name", "b"), fill(w.Parked, "n", "2"), fill(w.Conflicts, "n", "3"), w.NeedsLook}},
			{"not ready", control.Status{State: control.NotReady, Link: away, Problems: []string{"no list"}}, "", Blind, []string{w.Offline, w.NoList, w.ClockUncertain}},
			{"no such scanner", control.Status{State: control.Ready, Link: away}, "lane-9", Blind, []string{w.Offline, w.NoList, w.ClockUncertain}},
			{"typed codes only", control.Status{State: control.Ready, Link: away}, Manual, Calm, []string{w.Offline, w.NoList, w.ClockUncertain}},
		} {
			state := s.State(tt.status, tt.name)
			where := fmt.Sprintf("%s: %s: %+v", w.Language, tt.what, state)
			var alarms, texts []string
			for _, part := range state.Bar {
				texts = append(texts, part.Text)
				if part.Grade == Alarm {
					alarms = append(alarms, part.Text)
				}
			}
			if state.Kind != tt.kind || strings.Join(alarms, "|") != strings.Join(tt.alarms, "|") {
				t.Errorf("%s: want %s with %q, has %q", where, tt.kind, tt.alarms, alarms)
			}
			if state.Kind == Blind && (state.Word == "" || state.Why == "" || state.Shape == ShapeNone) {
				t.Errorf("%s: it does not say why", where)
			}
			if state.Why == "" || state.Problems == nil || len(state.Counts) != 5 || state.Language != w.Language {
				t.Errorf("%s: something is missing", where)
			}
			for _, c := range state.Counts {
				texts = append(texts, c.Label, c.Value)
			}
			for _, text := range append(texts, state.Word, state.Why, state.Do) {
				if strings.ContainsAny(text, "{}") {
					t.Errorf("%s: %q is not filled", where, text)
				}
			}
		}
		lost := s.LostState("x")
		if lost.Kind != Lost || lost.Shape == ShapeNone || lost.Word == "" || lost.Why == "" || lost.Do != "x" {
			t.Errorf("%s: %+v", w.Language, lost)
		}
		for _, st := range []scanner.Status{scanner.StatusValid, scanner.StatusUsed, scanner.StatusVoided, scanner.StatusRefunded, scanner.StatusBlocked, scanner.StatusTwice, "vendors-own"} {
			if text := s.status(st); text == "" || st.Known() && w.Language != "en" && text == string(st) {
				t.Errorf("%s: a ticket that is %s is %q", w.Language, st, text)
			}
		}
	}
}
