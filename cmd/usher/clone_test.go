package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/cmd/internal/identity"
	"usher/cmd/internal/rig"
	"usher/scanner"
	"usher/sync/journal"
	"usher/vendors/vendortest/faults"
)

// copyOf is the venue's device on a card that was copied to another handheld: the
// same files, on a machine that its id is not bound to.
func copyOf(t *testing.T, v *venue, extra string) (*rig.Rig, string, *lockedBuffer) {
	t.Helper()
	dir, err := os.MkdirTemp("", "usher-")
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(v.Config())
	if err != nil {
		t.Fatal(err)
	}
	_, vendor, _ := strings.Cut(string(config), "vendor: ")
	vendor, _, _ = strings.Cut(vendor, "\n")
	log := &lockedBuffer{}
	r, err := rig.New(rig.Options{Dir: dir, Bin: v.Bin, Lanes: []string{"lane-1"}, Log: log, Vendor: vendor, Extra: extra})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(r.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the copy's log:\n%s", log.tail(4000))
		}
	})
	state := filepath.Join(dir, "state")
	if err := os.CopyFS(state, os.DirFS(filepath.Join(v.Dir, "state"))); err != nil {
		t.Fatal(err)
	}
	var id struct {
		ID string `json:"id"`
	}
	path := filepath.Join(state, identity.FileName)
	raw, err := os.ReadFile(path)
	if err := errors.Join(err, json.Unmarshal(raw, &id)); err != nil {
		t.Fatal(err)
	}
	// Both devices of this test are one machine: what the id is bound to stands for
	// the handheld that it was made on.
	elsewhere := fmt.Sprintf(`{"id":%q,"machine":"00","macs":["02:00:00:00:00:01"],"disk":"00"}`, id.ID)
	if err := os.WriteFile(path, []byte(elsewhere), 0o600); err != nil {
		t.Fatal(err)
	}
	return r, id.ID, log
}

// A card that was copied with scans in its outbox becomes another device, loudly,
// and none of the scans is lost or counted twice, whichever device lives on.
func TestACopiedCard(t *testing.T) {
	const scans = 3
	for name, survives := range map[string]bool{"the original lives on": true, "the original is gone": false} {
		t.Run(name, func(t *testing.T) {
			const quick = "gate: { name: Gate 7 }\nonline: { probe_min: 100ms, probe_max: 300ms }\nupload: { retry_min: 100ms, retry_max: 500ms }\n"
			v := newVenue(t, 20, strings.TrimPrefix(quick, "gate: { name: Gate 7 }\n"), "lane-1")
			v.start()
			v.fault(faults.Fault{Kind: faults.Refuse})
			for i := range scans {
				v.scan(barcode(i), scanner.Admit, scanner.OK)
			}
			if err := v.Kill(); err != nil {
				t.Fatal(err)
			}
			copied, original, log := copyOf(t, v, quick)
			if survives {
				v.clear()
				if err := v.Start(t.Context(), func(s control.Status) bool { return s.Outbox.Pending == 0 }); err != nil {
					t.Fatal(err)
				}
				if err := v.Stop(); err != nil {
					t.Fatal(err)
				}
			}
			if err := v.wire.Set(faults.Fault{Kind: faults.Refuse}); err != nil {
				t.Fatal(err)
			}
			var first control.Status
			ready := func(s control.Status) bool {
				first = s
				return s.Outbox.Pending == scans && s.Scanners[0].State == control.ScannerConnected
			}
			if err := copied.Start(t.Context(), ready); err != nil {
				t.Fatal(err)
			}
			said := strings.Join(first.Problems, "\n")
			if first.Device.ID == original || first.State != control.Degraded {
				t.Errorf("device %s, state %s", first.Device.ID, first.State)
			}
			for _, words := range []string{"copied from device " + original, "this device is " + first.Device.ID, "holds 3 movements", "none is lost"} {
				if !strings.Contains(said, words) || !strings.Contains(log.tail(1<<20), words) {
					t.Errorf("%q is not said: %s", words, said)
				}
			}
			// What entered there has entered here: one venue.
			scanFor(t, copied, "lane-1", barcode(0), scanner.Refuse, scanner.AlreadyEntered)
			scanFor(t, copied, "lane-1", barcode(scans), scanner.Admit, scanner.OK)
			v.clear()
			end := soon(t, copied, 30*time.Second, "drained", func(s control.Status) bool { return s.Outbox.Pending == 0 })
			if end.Conflicts != 0 || end.Parked != 0 {
				t.Errorf("%d conflicts, %d parked: of scans that are the device's own", end.Conflicts, end.Parked)
			}
			// Both devices tell of the same scan at the same time, give or take what
			// either knows of it: the vendor can tell that it is one.
			times := map[string][]time.Time{}
			for _, scan := range v.sim.Scans() {
				times[scan.Barcode] = append(times[scan.Barcode], scan.At)
			}
			for i := range scans + 1 {
				at := times[barcode(i)]
				if len(at) == 0 || at[0].Sub(at[len(at)-1]).Abs() > 2*time.Second {
					t.Errorf("%s: the vendor has it at %v", barcode(i), at)
				}
			}
			for _, row := range exportedDevices(t, copied) {
				want := original
				if row.Code == barcode(scans) || row.Verdict == "refuse" {
					want = first.Device.ID
				}
				if row.Device != want {
					t.Errorf("%s is of %s, want %s", row.Code, row.Device, want)
				}
			}
			// The next start is quiet about it: it is a device of its own now.
			if err := copied.Kill(); err != nil {
				t.Fatal(err)
			}
			var next control.Status
			if err := copied.Start(t.Context(), func(s control.Status) bool { next = s; return true }); err != nil {
				t.Fatal(err)
			}
			if next.Device.ID != first.Device.ID || strings.Contains(strings.Join(next.Problems, "\n"), "copied from") {
				t.Errorf("the next start: %s, %v", next.Device.ID, next.Problems)
			}
		})
	}
}

type exportedRow struct{ Code, Device, Verdict string }

func exportedDevices(t *testing.T, r *rig.Rig) []exportedRow {
	t.Helper()
	out, _, _ := usherCommand(t, r, "export", "--format", "jsonl")
	var rows []exportedRow
	for line := range strings.Lines(out) {
		var row exportedRow
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		t.Fatal("nothing was exported")
	}
	return rows
}

// What another device made is taken for sent: the vendor's "already scanned" is then
// no conflict.
func TestAnotherDevicesMovementMayHaveBeenSent(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(journal.Options{Dir: dir, Clock: stillClock{}, Keep: time.Hour, ForgetAfter: time.Hour, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, device := range []string{"mine", "another"} {
		rec := scanner.Record{
			ID: device, Kind: scanner.KindScan, Code: scanner.Code(device), Origin: scanner.Origin{Device: device}, Direction: scanner.Entry,
			At: stillClock{}.Now(), Verdict: scanner.Admit, Reason: scanner.OK, Fate: scanner.FatePending,
		}
		if _, err := j.Commit(t.Context(), scanner.Change{Record: rec}); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := outbox{j, "mine"}.Pending(func(scanner.Scope) bool { return true }, 0, 10)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%+v, %v", entries, err)
	}
	for _, e := range entries {
		if want := map[string]int{"mine": 0, "another": 1}[e.Origin.Device]; e.Sent != want {
			t.Errorf("%s: sent %d times, want %d", e.Origin.Device, e.Sent, want)
		}
	}
}
