package scanner_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"usher/scanner"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func trusted(at time.Time) scanner.Instant {
	return scanner.Instant{At: at, Earliest: at.Add(-time.Second), Latest: at.Add(time.Second), Trusted: true}
}

// listed is an entry of a valid ticket at a default gate; edit changes it.
func listed(edit ...func(*scanner.Facts)) scanner.Facts {
	f := scanner.Facts{
		Direction: scanner.Entry,
		At:        trusted(noon),
		Stamp:     scanner.Stamp{Wall: noon, Boot: "b", Up: time.Hour},
		Gate:      "Gate 7",
		Rule:      scanner.Rule{Kind: scanner.External, ExitUnknown: scanner.PolicyRefuse, Unknown: scanner.PolicyRefuse},
		Found:     scanner.Listed,
		Ticket:    scanner.Ticket{Code: "T1", Status: scanner.StatusValid},
		List:      scanner.ListState{Loaded: true, Complete: true, Fresh: true},
		Ready:     true,
	}
	for _, e := range edit {
		e(&f)
	}
	return f
}

func missing(edit ...func(*scanner.Facts)) scanner.Facts {
	f := listed(edit...)
	f.Found, f.Ticket = scanner.Missing, scanner.Ticket{}
	return f
}

// What a vendor said of a ticket that cannot be read is told to the supervisor.
func TestDamagedSaysWhy(t *testing.T) {
	d := scanner.Decide(listed(func(f *scanner.Facts) {
		f.Found, f.Ticket = scanner.Damaged, scanner.Ticket{Code: "T1", Detail: "two seats"}
	}))
	if d.Verdict != scanner.Review || d.Detail != "two seats" {
		t.Errorf("%+v", d)
	}
}

