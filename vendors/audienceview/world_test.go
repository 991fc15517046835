package audienceview_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/audienceview"
	"usher/vendors/audienceview/audienceviewsim"
	"usher/vendors/vendortest"
	"usher/vendors/vendortest/faults"
	"usher/vendors/wire"
)

const (
	user     = "gate7@example.org"
	password = "s3cret horse & staple"

	clientID      = 284
	otherClient   = 285
	productionID  = 3622
	performanceID = 49182
)

// stage is a venue at the simulator: two clients, three performances.
func stage(now func() time.Time) *audienceviewsim.Sim {
	sim := audienceviewsim.New(now)
	sim.AddUser(audienceviewsim.User{Name: user, Password: password, Clients: []int64{clientID}, Patrons: true})
	start := time.Date(2026, 11, 21, 16, 0, 0, 0, time.UTC)
	show := func(id int64) audienceviewsim.Performance { return audienceviewsim.Performance{ID: id, Start: start} }
	sim.AddClient(audienceviewsim.Client{ID: clientID, Name: "TestAccount-300", Productions: []audienceviewsim.Production{
		{ID: productionID, Name: "Spamalot", Performances: []audienceviewsim.Performance{show(performanceID), show(performanceID + 1)}},
		{ID: productionID + 1, Name: "Kinky Boots", Performances: []audienceviewsim.Performance{show(performanceID + 10)}},
	}})
	sim.AddClient(audienceviewsim.Client{ID: otherClient, Name: "Other", Productions: []audienceviewsim.Production{
		{ID: 1, Name: "Elsewhere", Performances: []audienceviewsim.Performance{show(1)}},
	}})
	ticket := func(id int64, performance int64, barcode string) audienceviewsim.Ticket {
		return audienceviewsim.Ticket{
			ID: id, Performance: performance, Barcode: barcode, Consumer: "Pat Purchaser", First: "Walkup", Last: "Walkup", Section: "s1", Seat: "A1",
		}
	}
	used, voided, refunded := ticket(5, performanceID, "used000005"), ticket(6, performanceID, "void000006"), ticket(7, performanceID, "refu000007")
	used.Scanned, voided.Voided, refunded.Refunded = true, true, true
	sim.AddTickets(
		ticket(1, performanceID, "good000001"), ticket(2, performanceID, "more000002"), ticket(3, performanceID, "more000003"),
		ticket(4, performanceID, "more000004"), used, voided, refunded,
		ticket(8, performanceID+1, "show000008"), ticket(9, performanceID+10, "seri000009"), ticket(10, 1, "clie000010"),
	)
	return sim
}

// venue is a client before a stage.
type venue struct {
	sim       *audienceviewsim.Sim
	server    *faults.Server
	transport *http.Transport
	log       *vendortest.Log
	memory    *vendortest.Memory
	file      string
	client    *audienceview.Client
	seen      *vendortest.Observations
}

func newVenue(t *testing.T, change func(raw map[string]any, deps *audienceview.Deps)) *venue {
	t.Helper()
	v := &venue{sim: stage(nil), transport: wire.NewTransport(), log: &vendortest.Log{}, memory: &vendortest.Memory{}, seen: &vendortest.Observations{}}
	server, err := faults.Listen("127.0.0.1:0", v.sim, audienceviewsim.CallName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	t.Cleanup(v.transport.CloseIdleConnections)
	v.server = server
	v.file = filepath.Join(t.TempDir(), "password")
	v.write(t, password)
	v.client = v.again(t, change)
	t.Cleanup(func() {
		server.Close()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = v.client.SignOut(ctx)
	})
	return v
}

// again makes another client with the same memory, as after a restart.
func (v *venue) again(t *testing.T, change func(raw map[string]any, deps *audienceview.Deps)) *audienceview.Client {
	t.Helper()
	raw := map[string]any{
		"base_url": v.server.URL() + "/public", "username": user, "password_file": v.file,
		"client_id": clientID, "production_id": productionID, "performance_id": performanceID,
	}
	deps := audienceview.Deps{
		Version: "1.2.3", Memory: v.memory, Transport: v.transport, Observe: v.seen.Add,
		Log: slog.New(slog.NewTextHandler(v.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(raw, &deps)
	}
	c, err := audienceview.NewClient(raw, deps)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (v *venue) write(t *testing.T, secret string) {
	t.Helper()
	if err := os.WriteFile(v.file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (v *venue) validate(t *testing.T, code scanner.Code) (scanner.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return v.client.Validate(ctx, scanner.Ask{Code: code, Direction: scanner.Entry})
}

// movement is a code admitted offline a minute ago, under the list's data.
func movement(seq uint64, code scanner.Code, ticket int64) scanner.Movement {
	data, err := json.Marshal(map[string]any{"t": ticket, "p": performanceID, "b": code, "f": []int64{clientID, productionID, performanceID}})
	if err != nil {
		panic(err)
	}
	return scanner.Movement{
		Seq: seq, Code: code, Direction: scanner.Entry, At: time.Now().Add(-time.Minute), Data: data,
	}
}

func TestContract(t *testing.T) {
	vendortest.Run(t, vendortest.Suite{New: func(t *testing.T) *vendortest.World {
		v := newVenue(t, nil)
		ids := map[scanner.Code]int64{"good000001": 1, "more000002": 2, "more000003": 3, "void000006": 6}
		return &vendortest.World{
			Vendor: scanner.Vendor{Validator: v.client, Uploader: v.client, Lister: v.client, Session: v.client},
			Server: v.server, Transport: v.transport,
			ValidateCall: "validateTicket", UploadCall: "syncScans", ListCall: "validTickets", SignInCall: "authenticate",
			Codes: map[scanner.Reason]scanner.Code{
				scanner.OK: "good000001", scanner.AlreadyEntered: "used000005", scanner.NotFound: "nobody0000",
				scanner.Voided: "void000006", scanner.Refunded: "refu000007", scanner.WrongEvent: "show000008",
				scanner.WrongSeries: "seri000009", scanner.WrongClient: "clie000010",
			},
			More: []scanner.Code{"more000002", "more000003"}, Bad: "void000006",
			Movement: func(seq uint64, code scanner.Code) scanner.Movement { return movement(seq, code, ids[code]) },
			Recorded: func(code scanner.Code) int { return v.sim.Counts()[string(code)] },
			Expire:   v.sim.ExpireTokens,
			Deny: func() {
				v.sim.AddUser(audienceviewsim.User{Name: user, Password: "another", Clients: []int64{clientID}})
			},
			SignIns: func() int { return v.sim.Calls("authenticate") },
			Listed:  7,
			Secrets: []string{password, user, audienceviewsim.PrivateMail, audienceviewsim.PrivatePhone, "Authorization", "Basic "},
			Log:     v.log.String,
		}
	}})
}
