package gate_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
)

const walkUp, listed = scanner.Code("WALKUP-1"), scanner.Code("AAA111")

// inVenue plays a night with one listed ticket, whose vendor may take its time
// for a call.
func inVenue(t *testing.T, play func(*venue), change ...func(*venue)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		v := openVenue(t, []scanner.Code{listed}, map[scanner.Code]fullness{}, func(v *venue) {
			v.cfg.Timeout = longCall
			for _, c := range change {
				c(v)
			}
		})
		play(v)
		v.close()
	})
}

// goes lays out how the next calls for the ticket go.
func (v *venue) goes(code scanner.Code, ways ...way) { v.till.stub(code).ways = ways }

// wants scans and holds the verdict to what is wanted.
func (v *venue) wants(lane string, code scanner.Code, want string, direction ...scanner.Direction) scanner.Outcome {
	v.t.Helper()
	out, waited := v.scan(lane, code, direction...)
	if got := told(out); got != want {
		v.t.Errorf("%s: got %s, want %s", lane, got, want)
	}
	if waited > patience {
		v.t.Errorf("%s: somebody waited %v", lane, waited)
	}
	return out
}

func (v *venue) wantFate(seq uint64, want scanner.Fate) {
	v.t.Helper()
	if e := v.entry(seq); e.Fate != want {
		v.t.Errorf("record %d is %q, want %q", seq, e.Fate, want)
	}
}

func (v *venue) wantConflicts(want int) {
	v.t.Helper()
	if _, j := v.now(); j.Status().Conflicts != want {
		v.t.Errorf("%d conflicts, want %d", j.Status().Conflicts, want)
	}
}

func TestTheLastOfTwoCallsFreesTheEntry(t *testing.T) {
	inVenue(t, func(v *venue) {
		v.goes(listed, way{acts: 0, ends: veryLate}, way{acts: never, ends: lateAt, fault: reset})
		v.wants("lane-1", listed, "review/not_stored offline")
		v.wait(6 * time.Second)
		in := v.wants("lane-2", listed, "admit/ok offline in-doubt")
		v.wait(10 * time.Second)
		v.upload()
		v.wantFate(in.Seq, scanner.FatePending) // the first call still runs
		v.wait(20 * time.Second)
		v.wantFate(in.Seq, scanner.FateConfirmed)
	}, func(v *venue) { v.full[listed] = noCommit })
}

func TestTwoLostCallsAdmitOnce(t *testing.T) {
	inVenue(t, func(v *venue) {
		v.goes(walkUp, way{0, fails, reset}, way{never, fails, reset})
		v.wants("lane-1", walkUp, "refuse/not_found offline")
		v.wait(10 * time.Second)
		v.wants("lane-1", walkUp, "refuse/not_found offline")
		v.wait(20 * time.Second)
		v.wants("lane-1", walkUp, "admit/ok online late")
		v.wait(30 * time.Second)
		v.wants("lane-1", walkUp, "refuse/already_entered online")
	})
}

func TestASupervisorAdmitsWhileTheCallRuns(t *testing.T) {
	for name, tt := range map[string]struct {
		way       way
		elsewhere bool
		fate      scanner.Fate // once the call has ended
		conflicts int          // after the upload
	}{
		"a late yes is his entry":                {way{0, veryLate, nil}, false, scanner.FateConfirmed, 0},
		"a late refusal is a conflict":           {way{0, veryLate, nil}, true, scanner.FatePending, 1},
		"a call that never left clears it":       {way{never, veryLate, noDial}, true, scanner.FatePending, 1},
		"a lost call leaves it in doubt":         {way{0, veryLate, reset}, false, scanner.FatePending, 0},
		"a call that never left, a fresh ticket": {way{never, veryLate, noDial}, false, scanner.FatePending, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inVenue(t, func(v *venue) {
				if tt.elsewhere {
					v.till.act(walkUp, gate2)
				}
				v.goes(walkUp, tt.way)
				amber := v.wants("lane-1", walkUp, "refuse/not_found offline")
				v.wait(5 * time.Second)
				g, _ := v.now()
				in, err := g.Admit(t.Context(), amber.Seq, "Eve")
				if err != nil {
					t.Fatal(err)
				}
				v.wait(10 * time.Second)
				v.upload()
				v.wantFate(in.Seq, scanner.FatePending) // the call still runs
				v.wait(20 * time.Second)
				v.wantFate(in.Seq, tt.fate)
				v.upload()
				v.wantConflicts(tt.conflicts)
				v.wants("lane-2", walkUp, "refuse/already_entered online")
				if tt.way.fault == nil && tt.way.acts == 0 && !tt.elsewhere && v.till.stub(walkUp).asked != 2 {
					t.Error("the vendor was asked for what it had said already")
				}
			})
		})
	}
}

