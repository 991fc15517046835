package evdev

import (
	"encoding/binary"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/devices/devicetest"
	"usher/devices/report"
	"usher/scanner"
)

var update = flag.Bool("update", false, "write the composed recordings and their golden files anew")

// TestRecordings replays recordings through the driver, as the kernel gives
// events: what is of one packet in one read, or several packets at once.
func TestRecordings(t *testing.T) {
	if *update {
		writeStories(t)
	}
	logs, err := filepath.Glob("testdata/*.log")
	if err != nil || len(logs) < 8 {
		t.Fatalf("recordings: %d, %v", len(logs), err)
	}
	for _, path := range logs {
		for _, whole := range []bool{true, false} {
			name := strings.TrimSuffix(filepath.Base(path), ".log")
			if !whole {
				name += " packet by packet"
			}
			t.Run(name, func(t *testing.T) {
				if !*update {
					t.Parallel() // they wait, and do not work
				}
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
// bytes and a value of four, little-endian. At a pause that ends a code the driver
// must find that out by itself; how many codes there are until then is what the pure
// parts say. A longer pause is waited for only where it must end none.
func replay(t *testing.T, log devicetest.Log, whole bool) string {
	t.Helper()
	return replayTo(t, log, whole, nil)
}

// replayTo is replay with a recording made of it.
func replayTo(t *testing.T, log devicetest.Log, whole bool, tap func(raw []byte)) string {
	t.Helper()
	cfg := Defaults()
	for key, value := range map[string]*string{"Layout": &cfg.Layout, "Suffix": &cfg.Suffix} {
		if text := log.Headers[key]; text != "" {
			*value = text
		}
	}
	p := newPipe(t, func(c *Config) { c.Layout, c.Suffix = cfg.Layout, cfg.Suffix })
	if tap != nil {
		p.driver.Record(func(string, string) {}, tap)
	}
	r := p.read()
	k := newKeys(p.driver.layout)
	oracle := report.Framer{Idle: cfg.Idle, Keyboard: true, Suffix: report.NewSuffix(cfg.Suffix)}
	var got []string
	due, now := 0, time.Unix(1e9, 0)
	collect := func(codes []string) {
		for due += len(codes); len(got) < due; {
			got = append(got, r.next())
		}
	}
	var burst []event
	flush := func(pause time.Duration) {
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
		collect(oracle.Push(now, []byte(k.push(burst))))
		burst = nil
		switch w := oracle.Wait(now); {
		case w < 0:
		case pause < w:
			time.Sleep(pause) // the measure: the scanner is held up
		default:
			collect(oracle.Silence())
		}
		now = now.Add(pause)
	}
	for i, read := range log.Reads {
		if i > 0 && read.After > cfg.Idle {
			flush(read.After)
		}
		for raw := read.Data; len(raw) >= 8; raw = raw[8:] {
			burst = append(burst, event{binary.LittleEndian.Uint16(raw), binary.LittleEndian.Uint16(raw[2:]), int32(binary.LittleEndian.Uint32(raw[4:]))})
		}
	}
	flush(time.Hour)
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
	const second = time.Second
	p.layout = "fr"
	french := p.types("BILLET-0123456789 aqzw\r")
	p.layout = "us"
	alt := []event{down(kAlt), report1, down(kP0), down(kP8), report1, up(kP0), up(kP8), up(kAlt), report1}
	type burst struct {
		after  time.Duration
		events []event
	}
	type story struct {
		device, transport, notes string
		headers                  map[string]string
		bursts                   []burst
	}
	for name, s := range map[string]story{
		"bluetooth": {"Bluetooth scanner, suffix Enter", "evdev of a HID keyboard: each key with its scan code", "the usual", nil, []burst{{second, p.types("TICKET-000123\r")}, {second, p.types("lower-and-UPPER\r")}}},
		"built-in":  {"built-in engine, no suffix", "evdev of a driver of its own: key codes alone", "only silence ends a code", nil, []burst{{second, bare(p.types("1234567890"))}, {second, bare(p.types("ABCDEF"))}}},
		"azerty":    {"Bluetooth scanner set to France", "evdev of a HID keyboard", "digits need Shift", map[string]string{"Layout": "fr"}, []burst{{second, french}}},
		"dropped": {"Bluetooth scanner, suffix Enter", "evdev of a HID keyboard", "the kernel's queue overflowed inside a code (SYN_DROPPED), and between two", nil, []burst{
			{second, concat(p.types("TICK"), []event{{evSyn, synDropped, 0}}, p.types("E")[:6], p.types("T-1\r"))}, {second, p.types("WHOLE-1\r")},
			{second, concat([]event{{evSyn, synDropped, 0}, report1}, p.types("TAIL\r"))}, {second, p.types("WHOLE-2\r")}}},
		"alt": {"scanner in ALT mode", "evdev of a HID keyboard", "the input core lost the digit that one report named twice: 080 came as 0 and 8", nil, []burst{
			{second, concat(alt, p.types("1\r"))}, {second, p.types("WHOLE-1\r")}}},
		"repeat": {"Bluetooth scanner, suffix Enter", "evdev of a HID keyboard", "the release of a key came late, and the kernel repeated it", nil, []burst{
			{second, concat([]event{down(kA), report1, {evKey, kA, 2}, report1, {evKey, kA, 2}, report1, up(kA), report1}, p.types("-1\r"))}}},
		"held-up": {"Bluetooth scanner, suffix Enter", "evdev of a HID keyboard", "the radio held a code up for 600 ms, after a whole one", nil, []burst{
			{second, p.types("WHOLE-1\r")}, {second, p.types("LEFT-HALF-")}, {600 * time.Millisecond, p.types("RIGHT-HALF\r")}}},
		"held-up-1": {"Bluetooth scanner, suffix Enter", "evdev of a HID keyboard", "the radio wakes up: the first code of all is held up", map[string]string{"Suffix": "enter"}, []burst{
			{second, p.types("LEFT-HALF-")}, {600 * time.Millisecond, p.types("RIGHT-HALF\r")}, {second, p.types("WHOLE-1\r")}}},
	} {
		log := devicetest.Log{Headers: map[string]string{"Device": s.device, "Transport": s.transport + ", composed by hand", "Notes": s.notes}}
		maps.Copy(log.Headers, s.headers)
		for _, burst := range s.bursts {
			after := burst.after
			var data []byte
			for _, e := range burst.events {
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
