package devices_test

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"usher/devices"
	"usher/devices/devicetest"
	"usher/scanner"
)

// TestTheScannerItselfShowsTheVerdict, once it is there: a Honeywell with Host ACK on
// stays silent until then.
func TestTheScannerItselfShowsTheVerdict(t *testing.T) {
	pty, err := devicetest.NewPty(filepath.Join(t.TempDir(), "usb-honeywell-if00"))
	if err != nil {
		t.Fatal(err)
	}
	scanners, err := devices.Configure([]map[string]any{{
		"name": "lane-1", "driver": "serial", "port": pty.Path(), "feedback": "honeywell",
	}}, devices.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	asked, verdict := make(chan struct{}), make(chan scanner.Verdict)
	s := devices.NewSupervisor(scanners[0], new(tick), func(context.Context, scanner.Reading) (scanner.Outcome, bool) {
		asked <- struct{}{}
		return scanner.Outcome{Record: scanner.Record{Verdict: <-verdict}}, true
	}, nil, nil, slog.New(slog.DiscardHandler))
	defer start(t, s)()
	for s.Status().State != devices.Connected {
		time.Sleep(time.Millisecond)
	}

	told := make(chan string, 16)
	go func() {
		defer close(told)
		buf := make([]byte, 64)
		for {
			n, err := pty.Read(buf)
			if err != nil {
				return
			}
			told <- string(buf[:n])
		}
	}()
	for _, tt := range []struct {
		verdict scanner.Verdict
		want    string
	}{{scanner.Admit, "\x1b7,"}, {scanner.Refuse, "\x1b8,\x1b8,"}, {scanner.Review, "\x1b6,\x1b4,\x1b6,\x1b4,"}} {
		if _, err := io.WriteString(pty, "TICKET-1\r"); err != nil {
			t.Fatal(err)
		}
		<-asked
		select {
		case got := <-told:
			t.Errorf("told %q before there is a verdict", got)
		case <-time.After(50 * time.Millisecond): // the measure: what is told while the judge thinks
		}
		verdict <- tt.verdict
		if got := <-told; got != tt.want {
			t.Errorf("%s: told %q, want %q", tt.verdict, got, tt.want)
		}
	}
	if err := pty.Unplug(); err != nil {
		t.Error(err)
	}
	for range told {
	}
}
