package vendortest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"usher/scanner"
	"usher/vendors/vendortest/proxy"
	"usher/vendors/wire"
)

// Site is a vendor's simulator for [Sweep], and what is known of it.
type Site struct {
	Handler http.Handler
	// Connect gives the vendor at a URL (scheme and host) over a transport.
	Connect func(url string, transport *http.Transport) scanner.Vendor
	// Code is the i-th code that may enter: all of one length, and none a bit or a
	// byte apart from another.
	Code func(i int) scanner.Code
	// Refused is a code that the vendor refuses for Why, of that length as well.
	Refused scanner.Code
	Why     scanner.Reason
	// Unsaid is the reason of the review that a refusal is whose why got lost on the
	// way; empty: such a call fails.
	Unsaid scanner.Reason
	// Movement makes the movement of a code admitted offline just now.
	Movement func(seq uint64, code scanner.Code) scanner.Movement
	// Recorded is how often the simulator took an entry of the code; Total counts
	// those of all codes. Both nil at a vendor that takes none.
	Recorded func(code scanner.Code) int
	Total    func() int
	// SignIn names the sign-in, whose own errors are not a call's; empty: none.
	SignIn string
	// Blind: the answer to an upload names none of its codes, so that nobody can see
	// there what a network that changes bytes made of them.
	Blind bool
	// Endless: the vendor tells no end of a session, so that one that is ready is good.
	Endless bool
	// Calls are more calls to sweep, by the vendor's names for them.
	Calls map[string]func(ctx context.Context, v scanner.Vendor) error
}

// Sweep lets the network fail at every single byte of a session with the vendor,
// in both directions and in every way of package proxy, over plain HTTP and TLS,
// on fresh and on kept connections, and holds what the vendor's client says
// against what the simulator knows:
//
//   - nobody is admitted whom the simulator did not admit, and nobody refused
//     whom it admitted. TLS keeps this against a network that changes bytes;
//     plain HTTP, which usher speaks to this machine alone, cannot: there a
//     changed question may be answered, but a refused ticket still never turns
//     into an admission.
//   - what the simulator recorded without a definite answer is never called "not
//     sent"; a look-up, which records nothing, is never in doubt.
//   - a receipt says taken only of what was taken, a list is whole or an error.
//   - nothing of a call outlives it, and the next one works.
//
// Without USHER_SWEEP=full it goes by strides from a byte that chance chooses, so that
// the suite has time for every vendor: over some runs each byte has its turn.
//
// site makes a fresh site with so many codes that may enter.
func Sweep(t *testing.T, site func(codes int) *Site) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	// net/http remarks there on bytes that nobody asked for.
	out := log.Writer()
	log.SetOutput(io.Discard)
	t.Cleanup(func() { log.SetOutput(out) })
	full := os.Getenv("USHER_SWEEP") == "full"
	var lines sync.WaitGroup
	defer lines.Wait()
	for _, secure := range []bool{false, true} {
		for _, s := range sessions(site(0)) {
			name := s.name
			if secure {
				name += ", TLS"
				s.stride *= 11
			}
			if s.stride *= sparing; full {
				s.stride = 1
			}
			lines.Go(func() {
				l, err := newLine(func() *Site { return site(s.codes) }, secure)
				if err != nil {
					t.Error(err)
					return
				}
				defer l.close()
				began := time.Now()
				err = errors.Join(l.sweep(s, proxy.Request, full), l.sweep(s, proxy.Response, full))
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				t.Logf("%s: %d calls spoilt in %v", name, l.n, time.Since(began).Round(time.Millisecond))
			})
		}
	}
}

// sparing is how many times fewer bytes are swept in the suite than would be known
// for sure.
const sparing = 3

// session is one call of the session that is swept, and its judge.
type session struct {
	name   string
	stride int64
	codes  int
	// acts: the vendor records something on it.
	acts bool
	run  func(l *line, ctx context.Context, n int) (judge func(lies bool) error, err error)
}

