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
