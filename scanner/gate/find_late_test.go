package gate_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
	"usher/scanner/gate"
)

// tardy answers after the patience of a person at the gate.
const tardy = 2 * time.Second

// TestALateAnswerDecidesTheNextScan, at once and without a question, whatever the link
// does: a holder sent aside a moment ago tries again, and is not shown the old verdict.
func TestALateAnswerDecidesTheNextScan(t *testing.T) {
	for name, tt := range map[string]struct {
		list  []scanner.Ticket
		says  entry
		first string
		next  string
	}{
		"amber, then good":     {nil, known(scanner.StatusValid), "review/no_list offline", "admit/ok online late"},
		"amber, then entered":  {nil, enteredThere, "review/no_list offline", "refuse/already_entered online"},
		"amber, then unknown":  {nil, unknown, "review/no_list offline", "refuse/not_found online"},
		"amber, then amber":    {nil, unreadable, "review/no_list offline", "review/damaged online"},
		"red, then good":       {[]scanner.Ticket{}, known(scanner.StatusValid), "refuse/not_found offline", "admit/ok online late"},
		"red, then still red":  {[]scanner.Ticket{}, known(scanner.StatusVoided), "refuse/not_found offline", "refuse/voided online"},
		"red, and no answer":   {[]scanner.Ticket{}, gone, "refuse/not_found offline", "refuse/not_found repeat"},
		"amber, and no answer": {nil, gone, "review/no_list offline", "review/no_list offline"},
	} {
		for way, off := range map[string]bool{"link up": false, "link away": true} {
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				inHall(t, tt.list, asIs, func(t *testing.T, h *hall) {
					h.archive.says("AAA111", after(tardy, tt.says))
					first, took := h.scan("lane-1", "AAA111")
					if got := told(first); got != tt.first || took > h.cfg.Patience {
						t.Fatalf("%s after %v", got, took)
					}
					pass(tardy - took)
					h.archive.says("AAA111", after(time.Hour, gone)) // who is asked now waits
					h.link.goes(off)
					next, took := h.scan("lane-1", "AAA111")
					if got := told(next); got != tt.next {
						t.Errorf("then %s (%s), want %s", got, next.Message, tt.next)
					}
					if tt.says.err == nil && took != 0 {
						t.Errorf("it waited %v for what was known", took)
					}
					if next.Verdict == scanner.Admit {
						h.stored(next)
					}
					if n := len(h.conflicts()); n != 0 {
						t.Errorf("%d conflicts", n)
					}
				})
			})
		}
	}
}

// TestALateAnswerGrowsOld: it decides one scan of a gate that can ask, and those of
// one that cannot for two minutes.
func TestALateAnswerGrowsOld(t *testing.T) {
	refused := func(h *hall) {
		h.archive.says("AAA111", after(tardy, known(scanner.StatusVoided)))
		h.want("lane-1", "AAA111", "review/no_list offline")
		pass(time.Second)
		h.want("lane-1", "AAA111", "refuse/voided online")
		h.calls("AAA111", 1)
		pass(20 * time.Second)
	}
	t.Run("asked again", func(t *testing.T) {
		inHall(t, nil, asIs, func(t *testing.T, h *hall) {
			refused(h)
			h.archive.says("AAA111", known(scanner.StatusValid)) // the box office has put it right
			h.want("lane-1", "AAA111", "admit/ok online")
			h.calls("AAA111", 2)
		})
	})
	t.Run("asked again, and no answer", func(t *testing.T) {
		inHall(t, nil, func(c *gate.Config) { c.Rule.Unknown = scanner.PolicyAdmit }, func(t *testing.T, h *hall) {
			h.archive.says("AAA111", after(tardy, known(scanner.StatusVoided)))
			h.link.goes(true)
			h.want("lane-1", "BBB222", "admit/ok offline") // what this site wants of a code that nobody knows
			h.link.goes(false)
			// An admission by policy, and the late answer is a conflict.
			h.want("lane-1", "AAA111", "admit/ok offline")
			pass(time.Second)
			if n := len(h.conflicts()); n != 1 {
				t.Errorf("%d conflicts", n)
			}
		})
		inHall(t, nil, asIs, func(t *testing.T, h *hall) {
			refused(h)
			h.archive.says("AAA111", gone)
			h.want("lane-1", "AAA111", "refuse/voided online")
			pass(time.Second)
			h.archive.says("AAA111", after(time.Hour, gone))
			pass(20 * time.Second)
			h.want("lane-1", "AAA111", "refuse/voided online")
			h.calls("AAA111", 3)
		})
	})
	t.Run("the link away", func(t *testing.T) {
		inHall(t, nil, asIs, func(t *testing.T, h *hall) {
			refused(h)
			h.link.goes(true)
			for range 3 {
				h.want("lane-1", "AAA111", "refuse/voided online")
				pass(30 * time.Second)
			}
			pass(30 * time.Second)
			h.want("lane-1", "AAA111", "review/no_list offline")
			h.calls("AAA111", 1)
		})
	})
	t.Run("never used", func(t *testing.T) {
		inHall(t, nil, asIs, func(t *testing.T, h *hall) {
			h.archive.says("AAA111", after(tardy, known(scanner.StatusValid)))
			h.want("lane-1", "AAA111", "review/no_list offline")
			pass(tardy + 2*time.Minute)
			h.archive.says("AAA111", known(scanner.StatusVoided))
			h.want("lane-1", "AAA111", "refuse/voided online")
			h.calls("AAA111", 2)
		})
	})
}

