package gate_test

import (
	"testing"
	"time"

	"usher/scanner"
)

// TestAFreshListDoesNotMakeAnOldEntryOurs: the list showed the ticket as used when
// the vendor was asked and the answer got lost; that the list was fetched again
// since, and shows it still, proves nothing of that call.
func TestAFreshListDoesNotMakeAnOldEntryOurs(t *testing.T) {
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "USED11", Status: scanner.StatusUsed})
	v.answers <- cutOff
	d.want(d.scan("lane-1", "USED11"), scanner.Refuse, scanner.AlreadyEntered)
	d.settled()
	d.clock.pass(20 * time.Second)
	d.tickets.Checked(scope, d.clock.Now())
	d.clock.pass(20 * time.Second)
	v.answers <- entered
	d.want(d.scan("lane-2", "USED11"), scanner.Refuse, scanner.AlreadyEntered)
	d.settled()
}

// TestTryingUntilTheNetworkFailsLetsNobodyIn: the vendor refused the ticket for sure
// before the call whose answer got lost, so that call let nobody in. A holder whose
// first call got lost is admitted late all the same.
func TestTryingUntilTheNetworkFailsLetsNobodyIn(t *testing.T) {
	d, v, _ := onlineDoor(t)
	v.answers <- entered
	d.want(d.scan("lane-1", "COPY11"), scanner.Refuse, scanner.AlreadyEntered)
	d.settled()
	d.clock.pass(20 * time.Second)
	v.answers <- cutOff
	if out := d.scan("lane-1", "COPY11"); out.Verdict == scanner.Admit {
		t.Errorf("offline, without a list: %+v", out)
	}
	d.settled()
	d.clock.pass(20 * time.Second)
	v.answers <- entered
	d.want(d.scan("lane-1", "COPY11"), scanner.Refuse, scanner.AlreadyEntered)
	d.settled()

	v.answers <- cutOff
	d.scan("lane-1", "HOLD11")
	d.settled()
	d.clock.pass(20 * time.Second)
	v.answers <- entered
	if out := d.scan("lane-1", "HOLD11"); out.Verdict != scanner.Admit || !out.Late {
		t.Errorf("the holder: %+v", out)
	}
	d.settled()
}