func TestDecide(t *testing.T) {
	exit := func(f *scanner.Facts) { f.Direction = scanner.Exit }
	status := func(s scanner.Status) func(*scanner.Facts) { return func(f *scanner.Facts) { f.Ticket.Status = s } }
	mark := func(m scanner.Mark) func(*scanner.Facts) { return func(f *scanner.Facts) { f.Mark = m } }
	rule := func(e func(*scanner.Rule)) func(*scanner.Facts) { return func(f *scanner.Facts) { e(&f.Rule) } }
	list := func(l scanner.ListState) func(*scanner.Facts) { return func(f *scanner.Facts) { f.List = l } }
	window := func(from, until time.Time) func(*scanner.Facts) {
		return func(f *scanner.Facts) { f.Ticket.ValidFrom, f.Ticket.ValidUntil = from, until }
	}
	at := func(i scanner.Instant) func(*scanner.Facts) { return func(f *scanner.Facts) { f.At = i } }
	reentry := rule(func(r *scanner.Rule) { r.Reentry = true })
	unknown := func(p scanner.Policy) func(*scanner.Facts) { return rule(func(r *scanner.Rule) { r.Unknown = p }) }
	exitUnknown := func(p scanner.Policy) func(*scanner.Facts) {
		return rule(func(r *scanner.Rule) { r.ExitUnknown = p })
	}
	entered := scanner.Mark{Rev: 1, Entered: true, EnteredAt: noon.Add(-time.Hour), EnteredGate: "Gate 2"}
	left := scanner.Mark{Rev: 2, Entered: true, Exited: true}
	stale := scanner.ListState{Loaded: true, Complete: true}

	unsure := rule(func(r *scanner.Rule) { r.SectionsUnknown = true })
	inSection := func(f *scanner.Facts) { f.Ticket.SectionID = "1" }

	tests := []struct {
		name  string
		facts scanner.Facts
		want  scanner.Verdict
		why   scanner.Reason
	}{
		{"first entry", listed(), scanner.Admit, scanner.OK},
		{"second entry", listed(mark(entered)), scanner.Refuse, scanner.AlreadyEntered},
		{"the list says used", listed(status(scanner.StatusUsed)), scanner.Refuse, scanner.AlreadyEntered},
		{"exit after entry", listed(exit, mark(entered)), scanner.Admit, scanner.Exited},
		{"exit where the list says used", listed(exit, status(scanner.StatusUsed)), scanner.Admit, scanner.Exited},
		{"second exit", listed(exit, mark(left)), scanner.Refuse, scanner.ExitNotPermitted},
		{"second exit is known whatever exit_unknown says", listed(exit, mark(left), exitUnknown(scanner.PolicyAdmit)), scanner.Refuse, scanner.ExitNotPermitted},
		{"exit without a known entry", listed(exit), scanner.Refuse, scanner.ExitNotPermitted},
		{"exit without a known entry, exit_unknown review", listed(exit, exitUnknown(scanner.PolicyReview)), scanner.Review, scanner.ExitNotPermitted},
		{"exit without a known entry, exit_unknown admit", listed(exit, exitUnknown(scanner.PolicyAdmit)), scanner.Admit, scanner.Exited},
		{"entry after exit", listed(mark(left)), scanner.Refuse, scanner.AlreadyEntered},
		{"entry after exit, re-entry allowed", listed(mark(left), reentry), scanner.Admit, scanner.OK},
		{"used and left here, re-entry allowed", listed(mark(left), reentry, status(scanner.StatusUsed)), scanner.Admit, scanner.OK},
		{"re-entry allowed does not admit one who is inside", listed(mark(entered), reentry), scanner.Refuse, scanner.AlreadyEntered},

		{"a permit admits once more", listed(mark(scanner.Mark{Rev: 3, Entered: true, Permit: scanner.Entry})), scanner.Admit, scanner.OK},
		{"a permit outweighs the list's used", listed(mark(scanner.Mark{Rev: 3, Permit: scanner.Entry}), status(scanner.StatusUsed)), scanner.Admit, scanner.OK},
		{"a permit to enter lets nobody out", listed(exit, mark(scanner.Mark{Rev: 3, Permit: scanner.Entry})), scanner.Refuse, scanner.ExitNotPermitted},
		{"a permit does not outweigh a refund", listed(mark(scanner.Mark{Rev: 3, Permit: scanner.Entry}), status(scanner.StatusRefunded)), scanner.Refuse, scanner.Refunded},

		{"a permit outweighs a conflict: a person gave it", listed(mark(scanner.Mark{Rev: 3, Conflict: true, Permit: scanner.Entry})), scanner.Admit, scanner.OK},
		{"a permit admits what no list knows", missing(mark(scanner.Mark{Rev: 3, Permit: scanner.Entry})), scanner.Admit, scanner.OK},

		{"voided", listed(status(scanner.StatusVoided)), scanner.Refuse, scanner.Voided},
		{"refunded", listed(status(scanner.StatusRefunded)), scanner.Refuse, scanner.Refunded},
		{"blocked", listed(status(scanner.StatusBlocked)), scanner.Refuse, scanner.Restricted},
		{"a status nobody knows never admits", listed(status("Issued?")), scanner.Refuse, scanner.Restricted},
		{"no status never admits", listed(status("")), scanner.Refuse, scanner.Restricted},
		{"conflict", listed(mark(scanner.Mark{Rev: 1, Entered: true, Conflict: true})), scanner.Refuse, scanner.AlreadyEntered},
		{"conflict comes before a refund", listed(mark(scanner.Mark{Rev: 1, Conflict: true}), status(scanner.StatusRefunded)), scanner.Refuse, scanner.AlreadyEntered},
		{"damaged record", listed(func(f *scanner.Facts) { f.Found = scanner.Damaged }), scanner.Review, scanner.DamagedRecord},
		{"an event that the vendor's configuration is not for", listed(status(scanner.StatusElsewhere)), scanner.Refuse, scanner.WrongEvent},

		{"wrong client", listed(rule(func(r *scanner.Rule) { r.Client = "1" }), func(f *scanner.Facts) { f.Ticket.Client = "2" }), scanner.Refuse, scanner.WrongClient},
		{"wrong series", listed(rule(func(r *scanner.Rule) { r.Series = "S" }), func(f *scanner.Facts) { f.Ticket.Series = "T" }), scanner.Refuse, scanner.WrongSeries},
		{"wrong event", listed(rule(func(r *scanner.Rule) { r.Event = "E1" }), func(f *scanner.Facts) { f.Ticket.Event = "E2" }), scanner.Refuse, scanner.WrongEvent},
		{"right event in another case", listed(rule(func(r *scanner.Rule) { r.Event = "Gala" }), func(f *scanner.Facts) { f.Ticket.Event = "gala " }), scanner.Admit, scanner.OK},
		{"the record names no event", listed(rule(func(r *scanner.Rule) { r.Event = "E1" })), scanner.Admit, scanner.OK},
		{"wrong section", listed(rule(func(r *scanner.Rule) { r.Sections = []string{"A", "B"} }), func(f *scanner.Facts) { f.Ticket.Section = "C" }), scanner.Refuse, scanner.WrongSection},
		{"no section is none of the gate's", listed(rule(func(r *scanner.Rule) { r.Sections = []string{"A"} })), scanner.Refuse, scanner.WrongSection},
		{"right section", listed(rule(func(r *scanner.Rule) { r.Sections = []string{"A", "B"} }), func(f *scanner.Facts) { f.Ticket.Section = "B" }), scanner.Admit, scanner.OK},
		{"a section that the vendor keeps from this device", listed(rule(func(r *scanner.Rule) { r.SectionIDs = []string{"1", "2"} }), func(f *scanner.Facts) { f.Ticket.SectionID = "3" }), scanner.Refuse, scanner.WrongSection},
		{"a section that the vendor gives this device", listed(rule(func(r *scanner.Rule) { r.SectionIDs = []string{"1", "2"} }), func(f *scanner.Facts) { f.Ticket.SectionID = "2" }), scanner.Admit, scanner.OK},
		{"no section's id says nothing against it", listed(rule(func(r *scanner.Rule) { r.SectionIDs = []string{"1"} })), scanner.Admit, scanner.OK},
		{"the vendor keeps no section from this device", listed(func(f *scanner.Facts) { f.Ticket.SectionID = "3" }), scanner.Admit, scanner.OK},
		{"the vendor's section is not the gate's", listed(rule(func(r *scanner.Rule) { r.SectionIDs, r.Sections = []string{"1"}, []string{"A"} }), func(f *scanner.Facts) { f.Ticket.SectionID, f.Ticket.Section = "1", "B" }), scanner.Refuse, scanner.WrongSection},
		{"the gate's section is not the vendor's", listed(rule(func(r *scanner.Rule) { r.SectionIDs, r.Sections = []string{"1"}, []string{"A"} }), func(f *scanner.Facts) { f.Ticket.SectionID, f.Ticket.Section = "2", "A" }), scanner.Refuse, scanner.WrongSection},
		{"nobody leaves through a section that is not the device's", listed(exit, mark(entered), rule(func(r *scanner.Rule) { r.SectionIDs = []string{"1"} }), func(f *scanner.Facts) { f.Ticket.SectionID = "2" }), scanner.Refuse, scanner.WrongSection},
		{"a permit does not open another section", listed(mark(scanner.Mark{Rev: 3, Permit: scanner.Entry}), rule(func(r *scanner.Rule) { r.SectionIDs = []string{"1"} }), func(f *scanner.Facts) { f.Ticket.SectionID = "2" }), scanner.Refuse, scanner.WrongSection},
		{"the vendor gives this device no section", listed(rule(func(r *scanner.Rule) { r.SectionIDs = []string{} }), inSection), scanner.Refuse, scanner.WrongSection},
		{"nobody knows yet which sections are this device's", listed(unsure, inSection), scanner.Review, scanner.NotReady},
		{"nor who may leave", listed(unsure, inSection, exit, mark(entered)), scanner.Review, scanner.NotReady},
		{"a permit does not tell them", listed(unsure, inSection, mark(scanner.Mark{Rev: 3, Permit: scanner.Entry})), scanner.Review, scanner.NotReady},
		{"without a section's id nothing depends on them", listed(unsure), scanner.Admit, scanner.OK},
		{"a red stays one where they are unknown", listed(unsure, inSection, mark(entered)), scanner.Refuse, scanner.AlreadyEntered},
		{"a refund does where they are unknown", listed(unsure, inSection, status(scanner.StatusRefunded)), scanner.Refuse, scanner.Refunded},
		{"a refund comes before the section", listed(status(scanner.StatusRefunded), rule(func(r *scanner.Rule) { r.SectionIDs = []string{"1"} }), func(f *scanner.Facts) { f.Ticket.SectionID = "2" }), scanner.Refuse, scanner.Refunded},

		{"too early", listed(window(noon.Add(time.Hour), time.Time{})), scanner.Refuse, scanner.TooEarly},
		{"too late", listed(window(time.Time{}, noon.Add(-time.Hour))), scanner.Refuse, scanner.TooLate},
		{"the window's first moment", listed(window(noon, noon.Add(time.Hour))), scanner.Admit, scanner.OK},
		{"the window's last moment", listed(window(noon.Add(-time.Hour), noon)), scanner.Admit, scanner.OK},
		{"windows are for entries only", listed(exit, mark(entered), window(noon.Add(time.Hour), time.Time{})), scanner.Admit, scanner.Exited},
		{"a clock nobody vouches for cannot say too early", listed(at(scanner.Instant{At: noon}), window(noon.Add(time.Hour), time.Time{})), scanner.Review, scanner.ClockDoubt},
		{"nor can it say open", listed(at(scanner.Instant{At: noon}), window(noon.Add(-time.Hour), noon.Add(time.Hour))), scanner.Review, scanner.ClockDoubt},
		{"but what is over stays over", listed(at(scanner.Instant{At: noon, Earliest: noon}), window(time.Time{}, noon.Add(-time.Hour))), scanner.Refuse, scanner.TooLate},
		{"and what has begun and never ends is open", listed(at(scanner.Instant{At: noon, Earliest: noon}), window(noon.Add(-time.Hour), time.Time{})), scanner.Admit, scanner.OK},
		{"bounds across the opening", listed(at(scanner.Instant{At: noon, Earliest: noon.Add(-time.Hour), Latest: noon.Add(time.Hour)}), window(noon, time.Time{})), scanner.Review, scanner.ClockDoubt},
		{"no window needs no clock", listed(at(scanner.Instant{At: noon})), scanner.Admit, scanner.OK},
		{"a refund needs no clock", listed(at(scanner.Instant{At: noon}), status(scanner.StatusRefunded), window(noon, noon)), scanner.Refuse, scanner.Refunded},

		{"missing from a fresh complete list", missing(), scanner.Refuse, scanner.NotFound},
		{"missing from a stale list", missing(list(stale)), scanner.Review, scanner.NotInList},
		{"missing from a list that is not complete", missing(list(scanner.ListState{Loaded: true, Fresh: true})), scanner.Review, scanner.NotInList},
		{"no list", missing(list(scanner.ListState{})), scanner.Review, scanner.NoList},
		{"no list and not signed in", missing(list(scanner.ListState{}), func(f *scanner.Facts) { f.Ready = false }), scanner.Review, scanner.NotReady},
		{"unknown: review, fresh list", missing(unknown(scanner.PolicyReview)), scanner.Review, scanner.NotInList},
		{"unknown: review, no list", missing(unknown(scanner.PolicyReview), list(scanner.ListState{})), scanner.Review, scanner.NoList},
		{"unknown: admit", missing(unknown(scanner.PolicyAdmit)), scanner.Admit, scanner.OK},
		{"unknown: admit, no list", missing(unknown(scanner.PolicyAdmit), list(scanner.ListState{})), scanner.Admit, scanner.OK},
		{"unknown: admit, a second time", missing(unknown(scanner.PolicyAdmit), mark(entered)), scanner.Refuse, scanner.AlreadyEntered},
		{"unknown: admit keeps the re-entry rule", missing(unknown(scanner.PolicyAdmit), mark(left)), scanner.Refuse, scanner.AlreadyEntered},
		{"missing now, but it entered here", missing(mark(entered)), scanner.Refuse, scanner.AlreadyEntered},
		{"missing now, but who entered here may leave", missing(exit, mark(entered)), scanner.Admit, scanner.Exited},
		{"missing from a fresh list, re-entry", missing(mark(left), reentry), scanner.Refuse, scanner.NotFound},
		{"missing from a stale list, re-entry", missing(mark(left), reentry, list(stale)), scanner.Admit, scanner.OK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := scanner.Decide(tt.facts)
			if d.Verdict != tt.want || d.Reason != tt.why {
				t.Fatalf("got %s/%s, want %s/%s", d.Verdict, d.Reason, tt.want, tt.why)
			}
			if (d.Next != nil) != (d.Verdict == scanner.Admit) {
				t.Fatalf("next mark %+v with verdict %s", d.Next, d.Verdict)
			}
		})
	}
}

