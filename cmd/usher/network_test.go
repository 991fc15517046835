package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
	"usher/vendors/vendortest/faults"
	"usher/vendors/vendortest/proxy"
)

// margin is what a verdict may take beyond online.patience: the disk's two
// commits, on a machine whose disk other tests are busy with. It is well below the
// call's own end, which is what a scan would wait for that does not give up.
const margin = time.Second

// impatient is a device that waits little, so that a test can see much.
const impatient = `online: { patience: 300ms, timeout: 3s, probe_min: 100ms, probe_max: 300ms }
upload: { retry_min: 100ms, retry_max: 300ms }
`

// wired puts a proxy between the device and the vendor.
func wired(t *testing.T, n int, extra string, lanes ...string) (*venue, *proxy.Proxy) {
	t.Helper()
	v := newVenue(t, n, extra, lanes...)
	p, err := proxy.Listen(strings.TrimPrefix(v.wire.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	config, err := os.ReadFile(v.Config())
	if err != nil {
		t.Fatal(err)
	}
	config = bytes.Replace(config, []byte(v.wire.URL()), []byte("http://"+p.Addr()), 1)
	if err := os.WriteFile(v.Config(), config, 0o600); err != nil {
		t.Fatal(err)
	}
	return v, p
}

func linked(s control.Status) bool { return s.Link.State == control.LinkOnline }

// gauges are what the daemon must not let grow.
type gauges struct{ resident, goroutines, files float64 }

func (v *venue) gauges() gauges {
	v.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", v.Client.Path)
	}}}
	resp, err := client.Get("http://usher/metrics")
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	var g gauges
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		for name, into := range map[string]*float64{"process_resident_memory_bytes ": &g.resident, "go_goroutines ": &g.goroutines, "process_open_fds ": &g.files} {
			if value, ok := strings.CutPrefix(lines.Text(), name); ok {
				if _, err := fmt.Sscan(value, into); err != nil {
					v.t.Fatal(err)
				}
			}
		}
	}
	return g
}

// taken feeds each lane the next code, and gives the events; each must come
// within patience and margin.
func (v *venue) taken(stream *control.Stream, next *int, patience time.Duration, what string) []control.Event {
	v.t.Helper()
	began := time.Now()
	for _, lane := range v.lanes {
		if err := v.Scan(lane, barcode(*next)); err != nil {
			v.t.Fatal(err)
		}
		*next++
	}
	var events []control.Event
	for len(events) < len(v.lanes) {
		e, err := stream.Next()
		if err != nil {
			v.t.Fatal(err)
		}
		if e.Kind != "" {
			continue
		}
		if took, seen := time.Duration(e.TookMS*float64(time.Millisecond)), time.Since(began); took > patience+margin || seen > patience+margin+margin/2 {
			v.t.Errorf("%s: a verdict took %v, seen after %v; patience is %v", what, took, seen, patience)
		}
		if e.Verdict != scanner.Admit {
			v.t.Errorf("%s: %s is not let in: %s (%s)", what, e.Code, e.Reason, e.Message)
		}
		events = append(events, e)
	}
	return events
}

// answer serves a connection: it reads one request and says text, and more for as
// long as the caller listens.
func answer(text string, more string, every time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		_, err := io.WriteString(c, text)
		for err == nil && more != "" {
			time.Sleep(every)
			_, err = io.WriteString(c, more)
		}
		if err == nil {
			_, _ = io.Copy(io.Discard, c)
		}
	}
}

func hostiles() map[string]func(net.Conn) {
	const ok200 = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	block := strings.Repeat(",0", 32<<10)
	return map[string]func(net.Conn){
		"black hole":        func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"closed at once":    func(net.Conn) {},
		"never answers":     answer("", "", 0),
		"endless body":      answer(ok200+"\r\n[0", block, 0),
		"slow-loris":        answer(ok200+"\r\n", " ", 20*time.Millisecond),
		"slow headers":      answer(ok200, "X", 20*time.Millisecond),
		"endless headers":   answer(ok200, "X-More: "+strings.Repeat("x", 1<<10)+"\r\n", 0),
		"continue flood":    answer("", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100), 0),
		"another protocol":  answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "", 0),
		"chunked nonsense":  answer(ok200+"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "", 0),
		"captive portal":    answer("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>", "", 0),
		"captive redirect":  answer("HTTP/1.1 302 Found\r\nLocation: http://portal.invalid/\r\nContent-Length: 0\r\n\r\n", "", 0),
		"login wanted":      answer("HTTP/1.1 511 Network Authentication Required\r\nContent-Length: 0\r\n\r\n", "", 0),
		"no HTTP":           answer("SSH-2.0-portal\r\n", "", 0),
		"endless error":     answer("HTTP/1.1 503 No\r\n\r\n", "no ", 20*time.Millisecond),
		"two answers":       answer(ok200+"Content-Length: 2\r\n\r\n{}"+ok200+"Content-Length: 18\r\n\r\n{\"name\":\"Holder 1\"}", "", 0),
		"somebody's answer": answer(ok200+"Content-Length: 24\r\n\r\n{\"error\":false,\"ok\":true}", "", 0),
	}
}

