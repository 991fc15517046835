package screen

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// read decodes an answer that went well.
func read[T any](t *testing.T, got answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(got.body), &v); got.status != 200 || err != nil {
		t.Fatalf("%d %s: %v", got.status, got.body, err)
	}
	if strings.Contains(got.body, wholeCode) {
		t.Errorf("the whole code is in %s", got.body)
	}
	return v
}

func TestAPersonActs(t *testing.T) {
	r := serve(t)
	typed := read[shown](t, r.post(t, "/scan", `{"code":" `+wholeCode+`\r\n"}`))
	if age := time.Since(time.UnixMilli(typed.Sent)); age < 0 || age > time.Minute {
		t.Errorf("a typed code's answer says that it was sent %s ago", age)
	}
	if typed.Kind != Admitted || typed.Seq != 7 || !typed.Streamed {
		t.Errorf("%+v", typed)
	}
	if typed := read[shown](t, r.post(t, "/scan?scanner=lane-1", `{"code":"x","direction":"exit"}`)); typed.Streamed {
		t.Error("a page of one scanner waits for what its events do not bring")
	}
	if admitted := read[shown](t, r.post(t, "/scans/4/admit?scanner=lane-1", `{"by":" Jo "}`)); !admitted.Streamed {
		t.Error("a page of the scan's own scanner would show an admission twice")
	}
	read[shown](t, r.post(t, "/scans/5/undo", `{"by":"Jo"}`))
	want := []string{"scan " + wholeCode + " ", "scan x exit", "admit 4 Jo", "undo 5 Jo"}
	if got := r.house.heard(); !slices.Equal(got, want) {
		t.Errorf("the house was asked %q, want %q", got, want)
	}
}

// TestWhatIsTypedGoesTheWayOfItsPage: a device may have an entry lane and an exit
// lane, each with a page of its own.
func TestWhatIsTypedGoesTheWayOfItsPage(t *testing.T) {
	r := serve(t)
	r.house.mu.Lock()
	r.house.status.Scanners = []control.ScannerStatus{{Name: "in", Direction: "entry"}, {Name: "out", Direction: "exit"}}
	r.house.mu.Unlock()
	for _, query := range []string{"?scanner=in", "?scanner=out", "", "?scanner=manual"} {
		read[shown](t, r.post(t, "/scan"+query, `{"code":"x"}`))
	}
	if got, want := r.house.heard(), []string{"scan x entry", "scan x exit", "scan x ", "scan x "}; !slices.Equal(got, want) {
		t.Errorf("the house was asked %q, want %q", got, want)
	}
}

func TestWhatCannotBeDoneIsSaid(t *testing.T) {
	r := serve(t)
	for _, tt := range []struct {
		err  error
		want int
	}{
		{fmt.Errorf("%w: it was undone already", scanner.ErrNotPossible), 409},
		{fmt.Errorf("scan 9: %w", scanner.ErrUnknown), 404},
		{fmt.Errorf("%w: the disk is full", scanner.ErrNotStored), 503},
		{errors.New("something else"), 500},
	} {
		r.house.change(func(h *house) { h.fails = tt.err })
		for _, ask := range []answer{
			r.post(t, "/scan", `{"code":"`+wholeCode+`"}`), r.post(t, "/scans/9/admit", `{"by":"Jo"}`), r.post(t, "/scans/9/undo", `{"by":"Jo"}`),
			r.post(t, "/find", `{"q":"Lovelace"}`), r.ask(t, http.MethodGet, "/scans", ""),
		} {
			var refusal control.ErrorBody
			if err := json.Unmarshal([]byte(ask.body), &refusal); ask.status != tt.want || err != nil || refusal.Error != tt.err.Error() {
				t.Errorf("%d %s, want %d: %v", ask.status, ask.body, tt.want, tt.err)
			}
		}
	}
}

