package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/scanner"
)

// usherCommand runs a command of the rig's own usher.
func usherCommand(t *testing.T, r *rig.Rig, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := r.Command(t.Context(), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func start(t *testing.T, r *rig.Rig) {
	t.Helper()
	if err := r.Start(t.Context(), ready); err != nil {
		t.Fatal(err)
	}
}

// soon waits for the status to be as wanted, and says how long it took.
func soon(t *testing.T, r *rig.Rig, limit time.Duration, what string, ok func(control.Status) bool) control.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var last control.Status
	if err := r.Wait(ctx, func(s control.Status) bool { last = s; return ok(s) }); err != nil {
		t.Fatalf("%s not within %s: %v", what, limit, err)
	}
	return last
}

func scanFor(t *testing.T, r *rig.Rig, lane, code string, v scanner.Verdict, why scanner.Reason) control.Event {
	t.Helper()
	stream, err := r.Client.Follow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if err := r.Scan(lane, code); err != nil {
		t.Fatal(err)
	}
	e, err := stream.Next()
	if err != nil {
		t.Fatal(err)
	}
	if e.Verdict != v || e.Reason != why {
		t.Fatalf("%s: got %s/%s (%s), want %s/%s", scanner.Code(code).Mask(), e.Verdict, e.Reason, e.Message, v, why)
	}
	return e
}

func TestStatusCarriesEveryField(t *testing.T) {
	r := newRig(t, 10, "gate: { name: Gate 7 }\n", "lane-1")
	start(t, r)
	scanFor(t, r, "lane-1", ticketCode(1), scanner.Admit, scanner.OK)

	out, _, code := usherCommand(t, r, "status", "--json")
	if code != exitOK {
		t.Errorf("exit code %d, want 0", code)
	}
	viaSocket := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", r.Client.Path)
	}}}
	resp, err := viaSocket.Get("http://usher/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var raw bytes.Buffer
	if _, err := raw.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"usher status --json": out, "GET /v1/status": raw.String()} {
		var doc map[string]any
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for path := range strings.FieldsSeq(`version state problems device.id device.name device.gate device.direction
			link.state link.since link.reason link.next_probe_at vendor.name vendor.session_expires_at vendor.password_expires_at
			tickets.count tickets.generation_at tickets.age_s tickets.stale outbox.pending outbox.oldest_at outbox.oldest_age_s outbox.deadline_at
			parked conflicts scanners.0.name scanners.0.driver scanners.0.state scanners.0.detail scanners.0.direction scanners.0.scans scanners.0.last_at
			counts.admit counts.refuse counts.review counts.repeat counts.offline
			events.0.event events.0.entries events.0.exits events.0.inside events.0.refused events.0.overridden events.0.undone
			clock.trusted clock.offset_ms last_scan`) {
			if !has(doc, strings.Split(path, ".")) {
				t.Errorf("%s: no %s", name, path)
			}
		}
	}
}

func has(v any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	switch v := v.(type) {
	case map[string]any:
		inner, ok := v[path[0]]
		return ok && has(inner, path[1:])
	case []any:
		return len(v) > 0 && has(v[0], path[1:])
	}
	return false
}

func TestExitCodes(t *testing.T) {
	r := newRig(t, 10, "", "lane-1")
	if _, stderr, code := usherCommand(t, r, "status"); code != exitNotRunning || !strings.Contains(stderr, "not running") {
		t.Errorf("without a daemon: exit %d, %s", code, stderr)
	}
	start(t, r)
	if out, _, code := usherCommand(t, r, "status"); code != exitOK || !strings.HasPrefix(out, "READY") {
		t.Errorf("ready: exit %d, %s", code, out)
	}
	if err := r.Lane("lane-1").Unplug(); err != nil {
		t.Fatal(err)
	}
	soon(t, r, 2*time.Second, "the missing scanner", func(s control.Status) bool { return s.State == control.Degraded })
	if out, _, code := usherCommand(t, r, "status"); code != exitNotReady || !strings.Contains(out, "lane-1") {
		t.Errorf("degraded: exit %d, %s", code, out)
	}
	if _, stderr, code := usherCommand(t, r, "status", "--bogus"); code != exitUsage {
		t.Errorf("wrong usage: exit %d, %s", code, stderr)
	}
}

