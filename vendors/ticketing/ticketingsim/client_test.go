package ticketingsim_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/vendors/ticketing/ticketingsim"
	"usher/vendors/vendortest"
)

// vendorHost is where the vendor's client goes with sandbox set.
const vendorHost = "qa.ticketingevents.com"

// stand gives the simulator under the vendor's own name: a proxy that leads every
// connection to it, and the certificate to trust.
func stand(t *testing.T, sim *ticketingsim.Sim) (proxy, trusted string) {
	t.Helper()
	cert, _, err := vendortest.Certificate(vendortest.Cert{Hosts: []string{vendorHost}})
	if err != nil {
		t.Fatal(err)
	}
	trusted = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(sim)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	way := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			sim.ServeHTTP(w, r) // a client that gives the whole address to its proxy
			return
		}
		tunnel(t, w, r, server.Listener.Addr().String())
	}))
	t.Cleanup(way.Close)
	return way.URL, trusted
}

func tunnel(t *testing.T, w http.ResponseWriter, r *http.Request, to string) {
	if r.Host != vendorHost+":443" {
		t.Errorf("the client goes to %s", r.Host)
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	there, err := net.Dial("tcp", to)
	if err != nil {
		t.Error(err)
		return
	}
	defer there.Close()
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer here.Close()
	if _, err := io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(there, here)
		_ = there.(*net.TCPConn).CloseWrite()
	})
	both.Go(func() {
		_, _ = io.Copy(here, there)
		_ = here.Close()
	})
	both.Wait()
}

type refused struct {
	Error, Message string
	Code           int
}

// seen is what client.js prints.
type seen struct {
	Sessions struct {
		Wrong, Unknown, NotOurs, Afterwards    refused
		Key, Started, Username, ID, SessionKey string
		Resumed, Ended                         bool
	}
	Tokens struct {
		Issued struct {
			Code, ID string
			Global   bool
			Sections []string
		}
		Nothing, GlobalSave, GlobalDelete refused
		All                               []struct {
			Code     string
			Global   bool
			Sections []string
		}
		Additional          []bool
		Saved, Deleted      bool
		SavedSections, Left int
	}
	Admissions struct {
		Invalid, Beyond, Again refused
		Event                  string
		Sections, Second       []string
		Tickets                []struct{ Serial, Status, Section, Owner, Issued, Redeemed string }
		Admitted               []struct{ Redeemer, Device, Ticket, Patron, Section, Admitted, ID string }
		After                  []struct{ Status, Redeemed string }

		PageOfTwo, Pages, Since, SinceNever                                int
		All, ByRedeemer, ByNobody, ByDevice, ByTicket, ByPatron, BySection int
		Ended                                                              bool
	}
}