func TestDecideTellsTheFirstEntry(t *testing.T) {
	f := listed()
	f.Mark = scanner.Mark{Entered: true, EnteredAt: noon.Add(-57 * time.Minute), EnteredGate: "Gate 2"}
	d := scanner.Decide(f)
	if got, want := d.Message(noon, time.UTC), "Already entered at Gate 2, 11:03"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
	f = listed()
	f.Ticket.Status, f.Ticket.UsedGate, f.Ticket.UsedAt = scanner.StatusUsed, "Gate 9", noon.Add(-48*time.Hour)
	d = scanner.Decide(f)
	if got, want := d.Message(noon, time.UTC), "Already entered at Gate 9, 19 Nov 2026 12:00"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
}

func TestMessageTellsWindowsInTheVenuesZone(t *testing.T) {
	madrid, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		t.Fatal(err)
	}
	f := listed()
	f.Ticket.ValidFrom = noon.Add(7 * time.Hour)
	if got, want := scanner.Decide(f).Message(noon, madrid), "Too early: entry opens 20:00"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
}

func TestEveryReasonHasWordsAndOneVerdict(t *testing.T) {
	for _, r := range scanner.Reasons() {
		if text := (scanner.Decision{Reason: r}).Message(noon, nil); text == string(r) || text == "" {
			t.Errorf("reason %s has no words of its own: %q", r, text)
		}
		if v := r.Verdict(); v != scanner.Admit && v != scanner.Refuse && v != scanner.Review {
			t.Errorf("reason %s: verdict %q", r, v)
		}
	}
}

