package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"usher/cmd/internal/control"
	"usher/cmd/internal/screen/terminal/terminaltest"
	"usher/configs"
	"usher/scanner"
)

// hostile is what somebody may print on a ticket, or write into a name, to drive
// whatever shows it.
const hostile = "\x1b[2J\x1b]0;owned\x07\u009b31m\u202egnp\u2066\u200b\ufeff\u2028\x7f<script>alert(1)</script>&amp;\U000e0041"

// obeyed finds what a terminal would obey, or what changes how a line reads.
func obeyed(text string) string {
	bad := func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
	i := strings.IndexFunc(strings.NewReplacer("\u200c", "", "\u200d", "").Replace(text), bad)
	if i < 0 {
		return ""
	}
	return text[i:min(len(text), i+20)]
}

func TestAnExportOnATerminalIsSafe(t *testing.T) {
	term := terminaltest.New(t, 80, 24)
	a := &app{stdout: term.User, stderr: io.Discard}
	write := func(w io.Writer) error {
		_, err := io.WriteString(w, "seq,code\n1,"+hostile+"\n2,Zoë\n")
		return err
	}
	if err := a.exportTo("", write); err != nil {
		t.Fatal(err)
	}
	term.Until(t, "the export", 5*time.Second, term.Shows("2,Zoë"))
	if got := obeyed(strings.ReplaceAll(term.Written(), "\r\n", "\n")); got != "" {
		t.Errorf("the terminal obeys %q", got)
	}
	// A file holds it exactly.
	path := filepath.Join(t.TempDir(), "export.csv")
	if err := a.exportTo(path, write); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(path); err != nil || !strings.Contains(string(raw), hostile) {
		t.Errorf("the file holds %q, %v", raw, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestTheLogCannotDriveATerminal(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log := newLogger(&out, configs.Log{Level: "debug", Format: format}, new(slog.LevelVar))
		log.Info(hostile, hostile, hostile, "err", errors.New(hostile), "code", scanner.Code("ticket-"+hostile), slog.Group("g", "k", hostile))
		if got := obeyed(out.String()); got != "" || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%s: a terminal obeys %q in %q", format, got, out.String())
		}
		if format == "json" {
			var line map[string]any
			if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["err"] != hostile {
				t.Errorf("not the same any more: %q, %v", line["err"], err)
			}
		}
	}
}

// Whatever a list, a code or a vendor holds, the surfaces for people stay lines of
// text.
func TestNoSurfaceCanBeDriven(t *testing.T) {
	at := control.At(time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC))
	event := control.Event{
		Seq: 7, At: at, Scanner: hostile, Code: hostile, Verdict: scanner.Refuse, Reason: scanner.Restricted, Message: hostile, By: hostile,
		Ticket: &scanner.TicketInfo{ID: hostile, Name: hostile, Section: hostile, Seat: hostile, Event: hostile},
	}
	ticket := control.Ticket{
		Code: hostile, ID: hostile, Name: hostile, Order: hostile, Section: hostile, Seat: hostile, Event: hostile, Series: hostile, Client: hostile,
		Status: scanner.StatusUsed, UsedGate: hostile, Detail: hostile,
	}
	status := busyStatus()
	status.Problems = append(status.Problems, hostile)
	status.Device = control.DeviceStatus{ID: hostile, Name: hostile, Gate: hostile, Direction: hostile}
	status.Link.Reason, status.Vendor.Name, status.LastScan, status.State = hostile, hostile, &event, control.State(hostile)
	status.Scanners = append(status.Scanners, control.ScannerStatus{Name: hostile, Driver: hostile, State: hostile, Detail: hostile})
	status.Events = append(status.Events, control.EventCounts{Event: hostile, EventName: hostile})
	event.EventName, status.Device.EventName = hostile, hostile
	vendor := control.VendorEvents{Note: hostile, Events: []control.VendorEvent{control.VendorEventOf(scanner.Event{
		ID: hostile, IDs: map[string]string{hostile: hostile}, Name: hostile, Series: hostile + "2", Venue: hostile, State: hostile, Sections: []scanner.Section{{ID: hostile, Name: hostile + "2"}},
	}, true)}}
	now, zone := at.Time, time.UTC

	shown := map[string]func(a *app) error{
		"status":     func(a *app) error { return writeStatus(a.stdout, status, now, zone, false) },
		"watch line": func(a *app) error { _, err := fmt.Fprintln(a.stdout, eventLine(event, now, zone, false)); return err },
		"scan":       func(a *app) error { return a.writeEvent(event) },
		"tickets show": func(a *app) error {
			return a.writeTicket(control.TicketView{Code: hostile, Record: &ticket, Scans: []control.Event{event}})
		},
		"table":     func(a *app) error { t := newTable(a.stdout, hostile); t.row(hostile, hostile); return t.flush() },
		"check":     func(a *app) error { return a.writeFindings(findings{{What: hostile, Grade: gradeWarn, Text: hostile}}) },
		"events":    func(a *app) error { return a.writeVendorEvents(vendor) },
		"json":      func(a *app) error { return a.writeJSON(status) },
		"json line": func(a *app) error { return a.writeJSONLine(event) },
		"error": func(a *app) error {
			a.explain(fmt.Errorf("%s\n%s", hostile, hostile), exitFailed)
			a.explain(&control.APIError{Status: 422, ErrorBody: control.ErrorBody{Error: hostile, Faults: []string{hostile, hostile}}}, exitFailed)
			return nil
		},
	}
	for name, show := range shown {
		var out bytes.Buffer
		a := &app{stdout: &out, stderr: &out, now: func() time.Time { return now }, zone: zone}
		if err := show(a); err != nil {
			t.Fatal(err)
		}
		if got := obeyed(out.String()); got != "" || out.Len() == 0 {
			t.Errorf("%s: a terminal obeys %q in %q", name, got, out.String())
		}
	}
}