// sessions are the calls. A judge is told whether the network may have changed
// bytes unnoticed.
func sessions(site *Site) []session {
	offers := site.Connect("http://127.0.0.1:1", wire.NewTransport())
	all := []session{{"sign-in", 11, 0, false, (*line).signsIn}}
	if offers.Validator != nil {
		all = append(all, session{"admitted", 1, 1000, true, (*line).admitted}, session{"refused", 7, 0, true, (*line).refused})
	}
	if offers.Finder != nil {
		all = append(all, session{"found", 5, 1000, false, (*line).finds}, session{"not good", 7, 0, false, (*line).findsNot})
	}
	if offers.Uploader != nil {
		all = append(all, session{"upload", 5, 1000, true, (*line).uploaded})
	}
	if offers.Lister != nil {
		all = append(all, session{"list", 61, 0, false, (*line).listed})
	}
	for name, call := range site.Calls {
		all = append(all, session{name, 13, 0, false, func(l *line, ctx context.Context, _ int) (func(bool) error, error) {
			return nil, call(ctx, l.vendor)
		}})
	}
	return all
}

// line is a vendor's client whose every byte goes through a proxy.
type line struct {
	site      *Site
	transport *http.Transport
	server    *httptest.Server
	proxy     *proxy.Proxy
	secure    bool
	vendor    scanner.Vendor
	fresh     func() *Site
	// n counts the calls, used those at this site; lied: the one before may have
	// been changed unnoticed.
	n, used int
	lied    bool
	tickets map[scanner.Code]scanner.Ticket

	mu       sync.Mutex // guards what follows
	accepted int
	open     int
}

func newLine(fresh func() *Site, secure bool) (*line, error) {
	l := &line{site: fresh(), fresh: fresh, secure: secure, transport: wire.NewTransport()}
	l.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.site.Handler.ServeHTTP(w, r) }))
	l.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	l.server.Config.ConnState = l.track
	scheme := "http://"
	if secure {
		scheme = "https://"
		cert, pool, err := Certificate(Cert{Hosts: []string{"127.0.0.1"}})
		if err != nil {
			return nil, err
		}
		// The key exchange that costs the race detector least: what is swept is what
		// becomes of a connection, whichever it is.
		curves := []tls.CurveID{tls.CurveP256}
		l.server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, CurvePreferences: curves}
		l.server.StartTLS()
		l.transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, CurvePreferences: curves}
	} else {
		l.server.Start()
	}
	var err error
	if l.proxy, err = proxy.Listen(l.server.Listener.Addr().String()); err != nil {
		l.server.Close()
		return nil, err
	}
	l.vendor = l.site.Connect(scheme+l.proxy.Addr(), l.transport)
	return l, nil
}

func (l *line) close() {
	l.transport.CloseIdleConnections()
	l.proxy.Close()
	l.server.Close()
	// A sign-in under way is given up.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = l.vendor.Session.SignOut(ctx)
}

// track counts the server's connections.
func (l *line) track(_ net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch state {
	case http.StateNew:
		l.accepted++
		l.open++
	case http.StateClosed:
		l.open--
	}
}

// settled ends all connections and waits until the vendor has done all it will.
func (l *line) settled() error {
	for began := time.Now(); ; time.Sleep(50 * time.Microsecond) {
		l.transport.CloseIdleConnections()
		through := l.proxy.Open()
		l.mu.Lock()
		open, waiting := l.open, l.proxy.Dials()-l.accepted
		l.mu.Unlock()
		if through+open+waiting == 0 {
			return nil
		}
		if time.Since(began) > ample {
			return fmt.Errorf("connections that do not end: %d at the proxy, %d at the vendor, %d not accepted", through, open, waiting)
		}
	}
}

// often is how many bytes lie between two faults of a kind where the session's
// stride is 1: what ends a session after a byte is in doubt after each of them.
// Hang and Delay take their time.
func often(k proxy.Kind) int64 {
	switch k {
	case proxy.FIN:
		return 1
	case proxy.Flip:
		return 3
	case proxy.Hang, proxy.Delay:
		return 97
	}
	return 11
}

