package control

import "usher/scanner"

// ScanRequest is a code typed by hand. An empty direction is the gate's own.
type ScanRequest struct {
	Code      string            `json:"code"`
	Direction scanner.Direction `json:"direction,omitempty"`
}

// ByRequest names the person who asks for what only a person may ask.
type ByRequest struct {
	By string `json:"by"`
}

// Ticket is a record of the vendor's list, with its whole code.
type Ticket struct {
	Code    string `json:"code"`
	ID      string `json:"id"`
	Name    string `json:"name"`
	Order   string `json:"order"`
	Section string `json:"section"`
	Seat    string `json:"seat"`
	Event   string `json:"event"`
	// EventName is the event in words, where Event is the vendor's id; empty: not known.
	EventName  string         `json:"event_name"`
	Series     string         `json:"series"`
	Client     string         `json:"client"`
	ValidFrom  Time           `json:"valid_from"`
	ValidUntil Time           `json:"valid_until"`
	Status     scanner.Status `json:"status"`
	UsedAt     Time           `json:"used_at"`
	UsedGate   string         `json:"used_gate"`
	Detail     string         `json:"detail"`
}

// TicketOf is the list's record for the wire.
func TicketOf(t scanner.Ticket) Ticket {
	return Ticket{
		Code: string(t.Code), ID: t.ID, Name: t.Name, Order: t.Order,
		Section: t.Section, Seat: t.Seat, Event: t.Event, Series: t.Series, Client: t.Client,
		ValidFrom: At(t.ValidFrom), ValidUntil: At(t.ValidUntil),
		Status: t.Status, UsedAt: At(t.UsedAt), UsedGate: t.UsedGate, Detail: t.Detail,
	}
}

// Mark is the gate state that this device keeps of a ticket.
type Mark struct {
	Entered     bool              `json:"entered"`
	EnteredAt   Time              `json:"entered_at"`
	EnteredGate string            `json:"entered_gate"`
	Exited      bool              `json:"exited"`
	Inside      bool              `json:"inside"`
	Conflict    bool              `json:"conflict"`
	Permit      scanner.Direction `json:"permit"`
	Last        uint64            `json:"last"`
	Undone      bool              `json:"undone"`
	LastAt      Time              `json:"last_at"`
	Open        int               `json:"open"`
	Kept        bool              `json:"kept"`
	// Speaks: this device judges the ticket's next scan, whatever the vendor says.
	Speaks bool `json:"speaks"`
}

// MarkOf is the mark for the wire.
func MarkOf(m scanner.Mark) Mark {
	return Mark{
		Entered: m.Entered, EnteredAt: At(m.EnteredAt), EnteredGate: m.EnteredGate,
		Exited: m.Exited, Inside: m.Inside, Conflict: m.Conflict, Permit: m.Permit,
		Last: m.Last, Undone: m.Undone, LastAt: At(m.LastAt.Wall),
		Open: m.Open, Kept: m.Kept, Speaks: m.Speaks(),
	}
}

// TicketView is all that is known of one code. Record is null where the list
// does not hold it; Damaged says that it does and cannot be read.
type TicketView struct {
	Code    string  `json:"code"`
	Record  *Ticket `json:"record"`
	Damaged bool    `json:"damaged"`
	Mark    Mark    `json:"mark"`
	// Scans are the journal's records of the code, oldest first.
	Scans []Event `json:"scans"`
}

// ImportResult tells what an import loaded.
type ImportResult struct {
	Tickets      int  `json:"tickets"`
	GenerationAt Time `json:"generation_at"`
}

// SyncRequest asks for one round of everything. Whole wants the vendor's whole list,
// where what changed of it since the last one would do.
type SyncRequest struct {
	Whole bool `json:"whole"`
}

// SyncResult tells how one round of everything (sign-in, upload, refresh,
// manifest) went. Problems are sentences; without any, all went well.
type SyncResult struct {
	Uploaded     int      `json:"uploaded"`
	Pending      int      `json:"pending"`
	Tickets      int      `json:"tickets"`
	GenerationAt Time     `json:"generation_at"`
	Problems     []string `json:"problems"`
}

// OutboxEntry is a movement that the vendor has not acknowledged.
type OutboxEntry struct {
	Seq       uint64            `json:"seq"`
	ID        string            `json:"id"`
	At        Time              `json:"at"`
	Scanner   string            `json:"scanner"`
	Code      string            `json:"code"`
	Direction scanner.Direction `json:"direction"`
	Vendor    string            `json:"vendor"`
	Account   string            `json:"account"`
	Event     string            `json:"event"`
	TicketID  string            `json:"ticket_id"`
	Attempts  int               `json:"attempts"`
	// SentAt is when it last left in a batch.
	SentAt     Time `json:"sent_at"`
	DeadlineAt Time `json:"deadline_at"`
	// Detail says why it waits, where that is known.
	Detail string `json:"detail"`
}

// ParkedEntry is a movement that the vendor will not take.
type ParkedEntry struct {
	Seq       uint64            `json:"seq"`
	ID        string            `json:"id"`
	At        Time              `json:"at"`
	Scanner   string            `json:"scanner"`
	Code      string            `json:"code"`
	Direction scanner.Direction `json:"direction"`
	Vendor    string            `json:"vendor"`
	Account   string            `json:"account"`
	Event     string            `json:"event"`
	TicketID  string            `json:"ticket_id"`
	// Reason is the vendor's.
	Reason   string `json:"reason"`
	ParkedAt Time   `json:"parked_at"`
}

// Moved tells how many parked movements were requeued or acknowledged.
type Moved struct {
	Moved int `json:"moved"`
}

// Reloaded tells that the configuration file is the one that runs now.
type Reloaded struct {
	// Changed is false where the file says what ran already.
	Changed bool `json:"changed"`
	// Notes say what takes effect only at the next start, if anything.
	Notes []string `json:"notes"`
}
