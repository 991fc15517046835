package presence_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"usher/vendors/presence"
)

// without takes a field out of the answers of one call, by another name for it.
type without struct {
	http.RoundTripper
	field, path string
}

func (w without) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.RoundTripper.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, w.path) {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	body = bytes.ReplaceAll(body, []byte(w.field), []byte(`"other"`))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

// notYet is a client that is not configured, before a server that answers every
// call with one body.
func notYet(t *testing.T, body string) *presence.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	c, err := presence.NewClient(map[string]any{"base_url": server.URL, "venue_id": venue},
		presence.Deps{Device: device(), Environ: []string{"USHER_VENDOR_API_KEY=" + key}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