// sweep spoils one call at each byte of one direction in each way.
func (l *line) sweep(s session, dir proxy.Dir, full bool) error {
	length, err := l.once(s, proxy.Fault{Dir: dir, Kind: proxy.Delay, At: 1 << 40}, false)
	if err != nil || length == 0 {
		return fmt.Errorf("unspoilt: %w, %d bytes of %s", err, length, dir)
	}
	for i, kind := range proxy.Kinds() {
		stride := s.stride * often(kind)
		if full {
			stride = (often(kind) + 11) / 12
		}
		for n, at := i, rand.Int64N(min(stride, length+1)); at <= length; n, at = n+1, at+stride {
			f := proxy.Fault{Dir: dir, Kind: kind, At: at, Mask: 1 << (at % 8), Pause: 3 * time.Millisecond}
			if _, err := l.once(s, f, n%2 == 0); err != nil {
				return err
			}
			if !full {
				continue
			}
			if _, err := l.once(s, f, n%2 != 0); err != nil {
				return err
			}
		}
	}
	// The whole of it twice, and half of it.
	for _, at := range []int64{0, length / 2} {
		for _, kept := range []bool{false, true} {
			if _, err := l.once(s, proxy.Fault{Dir: dir, Kind: proxy.Repeat, At: at, Size: 1 << 20}, kept); err != nil {
				return err
			}
		}
	}
	return nil
}

// once makes the call over a line with the fault, and judges it. It gives how
// many bytes came in the fault's direction.
func (l *line) once(s session, f proxy.Fault, kept bool) (int64, error) {
	l.n++
	if err := l.ready(kept); err != nil {
		return 0, fmt.Errorf("the call before %s at byte %d of the %s: %w", f.Kind, f.At, f.Dir, err)
	}
	limit := ample
	if f.Kind == proxy.Hang || f.Kind.Corrupts() || f.Kind == proxy.Half {
		limit = 25 * time.Millisecond // a length that grew is waited for
	}
	total := l.total()
	l.proxy.Arm(f)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	started := time.Now()
	judge, err := s.run(l, ctx, l.used)
	took := time.Since(started)
	passed, asked := l.proxy.Passed(f.Dir), l.proxy.Passed(proxy.Request) > 0
	if ctx.Err() != nil {
		// A sign-in outlives its caller, for the next one; here nobody waits for it.
		_ = l.vendor.Session.SignOut(ctx)
	}
	settled := l.settled()
	l.proxy.Disarm()
	lies := f.Kind.Corrupts() && !l.secure
	l.lied = lies
	var why error
	switch {
	case settled != nil:
		why = settled
	case took > limit+ample:
		why = fmt.Errorf("it took %v and had %v", took, limit)
	case err != nil:
		why = l.honest(err, l.total() > total, s.acts && !lies && !l.secure && asked)
	case judge != nil:
		why = judge(lies)
	}
	if why != nil {
		return passed, fmt.Errorf("%s at byte %d of %d of the %s (kept %v, mask %#x): %w; the call said %v", f.Kind, f.At, passed, f.Dir, kept, f.Mask, why, err)
	}
	return passed, nil
}

func (l *line) total() int {
	if l.site.Total == nil {
		return 0
	}
	return l.site.Total()
}

// ready makes the client signed in, on a fresh or a kept connection.
func (l *line) ready(kept bool) error {
	// A simulator that remembers a thousand scans is slow.
	if l.used++; l.used > 450 {
		l.site, l.used = l.fresh(), 0
	} else if !kept && l.used%8 != 0 && !l.lied && l.signedIn() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), ample)
	defer cancel()
	err := l.vendor.Session.Probe(ctx)
	if err != nil && l.lied {
		// Wrong bytes may have looked like a refused sign-in; a person asks for another.
		if err = l.vendor.Session.SignIn(ctx); err == nil {
			err = l.vendor.Session.Probe(ctx)
		}
	}
	if err != nil || kept {
		return err
	}
	return l.settled()
}