// TestUndoneAndAgain: what came late admits again whoever did not pass, and asks where
// it can.
func TestUndoneAndAgain(t *testing.T) {
	for way, off := range map[string]bool{"link up": false, "link away": true} {
		t.Run(way, func(t *testing.T) {
			inHall(t, nil, asIs, func(t *testing.T, h *hall) {
				h.archive.says("AAA111", after(tardy, known(scanner.StatusValid)))
				h.want("lane-1", "AAA111", "review/no_list offline")
				pass(time.Second)
				h.link.goes(off)
				out := h.want("lane-1", "AAA111", "admit/ok online late")
				if _, err := h.gate.Undo(t.Context(), out.Seq, "Eve"); err != nil {
					t.Fatal(err)
				}
				h.archive.says("AAA111", known(scanner.StatusValid))
				want, calls := "admit/ok online", 2
				if off {
					want, calls = want+" late", 1
				}
				h.stored(h.want("lane-1", "AAA111", want))
				h.calls("AAA111", calls)
				h.want("lane-2", "AAA111", "refuse/already_entered offline")
			})
		})
	}
}

// TestAnAnswerAgainstAGreenIsAConflict, shown and kept, and nothing else is: what the
// vendor agrees to, or does not say, changes nothing.
func TestAnAnswerAgainstAGreenIsAConflict(t *testing.T) {
	for name, tt := range map[string]struct {
		says entry
		why  scanner.Reason
	}{
		"good":           {known(scanner.StatusValid), ""},
		"entered":        {enteredThere, scanner.AlreadyEntered},
		"voided":         {known(scanner.StatusVoided), scanner.Voided},
		"unknown":        {unknown, scanner.NotFound},
		"not understood": {unreadable, ""},
		"no answer":      {gone, ""},
	} {
		for _, by := range []string{"list", "supervisor", "undone"} {
			t.Run(name+", "+by, func(t *testing.T) {
				t.Parallel()
				list := []scanner.Ticket{onList("AAA111", scanner.StatusValid)}
				if by == "supervisor" {
					list = nil
				}
				inHall(t, list, asIs, func(t *testing.T, h *hall) {
					h.archive.says("AAA111", after(tardy, tt.says))
					out, took := h.scan("lane-1", "AAA111")
					switch by {
					case "supervisor":
						var err error
						if out, err = h.gate.Admit(t.Context(), out.Seq, "Eve"); err != nil {
							t.Fatal(err)
						}
					case "undone":
						if _, err := h.gate.Undo(t.Context(), out.Seq, "Eve"); err != nil {
							t.Fatal(err)
						}
					}
					if out.Verdict != scanner.Admit {
						t.Fatalf("outcome %+v", out)
					}
					pass(tardy - took)
					told := h.conflicts()
					if (len(told) == 1) != (tt.why != "") || len(told) > 1 {
						t.Fatalf("conflicts %+v", told)
					}
					if tt.why == "" {
						return
					}
					c := told[0]
					if c.Of != out.Seq || c.Reason != tt.why || !c.Conflict || c.Fate != scanner.FateConflict || h.entry(c.Seq).ID != c.ID {
						t.Errorf("conflict %+v", c)
					}
					if by != "undone" {
						if e := h.entry(out.Seq); e.Fate != scanner.FateKept {
							t.Errorf("the entry is %s", e.Fate)
						}
					}
					if next, _ := h.scan("lane-2", "AAA111"); next.Reason != scanner.AlreadyEntered || !next.Conflict {
						t.Errorf("the next: %+v", next)
					}
				})
			})
		}
	}
}

