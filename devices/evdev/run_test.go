package evdev

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/devices/devicetest"
	"usher/devices/keymap"
	"usher/devices/report"
	"usher/scanner"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

const testIdle = 60 * time.Millisecond

// pipe is an input device made of a pipe: the kernel's end is written to by the
// test.
type pipe struct {
	t      *testing.T
	layout string
	kernel *os.File
	gone   bool
	tap    func(raw []byte)
	// queued is typed between the opening and the first read.
	queued string
}

func (p *pipe) Open(context.Context) (scanner.Device, error) {
	if p.gone {
		return nil, os.ErrNotExist
	}
	if p.kernel != nil {
		_ = p.kernel.Close()
	}
	file, kernel, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.kernel = kernel
	layout, err := keymap.ByName(p.layout)
	if err != nil {
		return nil, err
	}
	device, err := newDevice("pipe", file, layout, testIdle)
	if err != nil {
		return nil, err
	}
	device.tap = p.tap
	if p.queued != "" {
		device.queues = true
		return device, p.send(p.types(p.queued)...)
	}
	return device, nil
}

func (p *pipe) Unplug() error {
	p.gone = true
	return p.kernel.Close()
}

func (p *pipe) send(events ...event) error {
	_, err := p.kernel.Write(encode(events, wordSize))
	return err
}

// types are the events of a text, as the kernel makes them of a HID keyboard.
func (p *pipe) types(text string) (all []event) {
	l, err := keymap.ByName(p.layout)
	if err != nil {
		p.t.Fatal(err)
	}
	strokes, ok := l.Strokes(text)
	if !ok {
		p.t.Fatalf("layout %s cannot type %q", p.layout, text)
	}
	key := func(usage byte, value int32) {
		all = append(all, scan(int32(usage)), event{evKey, codeOf(usage), value}, report1)
	}
	for _, s := range strokes {
		for bit := range byte(8) {
			if s.Mods>>bit&1 == 1 {
				key(0xe0+bit, keyPressed)
			}
		}
		key(s.Key, keyPressed)
		key(s.Key, keyReleased)
		for bit := range byte(8) {
			if s.Mods>>bit&1 == 1 {
				key(0xe0+bit, keyReleased)
			}
		}
	}
	return all
}

// codeOf is the key code of a usage.
func codeOf(usage byte) uint16 {
	for c := uint16(1); c < 128; c++ {
		if usageOf(c) == usage {
			return c
		}
	}
	return 43 // the key beside Enter has two usages
}

func newPipe(t *testing.T) *pipe {
	t.Helper()
	p := &pipe{t: t, layout: "us"}
	t.Cleanup(func() {
		if p.kernel != nil {
			_ = p.kernel.Close() // closed by Unplug already
		}
	})
	return p
}

func TestContract(t *testing.T) {
	devicetest.Contract(t, func(t *testing.T) devicetest.Rig {
		p := newPipe(t)
		return devicetest.Rig{
			Opener: p,
			Write:  func(text []byte) error { return p.send(p.types(string(text))...) },
			Unplug: p.Unplug,
		}
	}, []byte("TICKET-1\rlower and UPPER\rLAST-3\r"), []string{"TICKET-1", "lower and UPPER", "LAST-3"})
}

// running reads a device until the test ends.
type running struct {
	t      *testing.T
	device scanner.Device
	codes  chan string
	ended  chan error
}

