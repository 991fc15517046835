package upload_test

import (
	"context"
	"testing"
	"time"

	"usher/scanner"
)

// BenchmarkDrain uploads 10 000 queued scans over a round trip of 50 ms and
// reports how long that takes against the round trips alone.
func BenchmarkDrain(b *testing.B) {
	const (
		scans     = 10_000
		batch     = 100
		roundTrip = 50 * time.Millisecond
	)
	for b.Loop() {
		b.StopTimer()
		clock := newClock()
		j := openBook(b, b.TempDir(), clock)
		for n := range scans {
			j.admit(b, clock, n)
		}
		v := &vendor{answer: func(_ context.Context, _ int, list []scanner.Movement) ([]scanner.Receipt, error) {
			time.Sleep(roundTrip)
			return all(list, scanner.Taken), nil
		}}
		u := newUploader(j, v, clock)
		b.StartTimer()
		began := time.Now()
		counts, err := u.Now(context.Background())
		if err != nil || counts.Taken != scans || len(v.sent()) != scans/batch {
			b.Fatalf("%+v, %v, %d calls", counts, err, len(v.sent()))
		}
		b.ReportMetric(float64(time.Since(began))/float64(roundTrip*scans/batch), "x-round-trips")
	}
}
