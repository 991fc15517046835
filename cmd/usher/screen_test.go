package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/cmd/internal/screen"
	"usher/scanner"
)

// setScreen rewrites the device's configuration to that screen.
func setScreen(t *testing.T, r *rig.Rig, addr, more string) {
	t.Helper()
	text, err := os.ReadFile(r.Config())
	if err != nil {
		t.Fatal(err)
	}
	before, after, _ := strings.Cut(string(text), `screen: "`)
	_, after, _ = strings.Cut(after, `"`)
	after, _, _ = strings.Cut(after, "screen: {")
	if err := os.WriteFile(r.Config(), []byte(before+`screen: "`+addr+`"`+after+more), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pageAt gives the page's text, "" where none is served.
func pageAt(t *testing.T, addr string) string {
	t.Helper()
	resp, err := http.Get(screen.URL(addr))
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestTheGateScreenOfADaemon: its page, a verdict on it within 100 ms of the
// socket's, another language by reload, and none.
func TestTheGateScreenOfADaemon(t *testing.T) {
	r := newRig(t, 10, "", "lane-1")
	addr := freeAddress(t)
	setScreen(t, r, addr, "screen: { language: de, hold: 2s }\n")
	if out, _, _ := usherCommand(t, r, "check"); !strings.Contains(out, screen.URL(addr)+", once usher runs") {
		t.Errorf("check of a device that is not running:\n%s", out)
	}
	start(t, r)
	if page := pageAt(t, addr); !strings.Contains(page, `<html lang="de">`) {
		t.Fatalf("no page in German: %.200s", page)
	}
	for _, command := range []string{"status", "check"} {
		if out, _, _ := usherCommand(t, r, command); !strings.Contains(out, screen.URL(addr)) {
			t.Errorf("%s does not name the page:\n%s", command, out)
		}
	}
	resp, err := http.Get(screen.URL(addr) + "events?scanner=lane-1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	views := make(chan screen.View, 1)
	go func() {
		lines := bufio.NewScanner(resp.Body)
		for verdict := false; lines.Scan(); {
			data, is := strings.CutPrefix(lines.Text(), "data: ")
			if is && verdict {
				var v screen.View
				_ = json.Unmarshal([]byte(data), &v)
				views <- v
				return
			}
			verdict = lines.Text() == "event: verdict" || verdict && !is
		}
	}()
	e := scanFor(t, r, "lane-1", ticketCode(1), scanner.Admit, scanner.OK)
	select {
	case v := <-views:
		if v.Seq != e.Seq || v.Word != "EINLASS" {
			t.Errorf("%+v", v)
		}
	case <-time.After(100 * time.Millisecond):
		t.Error("the page is not told within 100 ms of the socket")
	}

	setScreen(t, r, addr, "screen: { language: fr }\n")
	if _, stderr, code := usherCommand(t, r, "reload"); code != exitOK {
		t.Fatalf("reload: exit %d, %s", code, stderr)
	}
	soon(t, r, 3*time.Second, "a page in French", func(control.Status) bool { return strings.Contains(pageAt(t, addr), `<html lang="fr">`) })

	setScreen(t, r, "off", "")
	if _, stderr, code := usherCommand(t, r, "reload"); code != exitOK {
		t.Fatalf("reload: exit %d, %s", code, stderr)
	}
	s := soon(t, r, 3*time.Second, "no page", func(control.Status) bool { return pageAt(t, addr) == "" })
	if s.Screen.URL != "" || s.State != control.Ready {
		t.Errorf("%+v", s)
	}
}

// TestTheGateGoesOnWithoutItsScreen: an address in use is a problem, no reason not
// to scan.
func TestTheGateGoesOnWithoutItsScreen(t *testing.T) {
	squatter, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()
	addr := squatter.Addr().String()
	r := newRig(t, 10, "", "lane-1")
	setScreen(t, r, addr, "")
	want := "screen: " + addr + " is in use by another program; set status.screen to another port, or off"
	if out, _, code := usherCommand(t, r, "check"); code != exitFailed || !strings.Contains(out, want) {
		t.Errorf("check: exit %d\n%s", code, out)
	}
	if err := r.Start(t.Context(), func(s control.Status) bool {
		return s.State == control.Degraded && strings.Contains(strings.Join(s.Problems, "\n"), want) && s.Tickets.Count == 10 && s.Scanners[0].State == control.ScannerConnected
	}); err != nil {
		t.Fatal(err)
	}
	scanFor(t, r, "lane-1", ticketCode(1), scanner.Admit, scanner.OK)
	squatter.Close()
	soon(t, r, 10*time.Second, "the page, once its address is free", func(s control.Status) bool {
		return s.State == control.Ready && pageAt(t, addr) != ""
	})
}
