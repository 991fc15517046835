package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	// actTime bounds one request to the browser, waitTime a condition on the page.
	actTime  = 20 * time.Second
	waitTime = 15 * time.Second
	// look is how often a condition is tried.
	look = 10 * time.Millisecond
)

// Tab is one page in a profile of its own. Its functions fail the test where the
// browser does not answer.
type Tab struct {
	t testing.TB
	// bounded is the tab's context for one request.
	bounded func() (context.Context, context.CancelFunc)

	mu       sync.Mutex // guards what follows
	trouble  []string
	requests []string
	excused  []string
}

// Tab opens an empty tab, which is closed with the test. When the test ends the
// page must have complained of nothing (an error in the console, a script's
// exception, a breach of its content security policy) but what was excused, and
// must have asked no place but the origins.
func (b *Browser) Tab(t testing.TB, origins ...string) *Tab {
	t.Helper()
	ctx, cancel := b.tab()
	tab := &Tab{t: t}
	tab.bounded = func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, actTime) }
	// The first action opens the tab and must have the tab's own context.
	err := chromedp.Do(ctx)
	if err == nil {
		err = chromedp.Listen(ctx, tab.heard)
	}
	if err != nil {
		cancel()
		t.Fatalf("the browser opens no tab: %v", err)
	}
	t.Cleanup(func() {
		tab.judge(origins)
		cancel()
	})
	Call(tab, network.Enable, network.EnableParams{})
	Call(tab, log.Enable, cdp.Empty{})
	return tab
}

// heard notes what the browser tells by itself. It must not call the browser.
func (tab *Tab) heard(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		tab.trouble = append(tab.trouble, "exception: "+text)
	case *runtime.EventConsoleAPICalled:
		text := string(e.Type)
		for _, arg := range e.Args {
			text += " " + string(arg.Value) + arg.Description
		}
		tab.trouble = append(tab.trouble, "console: "+text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			tab.trouble = append(tab.trouble, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		tab.requests = append(tab.requests, e.Request.URL)
	}
}

// Excuse says what the page may complain of: texts that hold any of the parts.
func (tab *Tab) Excuse(parts ...string) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	tab.excused = append(tab.excused, parts...)
}

func (tab *Tab) judge(origins []string) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	for _, text := range tab.trouble {
		if !slices.ContainsFunc(tab.excused, func(part string) bool { return strings.Contains(text, part) }) {
			tab.t.Errorf("the page complained: %s", text)
		}
	}
	for _, url := range tab.requests {
		if !strings.HasPrefix(url, "data:") && !slices.ContainsFunc(origins, func(origin string) bool { return strings.HasPrefix(url, origin+"/") }) {
			tab.t.Errorf("the page asked %s", url)
		}
	}
}

// Requests are the addresses that the page asked so far.
func (tab *Tab) Requests() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return slices.Clone(tab.requests)
}

// Call sends a command of the protocol.
func Call[P, R any](tab *Tab, command cdp.Command[P, R], params P) R {
	tab.t.Helper()
	ctx, done := tab.bounded()
	defer done()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		tab.t.Fatalf("the browser: %v", err)
	}
	return result
}

// Get evaluates a script's expression, a promise's once it is kept.
func Get[T any](tab *Tab, expression string) T {
	tab.t.Helper()
	ctx, done := tab.bounded()
	defer done()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		tab.t.Fatalf("%.300s: %v", expression, err)
	}
	return value
}

// Do runs actions.
func (tab *Tab) Do(actions ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	ctx, done := tab.bounded()
	defer done()
	if err := chromedp.Do(ctx, actions...); err != nil {
		tab.t.Fatalf("the browser: %v", err)
	}
}

// Early runs a script in every page that is opened from now on, before its own.
func (tab *Tab) Early(script string) {
	tab.t.Helper()
	Call(tab, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}

// Open loads a page and waits until it is loaded.
func (tab *Tab) Open(url string) {
	tab.t.Helper()
	tab.Do(chromedp.Navigate(url))
}

// Size is the window's, in CSS pixels.
func (tab *Tab) Size(width, height int64) {
	tab.t.Helper()
	tab.Do(chromedp.EmulateViewport(width, height))
}

// Is evaluates an expression to a truth.
func (tab *Tab) Is(expression string) bool {
	tab.t.Helper()
	return Get[bool](tab, "!!("+expression+")")
}

// Wait waits until the expression is true.
func (tab *Tab) Wait(expression string) {
	tab.t.Helper()
	for began := time.Now(); !tab.Is(expression); time.Sleep(look) {
		if time.Since(began) > waitTime {
			tab.t.Fatalf("not within %s: %s\nthe page: %.4000s", waitTime, expression, Get[string](tab, "document.body.outerHTML"))
		}
	}
}

// Press types keys on the keyboard, wherever the focus is: text, or keys of
// chromedp/kb.
func (tab *Tab) Press(keys string, options ...chromedp.KeyOption) {
	tab.t.Helper()
	tab.Do(chromedp.KeyEvent(keys, options...))
}

// Picture is the window as a PNG.
func (tab *Tab) Picture() []byte {
	tab.t.Helper()
	ctx, done := tab.bounded()
	defer done()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		tab.t.Fatalf("no picture: %v", err)
	}
	return png
}

// Quote is text as a script's literal.
func Quote(text string) string {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(fmt.Sprintf("a string has no JSON: %v", err))
	}
	return string(raw)
}
