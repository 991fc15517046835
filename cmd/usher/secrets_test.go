package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/scanner"
	"usher/vendors/audienceview/audienceviewsim"
	"usher/vendors/vendortest/faults"
)

// The secrets of the night, one password for each way to give it.
const (
	filePassword       = "Kestrel-file-0451"
	variablePassword   = "Kestrel-variable-0452"
	credentialPassword = "Kestrel-credential-0453"
	// inlinePassword is what somebody writes where no secret belongs.
	inlinePassword = "Kestrel-inline-0454"
	wrongPassword  = "Kestrel-wrong-0455"
)

// People sit in seats; both are sealed on disk.
const (
	holder = "Hildegard Geheim"
	seat   = "Platz-QX77"
)

// The night's tickets. Some codes are what somebody prints to drive a terminal, a
// page or a spreadsheet.
const (
	codeOnline   = "kestrel-ticket-online-01"
	codeVoided   = "kestrel-ticket-voided-02"
	codeUsed     = "kestrel-ticket-used-03"
	codeDoubt    = "kestrel-ticket-doubt-04"
	codeOffline  = "kestrel-ticket-offline-05"
	codeParked   = "kestrel-ticket-parked-06"
	codeUndone   = "kestrel-ticket-undone-07"
	codeUnknown  = "kestrel-ticket-unknown-08"
	codeTyped    = "kestrel-ticket-typed-09"
	codeVariable = "kestrel-ticket-variable-10"
	codeLast     = "kestrel-ticket-last-11"
	codeUnread   = "kestrel-ticket-unreadable-12"
	codeHTML     = `<img src=x onerror="kestrel-13">`
	codeFormula  = `=HYPERLINK("//kestrel-14")`
	codeReversed = "kestrel-\u202e15\u200b-ticket"
)

var allCodes = []string{
	codeOnline, codeVoided, codeUsed, codeDoubt, codeOffline, codeParked, codeUndone, codeUnknown, codeTyped, codeVariable, codeLast,
	codeUnread, codeHTML, codeFormula, codeReversed,
}

// place is where something was written or said, and which of what must not be
// everywhere may be there. Passwords, tokens and keys may be nowhere.
type place struct {
	name, text           string
	codes, people, seats bool
	// terminal: a person reads it at one.
	terminal bool
}

// night is a device at a vendor whose tokens are noted.
type night struct {
	*rig.Rig
	t   *testing.T
	sim *audienceviewsim.Sim
	net *faults.Server
	log *lockedBuffer

	mu     sync.Mutex
	tokens map[string]bool
	said   []place
}

// ServeHTTP notes the tokens that pass.
func (n *night) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, token, ok := r.BasicAuth(); ok {
		n.mu.Lock()
		n.tokens[token] = true
		n.mu.Unlock()
	}
	n.sim.ServeHTTP(w, r)
}

func (n *night) user(password string) {
	n.sim.AddUser(audienceviewsim.User{Name: audienceviewsim.DemoUser, Password: password, Clients: []int64{audienceviewsim.DemoClient}, Patrons: true})
}

func newNight(t *testing.T) *night {
	t.Helper()
	n := &night{t: t, sim: audienceviewsim.New(nil), log: &lockedBuffer{}, tokens: map[string]bool{}}
	n.sim.Demo(0)
	n.user(filePassword)
	for i, code := range allCodes {
		ticket := audienceviewsim.Ticket{ID: int64(1000 + i), Performance: show, Barcode: code, Consumer: holder, First: "Hildegard", Last: "Geheim", Section: "Rang", Seat: seat}
		switch code {
		case codeUnknown, codeUnread:
			continue
		case codeVoided:
			ticket.Voided = true
		case codeUsed:
			ticket.Scanned = true
		}
		n.sim.AddTickets(ticket)
	}
	var err error
	if n.net, err = faults.Listen("127.0.0.1:0", n, audienceviewsim.CallName); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.net.Close)
	dir, err := os.MkdirTemp("", "usher-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte(filePassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.Rig, err = rig.New(rig.Options{
		Dir: dir, Bin: buildUsher(t), Lanes: []string{"lane-1"}, Log: n.log,
		Vendor: fmt.Sprintf("{ name: audienceview, base_url: %q, username: %s, password_file: %s/password, client_id: %d, performance_id: %d }",
			n.net.URL()+"/public", audienceviewsim.DemoUser, dir, audienceviewsim.DemoClient, show),
		Extra: "gate: { name: Gate 7 }\nonline: { probe_min: 100ms, probe_max: 300ms }\nupload: { retry_min: 100ms, retry_max: 500ms }\nlog: { level: debug, format: json }\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(n.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", n.log.tail(6000))
		}
	})
	return n
}

