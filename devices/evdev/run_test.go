package evdev

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/devices/devicetest"
	"usher/devices/keymap"
	"usher/devices/report"
	"usher/scanner"
)

func TestContract(t *testing.T) {
	devicetest.Contract(t, func(t *testing.T) devicetest.Rig {
		// A busy machine holds codes up, too.
		p := newPipe(t, func(c *Config) { c.Suffix = report.SuffixEnter })
		return devicetest.Rig{
			Opener: p,
			Write:  func(text []byte) error { return p.send(p.types(string(text))...) },
			Unplug: p.Unplug,
		}
	}, []byte("TICKET-1\rlower and UPPER\rLAST-3\r"), []string{"TICKET-1", "lower and UPPER", "LAST-3"})
}

func TestSilenceEndsACode(t *testing.T) {
	p := newPipe(t)
	r := p.read()
	for _, code := range []string{"NO-SUFFIX-1", "NO-SUFFIX-2"} {
		must(t, p.send(p.types(code)...))
		if got := r.next(); got != code {
			t.Errorf("got %q, want %q", got, code)
		}
	}
}

// TestKeysThatTypeNothingPutOffTheSilence, as a number's digits do, and what the
// kernel repeats does not.
func TestKeysThatTypeNothingPutOffTheSilence(t *testing.T) {
	opens, err := newPipe(t).Open(t.Context())
	must(t, err)
	d, now := opens.(*device), time.Unix(1e9, 0)
	defer d.file.Close()
	d.heard(now, tap(kA, kB), nil)
	for _, e := range []event{down(kAlt), down(kP0), up(kP0), down(kP6), up(kP6)} {
		now = now.Add(testIdle / 2)
		d.heard(now, []event{e, report1}, nil)
		if w := d.wait(now); w != testIdle {
			t.Errorf("%+v: wait is %v", e, w)
		}
	}
	now = now.Add(testIdle / 2)
	d.heard(now, []event{{evKey, kAlt, 2}, report1}, nil)
	if w := d.wait(now); w != testIdle/2 {
		t.Errorf("a repeat: wait is %v", w)
	}
}

// TestCapsLockEndsWithTheSilence: one press turns the letters of one code around,
// and not those of every later one.
func TestCapsLockEndsWithTheSilence(t *testing.T) {
	p := newPipe(t)
	opens, err := p.Open(t.Context())
	must(t, err)
	d, codes, now := opens.(*device), make(chan string, 10), time.Unix(1e9, 0)
	defer d.file.Close()
	d.heard(now, concat(tap(kCaps), p.types("One\r")), codes)
	if w := d.wait(now); w != testIdle {
		t.Errorf("the light is on, and wait is %v", w)
	}
	d.silent(codes)
	if w := d.wait(now); w >= 0 {
		t.Errorf("after silence: wait is %v", w)
	}
	d.heard(now.Add(time.Second), p.types("Two\r"), codes)
	if got := []string{<-codes, <-codes}; !slices.Equal(got, []string{"oNE", "Two"}) {
		t.Errorf("got %q", got)
	}
}

func TestUnpluggedInTheMiddleOfACode(t *testing.T) {
	p := newPipe(t)
	r := p.read()
	must(t, p.send(p.types("WHOLE-1\rHALF")...))
	if got := r.next(); got != "WHOLE-1" {
		t.Errorf("got %q", got)
	}
	must(t, p.Unplug())
	if err := <-r.ended; !errors.Is(err, scanner.ErrUnplugged) || !strings.HasPrefix(err.Error(), "/dev/input/pipe: ") {
		t.Errorf("Run returned %v", err)
	}
	if len(r.codes) > 0 {
		t.Errorf("emitted %q after it", <-r.codes)
	}
}

