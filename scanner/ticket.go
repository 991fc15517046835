package scanner

import (
	"encoding/json"
	"time"
)

// Direction is the way through the gate.
type Direction string

// The two directions.
const (
	Entry Direction = "entry"
	Exit  Direction = "exit"
)

// Valid tells a known direction.
func (d Direction) Valid() bool { return d == Entry || d == Exit }

// Scope is what a scan was judged under. Gate state and outbox entries belong
// to one scope for ever: another account's upload never takes them along.
type Scope struct {
	Vendor  string `json:"vendor"`
	Account string `json:"account,omitempty"`
	Event   string `json:"event,omitempty"`
}

// Key is the scope as one string, for indexes.
func (s Scope) Key() string { return s.Vendor + "\x1f" + s.Account + "\x1f" + s.Event }

// Status is what a list says of a ticket.
type Status string

// The statuses a list may carry. Any other value never admits.
const (
	StatusValid    Status = "valid"
	StatusUsed     Status = "used"
	StatusVoided   Status = "voided"
	StatusRefunded Status = "refunded"
	StatusBlocked  Status = "blocked"
	// StatusTwice is no vendor's word: the list has the code twice, and not the
	// same. A supervisor decides.
	StatusTwice Status = "twice"
	// StatusElsewhere is none either: what the vendor's configuration admits does not
	// take in the ticket's event.
	StatusElsewhere Status = "elsewhere"
)

// Known tells whether usher knows what the status means.
func (s Status) Known() bool {
	switch s {
	case StatusValid, StatusUsed, StatusVoided, StatusRefunded, StatusBlocked:
		return true
	}
	return false
}

// Ticket is one record of a vendor's list. It never holds an address, an
// e-mail or a telephone number.
type Ticket struct {
	Code    Code   `json:"code"`
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
	Order   string `json:"order,omitempty"`
	Section string `json:"section,omitempty"`
	// SectionID is the vendor's own id of the section, where it has one.
	SectionID string `json:"section_id,omitempty"`
	Seat      string `json:"seat,omitempty"`
	Event     string `json:"event,omitempty"`
	Series    string `json:"series,omitempty"`
	Client    string `json:"client,omitempty"`
	// ValidFrom and ValidUntil are the check-in window, both ends inclusive;
	// zero: open.
	ValidFrom  time.Time `json:"valid_from,omitzero"`
	ValidUntil time.Time `json:"valid_until,omitzero"`
	// EventEnds is when the event is over, where the list tells.
	EventEnds time.Time `json:"event_ends,omitzero"`
	Status    Status    `json:"status"`
	// UsedAt and UsedGate tell of the entry behind StatusUsed, where known.
	UsedAt   time.Time `json:"used_at,omitzero"`
	UsedGate string    `json:"used_gate,omitempty"`
	// Detail is the vendor's own plain words for a block.
	Detail string `json:"detail,omitempty"`
	// Vendor is what the vendor's upload will need of this ticket, opaque to
	// every other room.
	Vendor json.RawMessage `json:"vendor,omitempty"`
}

// Info is the part of the ticket that a verdict shows.
func (t Ticket) Info() *TicketInfo {
	return &TicketInfo{ID: t.ID, Name: t.Name, Section: t.Section, Seat: t.Seat, Event: t.Event}
}

// TicketInfo is what a person at the gate sees of a ticket.
type TicketInfo struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Section string `json:"section"`
	Seat    string `json:"seat"`
	Event   string `json:"event"`
}

// Found is how a look-up in the list ended.
type Found int

// The ends of a look-up.
const (
	// Missing: no list, or the list does not hold the code.
	Missing Found = iota
	// Listed: the record is there and readable.
	Listed
	// Damaged: the record is there and cannot be read.
	Damaged
)

// ListInfo describes the list that look-ups read, from memory.
type ListInfo struct {
	// Loaded is false where no complete list of this scope was ever loaded.
	Loaded bool
	// Complete says that the list holds every ticket of its scope.
	Complete bool
	// Count is the number of tickets.
	Count int
	// GeneratedAt is when the source made the list, as well as is known.
	GeneratedAt time.Time
	// Checked is when the source was last found to say the same.
	Checked Stamp
}