// config changes the configuration file.
func (n *night) config(old, with string) {
	n.t.Helper()
	text, err := os.ReadFile(n.Config())
	if err != nil || !strings.Contains(string(text), old) {
		n.t.Fatalf("no %q in the configuration: %v", old, err)
	}
	if err := os.WriteFile(n.Config(), []byte(strings.Replace(string(text), old, with, 1)), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// ask runs a command and keeps what it said.
func (n *night) ask(p place, args ...string) {
	n.t.Helper()
	out, errs, _ := usherCommand(n.t, n.Rig, args...)
	// An export is a file's content: exact, but for a terminal.
	p.name, p.text, p.terminal = "usher "+strings.Join(args, " "), out+errs, args[0] != "export"
	n.said = append(n.said, p)
}

// get asks the socket and keeps the answer.
func (n *night) get(p place, path string) {
	n.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", n.Client.Path)
	}}}
	resp, err := client.Get("http://usher" + path)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	p.name, p.text = "GET "+path, string(body)
	n.said = append(n.said, p)
}

// everything asks for all that a running daemon tells. The comments say why a
// whole code, a name or a seat may be there.
func (n *night) everything() {
	n.t.Helper()
	// The screen greets the holder and shows the seat; the code stays masked.
	verdicts := place{people: true, seats: true}
	n.get(verdicts, "/v1/status")
	n.get(verdicts, "/v1/scans?limit=100")
	n.ask(verdicts, "status")
	n.ask(verdicts, "status", "--json")
	// Support must find the movement at the vendor.
	whole := place{codes: true}
	n.get(whole, "/v1/outbox")
	n.get(whole, "/v1/parked")
	n.ask(whole, "outbox")
	n.ask(whole, "parked")
	// Who exports wants codes and seats; names stay out of it.
	exported := place{codes: true, seats: true}
	n.get(exported, "/v1/export?format=csv")
	n.get(exported, "/v1/export?format=jsonl")
	// Who asks for a ticket is told all of it.
	n.ask(place{codes: true, people: true, seats: true}, "tickets", "show", codeOffline)
	n.ask(place{codes: true, people: true, seats: true}, "tickets", "show", codeReversed)
	n.ask(place{codes: true, people: true, seats: true}, "tickets", "find", "Geheim")
	n.get(place{}, "/metrics")
	n.get(place{}, "/healthz")
	n.ask(place{}, "check")
	n.ask(place{}, "check", "--json")
	n.ask(place{}, "tickets")
	n.ask(place{}, "events")
}

// watched runs `usher watch` beside what is done, and keeps what it showed.
func (n *night) watched(do func()) {
	n.t.Helper()
	out := &lockedBuffer{}
	watch := n.Command(n.t.Context(), "watch")
	watch.Stdout, watch.Stderr = out, out
	watch.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := watch.Start(); err != nil {
		n.t.Fatal(err)
	}
	do()
	until(n.t, "the last scan in watch", 5*time.Second, func() bool { return strings.Contains(out.tail(1<<20), "#") })
	_ = watch.Process.Signal(syscall.SIGTERM)
	_ = watch.Wait()
	n.said = append(n.said, place{name: "usher watch", text: out.tail(1 << 20), people: true, seats: true, terminal: true})
}

func (n *night) scan(code string, v scanner.Verdict, why scanner.Reason) control.Event {
	n.t.Helper()
	return scanFor(n.t, n.Rig, "lane-1", code, v, why)
}

