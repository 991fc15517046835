package hid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/devices/devicetest"
	"usher/devices/keymap"
	"usher/devices/report"
	"usher/scanner"
)

// opened is one scanner that is read, inside a bubble of its own time.
type opened struct {
	t      *testing.T
	bus    *bus
	device scanner.Device
	handle *fakeHandle
	cancel context.CancelFunc
	codes  []string
	ended  chan error
}

// open plugs a device in and reads it; before it, a test may send reports to the
// handle. Emit waits where slow says.
func (b *bus) read(cfg Config, d usb, before func(*fakeHandle), slow func()) *opened {
	b.t.Helper()
	b.plug(d)
	device, err := openSettled(b.t, b.driverOf(cfg))
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	o := &opened{t: b.t, bus: b, device: device, handle: b.last(), cancel: cancel, ended: make(chan error, 1)}
	if before != nil {
		before(o.handle)
	}
	go func() {
		o.ended <- device.Run(ctx, func(raw string) {
			if slow != nil {
				slow()
			}
			o.codes = append(o.codes, raw)
		})
	}()
	b.t.Cleanup(cancel)
	return o
}

// stop ends the context and gives the codes.
func (o *opened) stop() []string {
	o.t.Helper()
	o.cancel()
	if err := <-o.ended; !errors.Is(err, context.Canceled) {
		o.t.Errorf("Run returned %v", err)
	}
	o.isClosed()
	return o.codes
}

func (o *opened) isClosed() {
	o.t.Helper()
	select {
	case <-o.handle.closed:
	default:
		o.t.Error("Run left the device open")
	}
	if o.handle.lost > 0 {
		o.t.Errorf("the library dropped %d reports", o.handle.lost)
	}
}

// keys are the reports of a text: each key pressed and released.
func keys(t *testing.T, layout, text string) [][]byte {
	t.Helper()
	l, err := keymap.ByName(layout)
	if err != nil {
		t.Fatal(err)
	}
	strokes, ok := l.Strokes(text)
	if !ok {
		t.Fatalf("layout %s cannot type %q", layout, text)
	}
	var all [][]byte
	for _, s := range strokes {
		all = append(all, []byte{s.Mods, 0, s.Key, 0, 0, 0, 0, 0}, make([]byte, 8))
	}
	return all
}

// typeKeys sends a report each millisecond, as the fastest scanners do.
func (o *opened) typeKeys(text string) {
	o.t.Helper()
	for _, report := range keys(o.t, "us", text) {
		time.Sleep(time.Millisecond)
		o.handle.send(report)
	}
}

func bubble(t *testing.T, do func(*testing.T, *bus)) {
	t.Helper()
	b := newBus(t)
	synctest.Test(t, func(t *testing.T) {
		b.t = t
		do(t, b)
	})
}

func want(t *testing.T, got []string, codes ...string) {
	t.Helper()
	if diff := cmp.Diff(codes, got); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

var us = config(0x05e0, 0x1200)

func TestContract(t *testing.T) {
	text := "TICKET-1\rlower and UPPER\rLAST-3\r"
	devicetest.Contract(t, func(t *testing.T) devicetest.Rig {
		b := newBus(t)
		d := zebra("1-1", 5, "A")
		b.plug(d)
		return devicetest.Rig{
			// A busy machine holds codes up, too.
			Opener: b.driverOf(config(0x05e0, 0x1200, func(c *Config) { c.Suffix = report.SuffixEnter })),
			// Every character is a key; the scanner is slow to be read at first.
			Write: func(text []byte) error {
				h := b.last()
				<-h.asked
				for _, report := range keys(t, "us", string(text)) {
					h.pace(report)
				}
				return nil
			},
			Unplug: func() error { b.unplug(d); return nil },
		}
	}, []byte(text), []string{"TICKET-1", "lower and UPPER", "LAST-3"})
}

// TestSlowEmitLosesNothing makes emit wait a second each while 200 codes come at
// the fastest rate there is: the library keeps 30 reports and no more.
func TestSlowEmitLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, b *bus) {
		slow := func() { time.Sleep(time.Second) }
		o := b.read(us, zebra("1-1", 5, "A"), nil, slow)
		<-o.handle.asked
		var codes []string
		for i := range 200 {
			codes = append(codes, fmt.Sprintf("CODE-%03d", i))
			o.typeKeys(codes[i] + "\r")
		}
		time.Sleep(300 * time.Second)
		synctest.Wait()
		want(t, o.codes, codes...)
		if text := o.device.(scanner.Adviser).Advice(); text != "" {
			t.Errorf("advice %q", text)
		}
		o.stop()
	})
}