// TestTheSecondWaitsForTheFirstsCall, and each no longer than patience since its own
// reading.
func TestTheSecondWaitsForTheFirstsCall(t *testing.T) {
	for name, tt := range map[string]struct {
		takes         time.Duration
		first, second string
	}{
		"in time for both":   {time.Second, "admit/ok online", "refuse/already_entered offline"},
		"in time for one":    {1600 * time.Millisecond, "review/no_list offline", "admit/ok online late"},
		"in time for nobody": {10 * time.Second, "review/no_list offline", "review/no_list offline"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inHall(t, nil, func(c *gate.Config) { c.Normal = 20 * time.Second }, func(t *testing.T, h *hall) {
				h.archive.says("AAA111", after(tt.takes, known(scanner.StatusValid)))
				var wg sync.WaitGroup
				for lane, want := range map[string]string{"lane-1": tt.first, "lane-2": tt.second} {
					wg.Go(func() {
						if lane == "lane-2" {
							time.Sleep(300 * time.Millisecond)
						}
						out, took := h.scan(lane, "AAA111")
						if got := told(out); got != want || took > h.cfg.Patience {
							t.Errorf("%s: %s after %v, want %s", lane, got, took, want)
						}
					})
				}
				wg.Wait()
				h.calls("AAA111", 1)
				if name == "in time for nobody" {
					// A third comes while the call still runs.
					pass(5 * time.Second)
					if out, took := h.scan("lane-3", "AAA111"); told(out) != tt.second || took != h.cfg.Patience {
						t.Errorf("%s after %v", told(out), took)
					}
					pass(5 * time.Second)
					h.want("lane-3", "AAA111", "admit/ok online late")
					h.calls("AAA111", 1)
				}
			})
		})
	}
}

// TestALineOfPeopleWaitsOnce: readings that stand behind one another are not made to
// wait for each other's calls.
func TestALineOfPeopleWaitsOnce(t *testing.T) {
	inHall(t, nil, func(c *gate.Config) { c.Normal = 20 * time.Second }, func(t *testing.T, h *hall) {
		var wg sync.WaitGroup
		for i := range 8 {
			code := scanner.Code(fmt.Sprint("AAA", i))
			h.archive.says(code, after(5*time.Second, known(scanner.StatusValid)))
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				if out, took := h.scan("lane-1", code); told(out) != "review/no_list offline" || took > h.cfg.Patience {
					t.Errorf("%s: %s after %v", code, told(out), took)
				}
			})
		}
		wg.Wait()
		pass(5 * time.Second)
		for i := range 8 {
			h.want("lane-1", scanner.Code(fmt.Sprint("AAA", i)), "admit/ok online late")
		}
	})
}

// TestStoppingEndsTheCalls: one may take minutes, and changes nothing.
func TestStoppingEndsTheCalls(t *testing.T) {
	inHall(t, nil, asIs, func(t *testing.T, h *hall) {
		h.archive.says("AAA111", after(50*time.Second, known(scanner.StatusValid)))
		h.want("lane-1", "AAA111", "review/no_list offline")
		begun := time.Now()
		h.gate.Drain()
		if took := time.Since(begun); took > 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// TestNightAtTheArchive lets four lanes read few tickets for a while, at a vendor that
// answers whatever it likes whenever it likes, on a network that comes and goes: each
// ticket is let in once, nobody waits longer than patience, and no two calls run for
// one ticket.
func TestNightAtTheArchive(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			inHall(t, nil, func(c *gate.Config) { c.Normal, c.Timeout = 2*time.Second, 8*time.Second }, func(t *testing.T, h *hall) {
				var mu sync.Mutex
				in := map[scanner.Code]int{}
				var wg sync.WaitGroup
				for lane := range 4 {
					rng := rand.New(rand.NewPCG(seed, uint64(lane)))
					wg.Go(func() {
						for range 60 {
							code := scanner.Code(fmt.Sprint("AAA", rng.IntN(6)))
							says := []entry{known(scanner.StatusValid), known(scanner.StatusValid), gone, unknown, unreadable, {panics: true}}[rng.IntN(6)]
							h.archive.says(code, after(time.Duration(rng.IntN(4000))*time.Millisecond, says))
							h.link.goes(rng.IntN(5) == 0)
							out, took := h.scan(fmt.Sprint("lane-", lane), code)
							if took > h.cfg.Patience {
								t.Errorf("%s waited %v", code, took)
							}
							if out.Verdict == scanner.Admit && !out.Repeat {
								n := 1
								if rng.IntN(4) == 0 {
									if _, err := h.gate.Undo(context.Background(), out.Seq, "Eve"); err == nil {
										n = 0
									}
								}
								mu.Lock()
								in[code] += n
								mu.Unlock()
							}
							time.Sleep(time.Duration(rng.IntN(5000)) * time.Millisecond)
						}
					})
				}
				wg.Wait()
				synctest.Wait()
				admitted, late := 0, 0
				for _, out := range h.shown {
					if out.Late && !out.Repeat {
						late++
					}
				}
				for code, n := range in {
					if admitted += n; n > 1 {
						t.Errorf("%s was let in %d times", code, n)
					}
				}
				if admitted == 0 || late == 0 {
					t.Errorf("%d let in, %d by late answers: this proves nothing", admitted, late)
				}
				if h.archive.atOnce > 1 {
					t.Errorf("%d calls at once for one ticket", h.archive.atOnce)
				}
			})
		})
	}
}
