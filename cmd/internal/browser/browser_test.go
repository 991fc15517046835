package browser

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTabHearsWhatAPageDoesWrong: what the other tests rely on to fail.
func TestTabHearsWhatAPageDoesWrong(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wrong.js" {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = io.WriteString(w, `console.error("said"); setTimeout(() => { document.title = "ran"; throw new Error("thrown") }, 0)`)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		_, _ = io.WriteString(w, `<!doctype html><link rel="icon" href="data:,"><script>document.title = "inline"</script><script src="/wrong.js"></script>`)
	}))
	defer server.Close()
	b, err := Start()
	if errors.Is(err, ErrNone) {
		t.Skipf("!!!! NOT TESTED in a browser: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()

	tab := b.Tab(t, server.URL)
	tab.Open(server.URL + "/")
	tab.Wait(`document.title === "ran"`)
	tab.Wait("true") // what was thrown before this answer was heard before it
	tab.Excuse("said", "thrown", "Content Security Policy")
	tab.mu.Lock()
	all := strings.Join(tab.trouble, "\n")
	tab.mu.Unlock()
	for _, want := range []string{"said", "thrown", "Content Security Policy"} {
		if !strings.Contains(all, want) {
			t.Errorf("nobody heard %q in:\n%s", want, all)
		}
	}
	if got := tab.Requests(); len(got) < 2 || got[1] != server.URL+"/wrong.js" {
		t.Errorf("the requests are %q", got)
	}
}
