package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"usher/cmd/internal/browser"
	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
)

// surface is what the gate screen's page shows, read by a script.
const surface = `((s) => s.dataset.kind + " " + (s.dataset.seq || "") + " " + document.querySelector("#word").textContent)(document.querySelector("#surface"))`

// TestGateScreenInABrowser is an evening in front of the page: a real daemon, a real
// scanner's line, a real browser, a keyboard.
func TestGateScreenInABrowser(t *testing.T) {
	b, err := browser.Start()
	if errors.Is(err, browser.ErrNone) {
		t.Skipf("!!!! THE GATE SCREEN'S PAGE IS NOT TESTED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	addr, log := freeAddr(t), &lockedBuffer{}
	r := newRigOf(t, 20, rig.Options{Lanes: []string{"lane-1"}, Screen: addr, Log: log, Extra: "gate: { name: Gate 7 }\nscreen: { hold: 60s }\n"})
	start(t, r)
	tab := b.Tab(t, "http://"+addr)
	tab.Excuse("net::ERR_") // while the daemon is away
	tab.Open("http://" + addr + "/")
	shows := func(what string) {
		t.Helper()
		tab.Wait(fmt.Sprintf("(%s).startsWith(%q)", surface, what))
	}
	scan := func(code, what string) {
		t.Helper()
		if err := r.Scan("lane-1", code); err != nil {
			t.Fatal(err)
		}
		shows(what)
	}
	shows("calm")

	scan(ticketCode(1), "admit 1 ADMIT")
	if got := browser.Get[string](tab, `document.querySelector("#ticket").textContent`); got != "SectionSSeat1NameHolder 1" {
		t.Errorf("the ticket is %q", got)
	}
	scan(ticketCode(1), "repeat 1 SAME TICKET")
	scan("FORGED-77", "refuse 2 REFUSE")

	// A supervisor lets them in, and takes it back.
	person := func(button string) {
		t.Helper()
		tab.Wait(fmt.Sprintf(`((b) => { b.focus(); return document.activeElement === b })(document.querySelector(%q))`, button))
		// For a moment it takes no key that was meant for the verdict before.
		for !tab.Is(`document.querySelector("#person").open`) {
			tab.Press(kb.Enter)
		}
		tab.Wait(`document.activeElement === document.querySelector("#by")`)
		tab.Press("Ann Lee" + kb.Enter)
	}
	person("#let-in")
	shows("admit 3 ADMIT")
	person("#take-back")
	shows("undone 4 TAKEN BACK")

	// A typed code, and a cracked phone.
	tab.Is(`document.querySelector("#open-code").click()`)
	tab.Press(ticketCode(2) + kb.Enter)
	shows("admit 5 ADMIT")
	tab.Is(`document.querySelector("#open-search").click()`)
	tab.Press("holder 7" + kb.Enter)
	tab.Wait(`document.querySelector("#found li")?.textContent.startsWith("Holder 7S")`)
	tab.Press(kb.Tab + kb.Tab + kb.Tab + kb.Enter)
	shows("admit 6 ADMIT")

	// A daemon that hangs is as gone as one that died, and its green with it.
	for what, way := range map[string]struct{ away, back func() error }{
		"hangs": {
			func() error { return r.Signal(syscall.SIGSTOP) },
			func() error { return r.Signal(syscall.SIGCONT) },
		},
		"dies": {
			r.Kill,
			func() error { return r.Start(t.Context(), ready) },
		},
	} {
		began := time.Now()
		if err := way.away(); err != nil {
			t.Fatal(err)
		}
		shows("lost")
		t.Logf("a daemon that %s is missed after %s", what, time.Since(began).Round(time.Millisecond))
		if tab.Is(`document.querySelector("#surface").textContent.includes("Holder")`) {
			t.Errorf("a daemon that %s leaves a name on the screen", what)
		}
		if err := way.back(); err != nil {
			t.Fatal(err)
		}
		shows("calm")
	}
	var took []time.Duration
	for i := range 10 {
		began := time.Now()
		if err := r.Scan("lane-1", ticketCode(10+i)); err != nil {
			t.Fatal(err)
		}
		tab.Wait(fmt.Sprintf(`(%s).startsWith("admit") && document.querySelector("#ticket").textContent.endsWith("Holder %d")`, surface, 10+i))
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("from the scanner's line to the page: median %s, longest %s", took[5], took[9])

	soon(t, r, 5*time.Second, "all verdicts are counted", func(s control.Status) bool { return s.Counts.Admit >= 10 })
	for _, secret := range []string{"Holder", "holder", "Ann Lee", ticketCode(1), ticketCode(2), ticketCode(7), "FORGED-77"} {
		if strings.Contains(log.tail(1<<20), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
	for _, url := range tab.Requests() {
		for _, secret := range []string{"older", "Ann", "T-0"} {
			if strings.Contains(url, secret) {
				t.Errorf("%q is in the address %s", secret, url)
			}
		}
	}
}

// freeAddr is an address of the loopback interface that nothing listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
