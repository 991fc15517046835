package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"usher/cache"
	"usher/cache/seal"
	"usher/scanner"
	"usher/scanner/gate"
	"usher/sync/clock"
	"usher/sync/journal"
)

var scope = scanner.Scope{Vendor: "manifest"}

// door is a gate on real stores.
type door struct {
	gate    *gate.Gate
	clock   *clock.Clock
	tickets *cache.Store
	journal *journal.Journal
	next    atomic.Int64
	made    int
}

// ticket is the i-th of a made-up list. Lists come in any order: the codes of
// neighbours have nothing in common.
func ticket(i int) scanner.Ticket {
	return scanner.Ticket{
		Code: code(i), ID: fmt.Sprint(500000 + i), Name: fmt.Sprintf("Holder Number %d", i), Order: fmt.Sprint(1000 + i/3),
		Section: "Stalls", Seat: fmt.Sprintf("%c %d", 'A'+i%26, i), Event: "Gala Night", Status: scanner.StatusValid,
	}
}

func code(i int) scanner.Code {
	return scanner.Code(fmt.Sprintf("%016X", uint64(i)*0x9E3779B97F4A7C15))
}

func feed(n int) func(func(scanner.Ticket, string) error) error {
	return func(add func(scanner.Ticket, string) error) error {
		for i := range n {
			if err := add(ticket(i), ""); err != nil {
				return err
			}
		}
		return nil
	}
}

func openDoor(ctx context.Context, dir string, tickets int) (*door, error) {
	d := &door{made: tickets}
	log := slog.New(slog.DiscardHandler)
	key, _, err := seal.Load("", dir)
	if err != nil {
		return nil, err
	}
	if d.clock, err = clock.New(clock.Wall); err != nil {
		return nil, err
	}
	if d.tickets, err = cache.Open(cache.Options{Dir: dir, Key: key, Log: log}); err != nil {
		return nil, err
	}
	if err := d.tickets.Build(ctx, &cache.Meta{Scope: scope, Complete: true, Checked: d.clock.Now()}, feed(tickets), nil); err != nil {
		return nil, err
	}
	if d.journal, err = journal.Open(journal.Options{Dir: dir, Clock: d.clock, Sealer: key, KeyCheck: key.Check(), Keep: time.Hour, Log: log}); err != nil {
		return nil, err
	}
	cfg := gate.Config{Scope: scope, Lists: scope, Rule: scanner.Rule{Kind: scanner.External}, Direction: scanner.Entry, Venue: time.UTC}
	d.gate = gate.New(cfg, gate.Deps{
		Clock: d.clock, Tickets: d.tickets, Journal: d.journal, Log: log,
		NewID: uuid.NewString, Show: func(scanner.Outcome) {},
	})
	return d, nil
}

func (d *door) close() error { return errors.Join(d.journal.Close(), d.tickets.Close()) }

// scan admits the next ticket and gives the time from code in to verdict out.
func (d *door) scan(ctx context.Context, lane string) (time.Duration, error) {
	i := int(d.next.Add(1) - 1)
	if i >= d.made {
		return 0, errors.New("the list is used up")
	}
	begun := time.Now()
	out, _ := d.gate.Judge(ctx, scanner.Reading{Scanner: lane, Raw: string(code(i)), At: d.clock.Now()})
	took := time.Since(begun)
	if out.Verdict != scanner.Admit {
		return 0, fmt.Errorf("ticket %d: %s/%s", i, out.Verdict, out.Reason)
	}
	return took, nil
}

func (d *door) scans(ctx context.Context, n int) ([]time.Duration, error) {
	times := make([]time.Duration, 0, n)
	for range n {
		took, err := d.scan(ctx, "lane-1")
		if err != nil {
			return nil, err
		}
		times = append(times, took)
	}
	return times, nil
}

