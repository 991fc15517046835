package journal

import (
	"context"
	"fmt"
	"path/filepath"
	"sort"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"usher/scanner"
)

// BenchmarkAdmit compares an offline admission's commit with what it cannot
// beat: one bare bbolt put of the same size, in a file opened alike. The two
// take turns, so that a slow moment of the disk hits both.
func BenchmarkAdmit(b *testing.B) {
	j := open(b, options(stateDir(b)))
	bare, err := openStore(filepath.Join(b.TempDir(), "bare.db"), storeOptions{create: true})
	if err != nil {
		b.Fatal(err)
	}
	defer bare.close()
	// As bbolt grows a file by itself.
	bare.db.AllocSize = 16 << 20
	c := newClock()
	// As large as what an admission writes: the record with both its marks.
	sample := entryChange(b, j, c, 1, scanner.FatePending)
	raw, err := encode(kindLog, hintNone, nil, logEntry{Record: sample.Record, After: sample.Mark, Sealed: make([]byte, 90)})
	if err != nil {
		b.Fatal(err)
	}
	put := func(n uint64) {
		err := bare.db.Update(func(tx *bbolt.Tx) error {
			in, err := tx.CreateBucketIfNotExists(bucketLog)
			if err != nil {
				return err
			}
			return in.Put(seqKey(n), raw)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	var ours, theirs []time.Duration
	n := 0
	for b.Loop() {
		n++
		start := time.Now()
		admit(b, j, n, scanner.FatePending)
		ours = append(ours, time.Since(start))
		start = time.Now()
		put(uint64(n))
		theirs = append(theirs, time.Since(start))
	}
	b.ReportMetric(ratio(ours, theirs, 50), "p50-ratio")
	b.ReportMetric(ratio(ours, theirs, 99), "p99-ratio")
	b.ReportMetric(float64(percentile(ours, 50).Microseconds()), "p50-us")
}

func percentile(list []time.Duration, p int) time.Duration {
	sort.Slice(list, func(a, b int) bool { return list[a] < list[b] })
	return list[len(list)*p/100]
}

func ratio(ours, theirs []time.Duration, p int) float64 {
	return float64(percentile(ours, p)) / float64(percentile(theirs, p))
}

// BenchmarkAdmitTogether is the rate of several scanners at once.
func BenchmarkAdmitTogether(b *testing.B) {
	for _, lanes := range []int{1, 4} {
		b.Run(fmt.Sprintf("lanes=%d", lanes), func(b *testing.B) {
			j := open(b, options(stateDir(b)))
			var ticket atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range lanes {
				wg.Go(func() {
					for range b.N / lanes {
						admit(b, j, int(ticket.Add(1)), scanner.FatePending)
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(ticket.Load())/b.Elapsed().Seconds(), "scans/s")
		})
	}
}

// BenchmarkOpen is the time to open a long history whose uploads are done, and
// one that is all still owed.
func BenchmarkOpen(b *testing.B) {
	for _, fate := range []scanner.Fate{scanner.FateConfirmed, scanner.FateTaken, scanner.FatePending} {
		b.Run(string(fate), func(b *testing.B) {
			const records = 70_000
			opts := options(stateDir(b))
			fillJournal(b, opts, records, fate)
			b.ResetTimer()
			var spent time.Duration
			for range b.N {
				start := time.Now()
				j, err := Open(opts)
				if err != nil {
					b.Fatal(err)
				}
				spent += time.Since(start)
				b.StopTimer()
				if err := j.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(spent.Milliseconds())/float64(b.N), "open-ms")
		})
	}
}

// fillJournal admits many tickets, without waiting for the disk each time.
func fillJournal(b testing.TB, opts Options, records int, fate scanner.Fate) {
	b.Helper()
	j, err := Open(opts)
	if err != nil {
		b.Fatal(err)
	}
	j.db.db.NoSync = true
	first := fate
	if fate == scanner.FateTaken {
		first = scanner.FatePending
	}
	ctx := context.Background()
	for from := 0; from < records; from += 1000 {
		var wg sync.WaitGroup
		for lane := range 50 {
			wg.Go(func() {
				for n := range 20 {
					admit(b, j, from+lane*20+n, first)
				}
			})
		}
		wg.Wait()
		if fate == first {
			continue
		}
		due, err := j.Outbox(1000)
		if err != nil {
			b.Fatal(err)
		}
		var list []scanner.Settlement
		for _, e := range due {
			list = append(list, scanner.Settlement{Seq: e.Seq, To: fate})
		}
		if err := j.Settle(ctx, list); err != nil {
			b.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}