// TestAFloodIsTold: what cannot be kept any more is dropped whole, never a part of
// a code, and a person learns of it.
func TestAFloodIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, b *bus) {
		var held atomic.Bool
		held.Store(true)
		o := b.read(us, zebra("1-1", 5, "A"), nil, func() {
			for held.Load() {
				time.Sleep(time.Second)
			}
		})
		<-o.handle.asked
		for range 1000 {
			o.typeKeys("STUCK-TRIGGER\r")
		}
		if text := o.device.(scanner.Adviser).Advice(); text != report.Flooding {
			t.Errorf("advice %q", text)
		}
		held.Store(false)
		time.Sleep(10 * time.Second)
		o.typeKeys("STUCK-TRIGGER\r")
		time.Sleep(time.Second)
		if text := o.device.(scanner.Adviser).Advice(); text != "" {
			t.Errorf("advice %q after a code was taken", text)
		}
		time.Sleep(time.Minute)
		got := o.stop()
		if len(got) < backlog || len(got) > backlog+3 {
			t.Errorf("%d codes were kept, want about %d", len(got), backlog)
		}
		for _, code := range got {
			if code != "STUCK-TRIGGER" {
				t.Fatalf("got %q", code)
			}
		}
	})
}

// TestNoTerminatorEver: noise without an end is one unreadable code, and the next
// code is read.
func TestNoTerminatorEver(t *testing.T) {
	bubble(t, func(t *testing.T, b *bus) {
		o := b.read(us, zebra("1-1", 5, "A"), nil, nil)
		<-o.handle.asked
		o.typeKeys(strings.Repeat("N", 10_000))
		time.Sleep(time.Second)
		o.typeKeys("TICKET-1\r")
		time.Sleep(time.Second)
		got := o.stop()
		if len(got) != 2 || scanner.Clean(got[0]).Check() == nil || got[1] != "TICKET-1" {
			t.Errorf("got %d codes, the last %q", len(got), got[len(got)-1])
		}
	})
}

func TestUnpluggedInTheMiddleOfACode(t *testing.T) {
	d := zebra("1-1", 5, "A")
	for name, unplugged := range map[string]string{"after a code": "WHOLE-1\r", "within the next": "WHOLE-1\rHALF"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bus) {
				o := b.read(us, d, nil, nil)
				<-o.handle.asked
				o.typeKeys(unplugged)
				b.unplug(d)
				if err := <-o.ended; !errors.Is(err, scanner.ErrUnplugged) || !strings.HasPrefix(err.Error(), "05e0:1200: ") {
					t.Errorf("Run returned %v", err)
				}
				o.isClosed()
				want(t, o.codes, "WHOLE-1")
			})
		})
	}
	t.Run("while it is drained", func(t *testing.T) {
		bubble(t, func(t *testing.T, b *bus) {
			o := b.read(us, d, (*fakeHandle).end, nil)
			if err := <-o.ended; !errors.Is(err, scanner.ErrUnplugged) {
				t.Errorf("Run returned %v", err)
			}
			o.isClosed()
		})
	})
	t.Run("and back as it was", func(t *testing.T) {
		bubble(t, func(t *testing.T, b *bus) {
			for range 3 {
				o := b.read(us, d, nil, nil)
				<-o.handle.asked
				o.typeKeys("BACK\rHALF")
				b.unplug(d)
				<-o.ended
				want(t, o.codes, "BACK")
			}
		})
	})
}

