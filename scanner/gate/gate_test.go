package gate_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/cache"
	"usher/cache/seal"
	"usher/scanner"
	"usher/scanner/gate"
	"usher/sync/journal"
)

var (
	evening = time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC)
	scope   = scanner.Scope{Vendor: "manifest"}
)

// handClock moves only when told to.
type handClock struct {
	mu   sync.Mutex
	up   time.Duration
	boot string
}

func (c *handClock) Now() scanner.Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return scanner.Stamp{Wall: evening.Add(c.up), Boot: c.boot, Up: time.Hour + c.up, Trusted: true}
}

func (c *handClock) True(s scanner.Stamp) scanner.Instant {
	return scanner.Instant{At: s.Wall, Earliest: s.Wall, Latest: s.Wall, Trusted: true}
}

func (c *handClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up += d
}

// door is a gate on real stores, with a hand clock.
type door struct {
	*gate.Gate
	t       *testing.T
	dir     string
	clock   *handClock
	tickets *cache.Store
	journal *journal.Journal
	cfg     gate.Config
	showing sync.Mutex
	shown   []scanner.Outcome
}

func openDoor(t *testing.T, tickets ...scanner.Ticket) *door {
	t.Helper()
	d := &door{t: t, dir: t.TempDir(), clock: &handClock{boot: "first"}}
	d.cfg = gate.Config{
		Scope:     scope,
		Lists:     scope,
		Origin:    scanner.Origin{Device: "D1", Gate: "Gate 7"},
		Rule:      scanner.Rule{Kind: scanner.External, Unknown: scanner.PolicyRefuse, ExitUnknown: scanner.PolicyRefuse},
		Direction: scanner.Entry, Venue: time.UTC,
	}
	d.open()
	feed := func(add func(scanner.Ticket, string) error) error {
		for i, tk := range tickets {
			if tk.Status == "" {
				tk.Status = scanner.StatusValid
			}
			if err := add(tk, fmt.Sprint("row ", i)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := d.tickets.Build(t.Context(), &cache.Meta{Scope: scope, Complete: true}, feed, nil); err != nil {
		t.Fatal(err)
	}
	d.tickets.Checked(scope, d.clock.Now())
	return d
}

func (d *door) open() {
	d.t.Helper()
	key, _, err := seal.Load("", d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if d.tickets, err = cache.Open(cache.Options{Dir: d.dir, Key: key, Log: log}); err != nil {
		d.t.Fatal(err)
	}
	if d.journal, err = journal.Open(journal.Options{Dir: d.dir, Clock: d.clock, Sealer: key, KeyCheck: key.Check(), Log: log}); err != nil {
		d.t.Fatal(err)
	}
	d.Gate = gate.New(d.cfg, gate.Deps{Clock: d.clock, Tickets: d.tickets, Journal: d.journal, NewID: counter(), Show: d.show, Log: log})
	j, s := d.journal, d.tickets
	d.t.Cleanup(func() { j.Close(); s.Close() })
}

func (d *door) show(out scanner.Outcome) {
	d.showing.Lock()
	defer d.showing.Unlock()
	d.shown = append(d.shown, out)
}

func counter() func() string {
	var mu sync.Mutex
	n := 0
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fmt.Sprint("id-", n)
	}
}

// restart closes and opens the stores; reboot also ends the boot.
func (d *door) restart(reboot bool) {
	d.t.Helper()
	if err := d.journal.Close(); err != nil {
		d.t.Fatal(err)
	}
	if err := d.tickets.Close(); err != nil {
		d.t.Fatal(err)
	}
	if reboot {
		d.clock.mu.Lock()
		d.clock.boot, d.clock.up = "second", d.clock.up-50*time.Minute
		d.clock.mu.Unlock()
	}
	d.open()
	d.tickets.Checked(scope, d.clock.Now())
}

func (d *door) scan(lane, code string, dir ...scanner.Direction) scanner.Outcome {
	d.t.Helper()
	r := scanner.Reading{Scanner: lane, Raw: code, At: d.clock.Now()}
	if len(dir) > 0 {
		r.Direction = dir[0]
	}
	out, ok := d.Judge(d.t.Context(), r)
	if !ok {
		d.t.Fatalf("%q was ignored", code)
	}
	return out
}

func (d *door) want(out scanner.Outcome, v scanner.Verdict, r scanner.Reason) scanner.Outcome {
	d.t.Helper()
	if out.Verdict != v || out.Reason != r || out.Repeat {
		d.t.Fatalf("got %s/%s repeat %v (%s), want %s/%s", out.Verdict, out.Reason, out.Repeat, out.Message, v, r)
	}
	return out
}

func (d *door) wantRepeat(out scanner.Outcome, of uint64) {
	d.t.Helper()
	if !out.Repeat || out.Seq != of {
		d.t.Fatalf("got %s/%s repeat %v seq %d, want a repeat of %d", out.Verdict, out.Reason, out.Repeat, out.Seq, of)
	}
}

func TestOneEntryPerTicket(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111", Name: "Ada", Seat: "A1"}, scanner.Ticket{Code: "VVV111", Status: scanner.StatusVoided})
	out := d.want(d.scan("lane-1", "AAA111\r\n"), scanner.Admit, scanner.OK)
	if out.Ticket == nil || out.Ticket.Name != "Ada" || out.Fate != scanner.FateKept || out.Seq == 0 || out.ID == "" {
		t.Errorf("outcome %+v ticket %+v", out, out.Ticket)
	}
	d.clock.pass(4 * time.Second)
	again := d.want(d.scan("lane-2", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)
	if again.Message != "Already entered at Gate 7, 19:00" {
		t.Errorf("message %q", again.Message)
	}
	d.want(d.scan("lane-1", "VVV111"), scanner.Refuse, scanner.Voided)
	d.want(d.scan("lane-1", "nobody"), scanner.Refuse, scanner.NotFound)
	if c := d.Counts(); c.Admit != 1 || c.Refuse != 3 || c.Offline != 4 {
		t.Errorf("counts %+v", c)
	}
}

func TestEmptyCodesAreNoScans(t *testing.T) {
	d := openDoor(t)
	for _, raw := range []string{"", "\r\n", " \t "} {
		if out, ok := d.Judge(t.Context(), scanner.Reading{Scanner: "lane-1", Raw: raw, At: d.clock.Now()}); ok {
			t.Errorf("%q was judged: %+v", raw, out)
		}
	}
}

func TestUnreadableCodes(t *testing.T) {
	d := openDoor(t)
	for _, raw := range []string{strings.Repeat("x", 64<<10), "a\x1b[31mb", "\xff\xfe\xfd"} {
		out := d.want(d.scan("lane-1", raw), scanner.Refuse, scanner.Unreadable)
		if len(out.Code) > 300 {
			t.Errorf("%d bytes of noise kept", len(out.Code))
		}
		if _, err := d.Admit(t.Context(), out.Seq, "Eve"); !errors.Is(err, scanner.ErrNotPossible) {
			t.Errorf("an unreadable code was admitted: %v", err)
		}
	}
}

func TestRepeats(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"}, scanner.Ticket{Code: "BBB222"})
	first := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	for range 5 { // each within 3 s of the last reading, the whole within 15 s
		d.clock.pass(2900 * time.Millisecond)
		d.wantRepeat(d.scan("lane-1", "AAA111"), first.Seq)
	}
	d.clock.pass(time.Second)
	d.want(d.scan("lane-1", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)

	d.want(d.scan("lane-1", "BBB222"), scanner.Admit, scanner.OK)
	d.clock.pass(3100 * time.Millisecond)
	d.want(d.scan("lane-1", "BBB222"), scanner.Refuse, scanner.AlreadyEntered)
	d.want(d.scan("lane-2", "BBB222"), scanner.Refuse, scanner.AlreadyEntered)
	d.want(d.scan("lane-1", "BBB222", scanner.Exit), scanner.Admit, scanner.Exited)
	if c := d.Counts(); c.Repeat != 5 {
		t.Errorf("%d repeats counted, want 5", c.Repeat)
	}
}

func TestAReadingWhileJudgedJoins(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	early := d.clock.Now()
	d.clock.pass(time.Second)
	first := d.scan("lane-1", "AAA111")
	out, _ := d.Judge(t.Context(), scanner.Reading{Scanner: "lane-1", Raw: "AAA111", At: early})
	d.wantRepeat(out, first.Seq)
}

func TestAReviewIsJudgedAgain(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	d.cfg.Rule.Unknown = scanner.PolicyReview
	d.Configure(d.cfg)
	first := d.want(d.scan("lane-1", "nobody"), scanner.Review, scanner.NotInList)
	d.clock.pass(time.Second)
	second := d.want(d.scan("lane-1", "nobody"), scanner.Review, scanner.NotInList)
	if first.Seq == second.Seq {
		t.Error("a review was repeated, not judged again")
	}
}

func TestTwoLanesAtOnceAdmitOnce(t *testing.T) {
	const lanes, codes = 4, 25
	var tickets []scanner.Ticket
	for i := range codes {
		tickets = append(tickets, scanner.Ticket{Code: scanner.Code(fmt.Sprintf("TICKET-%04d", i))})
	}
	d := openDoor(t, tickets...)
	var mu sync.Mutex
	admitted := map[scanner.Code]int{}
	var wg sync.WaitGroup
	for l := range lanes {
		wg.Go(func() {
			for _, tk := range tickets {
				out, _ := d.Judge(context.Background(), scanner.Reading{Scanner: fmt.Sprint("lane-", l), Raw: string(tk.Code), At: d.clock.Now()})
				if out.Verdict == scanner.Admit {
					mu.Lock()
					admitted[tk.Code]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for _, tk := range tickets {
		if admitted[tk.Code] != 1 {
			t.Errorf("%s admitted %d times", tk.Code, admitted[tk.Code])
		}
	}
	if d.Stuck() != 0 {
		t.Error("stuck with nothing to judge")
	}
}

func TestSymbologyPrefixesMeanTheSameTicket(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	d.want(d.scan("lane-1", "]C1AAA111"), scanner.Admit, scanner.OK)
	d.want(d.scan("lane-2", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)
	d.cfg.Rule.Unknown = scanner.PolicyAdmit
	d.Configure(d.cfg)
	if out := d.want(d.scan("lane-1", "]C1WALKUP"), scanner.Admit, scanner.OK); !out.Unverified {
		t.Error("not marked unverified")
	}
	d.want(d.scan("lane-2", "WALKUP"), scanner.Refuse, scanner.AlreadyEntered)
}

func TestSupervisorAdmits(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"}, scanner.Ticket{Code: "RRR111", Status: scanner.StatusRefunded, Name: "Rita"})
	red := d.want(d.scan("lane-1", "RRR111"), scanner.Refuse, scanner.Refunded)
	if _, err := d.Admit(t.Context(), red.Seq, ""); !errors.Is(err, scanner.ErrNotPossible) {
		t.Errorf("admitted by nobody: %v", err)
	}
	out, err := d.Admit(t.Context(), red.Seq, "Eve")
	if err != nil {
		t.Fatal(err)
	}
	if out.Verdict != scanner.Admit || !out.Overridden || out.By != "Eve" || out.Of != red.Seq || out.Seq == red.Seq || out.Ticket.Name != "Rita" {
		t.Errorf("outcome %+v", out)
	}
	if _, err := d.Admit(t.Context(), red.Seq, "Eve"); !errors.Is(err, scanner.ErrNotPossible) {
		t.Errorf("admitted twice: %v", err)
	}
	d.clock.pass(time.Second)
	d.wantRepeat(d.scan("lane-1", "RRR111"), out.Seq)
	green := d.scan("lane-1", "AAA111")
	if _, err := d.Admit(t.Context(), green.Seq, "Eve"); !errors.Is(err, scanner.ErrNotPossible) {
		t.Errorf("an admission was admitted: %v", err)
	}
	if _, err := d.Admit(t.Context(), 99999, "Eve"); !errors.Is(err, scanner.ErrUnknown) {
		t.Errorf("an unknown scan was admitted: %v", err)
	}
}

func TestUndoLetsTheHolderComeBack(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	in := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	out, err := d.Undo(t.Context(), in.Seq, "Eve")
	if err != nil {
		t.Fatal(err)
	}
	if out.Kind != scanner.KindUndo || out.Of != in.Seq || out.Verdict != "" {
		t.Errorf("undo %+v", out)
	}
	if _, fate, _ := d.journal.Record(in.Seq); fate != scanner.FateWithdrawn {
		t.Errorf("fate %s", fate)
	}
	if _, err := d.Undo(t.Context(), in.Seq, "Eve"); !errors.Is(err, scanner.ErrNotPossible) {
		t.Errorf("undone twice: %v", err)
	}
	second := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK) // within 3 s, and yet no repeat
	if _, err := d.Undo(t.Context(), in.Seq, "Eve"); !errors.Is(err, scanner.ErrNotPossible) {
		t.Errorf("an older movement was undone: %v", err)
	}
	d.scan("lane-1", "AAA111", scanner.Exit)
	if _, err := d.Undo(t.Context(), second.Seq, "Eve"); !errors.Is(err, scanner.ErrNotPossible) {
		t.Errorf("an entry was undone after its exit: %v", err)
	}
}

func TestUndoOfWhatTheVendorHoldsLeavesAPermit(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	d.cfg.Uploads = true
	d.Configure(d.cfg)
	in := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	if in.Fate != scanner.FatePending {
		t.Fatalf("fate %s", in.Fate)
	}
	if err := d.journal.Settle(t.Context(), []scanner.Settlement{{Seq: in.Seq, To: scanner.FateTaken}}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Undo(t.Context(), in.Seq, "Eve"); err != nil {
		t.Fatal(err)
	}
	d.clock.pass(time.Minute)
	d.want(d.scan("lane-2", "AAA111"), scanner.Admit, scanner.OK)
	d.clock.pass(time.Minute)
	d.want(d.scan("lane-2", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)
	mark, err := d.journal.Mark(scope, "AAA111")
	if err != nil || mark.Open != 1 || mark.Permit != "" {
		t.Errorf("mark %+v, %v", mark, err)
	}
}

func TestAfterARestartTheNewestAdmissionIsARepeat(t *testing.T) {
	for _, reboot := range []bool{false, true} {
		t.Run(fmt.Sprint("reboot ", reboot), func(t *testing.T) {
			d := openDoor(t, scanner.Ticket{Code: "AAA111"}, scanner.Ticket{Code: "BBB222"})
			d.scan("lane-1", "BBB222")
			d.clock.pass(4 * time.Second)
			in := d.scan("lane-1", "AAA111")
			d.clock.pass(5 * time.Second)
			d.restart(reboot)
			d.wantRepeat(d.scan("lane-1", "AAA111"), in.Seq)
			d.want(d.scan("lane-2", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)
			d.want(d.scan("lane-1", "BBB222"), scanner.Refuse, scanner.AlreadyEntered)
		})
	}
}

func TestLongAfterARestartItIsNoRepeat(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	d.scan("lane-1", "AAA111")
	d.restart(false)
	d.clock.pass(31 * time.Second)
	d.want(d.scan("lane-1", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)

	d = openDoor(t, scanner.Ticket{Code: "AAA111"})
	d.scan("lane-1", "AAA111")
	d.clock.pass(time.Hour)
	d.restart(false)
	d.want(d.scan("lane-1", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)
}

func TestNothingGreenWithoutTheDisk(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	d.journal.Close()
	out := d.scan("lane-1", "AAA111")
	d.want(out, scanner.Review, scanner.NotStored)
}

func TestWhatIsShownIsWhatWasStored(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	in := d.scan("lane-1", "AAA111")
	if _, err := d.Undo(t.Context(), in.Seq, "Eve"); err != nil {
		t.Fatal(err)
	}
	red := d.scan("lane-1", "nobody")
	if _, err := d.Admit(t.Context(), red.Seq, "Eve"); err != nil {
		t.Fatal(err)
	}
	d.scan("lane-1", "nobody")
	if len(d.shown) != 5 || !d.shown[4].Repeat {
		t.Fatalf("%d outcomes shown: %+v", len(d.shown), d.shown)
	}
	for _, out := range d.shown {
		rec, _, err := d.journal.Record(out.Seq)
		if err != nil || rec.ID != out.ID || rec.Verdict != out.Verdict {
			t.Errorf("shown %d %s, stored %s: %v", out.Seq, out.Verdict, rec.Verdict, err)
		}
	}
}

func TestExitsAndReentry(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	d.cfg.Rule.Reentry = true
	d.Configure(d.cfg)
	d.want(d.scan("in", "AAA111"), scanner.Admit, scanner.OK)
	d.want(d.scan("out", "AAA111", scanner.Exit), scanner.Admit, scanner.Exited)
	d.clock.pass(time.Minute)
	d.want(d.scan("out", "AAA111", scanner.Exit), scanner.Refuse, scanner.ExitNotPermitted)
	again := d.want(d.scan("in", "AAA111"), scanner.Admit, scanner.OK)
	if _, err := d.Undo(t.Context(), again.Seq, "Eve"); err != nil {
		t.Fatal(err)
	}
	d.clock.pass(time.Minute)
	d.want(d.scan("out", "AAA111", scanner.Exit), scanner.Refuse, scanner.ExitNotPermitted)
}