// admit compares an offline admission, code in to verdict out, with one bare
// bbolt put of a record of the same size.
func (b *bench) admit(ctx context.Context) error {
	const n = 1000
	dir, err := b.sub("admit-")
	if err != nil {
		return err
	}
	d, err := openDoor(ctx, dir, 20_000)
	if err != nil {
		return err
	}
	defer d.close()
	db, err := bbolt.Open(filepath.Join(dir, "bare.db"), 0o600, &bbolt.Options{InitialMmapSize: 1 << 30})
	if err != nil {
		return err
	}
	defer db.Close()
	bare := barePuts(db)
	if _, err := d.scans(ctx, n); err != nil { // both warm
		return err
	}
	if _, err := bare(n); err != nil {
		return err
	}
	var p50, p99 []float64
	for range rounds {
		ours, err := d.scans(ctx, n)
		if err != nil {
			return err
		}
		theirs, err := bare(n)
		if err != nil {
			return err
		}
		p50 = append(p50, ratio(percentile(ours, .5), percentile(theirs, .5)))
		p99 = append(p99, ratio(percentile(ours, .99), percentile(theirs, .99)))
	}
	b.report("offline admit p50, against one bare bbolt put", "at most 1.15 x", median(p50) <= 1.15, "%.2f x", median(p50))
	b.report("offline admit p99, against one bare bbolt put", "at most 1.5 x", median(p99) <= 1.5, "%.2f x", median(p99))
	return nil
}

// recordSize is what an admission's record takes in the journal, in bytes.
const recordSize = 1140

func barePuts(db *bbolt.DB) func(n int) ([]time.Duration, error) {
	value := make([]byte, recordSize)
	seq := uint64(0)
	return func(n int) ([]time.Duration, error) {
		times := make([]time.Duration, 0, n)
		for range n {
			seq++
			begun := time.Now()
			err := db.Update(func(tx *bbolt.Tx) error {
				bucket, err := tx.CreateBucketIfNotExists([]byte("log"))
				if err != nil {
					return err
				}
				return bucket.Put(binary.BigEndian.AppendUint64(nil, seq), value)
			})
			if err != nil {
				return nil, err
			}
			times = append(times, time.Since(begun))
		}
		return times, nil
	}
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// lanes compares four scanners at once with one.
func (b *bench) lanes(ctx context.Context) error {
	const n, many = 1000, 4
	dir, err := b.sub("lanes-")
	if err != nil {
		return err
	}
	d, err := openDoor(ctx, dir, n*(1+many)*(rounds+1))
	if err != nil {
		return err
	}
	defer d.close()
	var ratios []float64
	for i := range rounds + 1 {
		one, err := d.rate(ctx, 1, n)
		if err != nil {
			return err
		}
		four, err := d.rate(ctx, many, n)
		if err != nil {
			return err
		}
		if i > 0 { // the first round warms both
			ratios = append(ratios, four/one)
		}
	}
	b.report("4 scanners at once, scans/s, against one", "at least 1.6 x", median(ratios) >= 1.6, "%.2f x", median(ratios))
	return nil
}

// rate is scans per second over the lanes, n each.
func (d *door) rate(ctx context.Context, lanes, n int) (float64, error) {
	var wg sync.WaitGroup
	errs := make([]error, lanes)
	begun := time.Now()
	for l := range lanes {
		wg.Go(func() {
			for range n {
				if _, err := d.scan(ctx, fmt.Sprint("lane-", l)); err != nil {
					errs[l] = err
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(lanes*n) / time.Since(begun).Seconds(), errors.Join(errs...)
}

// refresh compares scans while a million tickets are loaded with scans in
// quiet.
func (b *bench) refresh(ctx context.Context) error {
	dir, err := b.sub("refresh-")
	if err != nil {
		return err
	}
	d, err := openDoor(ctx, dir, 200_000)
	if err != nil {
		return err
	}
	defer d.close()
	var ratios []float64
	for range 3 { // a million takes its time: fewer rounds
		quiet, err := d.paced(ctx, 1000, nil)
		if err != nil {
			return err
		}
		done := make(chan error, 1)
		go func() {
			done <- d.tickets.Build(ctx, &cache.Meta{Scope: scope, Complete: true, Checked: d.clock.Now()}, feed(b.million), nil)
		}()
		busy, err := d.paced(ctx, d.made, done)
		if err != nil {
			return err
		}
		ratios = append(ratios, ratio(percentile(busy, .99), percentile(quiet, .99)))
	}
	b.report("scan p99 while a million tickets refresh, against quiet", "at most 2 x", median(ratios) <= 2, "%.2f x", median(ratios))
	return nil
}

// paced scans every few milliseconds, n times or until done.
func (d *door) paced(ctx context.Context, n int, done <-chan error) ([]time.Duration, error) {
	var times []time.Duration
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for range n {
		select {
		case err := <-done:
			return times, err
		case <-tick.C:
		}
		took, err := d.scan(ctx, "lane-1")
		if err != nil {
			return nil, err
		}
		times = append(times, took)
	}
	return times, nil
}
