package devices_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"usher/devices"
	"usher/scanner"
)

// settling is a driver whose scanner is set up by the kernel a while after the
// first attempt.
func settling(takes time.Duration) func(context.Context) (scanner.Device, error) {
	var since time.Time
	return func(context.Context) (scanner.Device, error) {
		if since.IsZero() {
			since = time.Now()
		}
		if time.Since(since) < takes {
			return nil, fmt.Errorf("05e0:1200: %w", scanner.ErrSettling)
		}
		return device(idle), nil
	}
}

// TestWhatIsBeingSetUpIsTriedAgainAtOnce, also after so many attempts that the
// waits between them have grown long.
func TestWhatIsBeingSetUpIsTriedAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plugged := time.Now().Add(time.Minute)
		var open func(context.Context) (scanner.Device, error)
		first := make(chan time.Time, 1)
		s, _ := supervise(func(ctx context.Context) (scanner.Device, error) {
			if time.Now().Before(plugged) {
				return nil, fmt.Errorf("05e0:1200: %w", context.DeadlineExceeded)
			}
			if open == nil {
				open = settling(time.Second)
				first <- time.Now()
			}
			return open(ctx)
		}, ignore)
		defer start(t, s)()
		came := <-first
		synctest.Wait()
		want := devices.Status{Name: "lane-1", Driver: "fake", State: devices.Missing, Detail: "05e0:1200: it is still being set up by the kernel; tried again"}
		if got := s.Status(); got != want {
			t.Errorf("status %+v, want %+v", got, want)
		}
		pass(time.Until(came.Add(time.Second + 50*time.Millisecond)))
		if got := s.Status(); got.State != devices.Connected {
			t.Errorf("50 ms after it was set up: %+v", got)
		}
	})
}

func TestOpenWaitsForWhatIsBeingSetUp(t *testing.T) {
	for takes, ok := range map[time.Duration]bool{0: true, time.Second: true, time.Hour: false} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			err := devices.Scanner{Opener: fake{settling(takes)}}.Try(t.Context())
			if (err == nil) != ok || time.Since(began) > 3*time.Second {
				t.Errorf("set up after %v: %v after %v", takes, err, time.Since(began))
			}
		})
	}
}
