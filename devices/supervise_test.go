package devices_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"usher/devices"
	"usher/devices/devicetest"
	"usher/scanner"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a driver made of its two functions.
type fake struct {
	open func(context.Context) (scanner.Device, error)
}

func (f fake) Open(ctx context.Context) (scanner.Device, error) { return f.open(ctx) }
func (fake) Source() string                                     { return "fake" }

type device func(context.Context, func(string)) error

func (d device) Run(ctx context.Context, emit func(string)) error { return d(ctx, emit) }

// tick is a clock whose every answer is a second later than the one before.
type tick struct{ n atomic.Int64 }

func (c *tick) Now() scanner.Stamp {
	n := c.n.Add(1)
	return scanner.Stamp{Wall: time.Unix(n, 0).UTC(), Boot: "boot", Up: time.Duration(n) * time.Second}
}
func (*tick) True(s scanner.Stamp) scanner.Instant { return scanner.Instant{At: s.Wall} }

// lines is a log that tests may read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSpace(l.buf.String()), "\n")
}

func supervise(open func(context.Context) (scanner.Device, error), judge devices.Judge) (*devices.Supervisor, *lines) {
	log := new(lines)
	s := devices.Scanner{Name: "lane-1", Driver: "fake", Direction: scanner.Exit, Opener: fake{open}}
	return devices.NewSupervisor(s, new(tick), judge, nil, nil, slog.New(slog.NewTextHandler(log, nil))), log
}

// judging makes a judge that has no verdict on what takes the readings.
func judging(take func(context.Context, scanner.Reading)) devices.Judge {
	return func(ctx context.Context, r scanner.Reading) (scanner.Outcome, bool) {
		take(ctx, r)
		return scanner.Outcome{}, false
	}
}

func ignore(context.Context, scanner.Reading) (scanner.Outcome, bool) {
	return scanner.Outcome{}, false
}

// start runs a supervisor and gives what ends it.
func start(t *testing.T, s *devices.Supervisor) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
	}
}

// pass lets time pass in a bubble, and everything happen that is due.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func idle(ctx context.Context, _ func(string)) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestStatesTellMissingFromFailed(t *testing.T) {
	tests := map[string]struct {
		open error
		want devices.Status
	}{
		"not plugged in": {
			fmt.Errorf("/dev/a: %w; is the scanner plugged in?", syscall.ENOENT),
			devices.Status{State: devices.Missing, Detail: "/dev/a: no such file or directory; is the scanner plugged in?"},
		},
		"gone meanwhile": {
			fmt.Errorf("/dev/a: %w", syscall.ENODEV),
			devices.Status{State: devices.Missing, Detail: "/dev/a: no such device"},
		},
		"no permission": {
			fmt.Errorf("/dev/a: %w", syscall.EACCES),
			devices.Status{State: devices.Failed, Detail: "/dev/a: permission denied"},
		},
		"in use": {
			fmt.Errorf("/dev/a: %w", syscall.EBUSY),
			devices.Status{State: devices.Failed, Detail: "/dev/a: device or resource busy"},
		},
		"open": {nil, devices.Status{State: devices.Connected}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := supervise(func(context.Context) (scanner.Device, error) { return device(idle), tt.open }, ignore)
				defer start(t, s)()
				synctest.Wait()
				tt.want.Name, tt.want.Driver = "lane-1", "fake"
				if diff := cmp.Diff(tt.want, s.Status()); diff != "" {
					t.Errorf("status (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestReopensForEverAndLogsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []time.Time
		s, log := supervise(func(context.Context) (scanner.Device, error) {
			attempts = append(attempts, time.Now())
			return nil, syscall.ENOENT
		}, ignore)
		stop := start(t, s)
		pass(time.Hour)
		stop()
		for i := 1; i < len(attempts); i++ {
			if gap := attempts[i].Sub(attempts[i-1]); gap < 200*time.Millisecond || gap > 2*time.Second {
				t.Fatalf("attempt %d came %v after the one before", i, gap)
			}
		}
		if last := attempts[len(attempts)-1]; time.Since(last) > 2*time.Second {
			t.Errorf("gave up %v before the end", time.Since(last))
		}
		if got := log.all(); len(got) != 1 || !strings.Contains(got[0], `msg="scanner missing" scanner=lane-1`) {
			t.Errorf("log of %d attempts:\n%s", len(attempts), strings.Join(got, "\n"))
		}
	})
}

func TestWaitsAreShortAgainAfterAGoodOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const open = 3 * time.Second
		var plugged atomic.Bool
		var attempts []time.Time
		s, _ := supervise(func(context.Context) (scanner.Device, error) {
			found := plugged.Swap(false)
			attempts = append(attempts, time.Now())
			if !found {
				return nil, syscall.ENOENT
			}
			return device(func(context.Context, func(string)) error {
				time.Sleep(open)
				return scanner.ErrUnplugged
			}), nil
		}, ignore)
		defer start(t, s)()
		pass(time.Minute)
		before := len(attempts)
		plugged.Store(true)
		pass(10 * time.Second)
		unplugged := attempts[before].Add(open)
		if gap := attempts[before+1].Sub(unplugged); gap > 300*time.Millisecond {
			t.Errorf("%v between unplugging and the next attempt, want about 250ms", gap)
		}
	})
}

