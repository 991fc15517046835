package upload_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
	"usher/sync/upload"
)

// beside runs the upload in a bubble of its own time until fn returns.
func beside(t *testing.T, v *vendor, fn func(t *testing.T, b book, clock *handClock, u *upload.Uploader), change ...func(*upload.Options)) {
	synctest.Test(t, func(t *testing.T) {
		clock := newClock()
		b := openBook(t, t.TempDir(), clock)
		u := newUploader(b, v, clock, change...)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- u.Run(ctx) }()
		synctest.Wait()
		fn(t, b, clock, u)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func refusing(err error) func(context.Context, int, []scanner.Movement) ([]scanner.Receipt, error) {
	return func(context.Context, int, []scanner.Movement) ([]scanner.Receipt, error) { return nil, err }
}

func TestRunUploadsWhatIsAdded(t *testing.T) {
	v := &vendor{}
	beside(t, v, func(t *testing.T, b book, clock *handClock, u *upload.Uploader) {
		sleep(24 * time.Hour)
		if n := len(v.sent()); n != 0 {
			t.Errorf("%d calls with nothing to send", n)
		}
		seq := b.admit(t, clock, 1)
		u.Kick()
		synctest.Wait()
		b.wantFate(t, seq, scanner.FateTaken)
		sleep(24 * time.Hour)
		if n := len(v.sent()); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	})
}

func TestBackoffHasFullJitterAndNoEnd(t *testing.T) {
	v := &vendor{answer: refusing(trouble(scanner.Silent, 0, true))}
	beside(t, v, func(t *testing.T, b book, clock *handClock, u *upload.Uploader) {
		b.admit(t, clock, 1)
		u.Kick()
		sleep(3 * time.Hour)
		var sum time.Duration
		low, high := 0, 0
		gaps := 0
		for i := range v.at[1:] {
			gap := v.at[i+1].Sub(v.at[i])
			if gap > time.Minute+1 {
				t.Fatalf("pause %d is %v", i, gap)
			}
			if i == 0 && gap > time.Second+1 {
				t.Errorf("first pause %v", gap)
			}
			if i < 10 {
				continue
			}
			gaps++
			sum += gap
			if gap < 15*time.Second {
				low++
			}
			if gap > 45*time.Second {
				high++
			}
		}
		if mean := sum / time.Duration(gaps); mean < 25*time.Second || mean > 35*time.Second || low < gaps/8 || high < gaps/8 {
			t.Errorf("%d pauses, mean %v, %d short, %d long: want them spread over a minute", gaps, mean, low, high)
		}
		v.mu.Lock()
		v.answer = nil
		v.mu.Unlock()
		sleep(time.Minute + 1)
		if st := u.Status(); st.Totals.Taken != 1 || st.Problem != "" || !st.NextTryAt.Wall.IsZero() {
			t.Errorf("status %+v", st)
		}
	})
}

// Only a quota lasts for hours: a maintenance page's guess does not.
func TestRetryAfterOfAMaintenancePageIsShort(t *testing.T) {
	page := trouble(scanner.Failing, 503, true)
	page.RetryAfter = 24 * time.Hour
	v := &vendor{answer: refusing(page)}
	beside(t, v, func(t *testing.T, b book, clock *handClock, u *upload.Uploader) {
		b.admit(t, clock, 1)
		u.Kick()
		synctest.Wait()
		if st := u.Status(); st.NextTryAt.Up != clock.Now().Up+5*time.Minute {
			t.Errorf("next try at %v", st.NextTryAt.Up-clock.Now().Up)
		}
	})
}

func TestRetryAfterIsHeeded(t *testing.T) {
	quota := trouble(scanner.Throttled, 429, false)
	quota.RetryAfter = 7 * time.Minute
	v := &vendor{answer: refusing(quota)}
	beside(t, v, func(t *testing.T, b book, clock *handClock, u *upload.Uploader) {
		b.admit(t, clock, 1)
		u.Kick()
		synctest.Wait()
		st := u.Status()
		if !strings.Contains(st.Problem, "left alone for 7m0s") || st.NextTryAt.Up != clock.Now().Up+7*time.Minute {
			t.Errorf("status %+v", st)
		}
		if _, err := u.Now(t.Context()); err == nil || !strings.Contains(err.Error(), "left alone") {
			t.Errorf("now: %v", err)
		}
		for range 13 {
			u.Kick()
			u.Resume()
			sleep(30 * time.Second)
		}
		if n := len(v.sent()); n != 1 {
			t.Errorf("%d calls within what the vendor asked for", n)
		}
		v.mu.Lock()
		v.answer = nil
		v.mu.Unlock()
		sleep(31 * time.Second)
		if st := u.Status(); st.Totals.Taken != 1 || v.at[1].Sub(v.at[0]) != 7*time.Minute {
			t.Errorf("status %+v", st)
		}
	})
}

func TestTheLinkIsWaitedFor(t *testing.T) {
	var online atomic.Bool
	v := &vendor{}
	beside(t, v, func(t *testing.T, b book, clock *handClock, u *upload.Uploader) {
		b.admit(t, clock, 1)
		u.Kick()
		sleep(time.Hour)
		if n := len(v.sent()); n != 0 {
			t.Errorf("%d calls while offline", n)
		}
		online.Store(true)
		u.Resume()
		synctest.Wait()
		if st := u.Status(); st.Totals.Taken != 1 {
			t.Errorf("status %+v", st)
		}
	}, func(o *upload.Options) { o.Ready = online.Load })
}

func TestResumeEndsAPause(t *testing.T) {
	v := &vendor{answer: refusing(trouble(scanner.Unreachable, 0, false))}
	beside(t, v, func(t *testing.T, b book, clock *handClock, u *upload.Uploader) {
		b.admit(t, clock, 1)
		u.Kick()
		sleep(time.Hour)
		before := len(v.sent())
		for range 100 {
			u.Kick() // more entries, the same trouble
			synctest.Wait()
		}
		if n := len(v.sent()); n != before {
			t.Errorf("%d calls in a pause", n-before)
		}
		u.Resume()
		synctest.Wait()
		if n := len(v.sent()); n != before+1 {
			t.Errorf("%d calls when the link returned, want 1", n-before)
		}
	})
}

// One entry that the vendor chokes on does not hold up those that come.
func TestNewEntriesPassALonePoison(t *testing.T) {
	v := &vendor{answer: poisoned(trouble(scanner.Malformed, 400, false), code(1))}
	beside(t, v, func(t *testing.T, b book, clock *handClock, u *upload.Uploader) {
		bad := b.admit(t, clock, 1)
		u.Kick()
		sleep(time.Hour)
		b.wantFate(t, bad, scanner.FatePending)
		good := b.admit(t, clock, 2)
		u.Kick()
		sleep(time.Second)
		b.wantFate(t, good, scanner.FateTaken)
		b.wantFate(t, bad, scanner.FateParked)
	})
}

func TestBusyEntriesAreTriedAgain(t *testing.T) {
	var busy atomic.Bool
	busy.Store(true)
	v := &vendor{}
	beside(t, v, func(t *testing.T, b book, clock *handClock, u *upload.Uploader) {
		seq := b.admit(t, clock, 1)
		u.Kick()
		sleep(5 * time.Second)
		b.wantFate(t, seq, scanner.FatePending)
		busy.Store(false)
		sleep(time.Second)
		b.wantFate(t, seq, scanner.FateTaken)
	}, func(o *upload.Options) { o.Busy = func(string) bool { return busy.Load() } })
}

func TestAHangingVendorIsGivenUp(t *testing.T) {
	v := &vendor{answer: func(ctx context.Context, _ int, _ []scanner.Movement) ([]scanner.Receipt, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	beside(t, v, func(t *testing.T, b book, clock *handClock, u *upload.Uploader) {
		seq := b.admit(t, clock, 1)
		u.Kick()
		sleep(29 * time.Second)
		if st := u.Status(); !st.Uploading || st.Problem != "" {
			t.Errorf("status %+v", st)
		}
		sleep(2 * time.Minute)
		if st := u.Status(); len(v.sent()) < 2 || !strings.Contains(st.Problem, "does not answer") {
			t.Errorf("%d calls, status %+v", len(v.sent()), st)
		}
		b.wantFate(t, seq, scanner.FatePending)
	})
}

// A daemon that stops in the middle of a call keeps what it knows, makes one
// last attempt as long as it may, and the next life goes on.
func TestStopAndGoOn(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		clock := newClock()
		b := openBook(t, dir, clock)
		var seqs []uint64
		for n := range 9 {
			seqs = append(seqs, b.admit(t, clock, n))
		}
		v := &vendor{limit: 3}
		v.answer = func(ctx context.Context, n int, batch []scanner.Movement) ([]scanner.Receipt, error) {
			if n == 1 {
				return all(batch, scanner.Taken), nil
			}
			<-ctx.Done()
			return nil, &scanner.CallError{Op: "syncScans", Trouble: scanner.Silent, MaybeSent: true, Err: ctx.Err()}
		}
		u := newUploader(b, v, clock)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- u.Run(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		last, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		began := time.Now()
		if _, err := u.Now(last); err == nil || time.Since(began) != 2*time.Second {
			t.Errorf("last attempt: %v after %v", err, time.Since(began))
		}
		for i, seq := range seqs {
			e, err := b.Entry(seq)
			if err != nil {
				t.Fatal(err)
			}
			fate, sent := scanner.FatePending, 0
			if i < 3 {
				fate, sent = scanner.FateTaken, 1
			} else if i < 6 {
				sent = 2
			}
			if e.Fate != fate || e.Sent != sent {
				t.Errorf("record %d is %q, sent %d; want %q, sent %d", seq, e.Fate, e.Sent, fate, sent)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}

		b = openBook(t, dir, clock)
		v.answer = func(_ context.Context, _ int, batch []scanner.Movement) ([]scanner.Receipt, error) {
			return all(batch, scanner.Duplicate), nil
		}
		u = newUploader(b, v, clock)
		counts, err := u.Now(context.Background())
		if err != nil || counts != (upload.Counts{Taken: 6, Conflicts: 3}) {
			t.Errorf("%+v, %v: the three that left twice are no conflicts, the three that never left are", counts, err)
		}
	})
}
