package screen

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
)

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request as a program writes it; headers as "Name: value".
func (r *rig) ask(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+r.Addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// post sends JSON as the page does.
func (r *rig) post(t *testing.T, path, body string) answer {
	t.Helper()
	return r.ask(t, http.MethodPost, path, body, "Content-Type: application/json", "Origin: http://"+r.Addr, "Sec-Fetch-Site: same-origin")
}

// TestOnlyItsOwnNamesAreAnswered: a site may let any name point to the loopback
// address.
func TestOnlyItsOwnNamesAreAnswered(t *testing.T) {
	r := serve(t)
	_, port, _ := net.SplitHostPort(r.Addr)
	for host, want := range map[string]int{
		r.Addr: 200, "localhost:" + port: 200, "LOCALHOST:" + port: 200, "[::1]:" + port: 200,
		"evil.example:" + port: 421, "evil.example": 421, "127.0.0.1": 421, "localhost": 421, "127.0.0.1:1": 421,
		"localhost." + ":" + port: 421, "127.0.0.1:" + port + ".evil.example": 421, "0.0.0.0:" + port: 421, "127.1:" + port: 421,
	} {
		for _, path := range []string{"/", "/events", "/scans", "/screen.js"} {
			if path == "/events" && want == 200 {
				continue // it does not end
			}
			if got := r.ask(t, http.MethodGet, path, "", "Host: "+host); got.status != want {
				t.Errorf("%s of %s: %d, want %d: %s", path, host, got.status, want, got.body)
			}
		}
		if got := r.ask(t, http.MethodPost, "/scan", `{"code":"x"}`, "Host: "+host, "Content-Type: application/json", "Origin: http://"+host); got.status != want {
			t.Errorf("a scan of %s: %d, want %d", host, got.status, want)
		}
	}
}

func TestOtherSitesAreRefused(t *testing.T) {
	r := serve(t)
	own := "Origin: http://" + r.Addr
	const kind = "Content-Type: application/json"
	_, port, _ := net.SplitHostPort(r.Addr)
	for _, tt := range []struct {
		what, method, path string
		headers            []string
		want               int
	}{
		{"the page itself", "POST", "/scan", []string{kind, own, "Sec-Fetch-Site: same-origin"}, 200},
		{"an old browser", "POST", "/scan", []string{kind, own}, 200},
		{"a browser that hides the origin", "POST", "/scan", []string{kind, "Sec-Fetch-Site: same-origin"}, 200},
		{"another site", "POST", "/scan", []string{kind, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, 403},
		{"another site in an old browser", "POST", "/scan", []string{kind, "Origin: https://evil.example"}, 403},
		{"a sandboxed frame", "POST", "/scan", []string{kind, "Origin: null"}, 403},
		{"another port", "POST", "/scan", []string{kind, "Origin: http://127.0.0.1:1", "Sec-Fetch-Site: same-site"}, 403},
		{"https of the same name", "POST", "/scan", []string{kind, "Origin: https://" + r.Addr}, 403},
		{"another name of the same address", "POST", "/scan", []string{kind, "Origin: http://localhost:" + port}, 403},
		{"a site that lies", "POST", "/scan", []string{kind, own, "Sec-Fetch-Site: cross-site"}, 403},
		{"nobody", "POST", "/scan", []string{kind}, 403},
		{"a link of another site", "POST", "/scan", []string{kind, "Sec-Fetch-Site: none"}, 403},
		{"a form", "POST", "/scan", []string{"Content-Type: text/plain", own}, 415},
		{"a form with fields", "POST", "/scan", []string{"Content-Type: application/x-www-form-urlencoded", own}, 415},
		{"no type", "POST", "/scan", []string{own}, 415},
		{"JSON with a charset", "POST", "/scan", []string{kind + "; charset=utf-8", own}, 200},
		{"reading by another site", "GET", "/scans", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, 403},
		{"reading by another port", "GET", "/scans", []string{"Sec-Fetch-Site: same-site"}, 403},
		{"reading with an origin", "GET", "/scans", []string{"Origin: https://evil.example"}, 403},
		{"following by another site", "GET", "/events", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"following by navigation", "GET", "/events", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}, 403},
		{"a link to the page", "GET", "/", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}, 200},
		{"the page as a script", "GET", "/", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, 403},
		{"the address bar", "GET", "/", []string{"Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"}, 200},
		{"preflight", "OPTIONS", "/scan", []string{"Origin: https://evil.example", "Access-Control-Request-Method: POST"}, 403},
		{"a method it does not have", "PUT", "/scan", []string{kind, own}, 404},
		{"a path it does not have", "GET", "/etc/passwd", nil, 404},
		{"a file that is no page's", "GET", "/words/en.json", nil, 404},
		{"the template", "GET", "/screen.html", nil, 404},
	} {
		body := ""
		if tt.method == "POST" {
			body = `{"code":"x"}`
		}
		before := len(r.house.heard())
		got := r.ask(t, tt.method, tt.path, body, tt.headers...)
		if got.status != tt.want {
			t.Errorf("%s: %d, want %d: %s", tt.what, got.status, tt.want, got.body)
		}
		if n := len(r.house.heard()) - before; tt.want != 200 && n != 0 {
			t.Errorf("%s: reached the house", tt.what)
		}
		for name := range got.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: answered with %s", tt.what, name)
			}
		}
		var refusal control.ErrorBody
		if got.status >= 400 && (json.Unmarshal([]byte(got.body), &refusal) != nil || refusal.Error == "") {
			t.Errorf("%s: no error in words: %s", tt.what, got.body)
		}
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	r := serve(t)
	wants := map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
	}
	for _, path := range []string{"/", "/screen.css", "/screen.js", "/surface.js", "/favicon.ico", "/scans", "/nothing", "/scan"} {
		got := r.ask(t, http.MethodGet, path, "")
		for name, want := range wants {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s: %q", path, name, got.header.Get(name))
			}
		}
	}
	if got := r.ask(t, http.MethodGet, "/", ""); strings.Contains(got.body, " style=") || strings.Contains(got.body, "<script>") || strings.Contains(got.body, " onclick") {
		t.Error("the page holds what its policy forbids")
	}
}

