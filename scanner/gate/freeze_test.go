package gate_test

import (
	"encoding/json"
	"testing"

	"usher/scanner"
)

// What an upload needs of the device is that of the scan, whatever it is when the
// scan is sent; what the list says to send back comes before it.
func TestAMovementIsFrozen(t *testing.T) {
	d, _, w := onlineDoor(t, scanner.Ticket{Code: "AAA111"}, scanner.Ticket{Code: "BBB222", Vendor: json.RawMessage(`{"t":7}`)})
	w.online = false
	now := `{"d":101}`
	d.cfg.Freeze = func() json.RawMessage { return json.RawMessage(now) }
	d.Configure(d.cfg)
	first := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	second := d.want(d.scan("lane-1", "BBB222"), scanner.Admit, scanner.OK)
	now = `{"d":102}`
	for seq, want := range map[uint64]string{first.Seq: `{"d":101}`, second.Seq: `{"t":7}`} {
		rec, _, err := d.journal.Record(seq)
		if err != nil || string(rec.Upload) != want {
			t.Errorf("frozen %s, %v; want %s", rec.Upload, err, want)
		}
	}
}
