package ticketing_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"usher/scanner"
	"usher/vendors/ticketing"
	"usher/vendors/vendortest"
)

// checkText: what goes to a screen, a log or support is one line that prints, and
// no secret.
func checkText(t *testing.T, text string) {
	t.Helper()
	unseen := func(r rune) bool { return !unicode.IsPrint(r) }
	if strings.ContainsFunc(text, unseen) || !utf8.ValidString(text) || utf8.RuneCountInString(text) > 900 || strings.Contains(text, key) || strings.Contains(text, token) {
		t.Errorf("to be shown: %q", text)
	}
}

func sane(status int) int {
	if status < 100 || status > 599 {
		return 200
	}
	return status
}

// canned wraps a body, or gives it as it is where it is no body.
func canned(status int, body string) []byte { return whole(sane(status), body) }

// Nothing but this device's own admission, in the answer to the very call that makes
// it, admits; and no look-up does.
func FuzzValidate(f *testing.F) {
	f.Add("["+ourAdmission+"]", 201, nothing, 200)
	f.Add(noneAdmitted, 400, entries(ourAdmission), 200)
	f.Add(`[]`, 201, entries(strings.Replace(ourAdmission, "Billy", "Milly", 1)), 200)
	f.Add(noneAdmitted, 400, `{"error":"There is presently no resource with the given URI."}`, 404)
	f.Add(`{"message":"You are restricted from accessing this resource."}`, 403, nothing, 200)
	f.Fuzz(func(t *testing.T, admit string, admitStatus int, lookup string, lookupStatus int) {
		got, err := validate(t, over(t, fixed(canned(admitStatus, admit), canned(lookupStatus, lookup))))
		if err != nil {
			checkText(t, err.Error())
			if got.Verdict != "" {
				t.Errorf("a verdict and an error: %v", err)
			}
			return
		}
		checkText(t, got.FirstEnteredGate)
		if got.Ticket != nil {
			for _, text := range []string{got.Ticket.ID, got.Ticket.Name, got.Ticket.Section, got.Ticket.Seat, got.Ticket.Event} {
				checkText(t, text)
			}
		}
		switch got.Reason {
		case scanner.OK:
			var made []struct{ Ticket, Redeemer, Device string }
			if json.Unmarshal([]byte(admit), &made) != nil || sane(admitStatus)/100 != 2 ||
				!slices.ContainsFunc(made, func(a struct{ Ticket, Redeemer, Device string }) bool {
					return a.Ticket == string(good) && a.Redeemer == redeemer && a.Device == handheld
				}) {
				t.Errorf("admitted by %d %q", admitStatus, admit)
			}
		case scanner.AlreadyEntered:
			if !strings.Contains(lookup, "entries") || sane(lookupStatus)/100 != 2 {
				t.Errorf("already entered by %d %q", lookupStatus, lookup)
			}
		case scanner.NotFound:
		default:
			t.Errorf("%s by %q, %q", got.Reason, admit, lookup)
		}
	})
}

// A token is good for an event and at least one section, or it is not.
func FuzzExchange(f *testing.F) {
	f.Add(exchanged, 200)
	f.Add(`{"error":"The provided code does not belong to any event token"}`, 404)
	f.Add(`{"key":"k","event":"/events/42","sections":["/sections/1"]}`, 200)
	f.Fuzz(func(t *testing.T, body string, status int) {
		c := over(t, answers{"GET " + token: canned(status, body)})
		err := c.Probe(t.Context())
		st := c.Status()
		checkText(t, st.Problem)
		if err != nil {
			checkText(t, err.Error())
			if st.Ready || c.Vendor().Sections() != nil || scanner.CallErrorOf(err).MaybeSent {
				t.Errorf("ready by %q: %v", body, err)
			}
			return
		}
		var raw struct {
			Key      string
			Sections []any
		}
		if json.Unmarshal([]byte(body), &raw) != nil || raw.Key == "" || len(raw.Sections) == 0 || !st.Ready || len(c.Vendor().Sections()) == 0 {
			t.Errorf("good by %q: %+v, %q", body, st, c.Vendor().Sections())
		}
	})
}

// A list admits nobody whom it does not call issued and unredeemed.
func FuzzList(f *testing.F) {
	f.Add(entries(`{"serial":"DAWIER-GOOD00000001","status":"Issued","redeemed":"N/A","section":{"self":"/sections/1","name":"A"},"owner":{"firstName":"M","lastName":"M","email":"m@example.org"}}`), 200)
	f.Add(nothing, 200)
	f.Add(`{"error":"There is presently no resource with the given URI."}`, 404)
	f.Fuzz(func(t *testing.T, body string, status int) {
		for _, delta := range []bool{false, true} {
			c := over(t, answers{"GET " + token: whole(200, exchanged), "GET tickets": canned(status, body)})
			some := false
			add := func(one scanner.Ticket, place string) error {
				some = true
				for _, text := range []string{one.Name, one.Section, one.SectionID, one.Detail, place} {
					checkText(t, text)
				}
				if one.Code == "" || one.ID != "" || !one.Status.Known() {
					t.Errorf("%+v", one)
				}
				if lower := strings.ToLower(body); one.Status == scanner.StatusValid && !strings.Contains(lower, "issued") && !strings.Contains(lower, `\u`) {
					t.Errorf("valid by %q", body)
				}
				return nil
			}
			var page scanner.ListPage
			var err error
			if delta {
				since := fmt.Sprintf(`{"source":%q,"since":"2026-11-21T20:00:00Z"}`, source)
				page, err = c.Changes(t.Context(), []byte(since), add)
			} else {
				page, err = c.List(t.Context(), add)
			}
			if err == nil && (page.Delta != delta || page.Complete != (some && !delta)) {
				t.Errorf("%+v", page)
			}
			if err != nil {
				checkText(t, err.Error())
			}
			if errors.Is(err, scanner.ErrCursor) {
				t.Error("the test's own cursor is not this client's")
			}
		}
	})
}

