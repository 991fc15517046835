package clocktest_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"usher/scanner"
)

// TestAnyHistoryKeepsTheTime lets a device live any life, and holds every
// statement of the clock, every verdict on a window and every upload to what
// really was: see house.covers, house.windowed and vendor.check.
func TestAnyHistoryKeepsTheTime(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		// What goes wrong with a clock takes several things at once.
		defer checks.Value.Set(checks.DefValue)
		checks.Value.Set("400")
	}
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(shortLived(), "clock")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		h := newHouse(t, dir)
		defer func() { h.die() }()
		h.w.Strays(float64(rapid.IntRange(-90, 90).Draw(t, "ppm")) * 1e-6)
		if rapid.Bool().Draw(t, "no battery") {
			h.reboot(year1970)
		}
		t.Repeat(map[string]func(*rapid.T){
			"pass":    func(t *rapid.T) { h.w.Pass(span(t, 6*time.Hour)) },
			"sleep":   func(t *rapid.T) { h.w.Sleep(span(t, 12*time.Hour)) },
			"step":    func(t *rapid.T) { h.w.Step(span(t, 96*time.Hour) - 48*time.Hour) },
			"ntp":     func(t *rapid.T) { h.w.Keep(span(t, 800*time.Millisecond) - 400*time.Millisecond) },
			"answer":  func(t *rapid.T) { h.vendor.trip = span(t, 5*time.Second); h.ask() },
			"reboot":  func(t *rapid.T) { h.reboot(wall(t, h)) },
			"restart": func(t *rapid.T) { h.restart() },
			"full":    func(t *rapid.T) { h.unsaved.Store(!h.unsaved.Load()) },
			"dateless": func(t *rapid.T) {
				h.vendor.dated = !h.vendor.dated
			},
			"scan":   h.scanAny,
			"window": h.scanWindow,
			"upload": func(t *rapid.T) {
				h.vendor.trip = span(t, 2*time.Second)
				h.vendor.deaf = rapid.IntRange(0, 4).Draw(t, "deaf") == 0
				h.uploadSure()
			},
			"": func(t *rapid.T) { h.t = t },
		})
		h.vendor.deaf, h.vendor.dated, h.vendor.trip = false, true, 100*time.Millisecond
		h.w.Pass(2 * time.Second)
		h.uploadSure()
		h.uploadSure()
		if got, want := len(h.vendor.got), len(h.truths); got != want {
			t.Errorf("%d of %d scans uploaded", got, want)
		}
	})
}

// shortLived is a place for files that need no disk: a world has no time to wait
// for one.
func shortLived() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// uploadSure uploads where the present is known: nothing is promised of the
// vendor's future otherwise.
func (h *house) uploadSure() {
	h.t.Helper()
	h.ask()
	if h.clock.True(h.clock.Now()).Trusted {
		_ = h.drain() // a deaf vendor's error
	}
}

func (h *house) scanAny(t *rapid.T) {
	// The vendor sees milliseconds, and so does the order.
	h.w.Pass(time.Duration(rapid.IntRange(1, 20000).Draw(t, "ms")) * time.Millisecond)
	h.scan(fmt.Sprint("T", rapid.IntRange(0, 5).Draw(t, "ticket")), rapid.SampledFrom([]scanner.Direction{scanner.Entry, scanner.Exit}).Draw(t, "way"))
}

func (h *house) scanWindow(t *rapid.T) {
	code := fmt.Sprint("W", h.ids)
	from := h.w.Now().Add(span(t, 80*time.Hour) - 50*time.Hour)
	h.list1(code, from, from.Add(span(t, 30*time.Hour)))
	h.scan(code, scanner.Entry)
}

// span draws a duration, long and short ones alike.
func span(t *rapid.T, most time.Duration) time.Duration {
	part := rapid.SampledFrom([]time.Duration{1, 10, 1000}).Draw(t, "scale")
	return time.Duration(rapid.Int64Range(0, int64(most/part)).Draw(t, "for"))
}

// wall draws what a clock shows after a boot.
func wall(t *rapid.T, h *house) time.Time {
	switch rapid.IntRange(0, 3).Draw(t, "clock chip") {
	case 0:
		return year1970
	case 1:
		return h.w.Now()
	}
	return h.w.Now().Add(span(t, 400*time.Hour) - 200*time.Hour)
}