func TestASupervisorAdmitsWhatAnOldLostCallBroughtToTheVendor(t *testing.T) {
	for _, later := range []time.Duration{laterAt, 20 * time.Hour} {
		inVenue(t, func(v *venue) {
			v.goes(walkUp, way{0, fails, reset})
			amber := v.wants("lane-1", walkUp, "refuse/not_found offline")
			v.wait(later)
			g, j := v.now()
			j.Configure(336*time.Hour, 24*time.Hour)
			if err := j.Sweep(v.t.Context()); err != nil {
				t.Fatal(err)
			}
			in, err := g.Admit(v.t.Context(), amber.Seq, "Eve")
			if err != nil {
				t.Fatal(err)
			}
			v.upload()
			v.wantFate(in.Seq, scanner.FateTaken)
			v.wantConflicts(0)
		})
	}
}

func TestUndoWhileTheCallRuns(t *testing.T) {
	for name, tt := range map[string]struct {
		way       way
		elsewhere bool
		again     string
		conflicts int
	}{
		"a late yes: the permit lets the holder back in":     {way{0, veryLate, nil}, false, "admit/ok offline in-doubt", 0},
		"lost: the permit lets the holder back in":           {way{0, veryLate, reset}, false, "admit/ok offline in-doubt", 0},
		"never sent: the permit lets the holder back in":     {way{never, veryLate, noDial}, false, "admit/ok offline in-doubt", 0},
		"a late refusal: nothing lets the copy in once more": {way{0, veryLate, nil}, true, "refuse/already_entered offline", 1},
	} {
		t.Run(name, func(t *testing.T) {
			inVenue(t, func(v *venue) {
				if tt.elsewhere {
					v.till.act(listed, gate2)
				}
				v.goes(listed, tt.way)
				in := v.wants("lane-1", listed, "admit/ok offline in-doubt")
				v.wait(5 * time.Second)
				g, _ := v.now()
				if _, err := g.Undo(t.Context(), in.Seq, "Eve"); err != nil {
					t.Fatal(err)
				}
				v.wait(20 * time.Second)
				v.wants("lane-2", listed, tt.again)
				v.wait(30 * time.Second)
				v.wants("lane-2", listed, "refuse/already_entered offline")
				v.upload()
				v.wantConflicts(tt.conflicts)
				if _, j := v.now(); j.Status().Pending != 0 {
					t.Errorf("%d entries left", j.Status().Pending)
				}
			})
		})
	}
}

func TestAnExitAfterALostEntryEndsItsDoubt(t *testing.T) {
	inVenue(t, func(v *venue) {
		v.goes(walkUp, way{0, fails, reset})
		v.wants("in", walkUp, "refuse/not_found offline")
		v.wait(10 * time.Second)
		v.wants("out", walkUp, "admit/exited online", scanner.Exit)
		v.wait(20 * time.Second)
		v.wants("in", walkUp, "refuse/already_entered online")
	})
}

func TestAnExitWhileTheEntrysCallRuns(t *testing.T) {
	inVenue(t, func(v *venue) {
		v.goes(listed, way{0, veryLate, nil})
		in := v.wants("in", listed, "admit/ok offline in-doubt")
		v.wait(5 * time.Second)
		out := v.wants("out", listed, "admit/exited offline", scanner.Exit)
		v.upload()
		v.wantFate(out.Seq, scanner.FatePending) // behind an entry whose call still runs
		v.wait(20 * time.Second)
		v.wantFate(in.Seq, scanner.FateConfirmed)
		v.upload()
		v.wantFate(out.Seq, scanner.FateTaken)
		v.wantConflicts(0)
	})
}

func TestAnotherEventWhileTheCallRuns(t *testing.T) {
	inVenue(t, func(v *venue) {
		v.goes(walkUp, way{0, lateAt, nil})
		v.wants("lane-1", walkUp, "refuse/not_found offline")
		g, _ := v.now()
		tonight, tomorrow := v.cfg, v.cfg
		tomorrow.Scope.Event = "tomorrow"
		g.Configure(tomorrow)
		// No list for it, and no doubt of tonight's: the vendor's word stands, and the
		// reading is no repeat of tonight's red.
		v.wants("lane-1", walkUp, "refuse/already_entered online")
		v.wait(10 * time.Second)
		g.Configure(tonight)
		v.wants("lane-1", walkUp, "admit/ok online late")
	})
}

func TestAGreenThatRestsOnACallThatNeverLeftIsAConflict(t *testing.T) {
	inVenue(t, func(v *venue) {
		v.till.act(walkUp, gate2)
		v.goes(walkUp, way{never, veryLate, noDial})
		v.wants("lane-1", walkUp, "refuse/not_found offline")
		v.wait(10 * time.Second)
		v.wants("lane-1", walkUp, "admit/ok online late") // it may have been us
		v.wantConflicts(0)
		v.wait(20 * time.Second)
		v.wantConflicts(1) // it was not
	})
}