// TestWhatCameBeforeIsDropped: nobody got an answer to it, and a code that was
// under way is not whole.
func TestWhatCameBeforeIsDropped(t *testing.T) {
	tests := map[string]struct{ before, within string }{
		"a whole code":                   {"OLD-1\r", ""},
		"a part, and the rest":           {"OLD-HA", "LF-2\r"},
		"a part, and silence":            {"OLD-HA", ""},
		"a code, a part, and the rest":   {"OLD-1\rOLD", "-2\r"},
		"nothing":                        {"", ""},
		"a capital whose Shift is held":  {"OL", "D\r"},
		"an Enter that ends what was":    {"\r", ""},
		"one letter":                     {"O", "LD-1\r"},
		"a part, and the rest with more": {"OLD", "-1\r\r"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bus) {
				o := b.read(us, zebra("1-1", 5, "A"), func(h *fakeHandle) {
					for _, report := range keys(t, "us", tt.before) {
						h.send(report)
					}
				}, nil)
				<-o.handle.asked
				o.typeKeys(tt.within)
				time.Sleep(time.Second)
				o.typeKeys("NEW-1\rNEW-2\r")
				time.Sleep(time.Second)
				want(t, o.stop(), "NEW-1", "NEW-2")
			})
		})
	}
	t.Run("a device that never is silent", func(t *testing.T) {
		bubble(t, func(t *testing.T, b *bus) {
			o := b.read(us, zebra("1-1", 5, "A"), nil, nil)
			began := time.Now()
			for time.Since(began) < 2*stale {
				time.Sleep(10 * time.Millisecond)
				o.handle.send(make([]byte, 8))
			}
			o.typeKeys("NEW-1\r")
			time.Sleep(time.Second)
			want(t, o.stop(), "NEW-1")
		})
	})
}

func TestTheContextEndsARead(t *testing.T) {
	bubble(t, func(t *testing.T, b *bus) {
		o := b.read(us, zebra("1-1", 5, "A"), nil, nil)
		<-o.handle.asked
		o.typeKeys("WHOLE-1\r")
		synctest.Wait()
		ended := time.Now()
		want(t, o.stop(), "WHOLE-1")
		if took := time.Since(ended); took > longestRead {
			t.Errorf("it took %v", took)
		}
	})
}

// TestNobodyScans: the reader sleeps in the library, and does not spin.
func TestNobodyScans(t *testing.T) {
	bubble(t, func(t *testing.T, b *bus) {
		o := b.read(us, zebra("1-1", 5, "A"), nil, nil)
		<-o.handle.asked
		o.typeKeys("X")
		time.Sleep(time.Minute)
		want(t, o.stop(), "X")
		if o.handle.reads > 5*60 {
			t.Errorf("%d reads in a minute", o.handle.reads)
		}
	})
}

func TestTheSelfTestIsAdviceAndNoTicket(t *testing.T) {
	bubble(t, func(t *testing.T, b *bus) {
		o := b.read(us, zebra("1-1", 5, "A"), nil, nil)
		<-o.handle.asked
		test := func(layout string) string {
			for _, report := range keys(t, layout, keymap.SelfTest+"\r") {
				time.Sleep(time.Millisecond)
				o.handle.send(report)
			}
			time.Sleep(time.Second)
			return o.device.(scanner.Adviser).Advice()
		}
		if text := test("fr"); !strings.Contains(text, "set layout: fr") {
			t.Errorf("a French scanner: advice %q", text)
		}
		if text := test("us"); text != "" {
			t.Errorf("a scanner that is right: advice %q", text)
		}
		o.typeKeys("TICKET-1\r")
		time.Sleep(time.Second)
		want(t, o.stop(), "TICKET-1")
	})
}

// TestALonelyDeadKey: what a person touched is no part of the next code.
func TestALonelyDeadKey(t *testing.T) {
	bubble(t, func(t *testing.T, b *bus) {
		cfg := us
		cfg.Layout = "de"
		o := b.read(cfg, zebra("1-1", 5, "A"), nil, nil)
		<-o.handle.asked
		o.handle.send([]byte{0, 0, 0x35, 0, 0, 0, 0, 0}) // ^
		o.handle.send(make([]byte, 8))
		time.Sleep(time.Minute)
		for _, report := range keys(t, "de", "ABC\r") {
			o.handle.send(report)
		}
		time.Sleep(time.Second)
		want(t, o.stop(), "^", "ABC")
	})
}

