package main

import (
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"usher/scanner"
)

// TestSystemdIsToldTheTruth stands in for systemd: ready only when scans are
// decided, the watchdog kicked while the scan path lives, and a word at the end.
func TestSystemdIsToldTheTruth(t *testing.T) {
	r := newRig(t, 10, "", "lane-1")
	addr := &net.UnixAddr{Net: "unixgram", Name: filepath.Join(r.Dir, "notify")}
	systemd, err := net.ListenUnixgram("unixgram", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", addr.Name)
	t.Setenv("WATCHDOG_USEC", "300000")
	start(t, r)
	scanFor(t, r, "lane-1", ticketCode(1), scanner.Admit, scanner.OK)

	var heard []string
	hear := func(want string) {
		t.Helper()
		if err := systemd.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		for buf := make([]byte, 256); ; {
			n, err := systemd.Read(buf)
			if err != nil {
				t.Fatalf("systemd heard %q, and no %s: %v", heard, want, err)
			}
			if heard = append(heard, string(buf[:n])); slices.Contains(heard, want) {
				return
			}
		}
	}
	hear("READY=1")
	heard = nil
	hear("WATCHDOG=1")
	heard = nil
	hear("WATCHDOG=1")
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	hear("STOPPING=1")
}
