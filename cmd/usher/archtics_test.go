package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/scanner"
	"usher/vendors/archtics/archticssim"
	"usher/vendors/vendortest/faults"
)

// ballpark is a device with two lanes at Archtics.
type ballpark struct {
	*rig.Rig
	t   *testing.T
	sim *archticssim.Sim
	log *lockedBuffer
}

// newBallpark makes it with generated tickets. keys are added to the vendor's block.
func newBallpark(t *testing.T, keys string) *ballpark {
	t.Helper()
	sim := archticssim.New(archticssim.Options{Hold: 50 * time.Millisecond})
	sim.Demo(100)
	wire, err := faults.Listen("127.0.0.1:0", sim, archticssim.CallName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wire.Close)
	dir, err := os.MkdirTemp("", "usher-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(archticssim.DemoKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &lockedBuffer{}
	r, err := rig.New(rig.Options{
		Dir: dir, Bin: buildUsher(t), Lanes: []string{"lane-1", "lane-2"}, Log: log,
		Vendor: fmt.Sprintf("{ name: archtics, base_url: %q, product: %s, api_key_file: %s/key, uid: %s, dsn: %s, events: [%s], poll_every: 100ms%s }",
			wire.URL(), archticssim.Product, dir, archticssim.DemoUID, archticssim.DemoDSN, archticssim.DemoEvent, keys),
		Extra: "gate: { name: Gate 7, timezone: UTC }\nonline: { patience: 300ms, timeout: 600ms, probe_min: 100ms, probe_max: 300ms }\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(r.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
		text := log.tail(1 << 20)
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", text[max(0, len(text)-8000):])
		}
		for _, secret := range []string{"demo\n", archticssim.Generated(1).Barcode, "dsn="} {
			if strings.Contains(text, secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
	return &ballpark{Rig: r, t: t, sim: sim, log: log}
}

// asking: what is sent to a lane will be read, and the vendor asked.
func asking(s control.Status) bool { return connected(s) && s.Link.State == control.LinkOnline }

// exhausted: the quota is used up.
func exhausted(s control.Status) bool { return outage(s) && strings.Contains(s.Link.Reason, "quota: ") }

func (b *ballpark) start(ok func(control.Status) bool) {
	b.t.Helper()
	if err := b.Start(b.t.Context(), ok); err != nil {
		b.t.Fatal(err)
	}
}

// scan reads the i-th generated ticket at a lane.
func (b *ballpark) scan(lane string, i int, want scanner.Reason, mode scanner.Mode) control.Event {
	b.t.Helper()
	e := scanFor(b.t, b.Rig, lane, archticssim.Generated(i).Barcode, want.Verdict(), want)
	if e.Mode != mode || e.Repeat {
		b.t.Errorf("ticket %d: %s, repeat %v; want %s", i, e.Mode, e.Repeat, mode)
	}
	return e
}

// attend is an entry of the i-th ticket at another gate.
func (b *ballpark) attend(i int) {
	one := archticssim.Generated(i)
	b.sim.Attend(archticssim.Scan{Event: one.Event, Section: one.Section, Row: one.Row, Seat: one.Seat, At: time.Now(), Gate: "North"})
}

// TestAnEveningAtArchtics: green here is kept here and exported, refused here the
// second time, and what other gates admitted is refused as soon as Archtics tells it.
func TestAnEveningAtArchtics(t *testing.T) {
	b := newBallpark(t, "")
	b.attend(9)
	b.start(asking)
	soon(t, b.Rig, 5*time.Second, "the attendance", func(control.Status) bool { return b.sim.Answered("get_attendance_incremental") > 0 })
	green := b.scan("lane-1", 0, scanner.OK, scanner.Online)
	if green.Queued || green.Ticket == nil || green.Ticket.Seat == "" {
		t.Errorf("event %+v", green)
	}
	b.scan("lane-2", 0, scanner.AlreadyEntered, scanner.Offline)
	if n := b.sim.Lookups(archticssim.Generated(0).Barcode); n != 1 {
		t.Errorf("looked up %d times: Archtics knows nothing of this device's entries", n)
	}
	if e := b.scan("lane-1", 9, scanner.AlreadyEntered, scanner.Online); e.FirstEnteredAt.IsZero() || !strings.Contains(e.Message, "North") {
		t.Errorf("it does not say where and when: %+v", e)
	}
	scanFor(t, b.Rig, "lane-1", "NOBODY-HAS-IT", scanner.Refuse, scanner.NotFound)

	// It enters elsewhere, and the next look at the attendance tells.
	b.attend(1)
	if out, err := b.Client.Sync(t.Context(), control.SyncRequest{}); err != nil || len(out.Problems) > 0 {
		t.Errorf("sync: %+v, %v", out, err)
	}
	b.scan("lane-1", 1, scanner.AlreadyEntered, scanner.Online)

	// Undone and again, and a supervisor's word; across a death of the daemon.
	second := b.scan("lane-1", 2, scanner.OK, scanner.Online)
	if _, err := b.Client.Undo(t.Context(), second.Seq, "Eve"); err != nil {
		t.Fatal(err)
	}
	b.scan("lane-2", 2, scanner.OK, scanner.Online)
	red := scanFor(t, b.Rig, "lane-1", "WALK-UP", scanner.Refuse, scanner.NotFound)
	if _, err := b.Client.Admit(t.Context(), red.Seq, "Eve"); err != nil {
		t.Fatal(err)
	}
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	b.start(asking)
	b.scan("lane-2", 0, scanner.AlreadyEntered, scanner.Offline)
	if e := scanFor(t, b.Rig, "lane-2", "WALK-UP", scanner.Refuse, scanner.AlreadyEntered); e.Mode != scanner.Offline {
		t.Errorf("event %+v", e)
	}
	st := soon(t, b.Rig, 5*time.Second, "the numbers", func(s control.Status) bool { return s.State == control.Ready })
	if st.Outbox.Pending != 0 || st.Conflicts != 0 || st.Parked != 0 {
		t.Errorf("status %+v", st)
	}
	var fates []string
	for _, row := range export(t, b.Rig) {
		if row.Verdict == string(scanner.Admit) {
			fates = append(fates, strings.TrimSpace(row.Code+" "+row.Fate+" "+row.Detail))
		}
	}
	want := []string{
		archticssim.Generated(0).Barcode + " kept vendor takes none", archticssim.Generated(2).Barcode + " withdrawn",
		archticssim.Generated(2).Barcode + " kept vendor takes none", "WALK-UP kept vendor takes none",
	}
	if !slices.Equal(fates, want) {
		t.Errorf("the export tells %q, want %q", fates, want)
	}
}

// TestALateAnswerAtArchtics is used by the next scan. What is normal there does not
// take the link away, and what is not, does.
func TestALateAnswerAtArchtics(t *testing.T) {
	b := newBallpark(t, "")
	b.start(asking)
	b.sim.SetDelay("verify_barcode", 700*time.Millisecond)
	if e := b.scan("lane-1", 0, scanner.NoList, scanner.Offline); e.TookMS < 300 || e.TookMS > 1500 {
		t.Errorf("decided after %v ms", e.TookMS)
	}
	soon(t, b.Rig, 5*time.Second, "the late answer", func(control.Status) bool { return b.sim.Answered("verify_barcode") == 1 })
	// That it has left the simulator says not yet that it has come.
	var late control.Event
	soon(t, b.Rig, 5*time.Second, "the green", func(control.Status) bool {
		var err error
		if late, err = b.Client.Scan(t.Context(), archticssim.Generated(0).Barcode, scanner.Entry); err != nil {
			t.Fatal(err)
		}
		return late.Verdict == scanner.Admit
	})
	if strings.Contains(b.log.tail(1<<20), "link: offline") {
		t.Error("the link has gone")
	}
	if !late.Late || late.Mode != scanner.Online {
		t.Errorf("event %+v", late)
	}
	if n := b.sim.Lookups(archticssim.Generated(0).Barcode); n != 1 {
		t.Errorf("looked up %d times", n)
	}

	b.sim.SetDelay("verify_barcode", 4*time.Second)
	b.sim.SetDelay("ping", 4*time.Second)
	b.scan("lane-1", 1, scanner.NoList, scanner.Offline)
	soon(t, b.Rig, 5*time.Second, "the loss", func(st control.Status) bool {
		return outage(st) && strings.Contains(st.Link.Reason, "does not answer in time")
	})
	begun := time.Now()
	b.scan("lane-2", 2, scanner.NoList, scanner.Offline) // nobody waits any more
	if took := time.Since(begun); took > 250*time.Millisecond {
		t.Errorf("waited %v", took)
	}
	b.sim.SetDelay("ping", 0)
	b.sim.SetDelay("verify_barcode", 0)
	soon(t, b.Rig, 20*time.Second, "its return", asking)
	b.scan("lane-2", 2, scanner.OK, scanner.Online)
}

// TestAQuotaAtArchtics: no more calls than it has, nobody waits, the status says what
// is used up and when it returns, and a restart does not bring it back.
func TestAQuotaAtArchtics(t *testing.T) {
	const quota = 12
	b := newBallpark(t, fmt.Sprintf(", calls_per_minute: %d", quota))
	b.start(asking)
	soon(t, b.Rig, 5*time.Second, "the attendance", func(control.Status) bool { return b.sim.Answered("get_attendance_incremental") > 0 })
	verdicts := map[scanner.Reason]int{}
	for i := range 30 {
		e, err := b.Client.Scan(t.Context(), archticssim.Generated(i).Barcode, scanner.Entry)
		if err != nil {
			t.Fatal(err)
		}
		verdicts[e.Reason]++
		if e.Reason == scanner.NoList && e.TookMS > 200 {
			t.Errorf("scan %d waited %v ms", i, e.TookMS)
		}
	}
	if used := len(b.sim.Requests()); used > quota || verdicts[scanner.OK] < quota/2 || verdicts[scanner.OK]+verdicts[scanner.NoList] != 30 {
		t.Errorf("%d requests, verdicts %v", used, verdicts)
	}
	returns := b.told(quota)
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	b.start(func(st control.Status) bool { return exhausted(st) && connected(st) })
	if again := b.told(quota); again.Before(returns.Add(-2 * time.Second)) {
		t.Errorf("the quota returned at %v, and after a restart at %v", returns, again)
	}
	b.scan("lane-1", 40, scanner.NoList, scanner.Offline)
	b.scan("lane-1", 0, scanner.AlreadyEntered, scanner.Offline)
	if _, err := b.Client.Sync(t.Context(), control.SyncRequest{}); err != nil {
		t.Error(err)
	}
	if used := len(b.sim.Requests()); used > quota {
		t.Errorf("%d requests, and the quota is %d", used, quota)
	}
}

// told gives when the quota returns, as the status says it to programs and to people.
func (b *ballpark) told(quota int) time.Time {
	b.t.Helper()
	st := soon(b.t, b.Rig, 5*time.Second, "that the quota is used up", exhausted)
	returns := st.Link.NextProbeAt.Time
	// The vendor's Date tells the time to a second, and so does this device.
	if left := time.Until(returns); left <= 0 || left > time.Minute+2*time.Second || !strings.Contains(st.Link.Reason, fmt.Sprintf("%d calls a minute", quota)) {
		b.t.Errorf("link %+v", st.Link)
	}
	out, _, _ := usherCommand(b.t, b.Rig, "status")
	said := slices.ContainsFunc([]time.Duration{-time.Second, 0, time.Second}, func(d time.Duration) bool {
		return strings.Contains(out, "next probe at "+returns.Add(d).Local().Format("15:04:05"))
	})
	if !said || !strings.Contains(out, fmt.Sprintf("%d calls a minute", quota)) {
		b.t.Errorf("usher status does not say what and until %s:\n%s", returns.Local(), out)
	}
	return returns
}
