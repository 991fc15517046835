package main

import (
	"bufio"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/scanner"
)

// TestNoGreenBeforeItsSync watches the daemon's system calls: whatever tells of an
// admission, of a supervisor's or of an undo leaves the daemon only after the
// record was written to the journal, the page that makes it valid was written
// behind it, and an fdatasync that began after that has returned. It holds for a
// lone scan and for those of four lanes that share a commit, on every way out:
// what follows the scans, the answer to who asked, and the status.
func TestNoGreenBeforeItsSync(t *testing.T) {
	const each = 12
	lanes := []string{"lane-1", "lane-2", "lane-3", "lane-4"}
	r := newRig(t, 10+each*len(lanes), "", lanes...)
	trace := traced(t, r)
	start(t, r)
	followers := []*control.Stream{follow(t, r), follow(t, r)}

	ids := map[string]string{}
	see := func(n int, what string) {
		t.Helper()
		for _, stream := range followers {
			for range n {
				e, err := stream.Next()
				if err != nil {
					t.Fatal(err)
				}
				if e.Kind != scanner.KindUndo && (e.Verdict != scanner.Admit || e.Repeat) {
					t.Fatalf("%s: %+v", what, e)
				}
				ids[e.ID] = what
			}
		}
	}
	// Alone, at a scanner and by hand.
	for i := range 5 {
		if err := r.Scan(lanes[0], ticketCode(i)); err != nil {
			t.Fatal(err)
		}
		see(1, "lone scan")
	}
	typed, err := r.Client.Scan(t.Context(), ticketCode(5), "")
	if err != nil {
		t.Fatal(err)
	}
	see(1, "typed code")
	if s, err := r.Client.Status(t.Context()); err != nil || s.LastScan == nil || s.LastScan.ID != typed.ID {
		t.Fatalf("%+v, %v", s.LastScan, err)
	}
	// Four lanes at once, each ahead of its verdicts.
	for i := range each {
		for l, lane := range lanes {
			if err := r.Scan(lane, ticketCode(10+l*each+i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	see(each*len(lanes), "shared commit")
	// A person's acts.
	if _, err := r.Client.Undo(t.Context(), typed.Seq, "Sam"); err != nil {
		t.Fatal(err)
	}
	see(1, "undo")
	refused, err := r.Client.Scan(t.Context(), "nobody's", "")
	if err != nil || refused.Verdict == scanner.Admit {
		t.Fatalf("%+v, %v", refused, err)
	}
	for _, stream := range followers {
		if e, err := stream.Next(); err != nil || e.ID != refused.ID {
			t.Fatalf("%+v, %v", e, err)
		}
	}
	if _, err := r.Client.Admit(t.Context(), refused.Seq, "Eve"); err != nil {
		t.Fatal(err)
	}
	see(1, "override")
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}

	calls := readTrace(t, trace)
	commits := map[int]int{}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		safe, commit := calls.safe(id)
		shown := calls.shown(id)
		switch {
		case safe < 0:
			t.Errorf("%s %s: never synced in the trace", ids[id], id)
		case shown < 0:
			t.Errorf("%s %s: never shown in the trace: the test sees nothing", ids[id], id)
		case shown < safe:
			t.Errorf("%s %s was shown in line %d, and its fdatasync returned in line %d", ids[id], id, shown, safe)
		}
		if ids[id] == "shared commit" {
			commits[commit]++
		}
	}
	if len(ids) != 5+1+each*len(lanes)+2 {
		t.Errorf("%d events", len(ids))
	}
	if len(commits) == each*len(lanes) {
		t.Error("no two of the four lanes' scans shared a commit: the test shows nothing of that")
	}
	t.Logf("%d scans of four lanes in %d commits", each*len(lanes), len(commits))
}

func follow(t *testing.T, r *rig.Rig) *control.Stream {
	t.Helper()
	stream, err := r.Client.Follow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	return stream
}

// traced makes the rig's daemon run under strace and gives the file that will
// hold its calls.
func traced(t *testing.T, r *rig.Rig) string {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is missing: install Debian's package strace")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	wrapper := filepath.Join(t.TempDir(), "usher")
	script := "#!/bin/sh\nexec " + strace + " -f -D -s 262144 -y -e trace=pwrite64,fdatasync,fsync,write,writev,sendmsg,sendto -o " + trace + " " + r.Bin + " \"$@\"\n"
	if err := os.WriteFile(wrapper, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	r.Bin = wrapper
	return trace
}

// syscalls are a trace's calls in the order in which they began. Lines count
// both ends of a call.
type syscalls []*sysCall

// sysCall is one call of one thread.
type sysCall struct {
	name, args string
	// began and ended are lines of the trace; ended is -1 where it did not return
	// well.
	began, ended int
	// writes: it writes to the journal; meta: one of the two pages by which bbolt
	// makes a transaction valid.
	writes, meta bool
}

// readTrace reads strace's output. A call that another thread's line interrupts is
// printed in two parts, which belong together by their thread.
func readTrace(t *testing.T, path string) syscalls {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all syscalls
	open := map[string]*sysCall{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for n := 0; lines.Scan(); n++ {
		// THREAD NAME(ARGS) = RESULT, in one line or in two:
		// THREAD NAME(ARGS <unfinished ...> and THREAD <... NAME resumed>ARGS) = RESULT
		thread, rest, _ := strings.Cut(lines.Text(), " ")
		rest = strings.TrimLeft(rest, " ")
		if tail, ok := strings.CutPrefix(rest, "<... "); ok {
			_, tail, _ = strings.Cut(tail, " resumed>")
			if c := open[thread]; c != nil {
				c.end(tail, n)
				delete(open, thread)
			}
			continue
		}
		name, args, ok := strings.Cut(rest, "(")
		if !ok || strings.ContainsAny(name, " +-") {
			continue
		}
		c := &sysCall{name: name, began: n, ended: -1}
		all = append(all, c)
		if first, ok := strings.CutSuffix(args, " <unfinished ...>"); ok {
			c.args, open[thread] = first, c
		} else {
			c.end(args, n)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// end takes the rest of the arguments and the result.
func (c *sysCall) end(rest string, line int) {
	at := strings.LastIndex(rest, ") ")
	if at < 0 {
		return
	}
	c.args += rest[:at]
	result, ok := strings.CutPrefix(strings.TrimLeft(rest[at+1:], " "), "= ")
	if ok && !strings.HasPrefix(result, "-") && !strings.HasPrefix(result, "?") {
		c.ended = line
	}
	if c.name != "pwrite64" {
		return
	}
	file, _, _ := strings.Cut(c.args, ", ")
	if c.writes = strings.HasSuffix(file, "journal.db>"); c.writes {
		offset, err := strconv.ParseInt(c.args[strings.LastIndex(c.args, " ")+1:], 10, 64)
		c.meta = err == nil && offset < 2*int64(os.Getpagesize())
	}
}

// safe gives the line in which the record became durable, -1: never; and the line
// in which its commit's valid page was written.
func (s syscalls) safe(id string) (line, commit int) {
	written, valid := -1, -1
	for _, c := range s {
		switch {
		case written < 0:
			if c.writes && strings.Contains(c.args, id) {
				written = c.ended
			}
		case valid < 0:
			if c.meta && c.began > written {
				valid = c.ended
			}
		case (c.name == "fdatasync" || c.name == "fsync") && strings.Contains(c.args, "journal.db>") && c.began > valid && c.ended >= 0:
			return c.ended, valid
		}
	}
	return -1, -1
}

// shown gives the first line in which anything else was told of the record, -1:
// none.
func (s syscalls) shown(id string) int {
	for _, c := range s {
		if !c.writes && strings.Contains(c.args, id) {
			return c.began
		}
	}
	return -1
}
