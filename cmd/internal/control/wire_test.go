package control_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// fields lists every name in a JSON value, "a.b" for b within a, "a[].b" for b
// within each of a.
func fields(t *testing.T, text string) []string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	found := map[string]bool{}
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				found[prefix+name] = true
				walk(prefix+name+".", inner)
			}
		case []any:
			for _, inner := range v {
				walk(strings.TrimSuffix(prefix, ".")+"[].", inner)
			}
		}
	}
	walk("", value)
	return slices.Sorted(maps.Keys(found))
}

const eventNames = `seq id at scanner code verdict reason mode direction message repeat late in_doubt conflict
	overridden unverified queued ticket first_entered_at took_ms`

// The names of the socket are stable: support tools rely on them.
func TestEveryNameOfAStatusIsAlwaysThere(t *testing.T) {
	h := &house{}
	client, _ := serve(t, h)
	_, empty := raw(t, client.Path, "GET", "/v1/status", "")
	want := strings.Fields(`version state problems
		device device.id device.name device.gate device.direction device.event_name device.event_starts_at
		link link.state link.since link.reason link.next_probe_at
		vendor vendor.name vendor.session_expires_at vendor.password_expires_at vendor.events_at
		tickets tickets.count tickets.generation_at tickets.age_s tickets.stale
		outbox outbox.pending outbox.oldest_at outbox.oldest_age_s outbox.deadline_at
		parked conflicts scanners
		counts counts.admit counts.refuse counts.review counts.repeat counts.offline
		events clock clock.trusted clock.offset_ms last_scan
		screen screen.url screen.language screen.hold_ms screen.timezone`)
	slices.Sort(want)
	if diff := cmp.Diff(want, fields(t, empty)); diff != "" {
		t.Errorf("an empty status (-want +got):\n%s", diff)
	}
	for _, part := range []string{`"problems":[]`, `"scanners":[]`, `"events":[]`, `"age_s":null`, `"since":null`, `"last_scan":null`, `"offset_ms":null`} {
		if !strings.Contains(empty, part) {
			t.Errorf("an empty status lacks %s: %s", part, empty)
		}
	}

	h.status = control.Status{
		Problems: []string{"x"}, Scanners: []control.ScannerStatus{{}}, Events: []control.EventCounts{{}},
		LastScan: &control.Event{},
	}
	_, full := raw(t, client.Path, "GET", "/v1/status", "")
	want = append(want, strings.Fields(`scanners[].name scanners[].driver scanners[].state scanners[].detail scanners[].direction
		scanners[].scans scanners[].last_at
		events[].event events[].event_name events[].event_starts_at events[].entries events[].exits events[].inside events[].refused events[].overridden events[].undone`)...)
	for _, name := range strings.Fields(eventNames) {
		want = append(want, "last_scan."+name)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, fields(t, full)); diff != "" {
		t.Errorf("a full status (-want +got):\n%s", diff)
	}
}

func outcome() scanner.Outcome {
	wall := time.Date(2026, 11, 21, 20, 55, 1, 5e6, time.FixedZone("CET", 3600))
	return scanner.Outcome{
		Record: scanner.Record{
			Seq: 7, ID: "dev-7", Kind: scanner.KindScan, Scanner: "lane-1", Code: "1234567890123", Direction: scanner.Entry,
			At:      scanner.Stamp{Wall: wall},
			Verdict: scanner.Admit, Reason: scanner.OK, Mode: scanner.Offline, Message: "Admitted",
			Ticket: &scanner.TicketInfo{ID: "t1", Name: "Ann", Section: "A", Seat: "12", Event: "E"},
			Took:   1234567 * time.Nanosecond, Fate: scanner.FatePending,
		},
		Fate: scanner.FatePending,
	}
}