func TestAScannerGoesAndComesBackByItself(t *testing.T) {
	r := newRig(t, 10, "", "lane-1")
	start(t, r)
	if err := r.Lane("lane-1").Unplug(); err != nil {
		t.Fatal(err)
	}
	s := soon(t, r, 2*time.Second, "the missing scanner", func(s control.Status) bool { return s.Scanners[0].State == control.ScannerMissing })
	if s.State != control.Degraded || len(s.Problems) == 0 || !strings.Contains(s.Problems[0], "lane-1") {
		t.Errorf("state %s, problems %q", s.State, s.Problems)
	}
	if err := r.Lane("lane-1").Plug(); err != nil {
		t.Fatal(err)
	}
	soon(t, r, 5*time.Second, "its return", ready)
	scanFor(t, r, "lane-1", ticketCode(1), scanner.Admit, scanner.OK)
}

func TestBadCodesOverTheWire(t *testing.T) {
	r := newRig(t, 10, "", "lane-1")
	start(t, r)
	scanFor(t, r, "lane-1", "A\x1b[31mB", scanner.Refuse, scanner.Unreadable)
	scanFor(t, r, "lane-1", strings.Repeat("x", 64<<10), scanner.Refuse, scanner.Unreadable)
	scanFor(t, r, "lane-1", "\xff\xfe\xfd", scanner.Refuse, scanner.Unreadable)
	scanFor(t, r, "lane-1", "]C1"+ticketCode(3), scanner.Admit, scanner.OK)
	scanFor(t, r, "lane-1", ticketCode(1), scanner.Admit, scanner.OK)
}

