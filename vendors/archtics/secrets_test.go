package archtics_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"usher/scanner"
	"usher/vendors/archtics"
	"usher/vendors/archtics/archticssim"
)

// The key, a code and the session's cookies are in no error, however it is printed, in
// no log and in nothing that is kept.
func TestSecrets(t *testing.T) {
	const code = "good00000001"
	var printed strings.Builder
	note := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("no error")
		}
		fmt.Fprintf(&printed, "%v %+v %#v\n", err, err, err)
		slog.New(slog.NewJSONHandler(&printed, nil)).Error("x", "err", err)
	}
	calls := func(g *gate) {
		t.Helper()
		note(g.client.Probe(t.Context()))
		got, found, err := g.find(t, code)
		if found == scanner.Damaged {
			printed.WriteString(got.Detail)
		} else {
			note(err)
		}
		note(g.client.Watch(t.Context()))
		_, err = g.client.Events(t.Context(), start, start)
		note(err)
		printed.WriteString(g.client.Status().Problem)
	}
	// net/http puts the whole URL into its errors.
	g := newGate(t, archticssim.Options{}, func(_ map[string]any, d *archtics.Deps) {
		d.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: r.Method, URL: r.URL.String() + r.Header.Get("apikey"), Err: fmt.Errorf("%v: %w", r.Header, errors.New("no route"))}
		})
	})
	calls(g)
	printed.WriteString(g.log.String())
	// The vendor repeats what it was sent.
	for _, body := range []string{
		`{"command1":{"result":77,"error_detail":"no ` + key + `"}}`, `{"command1":{"result":5011,"error_desc":"{ref} ` + code + `"}}`,
		`{"command1":{"result":5020,"error_detail":"uid of ` + key + `"}}`, `{"command1":{"result":9999,"error_detail":"No data for token 'sid-secret'"}}`, key, `"` + code + `"`,
	} {
		g := newGate(t, archticssim.Options{}, nil)
		for _, cmd := range []string{"ping", "get_attendance_incremental", "event_search"} {
			g.sim.SetAnswer(cmd, body)
		}
		if strings.Contains(body, "77") {
			g.sim.SetAnswer("verify_barcode", `{"command1":{"result":5011,"error_detail":"no `+code+` with `+key+`"}}`)
		} else {
			g.sim.SetAnswer("verify_barcode", `{"command1":`+body)
		}
		calls(g)
		g.sim.SetAnswer("verify_barcode", `{"command1":{"result":0,`+place+`,"ticket_status":"odd `+code+`"}}`)
		got, found, err := g.find(t, code)
		if err == nil && (found != scanner.Damaged || strings.Contains(got.Detail, code)) {
			t.Errorf("%v, %+v", found, got)
		}
		printed.WriteString(g.log.String())
		if err := g.client.SignOut(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, value := range g.memory.Kept {
			printed.WriteString(name + string(value))
		}
	}
	for _, secret := range []string{key, url.QueryEscape(key), "k3y-of", code, "sid-secret", "QTKN"} {
		if strings.Contains(printed.String(), secret) {
			t.Errorf("%q is in %s", secret, printed.String())
		}
	}
}