// FuzzClean: what is printed for people holds nothing that a terminal obeys, in
// whatever pieces it comes; what is printed for programs stays the same.
func FuzzClean(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string, size uint16) {
		if got := obeyed(clean(text)); got != "" || strings.Contains(clean(text), "\n") {
			t.Errorf("%q: %q", text, got)
		}
		var whole, pieces bytes.Buffer
		if _, err := io.WriteString(&cleanWriter{w: &whole}, text+"."); err != nil {
			t.Fatal(err)
		}
		in := &cleanWriter{w: &pieces}
		for rest := text + "."; rest != ""; {
			n := min(int(size)+1, len(rest))
			if _, err := io.WriteString(in, rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if got := obeyed(whole.String()); got != "" || whole.String() != pieces.String() {
			t.Errorf("%q: %q in pieces %q", text, whole.String(), pieces.String())
		}
		plain, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var before, after string
		safe := escaped(string(plain))
		if err := errors.Join(json.Unmarshal(plain, &before), json.Unmarshal([]byte(safe), &after)); err != nil || before != after || obeyed(strings.NewReplacer("\u200c", "x", "\u200d", "x").Replace(safe)) != "" {
			t.Errorf("%q became %q, %v", before, after, err)
		}
	})
}

// tricks are paths that are not what their key wants.
func tricks(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		unix.Mkfifo(path("fifo"), 0o600), os.Mkdir(path("dir"), 0o700), os.Symlink("/dev/zero", path("zero")), os.Symlink(path("loop"), path("loop")),
		os.Symlink(path("fifo"), path("to-fifo")), os.WriteFile(path("empty"), nil, 0o600), unix.Mknod(path("socket"), unix.S_IFSOCK|0o600, 0),
		os.WriteFile(path("open"), []byte("Kestrel-0456\n"), 0o600), os.Chmod(path("open"), 0o604),
	); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{"missing": path("missing"), "up": dir + "/dir/../missing", "below a file": path("empty") + "/x", "null": "/dev/null", "device": "/dev/zero"}
	for _, name := range []string{"fifo", "dir", "zero", "loop", "to-fifo", "empty", "socket", "open"} {
		found[name] = path(name)
	}
	return found
}

// No path in a configuration holds usher up, whatever it is; `usher check` says
// what is wrong in words, without a secret.
func TestPathTricks(t *testing.T) {
	keys := map[string]string{
		"offline.manifest":     "vendor: { name: manifest }\noffline: { manifest: %s }\n",
		"state_dir":            "vendor: { name: manifest }\nstate_dir: %s\n",
		"serial port":          "vendor: { name: manifest }\nscanners: [ { name: lane-1, driver: serial, port: %s } ]\n",
		"feed path":            "vendor: { name: manifest }\nscanners: [ { name: lane-1, driver: feed, path: %s } ]\n",
		"vendor.password_file": "vendor: { name: audienceview, base_url: \"http://127.0.0.1:1/x\", username: u, client_id: 1, password_file: %s }\n",
		"status.socket":        "vendor: { name: manifest }\nstatus: { socket: %s }\n",
	}
	harmless := map[string]bool{
		// A device's state directory is made at its start; a feed may be a FIFO or a file.
		"state_dir dir": true, "state_dir missing": true, "state_dir up": true,
		"feed path fifo": true, "feed path to-fifo": true, "feed path empty": true, "feed path open": true,
		// Nothing answers there: the daemon does not run.
		"status.socket missing": true, "status.socket up": true, "status.socket socket": true,
	}
	for key, text := range keys {
		for name, path := range tricks(t) {
			t.Run(key+" "+name, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "usher.yaml")
				content := fmt.Sprintf(text, path)
				if key != "state_dir" {
					content += "state_dir: " + t.TempDir() + "\n"
				}
				if key != "status.socket" {
					content += "status: { socket: " + filepath.Join(t.TempDir(), "s") + " }\n"
				}
				if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				done := make(chan findings, 1)
				go func() { done <- inspect(ctx, file, nil) }()
				var found findings
				select {
				case found = <-done:
				case <-time.After(20 * time.Second):
					t.Fatal("it holds usher up")
				}
				if found.bad() == harmless[key+" "+name] {
					t.Errorf("got %+v", found)
				}
				if strings.Contains(fmt.Sprint(found), "Kestrel") {
					t.Errorf("a secret is told: %+v", found)
				}
			})
		}
	}
}

// The configuration itself may be any of these as well.
func TestConfigurationsThatAreNoFiles(t *testing.T) {
	for name, path := range tricks(t) {
		if name == "open" {
			continue // is YAML, of a kind
		}
		began := time.Now()
		cfg, err := configs.Load(path, nil)
		if cfg != nil || err == nil || time.Since(began) > 5*time.Second {
			t.Errorf("%s: %v, %v after %v", name, cfg, err, time.Since(began))
		}
	}
}