func (n *night) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// first is the evening: the password is in a file.
func (n *night) first() {
	n.must(n.Start(n.t.Context(), online))
	n.watched(func() {
		n.scan(codeOnline, scanner.Admit, scanner.OK)
		n.scan(codeVoided, scanner.Refuse, scanner.Voided)
		n.scan(codeUsed, scanner.Refuse, scanner.AlreadyEntered)
		n.scan(codeUnknown, scanner.Refuse, scanner.NotFound)
		n.scan(codeHTML, scanner.Admit, scanner.OK)
		n.scan("\x01"+codeUnread+"\x1b[2J", scanner.Refuse, scanner.Unreadable)
	})
	n.must(n.net.Set(faults.Fault{Kind: faults.Lost, Call: "validateTicket", Times: 1}))
	n.scan(codeDoubt, scanner.Admit, scanner.OK)
	soon(n.t, n.Rig, 10*time.Second, "the link", online)
	n.sim.Fail("validateTicket", 16, false, 1)
	n.scan(codeFormula, scanner.Admit, scanner.OK)
	n.must(n.net.Set(faults.Fault{Kind: faults.Refuse}))
	n.scan(codeOffline, scanner.Admit, scanner.OK)
	n.scan(codeReversed, scanner.Admit, scanner.OK)
	n.scan(codeParked, scanner.Admit, scanner.OK)
	undone := n.scan(codeUndone, scanner.Admit, scanner.OK)
	n.ask(place{people: true, seats: true}, "undo", fmt.Sprint(undone.Seq), "--by", "Eve")
	red := n.scan(codeUnknown+"b", scanner.Refuse, scanner.NotFound)
	n.ask(place{people: true, seats: true}, "admit", fmt.Sprint(red.Seq), "--by", "Eve")
	n.ask(place{people: true, seats: true}, "scan", codeTyped)
	n.everything()
	n.sim.AddTickets(audienceviewsim.Ticket{ID: 1000 + int64(slices.Index(allCodes, codeParked)), Performance: show, Barcode: codeParked, Consumer: holder, Refunded: true})
	n.must(n.net.Clear())
	soon(n.t, n.Rig, 30*time.Second, "parked", func(s control.Status) bool { return s.Parked > 0 && s.Outbox.Pending == 0 })
	// Somebody puts the secret where none belongs.
	n.config("username:", "password: "+inlinePassword+", username:")
	n.ask(place{}, "reload")
	n.ask(place{}, "check")
	n.everything()
	n.config("password: "+inlinePassword+", ", "")
	n.ask(place{}, "reload")
	n.must(n.Kill())
}

// awake: whatever else is wrong, a scan is read and the vendor asked.
func awake(s control.Status) bool {
	return s.Link.State == control.LinkOnline && s.Tickets.Count > 0 && s.Scanners[0].State == control.ScannerConnected
}

// second is the next evening: the variable holds the password, at first one that
// the vendor refuses.
func (n *night) second() {
	n.t.Setenv("USHER_VENDOR_PASSWORD", wrongPassword)
	n.user(variablePassword)
	n.config("format: json", "format: text")
	n.ask(place{}, "check")
	n.must(n.Start(n.t.Context(), func(s control.Status) bool { return strings.Contains(strings.Join(s.Problems, " "), "refuses") }))
	n.everything()
	n.must(n.Kill())
	n.t.Setenv("USHER_VENDOR_PASSWORD", variablePassword)
	n.must(n.Start(n.t.Context(), awake))
	n.scan(codeVariable, scanner.Admit, scanner.OK)
	n.must(n.Stop())
}

// third is the last: systemd gives password and device key.
func (n *night) third(key []byte) {
	creds := filepath.Join(n.Dir, "credentials")
	n.must(os.Mkdir(creds, 0o700))
	n.must(os.WriteFile(filepath.Join(creds, "password"), []byte(credentialPassword), 0o400))
	n.must(os.WriteFile(filepath.Join(creds, "device_key"), key, 0o400))
	n.t.Setenv("CREDENTIALS_DIRECTORY", creds)
	n.user(credentialPassword)
	n.must(n.Start(n.t.Context(), awake))
	n.scan(codeLast, scanner.Admit, scanner.OK)
	n.everything()
	n.must(n.Stop())
	n.ask(place{}, "status")
	n.ask(place{}, "check")
	n.ask(place{codes: true, seats: true}, "export", "--state-dir", filepath.Join(n.Dir, "state"))
}