func (p *pipe) read() *running {
	p.t.Helper()
	device, err := p.Open(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	r := &running{t: p.t, device: device, codes: make(chan string, 1024), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.ended <- device.Run(ctx, func(raw string) { r.codes <- raw })
	}()
	p.t.Cleanup(func() { cancel(); <-done })
	return r
}

func (r *running) next() string {
	r.t.Helper()
	select {
	case code := <-r.codes:
		return code
	case err := <-r.ended:
		r.t.Fatalf("Run returned %v", err)
	case <-time.After(patience):
		r.t.Fatal("no code came")
	}
	return ""
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
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
	r := p.read()
	must(t, p.send(concat(tap(kCaps), p.types("One\r"))...))
	if got := r.next(); got != "oNE" {
		t.Errorf("got %q", got)
	}
	time.Sleep(5 * testIdle)
	must(t, p.send(p.types("Two\r")...))
	if got := r.next(); got != "Two" {
		t.Errorf("after silence: %q", got)
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
	if err := <-r.ended; !errors.Is(err, scanner.ErrUnplugged) || !strings.HasPrefix(err.Error(), "pipe: ") {
		t.Errorf("Run returned %v", err)
	}
	if len(r.codes) > 0 {
		t.Errorf("emitted %q after it", <-r.codes)
	}
}

// TestACodeUnderWayAtTheOpeningIsDropped: half a code would be another ticket.
func TestACodeUnderWayAtTheOpeningIsDropped(t *testing.T) {
	for name, rest := range map[string]string{"ended by Enter": "LF-1\r", "ended by silence": ""} {
		t.Run(name, func(t *testing.T) {
			p := newPipe(t)
			opens, err := p.Open(t.Context())
			must(t, err)
			d, codes := opens.(*device), make(chan string, 10)
			opened := time.Unix(1e9, 0)
			d.opened = opened
			defer d.file.Close()
			push := func(after time.Duration, text string) { d.heard(opened.Add(after), p.types(text), codes) }
			push(quiet/2, "OLD-1\rHA")
			push(2*quiet, rest)
			if rest == "" {
				d.silent(codes)
			}
			push(time.Second, "NEW-1\r")
			if got := <-codes; got != "NEW-1" || len(codes) > 0 {
				t.Errorf("got %q and %d more", got, len(codes))
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
	time.Sleep(10 * quiet)
	must(t, p.send(p.types("NEW-1\r")...))
	if got := r.next(); got != "NEW-1" {
		t.Errorf("got %q", got)
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

var update = flag.Bool("update", false, "write the composed recordings and their golden files anew")

// TestRecordings replays recordings through the driver, as the kernel gives
// events: what is of one packet in one read, or several packets at once.
func TestRecordings(t *testing.T) {
	if *update {
		writeStories(t)
	}
	logs, err := filepath.Glob("testdata/*.log")
	if err != nil || len(logs) < 6 {
		t.Fatalf("recordings: %d, %v", len(logs), err)
	}
	for _, path := range logs {
		for _, whole := range []bool{true, false} {
			name := strings.TrimSuffix(filepath.Base(path), ".log")
			if !whole {
				name += " packet by packet"
			}
			t.Run(name, func(t *testing.T) {
				log, err := devicetest.OpenLog(path)
				must(t, err)
				got := replay(t, log, whole)
				golden := strings.TrimSuffix(path, ".log") + ".want"
				if *update && whole {
					must(t, os.WriteFile(golden, []byte(got), 0o644))
				}
				want, err := os.ReadFile(golden)
				must(t, err)
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("what came of it (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// replay sends a recording, whose events have no times: type and code of two
// bytes and a value of four, little-endian. At a pause longer than the idle time
// the driver must find out by itself that a code has ended; how many codes there
// are until then is what the pure parts say.
func replay(t *testing.T, log devicetest.Log, whole bool) string {
	t.Helper()
	return replayTo(t, log, whole, nil)
}

// replayTo is replay with a recording made of it.
func replayTo(t *testing.T, log devicetest.Log, whole bool, tap func(raw []byte)) string {
	t.Helper()
	p := newPipe(t)
	p.tap = tap
	if layout := log.Headers["Layout"]; layout != "" {
		p.layout = layout
	}
	r := p.read()
	layout, err := keymap.ByName(p.layout)
	must(t, err)
	k, oracle := newKeys(layout), report.Framer{Idle: testIdle, Keyboard: true}
	var got []string
	due, now := 0, time.Unix(1e9, 0)
	var burst []event
	flush := func() {
		if whole {
			must(t, p.send(burst...))
		} else {
			for from, i := 0, 0; i < len(burst); i++ {
				if burst[i] == report1 || i == len(burst)-1 {
					must(t, p.send(burst[from:i+1]...))
					from = i + 1
				}
			}
		}
		due += len(oracle.Push(now, []byte(k.push(burst)))) + len(oracle.Silence())
		for burst = nil; len(got) < due; {
			got = append(got, r.next())
		}
	}
	for i, read := range log.Reads {
		if i > 0 && read.After > testIdle {
			flush()
		}
		for raw := read.Data; len(raw) >= 8; raw = raw[8:] {
			burst = append(burst, event{binary.LittleEndian.Uint16(raw), binary.LittleEndian.Uint16(raw[2:]), int32(binary.LittleEndian.Uint32(raw[4:]))})
		}
	}
	flush()
	if log.Headers["Ends"] == "unplugged" {
		must(t, p.Unplug())
		if err := <-r.ended; !errors.Is(err, scanner.ErrUnplugged) {
			t.Errorf("Run returned %v", err)
		}
		return devicetest.Codes(got) + "unplugged\n"
	}
	return devicetest.Codes(got)
}

// writeStories composes the recordings, after what drivers of the kernel send.
func writeStories(t *testing.T) {
	p := newPipe(t)
	bare := func(events []event) (all []event) {
		for _, e := range events {
			if e.kind != evMsc {
				all = append(all, e)
			}
		}
		return all
	}
	p.layout = "fr"
	french := p.types("BILLET-0123456789 aqzw\r")
	p.layout = "us"
	alt := []event{down(kAlt), report1, down(kP0), down(kP8), report1, up(kP0), up(kP8), up(kAlt), report1}
	for name, s := range map[string]struct {
		device, transport, notes, layout string
		bursts                           [][]event
	}{
		"bluetooth": {"Bluetooth scanner, suffix Enter", "evdev of a HID keyboard: each key with its scan code", "the usual", "", [][]event{p.types("TICKET-000123\r"), p.types("lower-and-UPPER\r")}},
		"built-in":  {"built-in engine, no suffix", "evdev of a driver of its own: key codes alone", "only silence ends a code", "", [][]event{bare(p.types("1234567890")), bare(p.types("ABCDEF"))}},
		"azerty":    {"Bluetooth scanner set to France", "evdev of a HID keyboard", "digits need Shift", "fr", [][]event{french}},
		"dropped": {"Bluetooth scanner, suffix Enter", "evdev of a HID keyboard", "the kernel's queue overflowed inside a code (SYN_DROPPED), and between two", "", [][]event{
			concat(p.types("TICK"), []event{{evSyn, synDropped, 0}}, p.types("E")[:6], p.types("T-1\r")), p.types("WHOLE-1\r"),
			concat([]event{{evSyn, synDropped, 0}, report1}, p.types("TAIL\r")), p.types("WHOLE-2\r")}},
		"alt": {"scanner in ALT mode", "evdev of a HID keyboard", "the input core lost the digit that one report named twice: 080 came as 0 and 8", "", [][]event{
			concat(alt, p.types("1\r")), p.types("WHOLE-1\r")}},
		"repeat": {"Bluetooth scanner, suffix Enter", "evdev of a HID keyboard", "the release of a key came late, and the kernel repeated it", "", [][]event{
			concat([]event{down(kA), report1, {evKey, kA, 2}, report1, {evKey, kA, 2}, report1, up(kA), report1}, p.types("-1\r"))}},
	} {
		log := devicetest.Log{Headers: map[string]string{"Device": s.device, "Transport": s.transport + ", composed by hand", "Notes": s.notes}}
		if s.layout != "" {
			log.Headers["Layout"] = s.layout
		}
		for _, burst := range s.bursts {
			after := time.Second
			var data []byte
			for _, e := range burst {
				data = append(data, timeless([]event{e})...)
				if e == report1 {
					log.Reads = append(log.Reads, devicetest.Read{After: after, Data: data})
					data, after = nil, 2*time.Millisecond
				}
			}
		}
		must(t, os.WriteFile(filepath.Join("testdata", name+".log"), []byte(log.Text()), 0o644))
	}
}