func TestBadRequestsGetWords(t *testing.T) {
	r := serve(t)
	long := strings.Repeat("x", 40<<10)
	for _, tt := range []struct {
		path, body string
		want       int
	}{
		{"/scan", ``, 400}, {"/scan", `null`, 400}, {"/scan", `[]`, 400}, {"/scan", `{`, 400}, {"/scan", `{}`, 400},
		{"/scan", `{"code":"  "}`, 400}, {"/scan", `{"code":1}`, 400}, {"/scan", `{"Code":"x"}`, 400},
		{"/scan", `{"code":"x","code":"y"}`, 400}, {"/scan", `{"code":"x","more":1}`, 400}, {"/scan", `{"code":"x"} {}`, 400},
		{"/scan", "{\"code\":\"\xff\"}", 400}, {"/scan", `{"code":"x","direction":"up"}`, 400},
		{"/scan", `{"code":"x","handle":"y"}`, 400}, {"/scan", `{"handle":"guessed"}`, 410},
		{"/scan", `{"code":"` + long + `"}`, 413}, {"/find", `{"q":"` + long + `"}`, 413},
		{"/find", `{"q":""}`, 400}, {"/find", `{"q":" "}`, 400}, {"/find", `{"q":"` + long[:maxQuery+1] + `"}`, 400}, {"/find", `{}`, 400},
		{"/scans/0/admit", `{"by":"Jo"}`, 400}, {"/scans/x/admit", `{"by":"Jo"}`, 400}, {"/scans/-1/undo", `{"by":"Jo"}`, 400},
		{"/scans/1/admit", `{"by":" "}`, 400}, {"/scans/1/undo", `{}`, 400}, {"/scans/1/undo", `{"by":"a\u0007"}`, 400},
		{"/scans/1/undo", `{"by":"` + long[:101] + `"}`, 400}, {"/scans/1/else", `{"by":"Jo"}`, 404},
	} {
		got := r.post(t, tt.path, tt.body)
		var refusal control.ErrorBody
		if err := json.Unmarshal([]byte(got.body), &refusal); got.status != tt.want || err != nil || refusal.Error == "" {
			t.Errorf("%s %.60s: %d %s, want %d", tt.path, tt.body, got.status, got.body, tt.want)
		}
	}
	if asked := r.house.heard(); len(asked) != 0 {
		t.Errorf("the house was asked %v", asked)
	}
}

// TestSlowRequestsEnd: a program that sends half a request holds nothing for long.
func TestSlowRequestsEnd(t *testing.T) {
	t.Parallel()
	r := serve(t)
	halves := map[string]net.Conn{}
	for _, half := range []string{
		"GET / HTTP/1.1\r\nHost: " + r.Addr + "\r\n",
		"POST /scan HTTP/1.1\r\nHost: " + r.Addr + "\r\nOrigin: http://" + r.Addr + "\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{",
	} {
		conn, err := net.Dial("tcp", r.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, half); err != nil {
			t.Fatal(err)
		}
		halves[half] = conn
	}
	for half, conn := range halves {
		_ = conn.SetReadDeadline(time.Now().Add(bodyTimeout + 5*time.Second))
		if _, err := io.ReadAll(conn); err != nil {
			t.Errorf("%.12s: still open: %v", half, err)
		}
	}
	if asked := r.house.heard(); len(asked) != 0 {
		t.Errorf("the house was asked %v", asked)
	}
}

func TestHostsOfPort80(t *testing.T) {
	hosts := strings.Join(hostsOf("127.0.0.1:80"), " ")
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "localhost:80"} {
		if !strings.Contains(" "+hosts+" ", " "+host+" ") {
			t.Errorf("%s is not among %s", host, hosts)
		}
	}
}
