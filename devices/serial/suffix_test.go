package serial_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"usher/devices/report"
	"usher/devices/serial"
	"usher/scanner"
)

// TestASuffixOutlivesThePlug: a scanner that is plugged in again is known to end its
// codes, so that its first one is waited for.
func TestASuffixOutlivesThePlug(t *testing.T) {
	t.Parallel()
	for suffix, want := range map[string][]string{
		report.SuffixAuto:  {"WHOLE-1", "LEFT-RIGHT"},
		report.SuffixEnter: {"WHOLE-1", "LEFT-RIGHT"},
		report.SuffixNone:  {"WHOLE-1", "LEFT-", "RIGHT"},
	} {
		t.Run(suffix, func(t *testing.T) {
			t.Parallel()
			pty := plug(t)
			cfg := serial.Defaults()
			cfg.Port, cfg.Suffix = pty.Path(), suffix
			driver, err := serial.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			first := readUntil(t, mustOpen(t, driver), scanner.ErrUnplugged)
			send(t, pty, "WHOLE-1\r")
			got = append(got, next(t, first))
			if err := errors.Join(pty.Unplug(), pty.Plug()); err != nil {
				t.Fatal(err)
			}
			codes := read(t, mustOpen(t, driver))
			send(t, pty, "LEFT-")
			time.Sleep(3 * cfg.Idle) // the measure: the scanner is held up
			send(t, pty, "RIGHT\r")
			for len(got) < len(want) {
				got = append(got, next(t, codes))
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestAMissingSuffixIsAdvice, until a code comes with it.
func TestAMissingSuffixIsAdvice(t *testing.T) {
	t.Parallel()
	pty := plug(t)
	cfg := serial.Defaults()
	cfg.Port, cfg.Suffix = pty.Path(), report.SuffixEnter
	driver, err := serial.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	device := mustOpen(t, driver)
	codes := read(t, device)
	for _, s := range []struct{ sent, code, advice string }{
		{"A1", "\x00\x00", ""}, {"B1", "\x00\x00", report.NoSuffix}, {"C1\r", "\x00\x00", ""},
	} {
		send(t, pty, s.sent)
		if got := next(t, codes); got != s.code {
			t.Errorf("%q: got %q, want %q", s.sent, got, s.code)
		}
		if got := device.(scanner.Adviser).Advice(); got != s.advice {
			t.Errorf("%q: advice %q, want %q", s.sent, got, s.advice)
		}
	}
}

// TestPacketsHaveNoSuffix: a setting that does nothing is a fault.
func TestPacketsHaveNoSuffix(t *testing.T) {
	cfg := serial.Defaults()
	cfg.Port, cfg.Protocol, cfg.Suffix = "/dev/x", "ssi", report.SuffixEnter
	const want = "suffix: means nothing over protocol: ssi, whose packets say where they end; leave it out"
	if _, err := serial.New(cfg); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