// gateRule is design section 5 as a machine of its own, told in states rather
// than flags: what a person in that state may do.
type gateRule struct {
	kind                  scanner.GateKind
	reentry, exitRequired bool
	entered, out, inside  bool
}

func (g *gateRule) pass(d scanner.Direction) bool {
	if g.kind == scanner.Internal {
		switch {
		case d == scanner.Entry && g.exitRequired && g.inside, d == scanner.Exit && !g.inside:
			return false
		case d == scanner.Entry:
			g.inside, g.entered, g.out = true, true, false
		default:
			g.inside = false
		}
		return true
	}
	switch {
	case d == scanner.Entry && g.entered && !(g.out && g.reentry):
		return false
	case d == scanner.Entry:
		g.entered, g.out = true, false
	case !g.entered || g.out:
		return false
	default:
		g.out = true
	}
	return true
}

func TestGateRuleOverAnySequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		model := gateRule{
			kind:         rapid.SampledFrom([]scanner.GateKind{scanner.External, scanner.Internal}).Draw(t, "kind"),
			reentry:      rapid.Bool().Draw(t, "reentry"),
			exitRequired: rapid.Bool().Draw(t, "exit required"),
		}
		f := listed()
		f.Rule.Kind, f.Rule.Reentry, f.Rule.ExitRequired = model.kind, model.reentry, model.exitRequired
		for _, entry := range rapid.SliceOfN(rapid.Bool(), 1, 12).Draw(t, "entries") {
			f.Direction = scanner.Exit
			if entry {
				f.Direction = scanner.Entry
			}
			want := model.pass(f.Direction)
			d := scanner.Decide(f)
			if got := d.Verdict == scanner.Admit; got != want {
				t.Fatalf("%s at mark %+v: admitted %v, want %v", f.Direction, f.Mark, got, want)
			}
			if d.Next != nil {
				f.Mark = *d.Next
			}
		}
	})
}

