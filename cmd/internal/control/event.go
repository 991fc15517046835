package control

import (
	"time"

	"usher/scanner"
)

// Event is one outcome as every display shows it. The code is masked: its last
// four characters at most, never more than a third of it.
type Event struct {
	// Seq is the record's place in this device's journal. A repeat carries the
	// original's.
	Seq uint64 `json:"seq"`
	// ID is unique over all devices.
	ID string `json:"id"`
	// At is the corrected time, or the device's own where none is known.
	At             Time                `json:"at"`
	Scanner        string              `json:"scanner"`
	Code           string              `json:"code"`
	Verdict        scanner.Verdict     `json:"verdict"`
	Reason         scanner.Reason      `json:"reason"`
	Mode           scanner.Mode        `json:"mode"`
	Direction      scanner.Direction   `json:"direction"`
	Message        string              `json:"message"`
	Repeat         bool                `json:"repeat"`
	Late           bool                `json:"late"`
	InDoubt        bool                `json:"in_doubt"`
	Conflict       bool                `json:"conflict"`
	Overridden     bool                `json:"overridden"`
	Unverified     bool                `json:"unverified"`
	Queued         bool                `json:"queued"`
	Ticket         *scanner.TicketInfo `json:"ticket"`
	FirstEnteredAt Time                `json:"first_entered_at"`
	// TookMS is from the reading to the verdict, to the microsecond.
	TookMS float64 `json:"took_ms"`

	// Kind is "override", "undo", "conflict", "requeue" or "acknowledge"; absent for
	// a scan. All but the first have no verdict. The last two are read from history
	// and never told live: a thousand at once would push every follower off.
	Kind scanner.Kind `json:"kind,omitempty"`
	// By is the person behind what was not scanned, Of the record it acts on.
	By string `json:"by,omitempty"`
	Of uint64 `json:"of,omitempty"`
	// FirstEnteredGate, the window and the vendor's own words are what Message says,
	// for a screen in another language; absent where there is nothing to say.
	FirstEnteredGate string `json:"first_entered_gate,omitempty"`
	OpensAt          Time   `json:"opens_at,omitzero"`
	ClosedAt         Time   `json:"closed_at,omitzero"`
	Detail           string `json:"detail,omitempty"`
	// AgoMS is how long before a repeat its last reading was.
	AgoMS int64 `json:"ago_ms,omitempty"`

	// EventName is the event in words: the ticket's, or the one that is scanned here
	// where the ticket names none; ticket.event is what the vendor calls it. EventStartsAt
	// is when it starts. Absent where nothing is known.
	EventName     string `json:"event_name,omitempty"`
	EventStartsAt Time   `json:"event_starts_at,omitzero"`
}

// EventOf is the outcome for the wire.
func EventOf(o scanner.Outcome) Event {
	at := o.True.At
	if at.IsZero() {
		at = o.At.Wall
	}
	e := Event{
		Seq:            o.Seq,
		ID:             o.ID,
		At:             At(at),
		Scanner:        o.Scanner,
		Code:           o.Code.Mask(),
		Verdict:        o.Verdict,
		Reason:         o.Reason,
		Mode:           o.Mode,
		Direction:      o.Direction,
		Message:        o.Message,
		Repeat:         o.Repeat,
		Late:           o.Late,
		InDoubt:        o.InDoubt,
		Conflict:       o.Conflict,
		Overridden:     o.Overridden,
		Unverified:     o.Unverified,
		Queued:         o.Fate == scanner.FatePending,
		Ticket:         o.Ticket,
		FirstEnteredAt: At(o.FirstEnteredAt),
		TookMS:         float64(o.Took.Round(time.Microsecond)) / float64(time.Millisecond),
		By:             o.By,
		Of:             o.Of,

		FirstEnteredGate: o.FirstEnteredGate,
		OpensAt:          At(o.OpensAt),
		ClosedAt:         At(o.ClosedAt),
		Detail:           o.Detail,
	}
	if o.Kind != scanner.KindScan {
		e.Kind = o.Kind
	}
	if o.Repeat {
		e.AgoMS = o.Ago.Milliseconds()
	}
	return e
}