func TestTheLastScansHaveNoNames(t *testing.T) {
	r := serve(t)
	if got := r.ask(t, http.MethodGet, "/scans", ""); got.body != "[]\n" {
		t.Errorf("none: %s", got.body)
	}
	r.house.change(func(h *house) {
		h.events = []control.Event{{Seq: 40, Kind: scanner.KindUndo, Of: 39, By: "Jo", Scanner: "lane-1"}, {Seq: 38, Kind: scanner.KindAcknowledge, Of: 2}}
		h.events = append(h.events, sample(39, "lane-1"))
		for seq := uint64(37); seq > 0; seq-- {
			h.events = append(h.events, sample(seq, []string{"lane-1", "lane-2"}[seq%2]))
		}
		blocked := &h.events[4]
		blocked.Verdict, blocked.Reason, blocked.Detail = scanner.Refuse, scanner.Restricted, "Lovelace moved to A12"
	})
	got := r.ask(t, http.MethodGet, "/scans", "")
	for _, private := range []string{"Lovelace", "A12", "North", wholeCode} {
		if strings.Contains(got.body, private) {
			t.Errorf("%s is in %s", private, got.body)
		}
	}
	views := read[[]View](t, got)
	if len(views) != lastScans || views[0].Seq != 40 || views[1].Seq != 39 || views[2].Seq != 37 {
		t.Fatalf("%d: %+v", len(views), views)
	}
	if views[0].Kind != Undone || views[1].MayUndo || !views[2].MayUndo {
		t.Error("what was undone can be undone again, or what was not cannot")
	}
	if !strings.Contains(views[0].Why, "Jo") {
		t.Errorf("nobody undid it: %+v", views[0])
	}
	// The other lanes have more to do.
	r.house.change(func(h *house) {
		for i := range h.events {
			h.events[i].Scanner = []string{"lane-1", "lane-2", "lane-1", "lane-3"}[i%4]
		}
		for range 3 {
			h.events = append(h.events, h.events...)
		}
	})
	lane := read[[]View](t, r.ask(t, http.MethodGet, "/scans?scanner=lane-3", ""))
	if len(lane) != lastScans {
		t.Errorf("%d scans of one lane are listed, want %d", len(lane), lastScans)
	}
	for _, v := range lane {
		if v.Scanner != "lane-3" {
			t.Errorf("scan of %s", v.Scanner)
		}
	}
}

func TestASearchKeepsTheCodes(t *testing.T) {
	r := serve(t)
	r.house.change(func(h *house) {
		for i := range 25 {
			h.found = append(h.found, control.Ticket{
				Code: fmt.Sprint(wholeCode, i), ID: "secret-id", Name: "Ada Lovelace", Order: "O-1", Section: "North", Seat: "A12", Status: scanner.StatusVoided,
			})
		}
	})
	answer := read[findings](t, r.post(t, "/find", `{"q":" Lovelace "}`))
	if len(answer.Found) != maxFound || !strings.Contains(answer.More, "20") {
		t.Fatalf("%d found, %q", len(answer.Found), answer.More)
	}
	first := answer.Found[0]
	if first.Name != "Ada Lovelace" || first.Order != "O-1" || first.Section != "North" || first.Seat != "A12" || first.Status != "cancelled" || len(first.Handle) < 20 {
		t.Errorf("%+v", first)
	}
	seen := map[string]bool{}
	for _, f := range answer.Found {
		seen[f.Handle] = true
	}
	if len(seen) != maxFound {
		t.Errorf("%d handles", len(seen))
	}
	read[shown](t, r.post(t, "/scan", `{"handle":"`+answer.Found[3].Handle+`"}`))
	if asked := r.house.heard(); asked[0] != "find Lovelace 21" || asked[1] != "scan "+wholeCode+"3 " {
		t.Errorf("the house was asked %q", asked)
	}
	r.house.change(func(h *house) { h.found = nil })
	if none := r.post(t, "/find", `{"q":"Nobody"}`); none.body != "{\"found\":[],\"more\":\"\"}\n" {
		t.Errorf("none: %s", none.body)
	}
}

func TestHandlesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h handles
		first := h.add("one")
		time.Sleep(handleTime - time.Second)
		second := h.add("two")
		if code, ok := h.code(first); !ok || code != "one" {
			t.Errorf("%q, %v", code, ok)
		}
		time.Sleep(time.Second)
		if code, ok := h.code(first); ok {
			t.Errorf("after %s it stands for %q", handleTime, code)
		}
		if code, ok := h.code(second); !ok || code != "two" {
			t.Errorf("%q, %v", code, ok)
		}
		if _, ok := h.code(""); ok {
			t.Error("no handle stands for a code")
		}
		for range maxHandles {
			h.add("more")
		}
		if _, ok := h.code(second); ok || len(h.codes) != maxHandles {
			t.Errorf("%d are kept", len(h.codes))
		}
	})
}
