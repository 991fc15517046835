package gate_test

import (
	"context"
	"testing"
	"time"

	"usher/scanner"
	"usher/scanner/gate"
	"usher/sync/journal"
)

// slowDisk takes its time to commit an attempt.
type slowDisk struct {
	*journal.Journal
	takes time.Duration
}

func (s slowDisk) Attempt(ctx context.Context, a scanner.Attempt) (uint64, error) {
	time.Sleep(s.takes)
	return s.Journal.Attempt(ctx, a)
}

// TestASlowDiskIsNoOutageOfTheVendor: the list says that the ticket was used, the
// vendor says yes at once, and only the disk was slow.
func TestASlowDiskIsNoOutageOfTheVendor(t *testing.T) {
	d, v, w := onlineDoor(t, scanner.Ticket{Code: "AAA111", Status: scanner.StatusUsed})
	d.Gate = gate.New(d.cfg, gate.Deps{
		Clock: d.clock, Tickets: d.tickets, Journal: slowDisk{d.journal, d.cfg.Patience + 100*time.Millisecond},
		Link: w, NewID: counter(), Show: d.show, Ended: func() {}, Log: d.Log,
	})
	go func() {
		<-v.asked
		v.answers <- yes
	}()
	out, _ := d.Gate.Judge(t.Context(), scanner.Reading{Scanner: "lane-1", Raw: "AAA111", At: d.clock.Now()})
	d.settled()
	if out.Verdict != scanner.Admit || out.Mode != scanner.Online || len(w.failed) != 0 || w.answered != 1 {
		t.Errorf("%s/%s %s; the link heard of %d failures and %d answers", out.Verdict, out.Reason, out.Mode, len(w.failed), w.answered)
	}
}