// TestACodeUnderWayAtTheOpeningIsDropped: half a code would be another ticket.
func TestACodeUnderWayAtTheOpeningIsDropped(t *testing.T) {
	for name, tt := range map[string]struct {
		old, rest string
		silence   bool
		want      []string
	}{
		"ended by Enter":   {"OLD-1\rHA", "LF-1\r", false, []string{"NEW-1"}},
		"ended by silence": {"HA", "", true, []string{"NEW-1"}},
		"its rest late":    {"OLD-1\rHA", "LF-1\r", true, []string{"\x00F-\x00", "NEW-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipe(t)
			opens, err := p.Open(t.Context())
			must(t, err)
			d, codes := opens.(*device), make(chan string, 10)
			opened := time.Unix(1e9, 0)
			d.opened = opened
			defer d.file.Close()
			push := func(after time.Duration, text string) { d.heard(opened.Add(after), p.types(text), codes) }
			push(quiet/2, tt.old)
			if tt.silence {
				d.silent(codes)
			}
			push(2*quiet, tt.rest)
			push(time.Second, "NEW-1\r")
			var got []string
			for len(codes) > 0 {
				got = append(got, <-codes)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestWhatWasQueuedIsDropped: it came between the opening and the first read,
// however long that took.
func TestWhatWasQueuedIsDropped(t *testing.T) {
	for name, queued := range map[string]string{"whole codes": "OLD-1\rOLD-2\r", "and the start of one": "OLD-1\rHA", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			p := newPipe(t)
			opens, err := p.Open(t.Context())
			must(t, err)
			d, codes := opens.(*device), make(chan string, 10)
			defer d.file.Close()
			must(t, p.send(p.types(queued)...))
			d.drain(make([]byte, 1<<16))
			rest := ""
			if strings.HasSuffix(queued, "HA") {
				rest = "LF-1\r"
			}
			d.heard(d.opened.Add(2*quiet), p.types(rest+"NEW-1\r"), codes)
			if got := <-codes; got != "NEW-1" || len(codes) > 0 {
				t.Errorf("got %q and %d more", got, len(codes))
			}
		})
	}
}

func TestRunDropsWhatWasQueued(t *testing.T) {
	p := newPipe(t)
	p.queued = "OLD-1\r"
	r := p.read()
	// What comes right after the opening may be dropped, too.
	for deadline := time.Now().Add(patience); ; {
		must(t, p.send(p.types("NEW-1\r")...))
		select {
		case got := <-r.codes:
			if got != "NEW-1" {
				t.Errorf("got %q", got)
			}
			return
		case <-time.After(quiet / 2):
		}
		if time.Now().After(deadline) {
			t.Fatal("no code came")
		}
	}
}

// TestAFloodIsTold: codes that nobody takes are dropped whole.
func TestAFloodIsTold(t *testing.T) {
	p := newPipe(t)
	device, err := p.Open(t.Context())
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	hold, ended := make(chan struct{}), make(chan error, 1)
	var got []string
	go func() {
		ended <- device.Run(ctx, func(raw string) {
			<-hold
			got = append(got, raw)
		})
	}()
	events := p.types("STUCK-TRIGGER\r")
	for deadline := time.Now().Add(patience); device.(scanner.Adviser).Advice() != report.Flooding; {
		if time.Now().After(deadline) {
			t.Fatal("nobody was told")
		}
		must(t, p.send(events...))
	}
	close(hold)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
	for _, code := range got {
		if code != "STUCK-TRIGGER" {
			t.Fatalf("got %q", code)
		}
	}
	if len(got) < backlog {
		t.Errorf("%d codes were kept", len(got))
	}
}

func TestTheSelfTestIsAdviceAndNoTicket(t *testing.T) {
	p := newPipe(t)
	r := p.read()
	p.layout = "fr"
	must(t, p.send(p.types(keymap.SelfTest+"\r")...))
	p.layout = "us"
	must(t, p.send(p.types("TICKET-1\r")...))
	if got := r.next(); got != "TICKET-1" {
		t.Errorf("got %q", got)
	}
	if text := r.device.(scanner.Adviser).Advice(); !strings.Contains(text, "set layout: fr") {
		t.Errorf("advice %q", text)
	}
}

// TestASuffixOutlivesThePlug: a scanner that sleeps and wakes up is known to end its
// codes, so that its first one is waited for.
func TestASuffixOutlivesThePlug(t *testing.T) {
	for suffix, want := range map[string][]string{
		report.SuffixAuto:  {"WHOLE-1", "LEFT-RIGHT"},
		report.SuffixEnter: {"WHOLE-1", "LEFT-RIGHT"},
		report.SuffixNone:  {"WHOLE-1", "LEFT-", "RIGHT"},
	} {
		t.Run(suffix, func(t *testing.T) {
			p := newPipe(t, func(c *Config) { c.Suffix = suffix })
			codes, now := make(chan string, 10), time.Unix(1e9, 0)
			for _, sent := range [][]string{{"WHOLE-1\r"}, {"LEFT-", "RIGHT\r"}} {
				opens, err := p.Open(t.Context())
				must(t, err)
				d := opens.(*device)
				for _, text := range sent {
					d.heard(now, p.types(text), codes)
					now = now.Add(600 * time.Millisecond)
					if w := d.wait(now); w == 0 {
						d.silent(codes)
					}
				}
				must(t, d.file.Close())
			}
			var got []string
			for len(codes) > 0 {
				got = append(got, <-codes)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestAMissingSuffixIsAdvice, until a code comes with it.
func TestAMissingSuffixIsAdvice(t *testing.T) {
	p := newPipe(t, func(c *Config) { c.Suffix = report.SuffixEnter })
	opens, err := p.Open(t.Context())
	must(t, err)
	d, codes := opens.(*device), make(chan string, 10)
	defer d.file.Close()
	for i, s := range []struct{ sent, advice string }{{"A1", ""}, {"B1", report.NoSuffix}, {"C1\r", ""}} {
		d.heard(time.Unix(1e9, 0), p.types(s.sent), codes)
		if d.wait(time.Unix(1e9, 0)) >= 0 {
			d.silent(codes)
		}
		if got := d.Advice(); got != s.advice {
			t.Errorf("code %d: advice %q, want %q", i, got, s.advice)
		}
	}
}

func TestSuffixIsOneOfThree(t *testing.T) {
	cfg := Defaults()
	cfg.Path, cfg.Suffix = "/dev/x", "cr"
	if _, err := New(cfg); err == nil || err.Error() != `suffix: "cr" is none of auto, enter, none` {
		t.Errorf("error %v", err)
	}
}