// The vendor's own client, as it is published, works with the simulator.
// scripts/ticketing-client fetches it and runs this.
func TestTheVendorsOwnClient(t *testing.T) {
	folder := os.Getenv("USHER_TICKETING_CLIENT")
	if folder == "" {
		t.Skip("scripts/ticketing-client runs this with the vendor's client; USHER_TICKETING_CLIENT, its folder, is not set")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is missing")
	}
	sim := ticketingsim.New(ticketingsim.Options{})
	sim.Demo(0)
	proxy, trusted := stand(t, sim)
	cmd := exec.CommandContext(t.Context(), node, "testdata/client.js", folder,
		ticketingsim.DemoKey, ticketingsim.DemoUser, ticketingsim.DemoPassword, ticketingsim.DemoFront)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HTTPS_PROXY=" + proxy, "https_proxy=" + proxy, "NODE_EXTRA_CA_CERTS=" + trusted}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("the client failed: %v\n%s", err, stderr.String())
	}
	var got seen
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, stdout.String())
	}
	checkSessions(t, got)
	checkTokens(t, got)
	checkAdmissions(t, sim, got)
	for _, call := range []string{
		"start session", "look at session", "end session", "exchange token", "event", "issue token", "list tokens", "change token", "take token back",
		"list tickets", "admit", "list admissions",
	} {
		if sim.Calls(call) == 0 {
			t.Errorf("the client never made the call %q", call)
		}
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

func like(t *testing.T, what, got, shape string) {
	t.Helper()
	if !regexp.MustCompile("^" + shape + "$").MatchString(got) {
		t.Errorf("%s: %q is not like %s", what, got, shape)
	}
}

func checkSessions(t *testing.T, got seen) {
	t.Helper()
	s := got.Sessions
	same(t, "wrong password", s.Wrong, refused{"UnauthorisedError", "A session cannot be started with the given password.", 401})
	same(t, "unknown user", s.Unknown, refused{"ResourceNotFoundError", "The requested account could not be located", 404})
	like(t, "key", s.Key, "[a-z0-9]{32}")
	like(t, "started", s.Started, `20\d\d-\d\d-\d\d \d\d:\d\d:\d\d`)
	same(t, "user", s.Username, ticketingsim.DemoUser)
	same(t, "key of the session", s.SessionKey, s.Key)
	same(t, "no session", s.NotOurs.Error, "InvalidStateError")
	same(t, "resumed, ended", []bool{s.Resumed, s.Ended}, []bool{true, true})
	same(t, "resumed after its end", s.Afterwards.Error, "InvalidStateError")
}

func checkTokens(t *testing.T, got seen) {
	t.Helper()
	k := got.Tokens
	like(t, "code", k.Issued.Code, "[0-9A-Z]{8}")
	section := func(id string) string { return fmt.Sprintf("/events/%s/sections/%s", ticketingsim.DemoEvent, id) }
	same(t, "issued for", k.Issued.Sections, []string{section(ticketingsim.SectionFront)})
	same(t, "issued globally", k.Issued.Global, false)
	same(t, "without sections", k.Nothing, refused{"BadDataError", "The following arguments are required, but have not been supplied: sections.", 400})
	if len(k.All) != 3 || k.All[0].Code != ticketingsim.DemoGlobal || !k.All[0].Global || len(k.All[0].Sections) != 2 || k.All[2].Code != k.Issued.Code {
		t.Errorf("tokens %+v", k.All)
	}
	same(t, "filtered", k.Additional, []bool{false, false})
	same(t, "saved", k.Saved, true)
	same(t, "sections after that", k.SavedSections, 2)
	const immutable = "The global admission token cannot be modified or invalidated."
	same(t, "the global one saved", k.GlobalSave, refused{"ResourceImmutableError", immutable, 409})
	same(t, "the global one deleted", k.GlobalDelete, refused{"ResourceIndelibleError", immutable, 409})
	same(t, "deleted", k.Deleted, true)
	same(t, "left", k.Left, 2)
}

func checkAdmissions(t *testing.T, sim *ticketingsim.Sim, got seen) {
	t.Helper()
	a := got.Admissions
	same(t, "no such code", a.Invalid, refused{"UnauthorisedError", "The provided code does not belong to any event token", 404})
	same(t, "event", a.Event, "/events/"+ticketingsim.DemoEvent)
	front := "/events/" + ticketingsim.DemoEvent + "/sections/" + ticketingsim.SectionFront
	same(t, "sections", a.Sections, []string{front})
	same(t, "tickets", len(a.Tickets), 4)
	for _, ticket := range a.Tickets {
		like(t, "serial", ticket.Serial, "[0-9A-Z]{6}-[0-9A-Z]{12}")
		same(t, "section", ticket.Section, front)
		like(t, "owner", ticket.Owner, "/accounts/[A-Z]{2}-[A-Z0-9]{8}")
		like(t, "issued", ticket.Issued, `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00`)
		same(t, "redeemed", ticket.Redeemed, "N/A")
	}
	same(t, "page of two, pages", []int{a.PageOfTwo, a.Pages, len(a.Second)}, []int{2, 2, 2})
	same(t, "modified since", []int{a.Since, a.SinceNever}, []int{4, 0})
	same(t, "beyond the end", a.Beyond.Error, "PageAccessError")
	same(t, "admitted", len(a.Admitted), 3)
	for _, one := range a.Admitted {
		same(t, "by", []string{one.Redeemer, one.Device, one.Section}, []string{"Name", "Device", front})
		like(t, "patron", one.Patron, "/accounts/[A-Z]{2}-[A-Z0-9]{8}")
		like(t, "admitted", one.Admitted, `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00`)
		same(t, "at the simulator", sim.Admitted(one.Ticket), 1)
	}
	same(t, "again", a.Again, refused{"BadDataError", "None of the provided ticket serials grants admission to this event", 400})
	same(t, "filters", []int{a.All, a.ByRedeemer, a.ByNobody, a.ByDevice, a.ByTicket, a.ByPatron, a.BySection}, []int{3, 3, 0, 3, 1, 1, 3})
	changed := 0
	for _, ticket := range a.After {
		if ticket.Status == ticketingsim.Redeemed && ticket.Redeemed != "N/A" {
			changed++
		}
	}
	same(t, "redeemed afterwards", changed, 3)
	same(t, "ended", a.Ended, true)
}