// TestAHostileNetwork lets everything answer that can stand between a venue and
// its vendor, spoils sessions at random bytes, and holds the device to its
// promise: nobody waits beyond patience, it stays as small as it was, the link
// comes back by itself, and in the end the vendor has every admission. A run
// draws a few of them (what each does to a call is tested in vendors/wire);
// USHER_SWEEP=full takes all.
func TestAHostileNetwork(t *testing.T) {
	const patience = 300 * time.Millisecond
	v, p := wired(t, 3000, impatient, "lane-1", "lane-2")
	v.start()
	stream, err := v.Client.Follow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	next := 0
	calm := func(what string) {
		p.Disarm()
		p.Cut() // or an upload waits for its own end, which is 30 s
		// The list may be late: its own pauses after faults are longer.
		soon(t, v.Rig, 10*time.Second, "the link after "+what, linked)
	}
	v.taken(stream, &next, patience, "calm")
	first := v.gauges()
	peak := first
	few, spoilt := 5, 5
	if os.Getenv("USHER_SWEEP") == "full" {
		few, spoilt = len(hostiles()), 20
	}
	all := slices.Sorted(maps.Keys(hostiles()))
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, what := range all[:few] {
		p.Instead(hostiles()[what])
		p.Cut()
		for range 2 {
			v.taken(stream, &next, patience, what)
		}
		peak.resident = max(peak.resident, v.gauges().resident)
		p.Instead(nil)
		calm(what)
	}
	kinds := proxy.Kinds()
	for i := range spoilt {
		// What plain HTTP cannot tell from the vendor's word is left to TLS.
		f := proxy.Fault{Dir: proxy.Dir(i % 2), Kind: kinds[random.IntN(5)], At: int64(random.IntN(900)), Pause: time.Duration(random.IntN(500)) * time.Millisecond}
		p.Arm(f)
		v.taken(stream, &next, patience, fmt.Sprintf("%+v", f))
		calm(fmt.Sprintf("%+v", f))
	}
	soon(t, v.Rig, 20*time.Second, "an empty outbox", func(s control.Status) bool { return linked(s) && s.Outbox.Pending == 0 })
	last := v.gauges()
	t.Logf("%d scans; resident %.0f MiB, at most %.0f, in the end %.0f; goroutines %.0f, %.0f; files %.0f, %.0f", next,
		first.resident/(1<<20), peak.resident/(1<<20), last.resident/(1<<20), first.goroutines, last.goroutines, first.files, last.files)
	if max(peak.resident, last.resident) > first.resident+32<<20 {
		t.Error("memory grew by more than 32 MiB")
	}
	if last.goroutines > first.goroutines+12 || last.files > first.files+8 {
		t.Error("goroutines or connections were left behind")
	}
	v.reconciled(next)
}

// reconciled holds the vendor's record against the journal: n admissions, each
// there, none else; one told twice is told alike.
func (v *venue) reconciled(n int) {
	v.t.Helper()
	admitted := v.admitted()
	if len(admitted) != n {
		v.t.Errorf("%d admitted, %d scanned", len(admitted), n)
	}
	at := map[string]time.Time{}
	for _, scan := range v.sim.Scans() {
		if !admitted[scan.Barcode] {
			v.t.Errorf("%s is at the vendor and was never admitted", scan.Barcode)
		}
		if before, twice := at[scan.Barcode]; twice && before.Sub(scan.At).Abs() > 2*time.Second {
			v.t.Errorf("%s was reported at %v and at %v: two scans", scan.Barcode, before, scan.At)
		}
		at[scan.Barcode] = scan.At
	}
	for code := range admitted {
		if at[code].IsZero() {
			v.t.Errorf("%s was admitted and is not at the vendor", code)
		}
	}
}

// went counts how often the link went.
func (v *venue) went() int { return strings.Count(v.Log.(*lockedBuffer).tail(1<<20), "link: offline") }

// TestSlowAnswersAreNoOutage: an answer within patience is an answer.
func TestSlowAnswersAreNoOutage(t *testing.T) {
	v := newVenue(t, 100, "", "lane-1", "lane-2")
	v.start()
	went := v.went()
	v.fault(faults.Fault{Kind: faults.Slow, Delay: 1200 * time.Millisecond})
	stream, err := v.Client.Follow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	next := 0
	for range 2 {
		for _, e := range v.taken(stream, &next, 1500*time.Millisecond, "slow") {
			if e.Mode != scanner.Online || e.TookMS < 1200 {
				t.Errorf("mode %s after %.0f ms", e.Mode, e.TookMS)
			}
		}
	}
	if n := v.went() - went; n > 0 {
		t.Errorf("the link went %d times", n)
	}
	v.clear()
}

// TestABadNetworkDoesNotFlap: where calls fail again and again, the link stays
// away longer and longer instead of making every scan wait.
func TestABadNetworkDoesNotFlap(t *testing.T) {
	const every = 3
	v, p := wired(t, 1000, "", "lane-1")
	v.start()
	stream, err := v.Client.Follow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	next, asked, lost := 0, 0, 0
	for began := time.Now(); time.Since(began) < 4*time.Second; time.Sleep(20 * time.Millisecond) {
		s, err := v.Client.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		asks := s.Link.State == control.LinkOnline
		if asks && asked%every == every-1 {
			p.Arm(proxy.Fault{Dir: proxy.Response, Kind: proxy.RST, At: 10})
		}
		e := v.taken(stream, &next, 1500*time.Millisecond, "bad")[0]
		p.Disarm()
		if asks {
			asked++
		}
		if asks && e.Mode == scanner.Offline {
			lost++
		}
	}
	n := v.went()
	t.Logf("%d scans, %d asked, %d calls lost, the link went %d times in 4 s", next, asked, lost, n)
	// It is back at once, after 1 s, after 2 s, and not after each lost call.
	if n < 2 || n > 8 {
		t.Errorf("the link went %d times in 4 s, want 2 to 8", n)
	}
}
