package upload_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"usher/scanner"
	"usher/sync/journal"
	"usher/sync/upload"
	"usher/vendors/audienceview"
	"usher/vendors/audienceview/audienceviewsim"
	"usher/vendors/vendortest/faults"
	"usher/vendors/wire"
)

const (
	simUser, simPassword                     = "gate7@example.org", "s3cret"
	simClient, simProduction, simPerformance = 284, 3622, 49182
	simCall                                  = "syncScans"
)

// night is a device with an outbox and what stands between it and the vendor: the
// real client over loopback before AudienceView's simulator, or a script.
type night struct {
	*testing.T
	clock *handClock
	dir   string
	book  book
	// settles, where set, comes between upload and journal.
	settles func(upload.Journal) upload.Journal
	u       *upload.Uploader

	sim    *audienceviewsim.Sim
	server *faults.Server
	vendor scanner.Vendor
	batch  int

	mu sync.Mutex // guards what follows
	// poison says how a ticket spoils every call it is in; down, where set, what
	// every call is answered with from the downAfter-th on.
	poison    map[scanner.Code]string
	down      string
	downAfter int

	calls int

	// What the device did, as its vendor saw it.
	seqs  []uint64
	codes map[uint64]scanner.Code
	of    map[scanner.Code][]uint64
	// failed is after how many taken entries an entry first failed; alone: it failed
	// by itself after another one was taken. named: the vendor refused it by name.
	failed       map[uint64]int
	alone, named map[uint64]bool
	taken        int
	inDoubt      []int
	// holds is what a scripted vendor took: the times of each ticket's movements.
	holds  map[uint64][]time.Time
	script func(n *night, batch []scanner.Movement) ([]scanner.Receipt, error)
}

// newNight opens the gate's outbox. Nil script: the real client.
func newNight(t *testing.T, batch int, script func(n *night, batch []scanner.Movement) ([]scanner.Receipt, error)) *night {
	n := &night{
		T: t, clock: newClock(), dir: t.TempDir(), batch: batch, script: script, poison: map[scanner.Code]string{},
		codes: map[uint64]scanner.Code{}, of: map[scanner.Code][]uint64{}, failed: map[uint64]int{}, alone: map[uint64]bool{}, named: map[uint64]bool{},
		holds: map[uint64][]time.Time{},
	}
	if script != nil {
		n.vendor = scanner.Vendor{Scope: scope}
	} else {
		n.openVendor()
	}
	n.open()
	t.Cleanup(func() { _ = n.book.Close() })
	return n
}

func (n *night) openVendor() {
	n.sim = audienceviewsim.New(func() time.Time { return n.clock.True(n.clock.Now()).At })
	n.sim.AddUser(audienceviewsim.User{Name: simUser, Password: simPassword, Clients: []int64{simClient}})
	n.sim.AddClient(audienceviewsim.Client{ID: simClient, Name: "Venue", Productions: []audienceviewsim.Production{{
		ID: simProduction, Name: "Show", Performances: []audienceviewsim.Performance{{ID: simPerformance, Start: noon}},
	}}})
	server, err := faults.Listen("127.0.0.1:0", http.HandlerFunc(n.serve), audienceviewsim.CallName)
	if err != nil {
		n.Fatal(err)
	}
	n.Cleanup(server.Close)
	n.server = server
	file := filepath.Join(n.TempDir(), "password")
	if err := os.WriteFile(file, []byte(simPassword), 0o600); err != nil {
		n.Fatal(err)
	}
	transport := wire.NewTransport()
	n.Cleanup(transport.CloseIdleConnections)
	n.vendor, err = audienceview.New(map[string]any{
		"base_url": server.URL() + "/public", "username": simUser, "password_file": file,
		"client_id": simClient, "production_id": simProduction, "performance_id": simPerformance,
	}, audienceview.Deps{Clock: n.clock, Transport: transport})
	if err != nil {
		n.Fatal(err)
	}
}

// open starts the device, or starts it again.
func (n *night) open() {
	n.Helper()
	j, err := journal.Open(journal.Options{Dir: n.dir, Clock: n.clock, Keep: 14 * 24 * time.Hour, ForgetAfter: 24 * time.Hour})
	if err != nil {
		n.Fatal(err)
	}
	n.book = book{j}
	var into upload.Journal = n.book
	if n.settles != nil {
		into = n.settles(into)
	}
	probe := func(context.Context) error { return nil }
	if n.vendor.Session != nil {
		probe = n.vendor.Session.Probe
	}
	n.u = upload.New(upload.Options{
		Journal: into, Vendor: n, Probe: probe, Scope: n.vendor.Scope, Clock: n.clock, Batch: n.batch,
		RetryMin: time.Second, RetryMax: time.Minute,
	})
}