// TestReadingsAreStampedWhenRead: a slow judge changes neither their times nor
// their order, and does not hold up the driver.
func TestReadingsAreStampedWhenRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const codes = 64
		emitted := false
		var got []scanner.Reading
		s, _ := supervise(func(context.Context) (scanner.Device, error) {
			return device(func(ctx context.Context, emit func(string)) error {
				for i := range codes {
					emit(fmt.Sprint("TICKET-", i))
				}
				emitted = true
				return idle(ctx, emit)
			}), nil
		}, judging(func(_ context.Context, r scanner.Reading) {
			time.Sleep(time.Minute)
			got = append(got, r)
		}))
		defer start(t, s)()
		synctest.Wait()
		if !emitted {
			t.Error("the driver had to wait for the judge")
		}
		if s := s.Status(); s.Scans != codes || !s.LastAt.Equal(time.Unix(codes, 0)) {
			t.Errorf("status before any verdict: %+v", s)
		}
		pass(2 * codes * time.Minute)
		var want []scanner.Reading
		for i := range codes {
			want = append(want, scanner.Reading{
				Scanner: "lane-1", Raw: fmt.Sprint("TICKET-", i), Direction: scanner.Exit,
				At: scanner.Stamp{Wall: time.Unix(int64(i+1), 0).UTC(), Boot: "boot", Up: time.Duration(i+1) * time.Second},
			})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("readings (-want +got):\n%s", diff)
		}
	})
}

func TestAJudgeFarBehindHoldsTheDriverNotTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		judged := 0
		s, log := supervise(func(context.Context) (scanner.Device, error) {
			return device(func(ctx context.Context, emit func(string)) error {
				for ctx.Err() == nil {
					emit("TICKET")
				}
				return ctx.Err()
			}), nil
		}, judging(func(ctx context.Context, _ scanner.Reading) {
			judged++
			<-ctx.Done()
		}))
		stop := start(t, s)
		synctest.Wait()
		if scans := s.Status().Scans; scans != 66 { // one judged, 64 queued, one waits
			t.Errorf("%d codes were taken", scans)
		}
		stop()
		if judged != 1 {
			t.Errorf("%d codes were judged after the stop", judged-1)
		}
		if got := strings.Join(log.all(), "\n"); !strings.Contains(got, "stopped before codes were judged") || strings.Contains(got, "TICKET") {
			t.Errorf("log:\n%s", got)
		}
	})
}