// TestCapsLockEndsWithTheSilence: one press turns the letters of one code around,
// and not those of every later one.
func TestCapsLockEndsWithTheSilence(t *testing.T) {
	bubble(t, func(t *testing.T, b *bus) {
		o := b.read(us, zebra("1-1", 5, "A"), nil, nil)
		<-o.handle.asked
		o.handle.send([]byte{0, 0, 0x39, 0, 0, 0, 0, 0})
		o.handle.send(make([]byte, 8))
		o.typeKeys("One\r")
		time.Sleep(time.Second)
		o.typeKeys("Two\r")
		time.Sleep(time.Second)
		want(t, o.stop(), "oNE", "Two")
	})
}

// TestASlowAltNumberIsNotCut: reports that type nothing yet are of the code, and
// those that repeat the one before are not.
func TestASlowAltNumberIsNotCut(t *testing.T) {
	bubble(t, func(t *testing.T, b *bus) {
		o := b.read(us, zebra("1-1", 5, "A"), nil, nil)
		<-o.handle.asked
		o.typeKeys("AB")
		for _, key := range []byte{0, 0x62, 0, 0x5e, 0, 0x5d, 0} {
			time.Sleep(40 * time.Millisecond)
			o.handle.send([]byte{keymap.LeftAlt, 0, key, 0, 0, 0, 0, 0})
		}
		for range 100 {
			time.Sleep(40 * time.Millisecond)
			o.handle.send(make([]byte, 8))
		}
		o.typeKeys("NEXT")
		time.Sleep(time.Second)
		want(t, o.stop(), "ABA", "NEXT")
	})
}

// TestAnUnknownDeviceIsToldByItsReports: after a crash nothing describes it.
func TestAnUnknownDeviceIsToldByItsReports(t *testing.T) {
	d := usb{port: "1-2", vendor: 0x0c2e, product: 0x0b81, num: 7, interfaces: []face{{plainClass, ""}}}
	pos := make([]byte, 64)
	copy(pos, "\x02\x04\x5dQ1ABCD")
	tests := map[string]struct {
		reports [][]byte
		code    string
	}{
		"keyboard": {keys(t, "us", "ABCD\r"), "ABCD"},
		"pos":      {[][]byte{pos}, "ABCD"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bus) {
				o := b.read(config(0x0c2e, 0x0b81), d, nil, nil)
				<-o.handle.asked
				for _, report := range tt.reports {
					o.handle.send(report)
				}
				time.Sleep(time.Second)
				want(t, o.stop(), tt.code)
			})
		})
	}
}

// TestAStatusReportDoesNotChooseTheLayout: the first report of a scanner without
// a descriptor may be of another kind.
func TestAStatusReportDoesNotChooseTheLayout(t *testing.T) {
	d := usb{port: "1-2", vendor: 0x0c2e, product: 0x0b81, num: 7, interfaces: []face{{plainClass, ""}}}
	bubble(t, func(t *testing.T, b *bus) {
		o := b.read(config(0x0c2e, 0x0b81, mode(modePOS)), d, nil, nil)
		<-o.handle.asked
		o.handle.send([]byte{5, 1, 0})
		report := make([]byte, 64)
		copy(report, "\x02\x04]Q1ABCD")
		report[61], report[63] = 's', 1
		o.handle.send(report)
		copy(report[5:], "EFGH")
		report[63] = 0
		o.handle.send(report)
		time.Sleep(time.Second)
		want(t, o.stop(), "ABCDEFGH")
	})
}

// TestTheCapsLightIsDarkened: the report that does it carries the keyboard's ID.
func TestTheCapsLightIsDarkened(t *testing.T) {
	for descriptor, report := range map[string][]byte{bootKeyboard: {0, 0}, numberedKeyboard: {3, 0}} {
		b := newBus(t)
		d := zebra("1-1", 5, "A")
		d.interfaces = []face{{bootClass, descriptor}}
		b.plug(d)
		if _, err := give(t, b.driverOf(us)); err != nil {
			t.Fatal(err)
		}
		if got := b.last().written; len(got) != 1 || !bytes.Equal(got[0], report) {
			t.Errorf("wrote %x, want %x", got, report)
		}
	}
}