// restart is a reboot: whatever was only in memory is gone.
func (n *night) restart() {
	n.Helper()
	if err := n.book.Close(); err != nil {
		n.Fatal(err)
	}
	n.open()
}

// scan admits tickets offline, each a second after the other; a great many share
// their commits, and so come to the outbox in any order.
func (n *night) scan(tickets ...int) {
	n.Helper()
	first := len(n.seqs)
	n.seqs = append(n.seqs, make([]uint64, len(tickets))...)
	var group errgroup.Group
	group.SetLimit(100)
	for i, ticket := range tickets {
		n.clock.pass(time.Second)
		if n.sim != nil {
			n.sim.AddTickets(audienceviewsim.Ticket{ID: int64(ticket), Performance: simPerformance, Barcode: string(code(ticket))})
		}
		change := n.admission(ticket)
		group.Go(func() error {
			seq, err := n.book.Commit(n.Context(), change)
			n.seqs[first+i] = seq
			return err
		})
		if len(tickets) <= 100 {
			_ = group.Wait() // its error is there at the end, too
		}
	}
	if err := group.Wait(); err != nil {
		n.Fatal(err)
	}
	for i, ticket := range tickets {
		seq := n.seqs[first+i]
		n.codes[seq] = code(ticket)
		n.of[code(ticket)] = append(n.of[code(ticket)], seq)
	}
	n.clock.pass(2 * time.Second)
}

// admission is what the gate commits for a ticket's first entry.
func (n *night) admission(ticket int) scanner.Change {
	n.Helper()
	data, err := json.Marshal(map[string]any{
		"t": ticket, "p": simPerformance, "b": code(ticket), "f": []int64{simClient, simProduction, simPerformance},
	})
	if err != nil {
		n.Fatal(err)
	}
	mark, err := n.book.Mark(n.vendor.Scope, code(ticket))
	if err != nil {
		n.Fatal(err)
	}
	at := n.clock.Now()
	mark.Entered, mark.Last, mark.LastAt, mark.Open = true, scanner.SelfSeq, at, mark.Open+1
	return scanner.Change{
		Record: scanner.Record{
			ID: fmt.Sprint("id-", ticket, "-", at.Up), Kind: scanner.KindScan, Scope: n.vendor.Scope, Code: code(ticket), Direction: scanner.Entry,
			Scanner: "lane-1", At: at, True: n.clock.True(at), Verdict: scanner.Admit, Reason: scanner.OK, Mode: scanner.Offline,
			InDoubt: slices.Contains(n.inDoubt, ticket), TicketID: fmt.Sprint(ticket), Upload: data, Fate: scanner.FatePending,
		},
		Mark: &mark,
	}
}

// Group and Limits are the vendor's own.
func (n *night) Group(m scanner.Movement) string {
	if n.vendor.Uploader != nil {
		return n.vendor.Uploader.Group(m)
	}
	return m.Scope.Event
}

func (n *night) Limits() (int, time.Duration) {
	if n.vendor.Uploader != nil {
		return n.vendor.Uploader.Limits()
	}
	return 0, 0
}

// Upload passes a batch on, and holds it and what became of it to the rules.
func (n *night) Upload(ctx context.Context, batch []scanner.Movement) ([]scanner.Receipt, error) {
	n.mu.Lock()
	n.calls++
	n.mu.Unlock()
	n.inOrder(batch)
	receipts, err := n.pass(ctx, batch)
	for _, m := range batch {
		if err == nil {
			continue
		}
		before, again := n.failed[m.Seq]
		if len(batch) == 1 && again && n.taken > before {
			n.alone[m.Seq] = true
		}
		if !again {
			n.failed[m.Seq] = n.taken
		}
	}
	for _, r := range receipts {
		switch r.Delivery {
		case scanner.Rejected:
			n.named[r.Seq] = true
		case scanner.Taken, scanner.Duplicate:
			n.taken++
		}
	}
	return receipts, err
}

func (n *night) pass(ctx context.Context, batch []scanner.Movement) ([]scanner.Receipt, error) {
	if n.script != nil {
		return n.script(n, batch)
	}
	for _, m := range batch {
		if n.poisonOf(string(m.Code)) == "silence" {
			// The call's own end comes soon, so that nobody waits for it.
			short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
			ctx = short
		}
	}
	return n.vendor.Uploader.Upload(ctx, batch)
}

// inOrder: a ticket's later movement leaves only after the earlier one is settled.
func (n *night) inOrder(batch []scanner.Movement) {
	n.Helper()
	for _, m := range batch {
		for _, seq := range n.of[m.Code] {
			if seq >= m.Seq {
				continue
			}
			if _, fate, err := n.book.Record(seq); err != nil || fate == scanner.FatePending {
				n.Errorf("call %d: record %d leaves while record %d of the same ticket is %q, %v", n.calls, m.Seq, seq, fate, err)
			}
		}
	}
}