// source is what [over] asks a list for.
const source = "http://127.0.0.1:1 event=16993717817996 token=59b85 sections=16993964783416 with=token"

// No upload counts as taken without an admission by this device, of this ticket.
func FuzzUpload(f *testing.F) {
	f.Add("["+ourAdmission+"]", 201, nothing)
	f.Add(noneAdmitted, 400, entries(ourAdmission))
	f.Fuzz(func(t *testing.T, admit string, status int, lookup string) {
		c := over(t, fixed(canned(status, admit), whole(200, lookup)))
		got, err := c.Upload(t.Context(), []scanner.Movement{{
			Seq: 1, Code: good, Direction: scanner.Entry, At: time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC),
			Origin: scanner.Origin{Device: handheld}, Data: []byte(`{"e":"` + event + `","r":"` + redeemer + `"}`),
		}})
		if err != nil {
			checkText(t, err.Error())
			return
		}
		if len(got) != 1 || got[0].Seq != 1 || got[0].Delivery == "" {
			t.Fatalf("%+v", got)
		}
		checkText(t, got[0].Detail)
		if got[0].Delivery == scanner.Taken && !(strings.Contains(admit+lookup, "DAWIER") || strings.Contains(admit+lookup, `\u`)) {
			t.Errorf("taken by %q, %q", admit, lookup)
		}
	})
}

// What was frozen at scan time is sent as it was or not at all.
func FuzzFrozen(f *testing.F) {
	f.Add([]byte(`{"e":"16993717817996","r":"Billy Butcher"}`))
	f.Add([]byte(`{"e":"../../x","r":"a"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := over(t, fixed(whole(400, noneAdmitted), whole(200, nothing)))
		m := scanner.Movement{Seq: 1, Code: good, Direction: scanner.Entry, Origin: scanner.Origin{Device: handheld}, Data: data}
		if c.Group(m) == "" {
			t.Error("no group")
		}
		got, err := c.Upload(t.Context(), []scanner.Movement{m})
		if err != nil || len(got) != 1 || got[0].Delivery != scanner.Rejected {
			t.Fatalf("%+v, %v", got, err)
		}
		checkText(t, got[0].Detail)
	})
}

const keptGrant = `{"url":"http://127.0.0.1:1","tag":"59b85","event":"16993717817996","sections":["16993964783416"],"at":"2026-11-21T19:00:00Z"}`

// What Memory gives back is good for this token or nothing, and never keeps the token
// from being exchanged.
func FuzzKept(f *testing.F) {
	f.Add([]byte(keptGrant))
	f.Add([]byte(`{"event":"1"}`))
	f.Fuzz(func(t *testing.T, kept []byte) {
		c, err := ticketing.NewClient(map[string]any{"base_url": "http://127.0.0.1:1", "admission_token": token, "event": event}, ticketing.Deps{
			Device: ticketing.Device{ID: handheld}, Environ: []string{"USHER_VENDOR_API_KEY=" + key},
			Memory:    &vendortest.Memory{Kept: map[string][]byte{"token": kept}},
			Transport: answers{"GET " + token: whole(200, exchanged)},
		})
		if err != nil {
			t.Fatal(err)
		}
		st := c.Status()
		checkText(t, st.Problem)
		if string(kept) == keptGrant && !st.Ready {
			t.Error("the test's own memory is not this client's")
		}
		if st.Ready != (len(c.Vendor().Sections()) > 0) || st.Ready && !json.Valid(kept) {
			t.Errorf("ready %v by %q, sections %q", st.Ready, kept, c.Vendor().Sections())
		}
		if err := c.Probe(t.Context()); err != nil || !slices.Equal(c.Vendor().Sections(), []string{front}) {
			t.Errorf("%q keeps it from being confirmed: %v", kept, err)
		}
	})
}

// A cursor is one that this client made, or none.
func FuzzCursor(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(`{"source":%q,"since":"2026-11-21T20:00:00Z"}`, source)))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, cursor []byte) {
		c := over(t, answers{"GET " + token: whole(200, exchanged), "GET tickets": whole(200, nothing)})
		page, err := c.Changes(t.Context(), cursor, func(scanner.Ticket, string) error { return nil })
		if err == nil && (!json.Valid(cursor) || !page.Delta) {
			t.Errorf("%q: %+v", cursor, page)
		}
	})
}