// files is every file of the state directory, as a thief of the disk finds it.
func (n *night) files() {
	n.t.Helper()
	dir := filepath.Join(n.Dir, "state")
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			n.t.Errorf("%s is %v: others can read it", path, info.Mode())
		}
		raw, err := os.ReadFile(path)
		// The journal must tell support which ticket it was, device key or not.
		p := place{name: entry.Name(), text: string(raw), codes: strings.HasPrefix(entry.Name(), "journal.db")}
		if entry.Name() == "device.key" {
			p.text = "" // its own place
		}
		n.said = append(n.said, p)
		return err
	})
	n.must(err)
}

// forms are the ways in which bytes may stand in a text.
func forms(secret []byte) []string {
	return []string{
		string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)),
		base64.StdEncoding.EncodeToString(secret), base64.RawStdEncoding.EncodeToString(secret),
		base64.RawURLEncoding.EncodeToString(secret),
	}
}

func (p place) holds(secret string) bool {
	return slices.ContainsFunc(forms([]byte(secret)), func(form string) bool { return strings.Contains(p.text, form) })
}

// TestNoSecretLeavesItsPlace is a device's three nights, with everything that can
// go wrong, and then a search through all that it wrote and said.
func TestNoSecretLeavesItsPlace(t *testing.T) {
	n := newNight(t)
	n.first()
	made, err := os.ReadFile(filepath.Join(n.Dir, "state", "device.key"))
	n.must(err)
	first, err := hex.DecodeString(strings.TrimSpace(string(made)))
	n.must(err)
	n.second()
	given := bytes.Repeat([]byte{0xA7, 0x13, 0x5C, 0xE9}, 8)
	n.third([]byte(hex.EncodeToString(given)))
	n.files()
	log := n.log.tail(16 << 20)
	n.said = append(n.said, place{name: "the log", text: log, terminal: true})

	secrets := []string{filePassword, variablePassword, credentialPassword, inlinePassword, wrongPassword, string(first), string(given)}
	for token := range n.tokens {
		secrets = append(secrets, token, audienceviewsim.DemoUser+":"+token)
	}
	if len(n.tokens) < 3 {
		t.Fatalf("%d tokens were seen: the search would prove nothing", len(n.tokens))
	}
	for _, p := range n.said {
		for _, secret := range secrets {
			if p.holds(secret) {
				t.Errorf("%s holds a secret: %q", p.name, secret)
			}
		}
		for _, code := range allCodes {
			if !p.codes && p.holds(code) {
				t.Errorf("%s holds the whole code %q", p.name, code)
			}
		}
		for _, part := range strings.Fields(holder) {
			if !p.people && p.holds(part) {
				t.Errorf("%s names a person: %s", p.name, part)
			}
		}
		if !p.seats && p.holds(seat) {
			t.Errorf("%s names a seat: %s", p.name, seat)
		}
		if i := strings.IndexFunc(p.text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); p.terminal && i >= 0 {
			t.Errorf("%s: a terminal would obey %q", p.name, p.text[max(0, i-30):min(len(p.text), i+30)])
		}
	}
	// The search finds what is there: where codes may be, they are.
	for _, name := range []string{"GET /v1/outbox", "GET /v1/export?format=jsonl", "usher outbox", "journal.db"} {
		if !slices.ContainsFunc(n.said, func(p place) bool { return p.name == name && p.holds(codeOffline) }) {
			t.Errorf("%s does not hold the whole code", name)
		}
	}
	if !strings.Contains(log, "signed in") || !strings.Contains(log, `"level":"INFO"`) || !strings.Contains(log, "level=INFO") {
		t.Errorf("the log is not both nights': %.300s", log)
	}
}