func TestNoRecordOfUnknownWorthAdmits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		status := scanner.Status(rapid.String().Draw(t, "status"))
		f := listed()
		f.Ticket.Status = status
		f.Mark.Permit = rapid.SampledFrom([]scanner.Direction{"", scanner.Entry}).Draw(t, "permit")
		if d := scanner.Decide(f); d.Verdict == scanner.Admit && status != scanner.StatusValid && status != scanner.StatusUsed {
			t.Fatalf("status %q admitted", status)
		}
	})
}

func TestAMarkMadeAfterTheEventDoesNotEndAtOnce(t *testing.T) {
	f := listed()
	f.Ticket.ValidUntil = noon.Add(-26 * time.Hour)
	if got := f.Passed().EventEnds; !got.IsZero() {
		t.Errorf("the mark's event ended %v: the next sweep would forget a supervisor's admission", got)
	}
}

func TestATimeNobodyVouchesForIsNotTold(t *testing.T) {
	f := listed()
	f.At = scanner.Instant{At: time.Unix(120, 0)}
	f.Mark = *scanner.Decide(f).Next
	f.At = trusted(noon)
	if got, want := scanner.Decide(f).Message(noon, time.UTC), "Already entered at Gate 7"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
}

func TestMarkOutlivesTheWindowItWasMadeIn(t *testing.T) {
	f := listed()
	f.Ticket.ValidUntil = noon.Add(72 * time.Hour)
	if got := scanner.Decide(f).Next.EventEnds; !got.Equal(f.Ticket.ValidUntil) {
		t.Errorf("the mark's event ends %v: a three-day pass would be forgotten after a day", got)
	}
}

