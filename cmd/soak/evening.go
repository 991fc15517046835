package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/bbolt" // the stores' own check of their pages

	"usher/cmd/internal/control"
	"usher/scanner"
	"usher/vendors/audienceview/audienceviewsim"
)

const (
	// heals is how long everything may take to be well again without a fault.
	heals = 60 * time.Second
	// doubted is how old a lost answer surely still explains the vendor's "already
	// entered"; the rule says two minutes.
	doubted = 110 * time.Second
)

// books are what is compared.
type books struct {
	// rows are the export of the running daemon, dead what its files say afterwards.
	rows, dead []row
	// calls are the vendor's, scans its record.
	calls []vendorCall
	scans []audienceviewsim.Scan
	// status is the daemon's last word.
	status control.Status
	log    []byte
}

// evening ends all faults, lets the last holders in, and waits until the vendor
// has everything.
func (w *world) evening(ctx context.Context) (*books, error) {
	w.sim.SetList(audienceviewsim.ListWhole)
	for _, call := range []string{"validateTicket", "syncScans", "authenticate", "validTickets"} {
		w.sim.Fail(call, 0, false, 0)
	}
	w.calm()
	if err := errors.Join(w.free(), w.configure(w.config)); err != nil {
		return nil, err
	}
	if err := w.keeper.mend(ctx); err != nil {
		return nil, err
	}
	if err := w.keeper.hangup(); err != nil {
		return nil, err
	}
	well := func(s control.Status) bool {
		if settled(s) && len(faultsOf(s)) == 0 {
			return true
		}
		within, cancel := context.WithTimeout(ctx, asks)
		defer cancel()
		_, _ = w.rig.Client.Sync(within, control.SyncRequest{}) // a person tries: a refused sign-in waits for one
		return false
	}
	if err := w.until(ctx, "online and well", well); err != nil {
		return nil, err
	}
	if err := w.lastCall(ctx); err != nil {
		return nil, err
	}
	// What a vendor in trouble seemed to refuse is tried once more.
	if _, err := w.rig.Client.RequeueAll(ctx, "Sue"); err != nil {
		return nil, err
	}
	if err := w.until(ctx, "an empty outbox", func(s control.Status) bool { return s.Outbox.Pending == 0 }); err != nil {
		return nil, err
	}
	if err := w.until(ctx, "a state that only a person's list spoils", func(s control.Status) bool { return len(faultsOf(s)) == 0 }); err != nil {
		w.ledger.differs("%v", err)
	}
	return w.copyBooks(ctx)
}

// faultsOf are the problems that should not be there without a fault.
func faultsOf(s control.Status) []string {
	var list []string
	for _, p := range s.Problems {
		if !strings.Contains(p, "parked:") && !strings.Contains(p, "conflicts:") {
			list = append(list, p)
		}
	}
	return list
}

func (w *world) until(ctx context.Context, what string, ok func(control.Status) bool) error {
	deadline := time.Now().Add(heals)
	for {
		s, err := w.rig.Client.Status(ctx)
		if err == nil && ok(s) {
			return nil
		}
		if time.Now().After(deadline) || !sleep(ctx, 50*time.Millisecond) {
			return fmt.Errorf("not within %s after the last fault: %s; %v, status %+v", heals, what, err, s)
		}
	}
}

// lastCall scans every good ticket whose holder still stands outside, and every
// one that the vendor has as entered and this device has not let in: whose answer
// got lost. Nobody may be refused for our own lost answer.
func (w *world) lastCall(ctx context.Context) error {
	var out bytes.Buffer
	if err := w.rig.Client.Export(ctx, control.JSONLines, &out); err != nil {
		return err
	}
	rows, err := readRows(&out)
	if err != nil {
		return err
	}
	inside := map[string]bool{}
	for _, r := range w.whole(rows) { // who entered before history gave way is not outside
		if r.movement() {
			inside[bare(r.Code)] = true
		}
	}
	outside := map[string]*ticket{}
	w.ledger.mu.Lock()
	for _, r := range w.ledger.readings {
		if r.ticket != nil && r.ticket.kind == good && !inside[r.ticket.code] {
			outside[r.ticket.code] = r.ticket
		}
	}
	w.ledger.mu.Unlock()
	entered := map[string]time.Time{}
	for _, c := range w.vendor.record() {
		if c.name == "validateTicket" && c.id == 0 && len(c.codes) == 1 && !inside[c.codes[0]] {
			if t := w.office.of(c.codes[0]); t != nil {
				outside[t.code], entered[t.code] = t, c.at
			}
		}
	}
	for code, t := range outside {
		e, err := w.typeIn(ctx, t)
		if err != nil {
			return err
		}
		at, lost := entered[code]
		switch {
		case e.Verdict == scanner.Admit:
			w.ledger.count("last holders let in")
		case lost && time.Since(at) > doubted:
			w.ledger.count("holders who came back after two minutes")
		case lost && w.forgotten(at, time.Now()):
			w.ledger.count("answers lost while the disk was full")
		default:
			w.ledger.differs("the holder of %s stands outside: %s\n%s", code, eventText(e), tidy(w.history(rows, code)))
		}
	}
	return nil
}

func bare(code string) string { return string(scanner.Code(code).Bare()) }

func (w *world) copyBooks(ctx context.Context) (*books, error) {
	var out bytes.Buffer
	if err := w.rig.Client.Export(ctx, control.JSONLines, &out); err != nil {
		return nil, err
	}
	rows, err := readRows(&out)
	if err != nil {
		return nil, err
	}
	status, err := w.rig.Client.Status(ctx)
	if err != nil {
		return nil, err
	}
	return &books{rows: rows, calls: w.vendor.record(), scans: w.sim.Scans(), status: status}, nil
}

// night ends the daemon and reads what it leaves behind.
func (w *world) night(b *books) error {
	w.keeper.mu.Lock()
	w.keeper.end("terminated", false)
	w.keeper.mu.Unlock()
	var err error
	if b.dead, err = w.deadExport(); err != nil {
		w.ledger.differs("export --state-dir: %v", err)
	}
	for _, name := range []string{"journal.db", "tickets.db"} {
		if err := checkStore(filepath.Join(w.state(), name)); err != nil {
			w.ledger.differs("%s: %v", name, err)
		}
	}
	if moved, _ := filepath.Glob(filepath.Join(w.state(), "*damaged*")); len(moved) > 0 {
		w.ledger.differs("a store was found damaged: %v", moved)
	}
	b.log, err = os.ReadFile(w.path("log"))
	return err
}

// checkStore walks every page.
func checkStore(path string) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return err
	}
	err = db.View(func(tx *bbolt.Tx) error {
		var all []error
		for fault := range tx.Check() {
			all = append(all, fault)
		}
		return errors.Join(all...)
	})
	return errors.Join(err, db.Close())
}