func TestAPanicIsAState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opens := 0
		s, log := supervise(func(context.Context) (scanner.Device, error) {
			if opens++; opens == 1 {
				panic("nil keymap")
			}
			if opens < 50 {
				return device(func(context.Context, func(string)) error { panic("nil keymap") }), nil
			}
			return device(idle), nil
		}, ignore)
		defer start(t, s)()
		synctest.Wait()
		want := "driver failed: nil keymap; unplug the scanner, plug it in again, and report this"
		if got := s.Status(); got.State != devices.Failed || got.Detail != want {
			t.Errorf("status %+v", got)
		}
		if text := log.all(); !strings.Contains(strings.Join(text, "\n"), "supervise_test.go") {
			t.Error("no stack in the log")
		}
		pass(5 * time.Minute)
		if got := s.Status(); got.State != devices.Connected || got.Detail != "" {
			t.Errorf("later: %+v", got)
		}
	})
}

func TestAnEndedInputIsNotReopened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opens := 0
		s, _ := supervise(func(context.Context) (scanner.Device, error) {
			opens++
			return device(func(context.Context, func(string)) error {
				return fmt.Errorf("standard input: input ended: %w", io.EOF)
			}), nil
		}, ignore)
		defer start(t, s)()
		pass(time.Hour)
		if got := s.Status(); opens != 1 || got.State != devices.Missing || got.Detail != "standard input: input ended: EOF" {
			t.Errorf("%d openings, status %+v", opens, got)
		}
	})
}

// TestAFeedOutlivesAFileUnderItsName: somebody made a file by mistake, and then
// the FIFO.
func TestAFeedOutlivesAFileUnderItsName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	scanners, err := devices.Configure([]map[string]any{{"name": "keys", "driver": "feed", "path": path}}, devices.Deps{})
	if err == nil {
		err = os.WriteFile(path, nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	readings, log := make(chan scanner.Reading, 16), new(lines)
	judge := judging(func(_ context.Context, r scanner.Reading) { readings <- r })
	s := devices.NewSupervisor(scanners[0], new(tick), judge, nil, nil, slog.New(slog.NewTextHandler(log, nil)))
	defer start(t, s)()
	wait := func(state devices.State) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); s.Status().State != state || s.Status().Detail == "not opened yet"; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("status %+v", s.Status())
			}
		}
	}
	wait(devices.Missing)
	err = os.Remove(path)
	if err := errors.Join(err, syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	wait(devices.Connected)
	if err := os.WriteFile(path, []byte("TICKET-1\n"), 0); err != nil {
		t.Fatal(err)
	}
	if r := <-readings; r.Raw != "TICKET-1" {
		t.Errorf("got %q", r.Raw)
	}
	if got := log.all(); len(got) > 5 {
		t.Errorf("every attempt is logged:\n%s", strings.Join(got, "\n"))
	}
}

func TestADriverThatEndsWithoutACauseIsOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opens := 0
		s, _ := supervise(func(context.Context) (scanner.Device, error) {
			opens++
			return device(func(context.Context, func(string)) error { return nil }), nil
		}, ignore)
		defer start(t, s)()
		pass(time.Minute)
		if opens < 30 || opens > 300 {
			t.Errorf("%d openings in a minute", opens)
		}
		if got := s.Status(); got.State != devices.Failed {
			t.Errorf("status %+v", got)
		}
	})
}