func TestAFaultyManifestChangesNothing(t *testing.T) {
	r := newRig(t, 10, "", "lane-1")
	start(t, r)
	bad := filepath.Join(r.Dir, "new.csv")
	// As many rows as the list before, or it is taken for half a copy.
	good := func(end string) (rows string) {
		for i := range 10 {
			rows += ticketCode(i) + end + "\n"
		}
		return rows
	}
	for what, tt := range map[string]struct{ rows, want string }{
		"malformed": {"code,valid_from\n" + good(",") + "A-1,tomorrow\n", "new.csv:12"},
		"twice":     {"code\n" + good("") + "A-1\nA-2\nA-1\n", "new.csv:14"},
	} {
		if err := os.WriteFile(bad, []byte(tt.rows), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, stderr, code := usherCommand(t, r, "tickets", "import", bad); code != exitFailed || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit %d, %s", what, code, stderr)
		}
		if err := os.Rename(bad, r.Manifest()); err != nil {
			t.Fatal(err)
		}
		soon(t, r, 10*time.Second, what+" in the status", func(s control.Status) bool {
			return s.State == control.Degraded && s.Tickets.Count == 10 && strings.Contains(strings.Join(s.Problems, " "), "tickets.csv:"+strings.Split(tt.want, ":")[1])
		})
	}
	scanFor(t, r, "lane-1", ticketCode(1), scanner.Admit, scanner.OK)
	if err := os.WriteFile(bad, []byte("code\nB-0001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, stderr, code := usherCommand(t, r, "tickets", "import", bad); code != exitOK {
		t.Errorf("a good list: exit %d, %s%s", code, out, stderr)
	}
	scanFor(t, r, "lane-1", "B-0001", scanner.Admit, scanner.OK)
}

func TestAConfigurationThatBreaksWhileRunning(t *testing.T) {
	r := newRig(t, 10, "", "lane-1")
	start(t, r)
	good, err := os.ReadFile(r.Config())
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(good), "driver: serial", "driver: serail", 1) + "gaet: { name: X }\nhistory: { keep: 14 }\n"
	if err := os.WriteFile(r.Config(), []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := usherCommand(t, r, "reload")
	for _, want := range []string{"serail", "gaet", "history.keep"} {
		if code != exitFailed || !strings.Contains(stderr, want) {
			t.Errorf("reload: exit %d, no %s in %s", code, want, stderr)
		}
	}
	soon(t, r, 2*time.Second, "the faults in the status", func(s control.Status) bool { return s.State == control.Degraded })
	scanFor(t, r, "lane-1", ticketCode(1), scanner.Admit, scanner.OK)

	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context(), func(s control.Status) bool {
		return len(s.Scanners) == 1 && s.Scanners[0].State == control.ScannerConnected
	}); err != nil {
		t.Fatal("the kept configuration does not run:", err)
	}
	s := soon(t, r, time.Second, "the faults after a restart", func(s control.Status) bool { return s.State == control.Degraded })
	if text := strings.Join(s.Problems, "\n"); !strings.Contains(text, "gaet") {
		t.Errorf("problems %q", s.Problems)
	}
	scanFor(t, r, "lane-1", ticketCode(2), scanner.Admit, scanner.OK)

	if err := os.WriteFile(r.Config(), append(good, "gate: { name: Gate 9 }\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := usherCommand(t, r, "reload"); code != exitOK {
		t.Fatalf("reload of a good file: exit %d, %s", code, stderr)
	}
	s = soon(t, r, 2*time.Second, "ready again", ready)
	if s.Device.Gate != "Gate 9" {
		t.Errorf("gate %q after the reload", s.Device.Gate)
	}
}

func TestReloadExchangesScanners(t *testing.T) {
	r := newRig(t, 10, "", "lane-1", "lane-2")
	start(t, r)
	good, err := os.ReadFile(r.Config())
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.SplitAfter(string(good), "\n"), func(line string) bool { return strings.Contains(line, "lane-2,") })
	if err := os.WriteFile(r.Config(), []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	scanFor(t, r, "lane-2", ticketCode(1), scanner.Admit, scanner.OK)
	if _, stderr, code := usherCommand(t, r, "reload"); code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	s := soon(t, r, time.Second, "one scanner", func(s control.Status) bool { return len(s.Scanners) == 1 })
	if s.Scanners[0].State != control.ScannerConnected {
		t.Errorf("the scanner that stayed is %s", s.Scanners[0].State)
	}
	scanFor(t, r, "lane-1", ticketCode(2), scanner.Admit, scanner.OK)
}

func TestSocketsThatCannotBe(t *testing.T) {
	r := newRig(t, 10, "", "lane-1")
	start(t, r)
	second := exec.CommandContext(t.Context(), r.Bin, "--config", r.Config(), "run")
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "another usher is running") {
		t.Errorf("a second daemon: %v, %s", err, out)
	}
	scanFor(t, r, "lane-1", ticketCode(1), scanner.Admit, scanner.OK)

	long := filepath.Join(t.TempDir(), "long.yaml")
	text := fmt.Sprintf("state_dir: %s\nvendor: { name: manifest }\nstatus: { socket: /tmp/%s.sock }\n", t.TempDir(), strings.Repeat("x", 120))
	if err := os.WriteFile(long, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), r.Bin, "--config", long, "run").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "status.socket") {
		t.Errorf("a socket path that is too long: %v, %s", err, out)
	}
}

func TestALostDeviceKeyLosesNoMark(t *testing.T) {
	r := newRig(t, 10, "", "lane-1")
	start(t, r)
	scanFor(t, r, "lane-1", ticketCode(1), scanner.Admit, scanner.OK)
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(r.Dir, "state", "device.key")); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context(), func(s control.Status) bool {
		return s.Tickets.Count == 10 && s.Scanners[0].State == control.ScannerConnected
	}); err != nil {
		t.Fatal(err)
	}
	soon(t, r, time.Second, "the lost key in the status", func(s control.Status) bool {
		return strings.Contains(strings.Join(s.Problems, " "), "key")
	})
	out, _, code := usherCommand(t, r, "scan", ticketCode(1))
	if code != exitFailed || !strings.Contains(out, "Already entered") {
		t.Errorf("the mark did not outlive its key: exit %d, %s", code, out)
	}
}

