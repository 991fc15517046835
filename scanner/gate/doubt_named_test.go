package gate_test

import (
	"slices"
	"testing"
)

// TestInDoubtByHand are the rows that a person at the gate would ask about, with
// what the rules give written out. It holds the oracle of the cross product to
// the same.
func TestInDoubtByHand(t *testing.T) {
	recorded := way{acts: 0, ends: timesOut, fault: timedOut}
	lost := way{acts: never, ends: timesOut, fault: timedOut}
	for _, tt := range []struct {
		name string
		row  row
		want wanted
	}{
		{
			"a green whose answer got lost is uploaded once, and what the vendor has is our own",
			row{way: recorded, before: fresh, judged: admitted, again: nobody},
			wanted{scans: []string{"admit/ok offline in-doubt"}},
		}, {
			"a red whose answer got lost is made good at the next scan",
			row{way: recorded, before: fresh, judged: refused, again: holder},
			wanted{scans: []string{"refuse/not_found offline", "admit/ok online late"}},
		}, {
			"it is made good once: whoever comes first has it",
			row{way: recorded, before: fresh, judged: refused, again: copyHere},
			wanted{scans: []string{"refuse/not_found offline", "admit/ok online late", "refuse/already_entered online"}},
		}, {
			"a site that wants to look for itself sees amber, once",
			row{setting: setting{review: true}, way: recorded, before: fresh, judged: refused, again: copyHere},
			wanted{scans: []string{"refuse/not_found offline", "review/already_entered online late", "refuse/already_entered online"}},
		}, {
			"two minutes later the vendor's word stands",
			row{way: recorded, before: fresh, judged: refused, again: holderLater},
			wanted{scans: []string{"refuse/not_found offline", "refuse/already_entered online"}},
		}, {
			"a call that the vendor never saw costs nobody anything",
			row{way: lost, before: fresh, judged: refused, again: holderLater},
			wanted{scans: []string{"refuse/not_found offline", "admit/ok online"}},
		}, {
			"a daemon that dies asking admits its holder after the restart",
			row{setting: setting{restart: true}, way: recorded, before: fresh, judged: diedAsking, again: copyHere},
			wanted{scans: []string{"none", "admit/ok online late", "refuse/already_entered online"}},
		}, {
			"a late yes after a red admits without asking, link or none",
			row{setting: setting{offline: true}, way: way{acts: 0, ends: lateAt}, before: fresh, judged: refused, again: copyHere},
			wanted{scans: []string{"refuse/not_found offline", "admit/ok online late", "refuse/already_entered offline"}},
		}, {
			"a late yes that a full disk refuses is not forgotten",
			row{setting: setting{offline: true}, way: way{acts: 0, ends: lateAt}, before: fresh, judged: diskFull, again: copyHere},
			wanted{scans: []string{"review/not_stored offline", "admit/ok online late", "refuse/already_entered offline"}},
		}, {
			"an attempt that a full disk refused explains the vendor's word all the same",
			row{way: recorded, before: fresh, judged: diskFull, again: copyHere},
			wanted{scans: []string{"review/not_stored offline", "admit/ok online late", "refuse/already_entered online"}},
		}, {
			"a late refusal after a green is one conflict, and the entry is still uploaded",
			row{way: way{acts: 0, ends: lateAt}, before: elsewhere, judged: admitted, again: nobody},
			wanted{scans: []string{"admit/ok offline in-doubt"}, conflicts: 1},
		}, {
			"a call that turned out never to have left makes a duplicate a conflict",
			row{way: way{acts: never, ends: lateAt, fault: noDial}, before: elsewhere, judged: admitted, again: nobody},
			wanted{scans: []string{"admit/ok offline in-doubt"}, conflicts: 1},
		}, {
			"a green that rests on a call which is then refused is a conflict",
			row{way: way{acts: 0, ends: veryLate}, before: elsewhere, judged: refused, again: holder},
			wanted{scans: []string{"refuse/not_found offline", "admit/ok online late"}, conflicts: 1},
		}, {
			"a vendor that names another gate is believed",
			row{way: lost, named: true, before: fresh, judged: refused, again: copyGate2},
			wanted{scans: []string{"refuse/not_found offline", "refuse/already_entered online"}},
		}, {
			"an old open call still tells that a duplicate is our own",
			row{setting: setting{restart: true, offline: true}, way: recorded, before: fresh, judged: notStored, again: holderLater},
			wanted{scans: []string{"review/not_stored offline", "admit/ok offline in-doubt"}},
		}, {
			"after a restart the holder who has just gone in is not refused by a second reading",
			row{setting: setting{restart: true}, way: recorded, before: fresh, judged: admitted, again: copyHere},
			wanted{scans: []string{"admit/ok offline in-doubt", "refuse/already_entered offline", "admit/ok repeat"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if by := expect(tt.row); !slices.Equal(by.scans, tt.want.scans) || by.conflicts != tt.want.conflicts || by.parked != tt.want.parked {
				t.Errorf("the oracle expects %+v", by)
			}
			night(t, tt.row.setting, []row{tt.row})[0].check(t, tt.row, tt.want)
		})
	}
}
