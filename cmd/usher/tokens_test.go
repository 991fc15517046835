package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/vendors/ticketing/ticketingsim"
	"usher/vendors/vendortest/faults"
)

// issuerSite is TickeTing's simulator and an installer's configuration for it.
type issuerSite struct {
	sim  *ticketingsim.Sim
	wire *faults.Server
	dir  string
}

func newIssuerSite(t *testing.T) *issuerSite {
	t.Helper()
	site := &issuerSite{sim: ticketingsim.New(ticketingsim.Options{}), dir: t.TempDir()}
	site.sim.Demo(0)
	var err error
	if site.wire, err = faults.Listen("127.0.0.1:0", site.sim, ticketingsim.CallName); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(site.wire.Close)
	for name, secret := range map[string]string{"key": ticketingsim.DemoKey, "password": ticketingsim.DemoPassword} {
		if err := os.WriteFile(filepath.Join(site.dir, name), []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return site
}

// config writes a configuration with these keys in the vendor's block; extra are
// whole sections.
func (s *issuerSite) config(t *testing.T, keys, extra string) string {
	t.Helper()
	text := fmt.Sprintf("state_dir: %s/state\nstatus: { socket: %s/usher.sock, screen: \"off\" }\nclock: { trust: wall }\ndevice: { name: dev }\n"+
		"vendor: { name: ticketing, base_url: %q, %s }\n%s", s.dir, s.dir, s.wire.URL()+ticketingsim.Base, keys, extra)
	path := filepath.Join(s.dir, "usher.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *issuerSite) byKey() string { return fmt.Sprintf("api_key_file: %s/key", s.dir) }

// usher runs the command line and gives what it wrote.
func (s *issuerSite) usher(t *testing.T, path string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, now: func() time.Time { return evening }, zone: time.UTC}
	code = a.run(t.Context(), append([]string{"--config", path}, args...))
	return code, out.String(), errs.String()
}

// An installer needs no daemon and no token of his own: he lists, issues and shows,
// and pastes what is printed.
func TestAnInstallerIssuesATokenForEachDevice(t *testing.T) {
	site := newIssuerSite(t)
	event := "event: " + ticketingsim.DemoEvent
	path := site.config(t, site.byKey()+", "+event, "")
	code, stdout, stderr := site.usher(t, path, "tokens", "list")
	if code != exitOK || stderr != "" {
		t.Fatalf("%d %s", code, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], "global") || !strings.Contains(lines[1], "Front Stage, Back Lawn") || !strings.Contains(lines[2], "Front Stage") {
		t.Errorf("listed\n%s", stdout)
	}
	if strings.Contains(stdout, ticketingsim.DemoGlobal) || strings.Contains(stdout, ticketingsim.DemoFront) {
		t.Errorf("whole codes in a list:\n%s", stdout)
	}
	for flag, want := range map[string]bool{"--global": true, "--additional": false} {
		_, stdout, _ = site.usher(t, path, "tokens", "list", flag, "--json")
		var rows []tokenRow
		if err := json.Unmarshal([]byte(stdout), &rows); err != nil || len(rows) != 1 || rows[0].Global != want || len(rows[0].Code) >= 8 {
			t.Errorf("%s: %v, %s", flag, err, stdout)
		}
	}

	code, stdout, stderr = site.usher(t, path, "tokens", "issue", "--section", "Back Lawn", "--section", ticketingsim.SectionFront)
	made := site.sim.Tokens()[2]
	if code != exitOK || stderr != "" || !strings.Contains(stdout, fmt.Sprintf("  admission_token: %q\n", made.Code)) || !strings.Contains(stdout, "Back Lawn, Front Stage") {
		t.Errorf("issued: %d\n%s%s", code, stdout, stderr)
	}
	if len(made.Sections) != 2 || made.Global {
		t.Errorf("made %+v", made)
	}
	_, again, _ := site.usher(t, path, "tokens", "show", made.ID)
	if !strings.Contains(again, made.Code) {
		t.Errorf("shown\n%s", again)
	}
	_, stdout, _ = site.usher(t, path, "tokens", "show", made.ID, "--json")
	var row tokenRow
	if err := json.Unmarshal([]byte(stdout), &row); err != nil || row.Code != made.Code || row.ID != made.ID || len(row.Sections) != 2 {
		t.Errorf("%v: %s", err, stdout)
	}
	// What was pasted is what the device is let in by.
	path = site.config(t, site.byKey()+fmt.Sprintf(", admission_token: %q", made.Code), "")
	if code, stdout, stderr = site.usher(t, path, "tokens", "list"); code != exitOK || len(strings.Split(strings.TrimSpace(stdout), "\n")) != 4 {
		t.Errorf("by the new token, which names its event: %d\n%s%s", code, stdout, stderr)
	}
}

// Each way in which it goes wrong says what to do, and with a code of its own.
func TestTokensSayWhatIsWrong(t *testing.T) {
	site := newIssuerSite(t)
	event := ", event: " + ticketingsim.DemoEvent
	path := site.config(t, site.byKey()+event, "")
	for _, tt := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "say what: list, issue or show", []string{"tokens"}},
		{exitUsage, "--section NAME", []string{"tokens", "issue"}},
		{exitFailed, `has no section "Moon"; it has: Front Stage (16993964783416), Back Lawn (16993964783417)`, []string{"tokens", "issue", "--section", "Moon"}},
		{exitFailed, "has no token 12; `usher tokens list` shows them", []string{"tokens", "show", "12"}},
		{exitUsage, "give one of the two", []string{"tokens", "list", "--global", "--additional"}},
	} {
		if code, _, stderr := site.usher(t, path, tt.args...); code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: %d %s", tt.args, code, stderr)
		}
	}
	// The answer to an issue that got lost may be a token all the same.
	if err := site.wire.Set(faults.Fault{Kind: faults.Lost, Call: "issue token", Times: 1}); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := site.usher(t, path, "tokens", "issue", "--section", "Back Lawn"); code != exitFailed || !strings.Contains(stderr, "look with `usher tokens list`") || len(site.sim.Tokens()) != 3 {
		t.Errorf("%d %s", code, stderr)
	}
	site.sim.SetKey("another")
	if code, _, stderr := site.usher(t, path, "tokens", "list"); code != exitFailed || !strings.Contains(stderr, "correct vendor.event, or give the key or user the right") || strings.Contains(stderr, ticketingsim.DemoKey) {
		t.Errorf("refused: %d %s", code, stderr)
	}
	manifest := filepath.Join(site.dir, "manifest.yaml")
	if err := os.WriteFile(manifest, []byte("state_dir: /var/lib/usher\nvendor: { name: manifest }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := site.usher(t, manifest, "tokens", "list"); code != exitFailed || !strings.Contains(stderr, "manifest has no admission tokens") {
		t.Errorf("%d %s", code, stderr)
	}
}

// A session that was started for a command is ended with it.
func TestTokensEndTheirSession(t *testing.T) {
	site := newIssuerSite(t)
	path := site.config(t, fmt.Sprintf("username: %s, password_file: %s/password, event: %s", ticketingsim.DemoUser, site.dir, ticketingsim.DemoEvent), "")
	if code, stdout, stderr := site.usher(t, path, "tokens", "list"); code != exitOK || !strings.Contains(stdout, "global") {
		t.Errorf("%d %s", code, stderr)
	}
	if started, open := site.sim.Calls("start session"), site.sim.Sessions(); started != 1 || open != 0 {
		t.Errorf("%d started, %d not ended", started, open)
	}
}
