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
	"usher/vendors/audienceview/audienceviewsim"
	"usher/vendors/vendortest/faults"
)

// show is the performance that the vendor's simulator sells.
const show = 49182

// venue is a device at a vendor's simulator.
type venue struct {
	*rig.Rig
	t     *testing.T
	sim   *audienceviewsim.Sim
	wire  *faults.Server
	lanes []string
}

// barcode is the i-th generated ticket's.
func barcode(i int) string { return fmt.Sprintf("g%dx%07d", show, i) }

// newVenue makes a simulator with n generated tickets and a device that is
// configured for it.
func newVenue(t *testing.T, n int, extra string, lanes ...string) *venue {
	t.Helper()
	sim := audienceviewsim.New(nil)
	sim.Demo(n)
	wire, err := faults.Listen("127.0.0.1:0", sim, audienceviewsim.CallName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wire.Close)
	dir, err := os.MkdirTemp("", "usher-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("demo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &lockedBuffer{}
	vendor := fmt.Sprintf("{ name: audienceview, base_url: %q, username: gate7@example.org, password_file: %s/password, client_id: 284, performance_id: %d }",
		wire.URL()+"/public", dir, show)
	r, err := rig.New(rig.Options{Dir: dir, Bin: buildUsher(t), Lanes: lanes, Log: log, Vendor: vendor, Extra: "gate: { name: Gate 7 }\n" + extra})
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
		for _, secret := range []string{"demo\n", barcode(1), "Holder 1", "gate7@example.org:"} {
			if strings.Contains(text, secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
	return &venue{Rig: r, t: t, sim: sim, wire: wire, lanes: lanes}
}

func online(s control.Status) bool {
	return s.State == control.Ready && s.Link.State == control.LinkOnline && s.Tickets.Count > 0
}

func (v *venue) start() {
	v.t.Helper()
	if err := v.Start(v.t.Context(), online); err != nil {
		v.t.Fatal(err)
	}
}

func (v *venue) fault(f faults.Fault) {
	v.t.Helper()
	if err := v.wire.Set(f); err != nil {
		v.t.Fatal(err)
	}
}

func (v *venue) clear() {
	v.t.Helper()
	if err := v.wire.Clear(); err != nil {
		v.t.Fatal(err)
	}
}

func (v *venue) scan(code string, want scanner.Verdict, why scanner.Reason) control.Event {
	v.t.Helper()
	return scanFor(v.t, v.Rig, v.lanes[0], code, want, why)
}

func TestEveryErrorIDOverAPty(t *testing.T) {
	const none = ""
	v := newVenue(t, 100, "", "lane-1")
	v.start()
	for id, want := range map[int]scanner.Reason{
		8: scanner.WrongClient, 9: scanner.WrongSeries, 10: scanner.WrongEvent, 11: scanner.NotFound, 12: scanner.AlreadyEntered,
		13: scanner.Voided, 14: scanner.Refunded,
		// Signed in again inside the call, and asked once more: nobody notices.
		1: scanner.OK, 5: scanner.OK, 6: scanner.OK, 17: scanner.OK,
		// No answer of the vendor's: the list decides.
		15: none, 16: none,
	} {
		v.sim.Fail("validateTicket", id, id == 17, 1)
		soon(t, v.Rig, 5*time.Second, "the link", online)
		verdict, mode := want.Verdict(), scanner.Online
		if want == none {
			want, verdict, mode = scanner.OK, scanner.Admit, scanner.Offline
		}
		if e := v.scan(barcode(id), verdict, want); e.Mode != mode {
			t.Errorf("id %d: mode %s, want %s", id, e.Mode, mode)
		}
	}
}

func TestCredentialsThatThePersonMustPutRight(t *testing.T) {
	for _, id := range []int{2, 3, 4, 7} {
		t.Run(fmt.Sprint(id), func(t *testing.T) {
			v := newVenue(t, 10, "", "lane-1")
			v.start()
			v.sim.Fail("authenticate", id, false, 1000)
			v.sim.ExpireTokens()
			v.scan(barcode(1), scanner.Admit, scanner.OK) // the list decides
			s := soon(t, v.Rig, 5*time.Second, "degraded", func(s control.Status) bool { return s.State == control.Degraded })
			if s.Link.State != control.LinkOffline || len(s.Problems) == 0 {
				t.Errorf("link %+v, problems %q", s.Link, s.Problems)
			}
			tries := v.sim.Calls("authenticate")
			for i := range 5 {
				v.scan(barcode(2+i), scanner.Admit, scanner.OK)
			}
			if again := v.sim.Calls("authenticate"); again > tries {
				t.Errorf("%d sign-ins with a refused password: the account locks", again-tries)
			}
			v.sim.Fail("authenticate", 0, false, 0)
			if _, _, code := usherCommand(t, v.Rig, "tickets", "refresh"); code != exitOK {
				t.Errorf("a person's sync: exit %d", code)
			}
			soon(t, v.Rig, 10*time.Second, "online after a person's sync", online)
		})
	}
}

func TestTheNetworkGoesMidScanAndComesBack(t *testing.T) {
	v := newVenue(t, 100, "", "lane-1")
	v.start()
	v.scan(barcode(0), scanner.Admit, scanner.OK)
	v.fault(faults.Fault{Kind: faults.BlackHole})
	begun := time.Now()
	e := v.scan(barcode(1), scanner.Admit, scanner.OK)
	if took := time.Since(begun); took > 1800*time.Millisecond || e.Mode != scanner.Offline || !e.Queued || !e.InDoubt {
		t.Errorf("after %v: %+v", took, e)
	}
	for i := range 5 {
		begun := time.Now()
		e := v.scan(barcode(2+i), scanner.Admit, scanner.OK)
		if took := time.Since(begun); took > 100*time.Millisecond || e.Mode != scanner.Offline {
			t.Errorf("scan %d: %v, %s", i, took, e.Mode)
		}
	}
	v.clear()
	soon(t, v.Rig, 35*time.Second, "its return without a scan, and an empty outbox", func(s control.Status) bool {
		return online(s) && s.Outbox.Pending == 0
	})
	if got := len(v.sim.Barcodes()); got != 7 {
		t.Errorf("the vendor has %d tickets scanned, want 7", got)
	}
	if e := v.scan(barcode(50), scanner.Admit, scanner.OK); e.Mode != scanner.Online {
		t.Errorf("mode %s after the return", e.Mode)
	}
}

func TestAQueueOfTwoThousandDrainsWithItsOwnTimes(t *testing.T) {
	const n = 2000
	v := newVenue(t, n+10, "", "lane-1")
	v.start()
	v.fault(faults.Fault{Kind: faults.Close})
	v.scan(barcode(n), scanner.Admit, scanner.OK)
	at := map[string]time.Time{}
	for i := range n {
		e, err := v.Client.Scan(t.Context(), barcode(i), scanner.Entry)
		if err != nil || e.Verdict != scanner.Admit || e.Mode != scanner.Offline {
			t.Fatalf("scan %d: %+v, %v", i, e, err)
		}
		at[barcode(i)] = e.At.Time
	}
	v.clear()
	soon(t, v.Rig, 40*time.Second, "an empty outbox", func(s control.Status) bool { return s.Outbox.Pending == 0 })
	counts := v.sim.Counts()
	for _, scan := range v.sim.Scans() {
		if want, ok := at[scan.Barcode]; ok {
			if counts[scan.Barcode] != 1 || !scan.Synced || scan.At.Sub(want).Abs() > 2*time.Second {
				t.Errorf("%s: %d times, at %v, scanned %v", scan.Barcode, counts[scan.Barcode], scan.At, want)
			}
			delete(at, scan.Barcode)
		}
	}
	if len(at) > 0 {
		t.Errorf("%d scans are not at the vendor", len(at))
	}
}

func TestWhatTheVendorWillNotTakeIsParked(t *testing.T) {
	v := newVenue(t, 10, "", "lane-1")
	v.sim.AddTickets(audienceviewsim.Ticket{ID: 77, Performance: show, Barcode: "late-refund-1", Consumer: "L R"})
	v.start()
	v.fault(faults.Fault{Kind: faults.Refuse})
	v.scan("late-refund-1", scanner.Admit, scanner.OK)
	v.scan(barcode(2), scanner.Admit, scanner.OK)
	v.sim.AddTickets(audienceviewsim.Ticket{ID: 77, Performance: show, Barcode: "late-refund-1", Consumer: "L R", Refunded: true})
	v.clear()
	s := soon(t, v.Rig, 35*time.Second, "one parked", func(s control.Status) bool { return s.Parked == 1 && s.Outbox.Pending == 0 })
	if s.State != control.Degraded {
		t.Errorf("state %s with one parked", s.State)
	}
	out, _, _ := usherCommand(t, v.Rig, "parked")
	if !strings.Contains(out, "late-refund-1") || !strings.Contains(out, "Ticket is refunded or voided.") {
		t.Errorf("parked: %s", out)
	}
	parked, err := v.Client.Parked(t.Context(), 10)
	if err != nil || len(parked) != 1 {
		t.Fatalf("%+v, %v", parked, err)
	}
	seq := fmt.Sprint(parked[0].Seq)
	if _, stderr, code := usherCommand(t, v.Rig, "parked", "requeue", seq, "--by", "Eve"); code != exitOK {
		t.Fatalf("requeue: exit %d, %s", code, stderr)
	}
	soon(t, v.Rig, 20*time.Second, "parked again", func(s control.Status) bool { return s.Parked == 1 && s.Outbox.Pending == 0 })
	if _, stderr, code := usherCommand(t, v.Rig, "parked", "acknowledge", seq, "--by", "Eve"); code != exitOK {
		t.Fatalf("acknowledge: exit %d, %s", code, stderr)
	}
	soon(t, v.Rig, 5*time.Second, "ready", ready)
	for _, row := range export(t, v.Rig) {
		if row.Code == "late-refund-1" && row.Kind == "scan" && row.Fate != "acknowledged" {
			t.Errorf("fate %s in the export", row.Fate)
		}
	}
	v.audited("late-refund-1", parked[0].Seq, s)
}

// audited looks for who requeued and acknowledged a movement: history has it on
// every surface, and no count nor the screen takes it for a scan.
func (v *venue) audited(code string, of uint64, before control.Status) {
	v.t.Helper()
	want := "requeue by Eve of " + fmt.Sprint(of) + ", acknowledge by Eve of " + fmt.Sprint(of)
	var rows, events []string
	for _, row := range export(v.t, v.Rig) {
		if row.Code == code && row.By != "" {
			rows = append(rows, fmt.Sprintf("%s by %s of %d", row.Kind, row.By, row.Of))
		}
	}
	if got := strings.Join(rows, ", "); got != want {
		v.t.Errorf("in the export: %s, want %s", got, want)
	}
	newest, err := v.Client.Newest(v.t.Context(), 50, of)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, e := range slices.Backward(newest) {
		if e.By != "" {
			events = append(events, fmt.Sprintf("%s by %s of %d", e.Kind, e.By, e.Of))
		}
	}
	if got := strings.Join(events, ", "); got != want {
		v.t.Errorf("in GET /v1/scans: %s, want %s", got, want)
	}
	shown, _, _ := usherCommand(v.t, v.Rig, "tickets", "show", code)
	for _, part := range []string{"REQUEUED", "ACKNOWLEDGED", "by Eve"} {
		if !strings.Contains(shown, part) {
			v.t.Errorf("usher tickets show lacks %s: %s", part, shown)
		}
	}
	after, err := v.Client.Status(v.t.Context())
	if err != nil {
		v.t.Fatal(err)
	}
	if after.Counts != before.Counts || after.LastScan.Seq != before.LastScan.Seq || !slices.Equal(after.Events, before.Events) {
		v.t.Errorf("a decision was counted as a scan: %+v %+v, before %+v %+v", after.Counts, after.Events, before.Counts, before.Events)
	}
}

func TestATokenThatExpiresAnywhereIsNeverSeen(t *testing.T) {
	v := newVenue(t, 100, "", "lane-1")
	v.start()
	for i := range 10 {
		v.sim.ExpireTokens()
		if e := v.scan(barcode(i), scanner.Admit, scanner.OK); e.Mode != scanner.Online {
			t.Errorf("scan %d: %s", i, e.Mode)
		}
	}
	v.fault(faults.Fault{Kind: faults.Refuse})
	v.scan(barcode(20), scanner.Admit, scanner.OK)
	v.sim.ExpireTokens()
	v.clear()
	soon(t, v.Rig, 35*time.Second, "the outbox drained over a dead token", func(s control.Status) bool { return s.Outbox.Pending == 0 && online(s) })
}

func TestTheHolderWhoseAnswerGotLostIsAdmittedAndACopyIsNot(t *testing.T) {
	v := newVenue(t, 10, "offline: { unknown: review }\n", "lane-1", "lane-2")
	v.start()
	// A ticket sold after the list was fetched: only the vendor knows it.
	v.sim.AddTickets(audienceviewsim.Ticket{ID: 77, Performance: show, Barcode: "walkup-1", First: "W", Last: "U", Consumer: "W U"})
	v.fault(faults.Fault{Kind: faults.Lost, Call: "validateTicket", Times: 1})
	v.scan("walkup-1", scanner.Review, scanner.NotInList)
	soon(t, v.Rig, 10*time.Second, "the link", func(s control.Status) bool { return s.Link.State == control.LinkOnline })
	e := scanFor(t, v.Rig, "lane-2", "walkup-1", scanner.Admit, scanner.OK)
	if !e.Late {
		t.Errorf("not marked late: %+v", e)
	}
	scanFor(t, v.Rig, "lane-1", "walkup-1", scanner.Refuse, scanner.AlreadyEntered)
}

func TestMalformedAnswersAreDecidedHere(t *testing.T) {
	// Each kind is an outage of its own, and the pauses between probes grow.
	v := newVenue(t, 100, "online: { probe_min: 100ms, probe_max: 300ms }\n", "lane-1")
	v.start()
	kinds := []faults.Kind{faults.HTML, faults.Redirect, faults.Truncate, faults.HalfJSON, faults.Foreign, faults.Garbage, faults.Close, faults.Status}
	for i, kind := range kinds {
		soon(t, v.Rig, 35*time.Second, "the link before "+string(kind), online)
		f := faults.Fault{Kind: kind, Call: "validateTicket", Times: 1}
		if kind == faults.Status {
			f.Status = 503
		}
		v.fault(f)
		if e := v.scan(barcode(i), scanner.Admit, scanner.OK); e.Mode != scanner.Offline {
			t.Errorf("%s: mode %s", kind, e.Mode)
		}
		v.clear()
	}
}

func TestListsThatAreNotBelieved(t *testing.T) {
	v := newVenue(t, 50, "", "lane-1")
	v.start()
	had := soon(t, v.Rig, time.Second, "a list", online).Tickets.Count
	for _, mode := range []audienceviewsim.List{audienceviewsim.ListForeign, audienceviewsim.ListCut} {
		v.sim.SetList(mode)
		if _, stderr, code := usherCommand(t, v.Rig, "tickets", "refresh"); code == exitOK {
			t.Errorf("%s: a refresh that was refused exits 0: %s", mode, stderr)
		}
		s := soon(t, v.Rig, 5*time.Second, "the fault in the status", func(s control.Status) bool { return s.State == control.Degraded })
		if s.Tickets.Count != had {
			t.Errorf("%s: %d tickets, had %d", mode, s.Tickets.Count, had)
		}
	}
}

func TestConfigurationsThatCannotAsk(t *testing.T) {
	v := newVenue(t, 1, "", "lane-1")
	good, err := os.ReadFile(v.Config())
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ old, new, want string }{
		"http that is not loopback": {v.wire.URL(), "http://192.0.2.1", "vendor.base_url"},
		"an unknown key":            {"client_id: 284", "client_id: 284, clientid: 3", "vendor.clientid"},
		"a password in the file":    {"client_id: 284", "client_id: 284, password: x", "vendor.password"},
		"exits":                     {"name: Gate 7", "name: Gate 7, direction: exit", "gate.direction"},
	} {
		if err := os.WriteFile(v.Config(), []byte(strings.Replace(string(good), tt.old, tt.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		out, _, code := usherCommand(t, v.Rig, "check")
		if code != exitFailed || !strings.Contains(out, tt.want) {
			t.Errorf("%s: exit %d, no %s in\n%s", name, code, tt.want, out)
		}
	}
	if err := os.WriteFile(v.Config(), good, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, code := usherCommand(t, v.Rig, "check"); code != exitOK || !strings.Contains(out, "signed in") {
		t.Errorf("a good one: exit %d\n%s", code, out)
	}
	if err := os.Remove(filepath.Join(v.Dir, "password")); err != nil {
		t.Fatal(err)
	}
	if out, _, code := usherCommand(t, v.Rig, "check"); code != exitFailed || !strings.Contains(out, "password") {
		t.Errorf("no password: exit %d\n%s", code, out)
	}
}

// TestKilledWhileUploadsAndRefreshesRun is the promise under SIGKILL at a vendor:
// the network comes and goes, lists are fetched, the daemon dies again and again,
// and in the end the vendor's record is the green lights that were seen.
func TestKilledWhileUploadsAndRefreshesRun(t *testing.T) {
	t.Parallel()
	v := newVenue(t, 2*share, "online: { probe_min: 100ms, probe_max: 200ms }\nupload: { batch: 20, retry_min: 100ms, retry_max: 200ms }\n", "lane-1", "lane-2")
	// Holders come back long before the two minutes are over for which an answer that
	// got lost is owed to them.
	const rounds = 40
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	lives := newLives(t, v.Rig, v.lanes, barcode, seed)
	for i := range kills {
		if err := v.Start(t.Context(), func(s control.Status) bool {
			return s.Tickets.Count > 0 && !slices.ContainsFunc(s.Scanners, func(x control.ScannerStatus) bool { return x.State != control.ScannerConnected })
		}); err != nil {
			t.Fatal(err)
		}
		switch i % 4 {
		case 1:
			v.fault(faults.Fault{Kind: faults.Close})
		case 2:
			v.fault(faults.Fault{Kind: faults.Lost, Times: 3})
		case 3:
			v.clear()
		}
		lives.one()
		if i%rounds == rounds-1 {
			v.comeBack()
			if err := v.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	v.start()
	books(t, v.Rig, lives.seen)
	admitted := v.admitted()
	if at := v.sim.Barcodes(); len(at) != len(admitted) {
		t.Errorf("%d admitted here, %d at the vendor", len(admitted), len(at))
	}
	first := map[string]time.Time{}
	for _, scan := range v.sim.Scans() {
		if !admitted[scan.Barcode] {
			t.Errorf("%s is at the vendor and was never admitted", scan.Barcode)
		}
		// A batch whose answer got lost is sent again: it must say the same.
		if at, again := first[scan.Barcode]; again && at.Sub(scan.At).Abs() > 2*time.Second {
			t.Errorf("%s was reported at %v and at %v: two scans", scan.Barcode, at, scan.At)
		} else if !again {
			first[scan.Barcode] = scan.At
		}
	}
	t.Logf("%d green lights seen, %d admitted, %d reports at the vendor", len(lives.seen), len(admitted), len(v.sim.Scans()))
}

// comeBack starts the daemon on a good network and scans the holders again who were
// not let in, because it died between the vendor's yes and the green light.
func (v *venue) comeBack() {
	v.t.Helper()
	v.clear()
	if err := v.Start(v.t.Context(), func(s control.Status) bool { return s.Outbox.Pending == 0 && linked(s) }); err != nil {
		v.t.Fatal(err)
	}
	admitted := v.admitted()
	for _, code := range v.sim.Barcodes() {
		if admitted[code] {
			continue
		}
		e, err := v.Client.Scan(v.t.Context(), code, scanner.Entry)
		if err != nil || e.Verdict != scanner.Admit || !e.Late {
			v.t.Errorf("the holder of %s, whose answer died with the daemon: %+v, %v", code, e, err)
		}
	}
}

// admitted are the codes that the journal admitted.
func (v *venue) admitted() map[string]bool {
	v.t.Helper()
	codes := map[string]bool{}
	for _, row := range export(v.t, v.Rig) {
		if row.Verdict == string(scanner.Admit) {
			codes[row.Code] = true
		}
	}
	return codes
}
