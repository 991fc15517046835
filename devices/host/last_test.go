package host

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
)

// TestTheLastOfTwoAtOnceIsShown: where the second signal comes in the moment in which
// Run takes the first one's wake, it is played under that wake, and its own wake must
// not end it.
func TestTheLastOfTwoAtOnceIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{}, t.TempDir(), slog.New(slog.DiscardHandler))
		h.tell() // of the signal that plays
		began := time.Now()
		if !h.lasts(t.Context(), time.Second) || time.Since(began) != time.Second {
			t.Errorf("its own wake ended it after %v", time.Since(began))
		}
		h.Show(scanner.SignalRefuse)
		if h.lasts(t.Context(), time.Second) {
			t.Error("a newer signal does not end it")
		}
		if s := h.newest.Load(); s == nil || *s != scanner.SignalRefuse || len(h.wake) != 1 {
			t.Error("the newer signal is lost")
		}
	})
}