// Where a damage may have taken the ticket's mark, nobody is let in, or told that
// they may not leave, on the strength of there being none; what does not rest on
// the mark stands.
func TestDecideUnproven(t *testing.T) {
	unproven := func(f *scanner.Facts) { f.Mark.Unproven = true }
	for name, tc := range map[string]struct {
		facts scanner.Facts
		want  scanner.Reason
	}{
		"entry":           {listed(unproven), scanner.DamagedRecord},
		"exit":            {listed(unproven, func(f *scanner.Facts) { f.Direction = scanner.Exit }), scanner.DamagedRecord},
		"internal":        {listed(unproven, func(f *scanner.Facts) { f.Rule.Kind = scanner.Internal }), scanner.DamagedRecord},
		"unknown admits":  {missing(unproven, func(f *scanner.Facts) { f.Rule.Unknown = scanner.PolicyAdmit }), scanner.DamagedRecord},
		"voided":          {listed(unproven, func(f *scanner.Facts) { f.Ticket.Status = scanner.StatusVoided }), scanner.Voided},
		"not in the list": {missing(unproven), scanner.NotFound},
		"known":           {listed(), scanner.OK},
	} {
		if d := scanner.Decide(tc.facts); d.Reason != tc.want {
			t.Errorf("%s: got %s, want %s", name, d.Reason, tc.want)
		}
	}
	if m := listed(unproven).Passed(); m.Unproven || !m.Entered {
		t.Errorf("a supervisor's admission leaves %+v", m)
	}
}
