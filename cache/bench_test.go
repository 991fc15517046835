package cache_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/cache"
	"usher/cache/seal"
	"usher/scanner"
)

const million = 1_000_000

// BenchmarkLoad builds a list of a million tickets. It reports the highest
// anonymous memory of the process while it runs, in MiB.
func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		s := open(b, b.TempDir())
		peak := watchAnon(b, func() { load(b, s, million) })
		b.ReportMetric(peak, "anon-peak-MiB")
		s.Close()
	}
}

// BenchmarkOpen opens a list of a million tickets.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir)
	load(b, s, million)
	s.Close()
	for b.Loop() {
		open(b, dir).Close()
	}
}

// BenchmarkLookup looks up codes of a list of a million tickets, in parallel.
func BenchmarkLookup(b *testing.B) {
	s := open(b, b.TempDir())
	defer s.Close()
	load(b, s, million)
	for name, code := range map[string]string{"hit": "%012d", "miss": "x%d"} {
		b.Run(name, func(b *testing.B) {
			var n atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					s.Lookup(scope, scanner.Code(fmt.Sprintf(code, n.Add(7919)%million)))
				}
			})
		})
	}
}

// BenchmarkSearch looks for a name that is not there, so that it reads the
// whole list of 100 000 tickets.
func BenchmarkSearch(b *testing.B) {
	s := open(b, b.TempDir())
	defer s.Close()
	load(b, s, 100_000)
	for b.Loop() {
		if _, err := s.Search(context.Background(), scope, "nobody here", 50); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIdle reports the anonymous memory that a store of 100 000 tickets
// holds after its load.
func BenchmarkIdle(b *testing.B) {
	for b.Loop() {
		s := open(b, b.TempDir())
		load(b, s, 100_000)
		b.ReportMetric(anon(b), "anon-MiB")
		s.Close()
	}
}

// BenchmarkCommitBesideLoad reports the p99 of a small durable append, as the
// journal makes, quiet and while a million tickets are loaded on the same disk:
// their ratio is the price of a refresh at the gate.
func BenchmarkCommitBesideLoad(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		s := open(b, dir)
		quiet := commits(b, dir, func() { time.Sleep(5 * time.Second) })
		busy := commits(b, dir, func() { load(b, s, million) })
		b.ReportMetric(float64(quiet[len(quiet)/2].Microseconds()), "quiet-p50-us")
		b.ReportMetric(float64(busy[len(busy)/2].Microseconds()), "busy-p50-us")
		b.ReportMetric(float64(at(quiet, 0.99).Microseconds()), "quiet-p99-us")
		b.ReportMetric(float64(at(busy, 0.99).Microseconds()), "busy-p99-us")
		b.ReportMetric(float64(at(busy, 0.99))/float64(at(quiet, 0.99)), "p99-ratio")
		s.Close()
	}
}

// BenchmarkAmend changes 500 of many tickets. It reports the highest anonymous memory
// of the process while it runs, in MiB.
func BenchmarkAmend(b *testing.B) {
	for _, n := range []int{200_000, million} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := open(b, b.TempDir())
			defer s.Close()
			load(b, s, n)
			cursor := ""
			for round := 0; b.Loop(); round++ {
				var changes []scanner.Ticket
				for i := range 500 {
					ticket := used(i * (n / 500))
					ticket.UsedGate = strconv.Itoa(round)
					changes = append(changes, ticket)
				}
				next := strconv.Itoa(round)
				peak := watchAnon(b, func() {
					meta := &cache.Meta{Scope: scope, Cursor: []byte(next)}
					if err := s.Amend(context.Background(), []byte(cursor), meta, rows(changes...), nil); err != nil || meta.Kept {
						b.Error(meta.Kept, err)
					}
				})
				b.ReportMetric(peak, "anon-peak-MiB")
				cursor = next
			}
		})
	}
}

func at(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(float64(len(sorted)-1)*q)]
}

// commits appends 256 bytes and syncs them every 5 ms while work runs, and
// gives the durations, sorted.
func commits(b *testing.B, dir string, work func()) []time.Duration {
	file, err := os.Create(filepath.Join(dir, "journal"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		work()
	}()
	var took []time.Duration
	record := make([]byte, 256)
	for {
		select {
		case <-done:
			slices.Sort(took)
			return took
		case <-time.After(5 * time.Millisecond):
		}
		started := time.Now()
		if _, err := file.Write(record); err != nil {
			b.Fatal(err)
		}
		if err := unix.Fdatasync(int(file.Fd())); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(started))
	}
}

func load(tb testing.TB, s *cache.Store, n int) {
	tb.Helper()
	err := s.Build(context.Background(), &cache.Meta{Scope: scope, Complete: true}, func(add func(scanner.Ticket, string) error) error {
		for i := range n {
			if err := add(sample(i), "list.csv:"+strconv.Itoa(i+2)); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	if err != nil {
		tb.Error(err)
	}
}

// sample is a ticket as a venue has them.
func sample(i int) scanner.Ticket {
	return scanner.Ticket{
		Code: scanner.Code(fmt.Sprintf("%012d", i)), ID: strconv.Itoa(1_000_000 + i), Name: "Anna Maria Mustermann-" + strconv.Itoa(i),
		Order: "R" + strconv.Itoa(i/3), Section: "Block " + strconv.Itoa(i%40), Seat: "Row 12 Seat " + strconv.Itoa(i%60),
		Event: "gala-2026", Status: scanner.StatusValid,
		ValidFrom: time.Unix(1_790_000_000, 0), ValidUntil: time.Unix(1_790_086_400, 0),
	}
}

var scope = scanner.Scope{Vendor: "manifest", Event: "gala-2026"}

var secret = []byte("0123456789abcdefghijklmnopqrstuv")

func open(tb testing.TB, dir string) *cache.Store {
	tb.Helper()
	return openWith(tb, dir, secret)
}

func openWith(tb testing.TB, dir string, secret []byte) *cache.Store {
	tb.Helper()
	key, err := seal.New(secret)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := cache.Open(cache.Options{Dir: dir, Key: key, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// watchAnon gives the peak of the process's anonymous memory during work, in
// MiB.
func watchAnon(tb testing.TB, work func()) float64 {
	tb.Helper()
	runtime.GC()
	done := make(chan struct{})
	go func() {
		defer close(done)
		work()
	}()
	peak := 0.0
	for {
		peak = max(peak, anon(tb))
		select {
		case <-done:
			return peak
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// anon is the process's anonymous resident memory in MiB.
func anon(tb testing.TB) float64 {
	tb.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				tb.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	tb.Fatal("no RssAnon in /proc/self/status")
	return 0
}
