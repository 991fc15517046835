package evdev

import (
	"strings"
	"testing"

	"usher/devices/keymap"
)

func us(t *testing.T) *keymap.Layout {
	t.Helper()
	l, err := keymap.ByName("us")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// down and up are a key without its scan code; report ends a packet.
func down(code uint16) event { return event{evKey, code, keyPressed} }
func up(code uint16) event   { return event{evKey, code, keyReleased} }

var report1 = event{evSyn, synReport, 0}

// scan is the scan code of the key event behind it.
func scan(usage int32) event { return event{evMsc, mscScan, usagePage<<16 | usage} }

func tap(codes ...uint16) (all []event) {
	for _, c := range codes {
		all = append(all, down(c), report1, up(c), report1)
	}
	return all
}

func concat(parts ...[]event) (all []event) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

const (
	kA, kB, kC              = 30, 48, 46
	kShift, kCaps, kAlt     = 42, 58, 56
	kP0, kP1, kP6, kP5, kP8 = 82, 79, 77, 76, 72
	kF5, kBack, kWWW        = 63, 14, 150
)

func TestWhatEventsType(t *testing.T) {
	alt := func(digits ...uint16) []event {
		return concat([]event{down(kAlt), report1}, tap(digits...), []event{up(kAlt), report1})
	}
	tests := map[string]struct {
		events []event
		want   string
	}{
		"keys":                              {tap(kA, keyOne, keyZero, keyEnter), "a10\r"},
		"Shift held":                        {concat([]event{down(kShift), report1}, tap(kA, kB), []event{up(kShift), report1}, tap(kA)), "ABa"},
		"CapsLock":                          {concat(tap(kCaps, kA, keyOne), tap(kCaps, kA)), "A1a"},
		"the scan code counts":              {[]event{scan(0x05), down(kA), report1, scan(0x05), up(kA), report1}, "b"},
		"only for the key behind it":        {[]event{scan(0x05), down(kA), down(kC), report1}, "bc"},
		"not over a packet":                 {[]event{scan(0x05), report1, down(kA), report1}, "a"},
		"a scan code of another page":       {[]event{{evMsc, mscScan, 0x000c_0005}, down(kA), report1}, "a"},
		"an AT keyboard's scan code":        {[]event{{evMsc, mscScan, 0x1e}, down(kA), report1}, "a"},
		"the kernel repeats a held key":     {[]event{down(kA), report1, {evKey, kA, 2}, report1, {evKey, kA, 2}, report1, up(kA), report1}, "a"},
		"keys that type nothing":            {tap(kF5, kBack, kWWW), "\x1b\x1b\x1b"},
		"releasing one types nothing":       {[]event{up(kWWW), report1}, ""},
		"a number of three digits":          {alt(kP0, kP6, kP5), "A"},
		"a number that lost a digit":        {alt(kP0, kP8), "\x1b"},
		"a number that would end the code":  {alt(kP0, kP1, kP0), "\x1b"},
		"other kinds of events":             {[]event{{evLED, ledCaps, 1}, {2, 0, 5}, report1}, ""},
		"dropped, then a key":               {concat(tap(kA), []event{{evSyn, synDropped, 0}, down(kB), up(kC), report1}, tap(kC)), "a\x1bc"},
		"dropped twice":                     {concat([]event{{evSyn, synDropped, 0}, report1, {evSyn, synDropped, 0}, report1}, tap(kC)), "\x1b\x1bc"},
		"a held Shift is not known after":   {concat([]event{down(kShift), report1, {evSyn, synDropped, 0}, report1}, tap(kA)), "\x1ba"},
		"nor is CapsLock":                   {concat(tap(kCaps), []event{{evSyn, synDropped, 0}, report1}, tap(kA)), "\x1ba"},
		"a number is forgotten with events": {concat([]event{down(kAlt), report1}, tap(kP0, kP6), []event{{evSyn, synDropped, 0}, report1}, tap(kP5), []event{up(kAlt), report1}), "\x1b5"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			k := newKeys(us(t))
			if got := k.push(tt.events); got != tt.want {
				t.Errorf("at once: typed %q, want %q", got, tt.want)
			}
			one := newKeys(us(t))
			var got string
			for _, e := range tt.events {
				got += one.push([]event{e})
			}
			if got != tt.want {
				t.Errorf("event by event: typed %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEventsOfBothSizes(t *testing.T) {
	events := []event{scan(0x04), down(kA), {evKey, kA, -2}, report1}
	for word, size := range map[int]int{8: 24, 4: 16} {
		raw := encode(events, word)
		if len(raw) != len(events)*size {
			t.Fatalf("word %d: %d bytes for %d events", word, len(raw), len(events))
		}
		// A time says nothing.
		for i := range raw {
			if i%size < 2*word {
				raw[i] = 0xff
			}
		}
		got := decode(append(raw, raw[:size-1]...), word)
		if len(got) != len(events) {
			t.Fatalf("word %d: %d events of %d", word, len(got), len(events))
		}
		for i, e := range events {
			if got[i] != e {
				t.Errorf("word %d: event %d is %+v, want %+v", word, i, got[i], e)
			}
		}
	}
}

// TestKeyCodesAreTheKernels types every character through the key codes that
// linux/input-event-codes.h gives the keys of an American keyboard.
func TestKeyCodesAreTheKernels(t *testing.T) {
	k := newKeys(us(t))
	var codes []uint16
	for c := uint16(1); c < 128; c++ {
		if u := usageOf(c); u != 0 && (u < 0xe0 || u > 0xe7) && c != kCaps {
			codes = append(codes, c)
		}
	}
	got := k.push(tap(codes...))
	want := "\x1b1234567890-=\x1b" + "\tqwertyuiop[]\r" + "asdfghjkl;'`" + `\zxcvbnm,./` + "* " + strings.Repeat("\x1b", 10) + "789-456+1230." + `\` + "\x1b\x1b" + "\r/"
	if got != want {
		t.Errorf("typed %q,\nwant  %q", got, want)
	}
	for code, usage := range map[uint16]byte{29: 0xe0, 42: 0xe1, 56: 0xe2, 125: 0xe3, 97: 0xe4, 54: 0xe5, 100: 0xe6, 126: 0xe7, 69: 0x53, 70: 0x47, 0: 0, 0xffff: 0} {
		if got := usageOf(code); got != usage {
			t.Errorf("key %d is usage %#x, want %#x", code, got, usage)
		}
	}
}
