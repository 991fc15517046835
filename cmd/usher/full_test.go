package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/cmd/internal/control"
	"usher/scanner"
	"usher/vendors/vendortest/faults"
)

// smallState puts the venue's state directory on a file system of its own, which
// full leaves without a free block and release empties again.
func (v *venue) smallState(size string) (full, release func()) {
	v.t.Helper()
	dir := filepath.Join(v.Dir, "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		v.t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		v.t.Skipf("not shown here: a full disk under a running usher; needs root and CAP_SYS_ADMIN to mount a small tmpfs: %v", err)
	}
	v.t.Cleanup(func() {
		if err := errors.Join(v.Kill(), unix.Unmount(dir, 0)); err != nil {
			v.t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	return func() { fill(v.t, ballast) }, func() {
		if err := os.Remove(ballast); err != nil {
			v.t.Fatal(err)
		}
	}
}

// TestAnEveningOnAFullDisk: offline a scan that cannot be stored is amber, never
// green; online the vendor's yes is green all the same, and the state says what is
// wrong; what was stored before is uploaded while the disk is still full; with room
// again everything goes on by itself.
func TestAnEveningOnAFullDisk(t *testing.T) {
	const tickets, spare = 4000, 100
	v := newVenue(t, tickets, "upload: { retry_min: 100ms, retry_max: 1s }\n", "lane-1")
	full, release := v.smallState("128m")
	v.start()
	v.scan(barcode(tickets-1), scanner.Admit, scanner.OK)
	v.fault(faults.Fault{Kind: faults.Refuse})
	v.scan(barcode(tickets-2), scanner.Admit, scanner.OK)
	full()

	// What the file has room for is stored; then every scan is amber.
	green := 0
	for ; ; green++ {
		if green == tickets-spare {
			t.Fatal("the disk was never full")
		}
		e, err := v.Client.Scan(t.Context(), barcode(green), scanner.Entry)
		if err != nil {
			t.Fatal(err)
		}
		if e.Reason == scanner.NotStored {
			break
		}
		if e.Verdict != scanner.Admit || e.Mode != scanner.Offline {
			t.Fatalf("scan %d: %+v", green, e)
		}
	}
	if green < 100 {
		t.Errorf("only %d scans were stored after the disk was full: no room was kept ahead", green)
	}
	for i := range 3 {
		v.scan(barcode(tickets-10-i), scanner.Review, scanner.NotStored)
	}
	s, err := v.Client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if problems := strings.Join(s.Problems, "\n"); s.State != control.Degraded || !strings.Contains(problems, "the disk is full") ||
		!strings.Contains(problems, "stay amber") || !strings.Contains(problems, "free space in "+filepath.Join(v.Dir, "state")) {
		t.Errorf("state %s, problems %q", s.State, s.Problems)
	}

	// Online, though neither the attempt nor the verdict can be stored; the upload is
	// held up, or it would make room.
	v.clear()
	v.fault(faults.Fault{Kind: faults.Status, Status: 503, Call: "syncScans"})
	linked := func(s control.Status) bool { return s.Link.State == control.LinkOnline }
	s = soon(t, v.Rig, 35*time.Second, "the link", linked)
	for i := range 3 {
		if e := v.scan(barcode(tickets-20-i), scanner.Admit, scanner.OK); e.Mode != scanner.Online {
			t.Errorf("the vendor's yes: %+v", e)
		}
	}
	if s, err = v.Client.Status(t.Context()); err != nil || s.State != control.Degraded || s.Outbox.Pending != green+1 {
		t.Errorf("state %s, %d pending, want %d, %v", s.State, s.Outbox.Pending, green+1, err)
	}

	// Still full: everything that was stored reaches the vendor and is acknowledged,
	// and its history gives way to new scans.
	v.clear()
	s = soon(t, v.Rig, 60*time.Second, "an empty outbox on a full disk", func(s control.Status) bool { return s.Outbox.Pending == 0 })
	if s.Parked > 0 {
		t.Errorf("%d parked", s.Parked)
	}
	v.fault(faults.Fault{Kind: faults.Refuse})
	soon(t, v.Rig, 20*time.Second, "a scan that is stored on a full disk again", func(control.Status) bool {
		e, err := v.Client.Scan(t.Context(), barcode(tickets-40), scanner.Entry)
		return err == nil && e.Verdict == scanner.Admit && e.Mode == scanner.Offline
	})

	// Room returns: nobody need do anything.
	release()
	soon(t, v.Rig, 20*time.Second, "no word of the disk", func(s control.Status) bool {
		return !strings.Contains(strings.Join(s.Problems, "\n"), "disk")
	})
	v.scan(barcode(tickets-41), scanner.Admit, scanner.OK)
	v.clear()
	soon(t, v.Rig, 35*time.Second, "ready and an empty outbox", func(s control.Status) bool { return online(s) && s.Outbox.Pending == 0 })
	counts := v.sim.Counts()
	want := []int{tickets - 1, tickets - 2, tickets - 20, tickets - 21, tickets - 22, tickets - 40, tickets - 41}
	for i := range green {
		want = append(want, i)
	}
	for _, i := range want {
		if counts[barcode(i)] != 1 {
			t.Errorf("ticket %d is %d times at the vendor", i, counts[barcode(i)])
		}
	}
	if len(counts) != len(want) {
		t.Errorf("the vendor has %s, %d were green", fmt.Sprint(len(counts), " tickets"), len(want))
	}
}
