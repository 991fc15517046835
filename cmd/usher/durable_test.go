package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"usher/scanner"
)

// TestNoGreenBeforeItsSync watches the daemon's system calls: between the last
// write to the journal and the event that shows an admission, an fdatasync must
// have returned.
func TestNoGreenBeforeItsSync(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is missing: install Debian's package strace")
	}
	r := newRig(t, 10, "", "lane-1")
	trace := filepath.Join(t.TempDir(), "trace")
	wrapper := filepath.Join(t.TempDir(), "usher")
	script := "#!/bin/sh\nexec " + strace + " -f -D -s 2000 -y -e trace=pwrite64,fdatasync,fsync,write,writev,sendmsg -o " + trace + " " + r.Bin + " \"$@\"\n"
	if err := os.WriteFile(wrapper, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	r.Bin = wrapper
	start(t, r)
	for i := range 5 {
		scanFor(t, r, "lane-1", ticketCode(i), scanner.Admit, scanner.OK)
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	shown := 0
	synced := false
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case wroteJournal.MatchString(line):
			synced = false
		case syncedJournal.MatchString(line):
			synced = true
		case strings.Contains(line, `\"verdict\":\"admit\"`):
			shown++
			if !synced {
				t.Errorf("an admission was shown before its fdatasync returned: %.200s", line)
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if shown < 5 {
		t.Errorf("%d admissions seen in the trace, want 5: the test sees nothing", shown)
	}
}

var (
	wroteJournal = regexp.MustCompile(`pwrite64\(\d+<[^>]*journal\.db>`)
	// A call that another thread's line interrupts is printed in two parts; its
	// return is in the second, which names no file.
	syncedJournal = regexp.MustCompile(`(fdatasync\(\d+<[^>]*journal\.db>\)|<\.\.\. fdatasync resumed>\)?)\s*= 0`)
)