// serve is the network and the vendor: poisoned tickets spoil the calls that they
// are in.
func (n *night) serve(w http.ResponseWriter, r *http.Request) {
	if audienceviewsim.CallName(r) != simCall {
		n.sim.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	switch n.poisonOf(string(body)) {
	case "400":
		http.Error(w, "simulated", http.StatusBadRequest)
	case "500":
		http.Error(w, "simulated", http.StatusInternalServerError)
	case "404 page":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body><h1>Not Found</h1></body></html>")
	case "page":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>Request blocked</body></html>")
	case "401":
		w.WriteHeader(http.StatusUnauthorized)
	case "403":
		w.WriteHeader(http.StatusForbidden)
	case "reset":
		panic(http.ErrAbortHandler)
	case "silence":
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	default:
		r.Body = io.NopCloser(bytes.NewReader(body))
		n.sim.ServeHTTP(w, r)
	}
}

// poisonOf tells how a call with that body goes wrong; "": it does not.
func (n *night) poisonOf(body string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down != "" && n.calls >= n.downAfter {
		return n.down
	}
	for barcode, how := range n.poison {
		if strings.Contains(body, string(barcode)) {
			return how
		}
	}
	return ""
}

func (n *night) spoil(how string, tickets ...int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, ticket := range tickets {
		n.poison[code(ticket)] = how
	}
}

// fall makes the vendor answer everything so, from that call on; "": it is well.
func (n *night) fall(how string, after int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down, n.downAfter = how, after
}

func (n *night) fault(f faults.Fault) {
	n.Helper()
	f.Call = simCall
	if err := n.server.Set(f); err != nil {
		n.Fatal(err)
	}
}

// fates are what became of every scan, a letter each.
func (n *night) fates() string {
	n.Helper()
	letters := map[scanner.Fate]byte{
		scanner.FatePending: '.', scanner.FateTaken: 't', scanner.FateConflict: 'c', scanner.FateParked: 'x', scanner.FateWithdrawn: 'w',
	}
	out := make([]byte, 0, len(n.seqs))
	for _, seq := range n.seqs {
		_, fate, err := n.book.Record(seq)
		if err != nil {
			n.Fatalf("record %d is lost: %v", seq, err)
		}
		out = append(out, letters[fate])
	}
	return string(out)
}

// try uploads some times, or until nothing is left, whatever comes of it; what the
// last one said.
func (n *night) try(times int) error {
	var err error
	for range times {
		_, err = n.u.Now(n.Context())
		if n.book.Status().Pending == 0 {
			break
		}
	}
	return err
}

// audit holds at any time: what the rules promise whatever the vendor does.
func (n *night) audit() {
	n.Helper()
	at := n.heldBy()
	for _, seq := range n.seqs {
		_, fate, err := n.book.Record(seq)
		if err != nil {
			n.Fatalf("record %d is lost: %v", seq, err)
		}
		if fate == scanner.FateParked && !n.named[seq] && !n.alone[seq] {
			n.Errorf("record %d is parked: the vendor did not name it, nor did it fail alone beside a success", seq)
		}
		if fate == scanner.FateTaken && len(at[seq]) == 0 {
			n.Errorf("record %d is %q, and the vendor has not got it", seq, fate)
		}
		slices.SortFunc(at[seq], time.Time.Compare)
		if times := slices.CompactFunc(at[seq], time.Time.Equal); len(times) > 1 {
			n.Errorf("the vendor holds record %d as %d scans: %v", seq, len(times), times)
		}
	}
}

// heldBy are the times under which the vendor holds each movement.
func (n *night) heldBy() map[uint64][]time.Time {
	held := map[uint64][]time.Time{}
	if n.sim == nil {
		for seq, times := range n.holds {
			held[seq] = slices.Clone(times)
		}
		return held
	}
	of := map[string]uint64{}
	for seq, c := range n.codes {
		of[string(c)] = seq
	}
	for _, s := range n.sim.Scans() {
		held[of[s.Barcode]] = append(held[of[s.Barcode]], s.At)
	}
	return held
}

// take is a scripted vendor's yes, which it keeps.
func (n *night) take(batch ...scanner.Movement) []scanner.Receipt {
	for _, m := range batch {
		n.holds[m.Seq] = append(n.holds[m.Seq], m.At)
	}
	return all(batch, scanner.Taken)
}

// crashing is a journal whose device dies between the vendor's answer and its own
// note of it.
type crashing struct {
	upload.Journal
}

var errDied = errors.New("the device died")

func (crashing) Settle(context.Context, []scanner.Settlement) error { return errDied }

func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i + 1
	}
	return list
}