func TestAnEventOnTheWire(t *testing.T) {
	text := func(o scanner.Outcome) string {
		b, err := json.Marshal(control.EventOf(o))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	o := outcome()
	want := `{"seq":7,"id":"dev-7","at":"2026-11-21T19:55:01.005Z","scanner":"lane-1","code":"…0123","verdict":"admit","reason":"ok",` +
		`"mode":"offline","direction":"entry","message":"Admitted","repeat":false,"late":false,"in_doubt":false,"conflict":false,` +
		`"overridden":false,"unverified":false,"queued":true,"ticket":{"id":"t1","name":"Ann","section":"A","seat":"12","event":"E"},` +
		`"first_entered_at":null,"took_ms":1.235}`
	if diff := cmp.Diff(want, text(o)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// The corrected time wins over the device's own.
	o.True.At = o.At.Wall.Add(-time.Hour)
	o.Fate = scanner.FateTaken
	o.Ticket = nil
	if got := text(o); !strings.Contains(got, `"at":"2026-11-21T18:55:01.005Z"`) || !strings.Contains(got, `"queued":false`) ||
		!strings.Contains(got, `"ticket":null`) {
		t.Errorf("corrected: %s", got)
	}
	o.Repeat, o.Ago = true, 2*time.Second
	if got := text(o); !strings.Contains(got, `"repeat":true`) || !strings.Contains(got, `"ago_ms":2000`) || !strings.Contains(got, `"seq":7`) {
		t.Errorf("repeat: %s", got)
	}
	e := control.EventOf(outcome())
	e.EventName, e.EventStartsAt = "Hamlet", control.At(time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC))
	if b, err := json.Marshal(e); err != nil || !strings.HasSuffix(string(b), `,"event_name":"Hamlet","event_starts_at":"2026-11-21T20:00:00.000Z"}`) {
		t.Errorf("with its event's name: %s, %v", b, err)
	}
	o = outcome()
	o.Kind, o.By, o.Of = scanner.KindUndo, "Eve", 5
	if got := text(o); !strings.Contains(got, `"kind":"undo","by":"Eve","of":5`) {
		t.Errorf("undo: %s", got)
	}
}

func TestTimesOnTheWire(t *testing.T) {
	for in, want := range map[string]string{
		`null`:                             `null`,
		`"2026-11-21T19:55:00Z"`:           `"2026-11-21T19:55:00.000Z"`,
		`"2026-11-21T20:55:00.1239+01:00"`: `"2026-11-21T19:55:00.123Z"`,
		`"2026-11-21T19:55:00.000000001Z"`: `"2026-11-21T19:55:00.000Z"`,
	} {
		var at control.Time
		if err := json.Unmarshal([]byte(in), &at); err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(at); string(got) != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	var at control.Time
	if json.Unmarshal([]byte(`"yesterday"`), &at) == nil {
		t.Error("a time in words was read")
	}
}

func TestATicketOnTheWire(t *testing.T) {
	record := control.TicketOf(scanner.Ticket{Code: "C1", Name: "Ann", Status: scanner.StatusUsed,
		UsedAt: time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC), Vendor: json.RawMessage(`{"secret":1}`)})
	text, err := json.Marshal(control.TicketView{
		Code: "C1", Record: &record, Scans: []control.Event{},
		Mark: control.MarkOf(scanner.Mark{Rev: 3, Entered: true, Kept: true, Permit: scanner.Entry, Last: 9}),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(`code record damaged mark scans
		record.code record.id record.name record.order record.section record.seat record.event record.event_name record.series record.client
		record.valid_from record.valid_until record.status record.used_at record.used_gate record.detail
		mark.entered mark.entered_at mark.entered_gate mark.exited mark.inside mark.conflict mark.permit mark.last mark.undone
		mark.last_at mark.open mark.kept mark.speaks`)
	slices.Sort(want)
	if diff := cmp.Diff(want, fields(t, string(text))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(string(text), `"speaks":true`) || !strings.Contains(string(text), `"used_at":"2026-11-21T19:00:00.000Z"`) {
		t.Errorf("got %s", text)
	}
}

func TestMetrics(t *testing.T) {
	at := control.At(time.Unix(1700000000, 0))
	h := &house{status: control.Status{
		Version: "1.2.3", State: control.Degraded, Problems: []string{"a", "b"},
		Device: control.DeviceStatus{ID: "d1", Name: "door", Gate: "Gate \"7\""},
		Link:   control.LinkStatus{State: control.LinkOnline, Since: at},
		Outbox: control.OutboxStatus{Pending: 4, OldestAgeS: control.Seconds(90 * time.Second)},
		Scanners: []control.ScannerStatus{
			{Name: "lane-1", Driver: "serial", State: control.ScannerConnected, Scans: 12},
			{Name: "bad\xff", Driver: "hid", State: control.ScannerMissing},
		},
		Counts: control.Counts{Admit: 10, Refuse: 2},
		Events: []control.EventCounts{{Event: "E1", Entries: 10, Inside: 9}},
		Clock:  control.ClockStatus{OffsetMS: control.Milliseconds(-1500 * time.Millisecond)},
	}}
	client, _ := serve(t, h)
	resp, text := raw(t, client.Path, "GET", "/metrics", "")
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("status %d, %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	for _, line := range []string{
		`usher_info{device="d1",gate="Gate \"7\"",name="door",vendor="",version="1.2.3"} 1`,
		`usher_state{state="degraded"} 1`, `usher_state{state="ready"} 0`, `usher_problems 2`,
		`usher_link_online 1`, `usher_link_since_timestamp_seconds 1.7e+09`,
		`usher_outbox_pending 4`, `usher_outbox_oldest_age_seconds 90`,
		`usher_scanner_connected{driver="serial",scanner="lane-1"} 1`, `usher_scanner_connected{driver="hid",scanner="bad?"} 0`,
		`usher_scanner_scans_total{driver="serial",scanner="lane-1"} 12`,
		`usher_scans_total{verdict="admit"} 10`, `usher_scans_total{verdict="review"} 0`,
		`usher_event_inside{event="E1"} 9`, `usher_clock_offset_seconds -1.5`, `go_goroutines`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("lacks %s", line)
		}
	}
	if strings.Contains(text, "usher_outbox_deadline") || strings.Contains(text, "usher_last_scan") {
		t.Error("what is unknown has a value")
	}
}

// Whoever reads a scrape at a terminal sees text, whatever a list calls its events.
func TestMetricsCannotDriveATerminal(t *testing.T) {
	odd := "\x1b[2J\u009b1m\u202ex\xff\nusher_state 1"
	h := &house{status: control.Status{
		Device: control.DeviceStatus{Name: odd, Gate: odd}, Vendor: control.VendorStatus{Name: odd},
		Scanners: []control.ScannerStatus{{Name: odd, Driver: odd}}, Events: []control.EventCounts{{Event: odd}},
	}}
	client, _ := serve(t, h)
	resp, text := raw(t, client.Path, "GET", "/metrics", "")
	if resp.StatusCode != 200 || !strings.Contains(text, `usher_event_inside{event="?[2J?1m?x??usher_state 1"} 0`) {
		t.Errorf("%s: %s", resp.Status, text)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
		t.Errorf("a terminal obeys %q", text[i:min(len(text), i+20)])
	}
}