// A late yes and a scan at another lane at the same moment: whoever is first,
// one person goes in. The link is down by then: in a bubble no time passes while
// one of the two waits for the ticket.
func TestALateYesAndAnotherLaneAtOnce(t *testing.T) {
	const tickets = 60
	inVenue(t, func(v *venue) {
		greens := make([]int, tickets)
		var wg sync.WaitGroup
		for i := range tickets {
			code := codeOf(i)
			v.goes(code, way{0, lateAt, nil})
			wg.Go(func() {
				first, _ := v.scan(fmt.Sprint(i, "/lane-1"), code)
				v.wait(lateAt - time.Millisecond)
				v.link.on.Store(false)
				v.wait(lateAt)
				second, _ := v.scan(fmt.Sprint(i, "/lane-2"), code)
				v.wait(againAt)
				third, _ := v.scan(fmt.Sprint(i, "/lane-1"), code)
				for _, out := range []scanner.Outcome{first, second, third} {
					if out.Verdict == scanner.Admit && !out.Repeat {
						greens[i]++
					}
				}
			})
		}
		wg.Wait()
		for i, n := range greens {
			if n != 1 {
				t.Errorf("ticket %d admitted %d times", i, n)
			}
		}
		v.wantConflicts(0)
	})
}

func TestAReadingWhileTheVendorIsAskedJoins(t *testing.T) {
	inVenue(t, func(v *venue) {
		v.goes(listed, way{0, veryLate, nil})
		in := v.wants("lane-1", listed, "admit/ok offline in-doubt") // until 1.5 s
		g, _ := v.now()
		at := v.clock.Now()
		at.Up -= time.Second // it was in the scanner's buffer meanwhile
		out, _ := g.Judge(t.Context(), scanner.Reading{Scanner: "lane-1", Raw: string(listed), At: at})
		if !out.Repeat || out.Seq != in.Seq || !strings.Contains(told(out), "repeat") {
			t.Errorf("got %s", told(out))
		}
		if asked := v.till.stub(listed).asked; asked != 1 {
			t.Errorf("the vendor was asked %d times", asked)
		}
	})
}

// Attempts that no disk holds: a slow call's yes is kept after a later ticket's
// attempt was, and must not take that one away; nor must the attempt of a reading
// that waited its turn.
func TestAnOldAttemptTakesNoNewerOneAway(t *testing.T) {
	const other = scanner.Code("WALKUP-2")
	for name, older := range map[string]func(*venue){
		"a late yes": func(v *venue) {
			v.goes(walkUp, way{0, timesOut, nil})
			go v.scan("lane-1", walkUp)
			v.wait(time.Second)
			v.wants("lane-2", other, "refuse/not_found offline")
		},
		"a reading that waited its turn": func(v *venue) {
			v.goes(walkUp, way{never, fails, reset})
			g, _ := v.now()
			early := v.clock.Now()
			v.wait(time.Second)
			v.wants("lane-2", other, "refuse/not_found offline")
			g.Judge(v.t.Context(), scanner.Reading{Scanner: "lane-1", Raw: string(walkUp), At: early})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVenue(t, func(v *venue) {
				v.goes(other, way{0, fails, reset})
				older(v)
				v.wait(10 * time.Second)
				v.wants("lane-2", other, "admit/ok online late")
			}, func(v *venue) { v.full[walkUp], v.full[other] = noRoom, noRoom })
		})
	}
}

// TestInAndOutWhileTheDiskRefuses: the vendor confirmed both, and this device knows
// of both: while the disk refuses, when it takes again, and after a restart; until
// the ticket's time is over.
func TestInAndOutWhileTheDiskRefuses(t *testing.T) {
	inVenue(t, func(v *venue) {
		v.wants("in", listed, "admit/ok online")
		v.wait(time.Second)
		v.wants("out", listed, "admit/exited online", scanner.Exit)
		v.link.on.Store(false)
		wantOut := func() {
			t.Helper()
			v.wants("out again", listed, "refuse/exit_not_permitted offline", scanner.Exit)
			v.wants("in again", listed, "refuse/already_entered offline")
		}
		v.wait(4 * time.Second)
		wantOut()
		v.wait(10 * time.Second) // it takes again
		sweep := func() {
			_, j := v.now()
			j.Configure(336*time.Hour, 24*time.Hour)
			if err := j.Sweep(v.t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		sweep()
		wantOut()
		v.wait(20 * time.Second)
		v.die()
		sweep()
		wantOut()
		v.wait(25 * time.Hour)
		v.die()
		sweep()
		v.wants("in the next day", listed, "admit/ok offline")
	}, func(v *venue) { v.full[listed] = noRoom })
}

// TestANotedEntryEndsWithItsMark, also where the daemon lives on.
func TestANotedEntryEndsWithItsMark(t *testing.T) {
	inVenue(t, func(v *venue) {
		v.wants("lane-1", listed, "admit/ok online")
		v.link.on.Store(false)
		_, j := v.now()
		j.Configure(336*time.Hour, 24*time.Hour)
		v.wait(10 * time.Second)
		// A later entry takes the note along; then the mark has a place to end at.
		v.wants("lane-2", listed, "refuse/already_entered offline")
		ctx, cancel := context.WithCancel(v.t.Context())
		done := make(chan struct{})
		go func() { defer close(done); j.Run(ctx) }()
		v.wait(49 * time.Hour)
		cancel()
		<-done
		v.wants("lane-1", listed, "admit/ok offline")
	}, func(v *venue) { v.full[listed] = noRoom })
}