// signedIn tells whether the session is good as far as the client knows.
func (l *line) signedIn() bool {
	st := l.vendor.Session.Status()
	lasting := l.vendor.Registers || l.site.Endless || l.site.SignIn == ""
	return !st.SessionExpiresAt.IsZero() || lasting && st.Ready && st.Problem == ""
}

// honest holds an error against the truth: whether the vendor recorded anything,
// and whether bytes of the question reached it.
func (l *line) honest(err error, recorded, asked bool) error {
	var call *scanner.CallError
	switch {
	case !errors.As(err, &call) || call.Op == "" || call.Trouble == "" || call.Err == nil:
		return fmt.Errorf("%v (%T) is no whole CallError", err, err)
	case call.MaybeSent:
		return nil
	case recorded:
		return errors.New("recorded, and called not sent")
	case asked && call.Op != l.site.SignIn && call.Status == 0:
		return errors.New("bytes of it reached the vendor, no answer came, and it is called not sent")
	}
	return nil
}

func (l *line) admitted(ctx context.Context, n int) (func(bool) error, error) {
	code := l.site.Code(n)
	had := l.site.Recorded(code)
	got, err := l.vendor.Validator.Validate(ctx, ask(code))
	return func(lies bool) error {
		switch recorded := l.site.Recorded(code) - had; {
		case got.Verdict == scanner.Admit && recorded != 1:
			return fmt.Errorf("admitted, and recorded %d times", recorded)
		case got.Verdict != scanner.Admit && !lies:
			return fmt.Errorf("refused as %s, and recorded %d times", got.Reason, recorded)
		}
		return nil
	}, err
}

func (l *line) refused(ctx context.Context, _ int) (func(bool) error, error) {
	got, err := l.vendor.Validator.Validate(ctx, ask(l.site.Refused))
	return func(lies bool) error {
		if got.Verdict == scanner.Review && got.Reason == l.site.Unsaid {
			return nil
		}
		if got.Verdict == scanner.Admit || got.Reason != l.site.Why && !lies {
			return fmt.Errorf("%s %s, want %s", got.Verdict, got.Reason, l.site.Why)
		}
		return nil
	}, err
}

func (l *line) uploaded(ctx context.Context, n int) (func(bool) error, error) {
	codes := []scanner.Code{l.site.Code(n), l.site.Refused, l.site.Code(n + 500)}
	var batch []scanner.Movement
	had := make([]int, len(codes))
	for i, code := range codes {
		batch = append(batch, l.site.Movement(uint64(i+1), code))
		had[i] = l.site.Recorded(code)
	}
	got, err := l.vendor.Uploader.Upload(ctx, batch)
	return func(lies bool) error {
		if len(got) != len(batch) {
			return fmt.Errorf("%d receipts", len(got))
		}
		for i, r := range got {
			taken := l.site.Recorded(codes[i]) > had[i]
			if says := r.Delivery == scanner.Taken; says != taken && (says && !l.site.Blind || !lies) && r.Delivery != scanner.Duplicate {
				return fmt.Errorf("receipt %d says %s (%s), taken %v", i, r.Delivery, r.Detail, taken)
			}
		}
		return nil
	}, err
}

func (l *line) listed(ctx context.Context, _ int) (func(bool) error, error) {
	got := map[scanner.Code]scanner.Ticket{}
	page, err := l.vendor.Lister.List(ctx, func(t scanner.Ticket, _ string) error {
		got[t.Code] = t
		return nil
	})
	if l.tickets == nil && err == nil {
		l.tickets = got
	}
	return func(lies bool) error {
		if !lies && (fmt.Sprint(got) != fmt.Sprint(l.tickets) || !page.Complete) {
			return fmt.Errorf("another list: %d tickets, complete %v", len(got), page.Complete)
		}
		return nil
	}, err
}

func (l *line) signsIn(ctx context.Context, _ int) (func(bool) error, error) {
	return nil, l.vendor.Session.SignIn(ctx)
}
