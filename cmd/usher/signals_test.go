package main

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/scanner"
)

// beeper makes a FIFO that stands for the device's own beeper, and gives what it is
// asked to sound, in Hz.
func beeper(t *testing.T, path string) <-chan uint32 {
	t.Helper()
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	tones, ended := make(chan uint32, 1024), make(chan struct{})
	go func() {
		defer close(ended)
		const eventSize = 24
		event := make([]byte, eventSize)
		for {
			if _, err := io.ReadFull(fifo, event); err != nil {
				return
			}
			tones <- binary.NativeEndian.Uint32(event[eventSize-4:])
		}
	}()
	t.Cleanup(func() {
		fifo.Close()
		<-ended
	})
	return tones
}

// pitch waits for the next tone that is heard, and then until nothing more comes.
func pitch(t *testing.T, tones <-chan uint32) uint32 {
	t.Helper()
	var first uint32
	for timeout := time.After(10 * time.Second); first == 0; {
		select {
		case first = <-tones:
		case <-timeout:
			t.Fatal("no tone")
		}
	}
	for {
		select {
		case <-tones:
		case <-time.After(1200 * time.Millisecond): // longer than any part of a pattern
			return first
		}
	}
}

// TestTheDeviceItselfBeeps for what its gate decides, and a reload changes where.
func TestTheDeviceItselfBeeps(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	first, second := beeper(t, one), beeper(t, two)
	r := newRig(t, 10, "signals: { admit_led: no-such-light, beeper: "+one+" }\n", "lane-1")
	if out, _, code := usherCommand(t, r, "check"); code != exitOK ||
		!strings.Contains(out, "there is no light no-such-light") || !strings.Contains(out, one+" makes no tones") {
		t.Errorf("check: exit %d\n%s", code, out)
	}
	start(t, r)
	scanFor(t, r, "lane-1", ticketCode(1), scanner.Admit, scanner.OK)
	admitted := pitch(t, first)
	scanFor(t, r, "lane-1", "UNKNOWN-1", scanner.Refuse, scanner.NotFound)
	if refused := pitch(t, first); refused == admitted {
		t.Errorf("a refusal sounds as an admission: %d Hz", refused)
	}
	text, err := os.ReadFile(r.Config())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.Config(), []byte(strings.Replace(string(text), one, two, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := usherCommand(t, r, "reload"); code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	scanFor(t, r, "lane-1", ticketCode(2), scanner.Admit, scanner.OK)
	if again := pitch(t, second); again != admitted {
		t.Errorf("after the reload: %d Hz, before %d Hz", again, admitted)
	}
	if len(first) > 0 {
		t.Error("the beeper that is not configured any more still sounds")
	}
}