func TestAFullDiskIsNeverGreen(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("root is missing: a small file system cannot be mounted")
	}
	r := newRig(t, 20000, "", "lane-1")
	state := filepath.Join(r.Dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", state, "tmpfs", 0, "size=96m"); err != nil {
		t.Skipf("tmpfs cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(r.Kill(), unix.Unmount(state, 0)); err != nil {
			t.Error(err)
		}
	})
	start(t, r)
	filler := filepath.Join(state, "filler")
	fill(t, filler)
	scans, stored, refused := 0, map[string]bool{}, false
	for ; scans < 20000 && !refused; scans++ {
		e, err := r.Client.Scan(t.Context(), ticketCode(scans), scanner.Entry)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Verdict == scanner.Admit:
			stored[e.ID] = true
		case e.Reason == scanner.NotStored && e.Verdict == scanner.Review:
			refused = true
		default:
			t.Fatalf("scan %d: %s/%s", scans, e.Verdict, e.Reason)
		}
	}
	if !refused {
		t.Fatalf("%d scans went into a full disk", scans)
	}
	soon(t, r, 2*time.Second, "degraded", func(s control.Status) bool { return s.State == control.Degraded })
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	e, err := r.Client.Scan(t.Context(), ticketCode(scans-1), scanner.Entry)
	if err != nil || e.Verdict != scanner.Admit {
		t.Fatalf("room is back and the holder is not admitted: %+v, %v", e, err)
	}
	stored[e.ID] = true
	for _, row := range export(t, r) {
		if row.Verdict == string(scanner.Admit) && !stored[row.ID] {
			t.Errorf("%s is stored and was never green", row.Code)
		}
		delete(stored, row.ID)
	}
	if len(stored) > 0 {
		t.Errorf("%d green lights are not in the journal", len(stored))
	}
}

// fill takes every byte that is left on the file's disk.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
}

func TestAStateDirectoryThatIsNotWritable(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("root is missing: a read-only file system cannot be mounted")
	}
	r := newRig(t, 10, "", "lane-1")
	state := filepath.Join(r.Dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", state, "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Skipf("tmpfs cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(state, 0); err != nil {
			t.Error(err)
		}
	})
	_, stderr, code := usherCommand(t, r, "run")
	if code != exitFailed || !strings.Contains(stderr, state) || !strings.Contains(stderr, "read-only") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestCheckSaysWhatTheDaemonWouldSay(t *testing.T) {
	r := newRig(t, 10, "", "lane-1")
	if out, _, code := usherCommand(t, r, "check"); code != exitOK || !strings.Contains(out, "10 tickets") || !strings.Contains(out, "can be opened") {
		t.Errorf("a good device: exit %d\n%s", code, out)
	}
	if err := os.WriteFile(r.Manifest(), []byte("code\nA-0001\nA-0002\nA-0001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Lane("lane-1").Unplug(); err != nil {
		t.Fatal(err)
	}
	out, _, code := usherCommand(t, r, "check")
	for _, want := range []string{"tickets.csv:4", "scanner lane-1"} {
		if code != exitFailed || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %s in\n%s", code, want, out)
		}
	}
}

// TestAHangupNeverEndsTheDaemon, neither while it starts, from its socket on, nor
// when it is ready: it gets many on its way.
func TestAHangupNeverEndsTheDaemon(t *testing.T) {
	r := newRig(t, 10, "", "lane-1")
	for range 2 { // with a list to load, and with one to open
		if err := r.Spawn(t.Context()); err != nil {
			t.Fatal(err)
		}
		until(t, "the socket", 30*time.Second, func() bool {
			_, err := os.Stat(r.Client.Path)
			return err == nil
		})
		until(t, "ready", 30*time.Second, func() bool {
			if err := r.Signal(unix.SIGHUP); err != nil {
				t.Fatal(err)
			}
			s, err := r.Client.Status(t.Context())
			return err == nil && ready(s)
		})
		if err := r.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}