// TestUnplugAndPlugAgain goes the whole way: a real terminal, tarm/serial, the
// driver, the supervisor, the judge.
func TestUnplugAndPlugAgain(t *testing.T) {
	pty, err := devicetest.NewPty(filepath.Join(t.TempDir(), "usb-scanner-if00"))
	if err != nil {
		t.Fatal(err)
	}
	defer pty.Close()
	scanners, err := devices.Configure([]map[string]any{
		{"name": "lane-1", "driver": "serial", "port": pty.Path(), "direction": "entry"},
	}, devices.Deps{Stdin: os.Stdin})
	if err != nil {
		t.Fatal(err)
	}
	readings := make(chan scanner.Reading, 16)
	judge := judging(func(_ context.Context, r scanner.Reading) { readings <- r })
	s := devices.NewSupervisor(scanners[0], new(tick), judge, nil, nil, slog.New(slog.DiscardHandler))
	defer start(t, s)()

	reach := func(state devices.State) time.Duration {
		t.Helper()
		began := time.Now()
		for s.Status().State != state {
			if time.Since(began) > 10*time.Second {
				t.Fatalf("never %s: %+v", state, s.Status())
			}
			time.Sleep(time.Millisecond)
		}
		return time.Since(began)
	}
	for round := range 3 {
		took := reach(devices.Connected)
		t.Logf("connected %v after plugging in", took)
		if took > 3*time.Second {
			t.Error("too late")
		}
		code := fmt.Sprint("TICKET-", round)
		if _, err := pty.Write([]byte(code + "\r")); err != nil {
			t.Fatal(err)
		}
		select {
		case r := <-readings:
			if r.Raw != code || r.Scanner != "lane-1" || r.Direction != scanner.Entry {
				t.Errorf("reading %+v", r)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no reading")
		}
		if err := pty.Unplug(); err != nil {
			t.Fatal(err)
		}
		took = reach(devices.Missing)
		t.Logf("missing %v after unplugging", took)
		if took > 2*time.Second {
			t.Error("too late")
		}
		if detail := s.Status().Detail; !strings.HasPrefix(detail, pty.Path()+": ") {
			t.Errorf("detail %q", detail)
		}
		if err := pty.Plug(); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Status().Scans; got != 3 {
		t.Errorf("%d scans", got)
	}
}

// TestStdinEnds goes the whole way with the feed.
func TestStdinEnds(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	scanners, err := devices.Configure([]map[string]any{{"name": "keys", "driver": "feed", "path": "-"}}, devices.Deps{Stdin: reader})
	if err != nil {
		t.Fatal(err)
	}
	readings := make(chan scanner.Reading, 16)
	judge := judging(func(_ context.Context, r scanner.Reading) { readings <- r })
	s := devices.NewSupervisor(scanners[0], new(tick), judge, nil, nil, slog.New(slog.DiscardHandler))
	defer start(t, s)()
	_, err = io.WriteString(writer, "TICKET-1\nTICKET-2")
	if err := errors.Join(err, writer.Close()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"TICKET-1", "TICKET-2"} {
		select {
		case r := <-readings:
			if r.Raw != want {
				t.Errorf("got %q, want %q", r.Raw, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no reading")
		}
	}
	for deadline := time.Now().Add(10 * time.Second); s.Status().Detail != "standard input: input ended: EOF"; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("status %+v", s.Status())
		}
	}
}

// hand is a device that shows verdicts itself and has an advice.
type hand struct {
	device
	shown  chan scanner.Signal
	advice string
}

func (h hand) Signal(s scanner.Signal) { h.shown <- s }
func (h hand) Advice() string          { return h.advice }

func TestTheScannerShowsItsOwnVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hand{shown: make(chan scanner.Signal, 10), advice: "set layout: fr"}
		h.device = func(ctx context.Context, emit func(string)) error {
			for _, code := range []string{"admit", "refuse", "review", "again", "nothing"} {
				emit(code)
			}
			return idle(ctx, emit)
		}
		s, _ := supervise(func(context.Context) (scanner.Device, error) { return h, nil },
			func(_ context.Context, r scanner.Reading) (scanner.Outcome, bool) {
				var out scanner.Outcome
				out.Verdict = scanner.Verdict(r.Raw)
				if out.Repeat = r.Raw == "again"; out.Repeat {
					out.Verdict = scanner.Admit
				}
				return out, r.Raw != "nothing"
			})
		stop := start(t, s)
		synctest.Wait()
		if got := s.Status(); got.State != devices.Connected || got.Detail != "set layout: fr" {
			t.Errorf("status %+v", got)
		}
		stop()
		close(h.shown)
		var got []scanner.Signal
		for signal := range h.shown {
			got = append(got, signal)
		}
		want := []scanner.Signal{scanner.SignalAdmit, scanner.SignalRefuse, scanner.SignalReview, scanner.SignalRepeat, scanner.SignalReview}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("signals (-want +got):\n%s", diff)
		}
	})
}
