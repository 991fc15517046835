package scanner

import (
	"encoding/json"
	"time"
)

// Kind tells what a record of the journal is.
type Kind string

// The kinds of record.
const (
	// KindScan is a judged reading, typed codes included.
	KindScan Kind = "scan"
	// KindOverride is a supervisor's admission of a refused or reviewed scan.
	KindOverride Kind = "override"
	// KindConflict says that the vendor refused what this device had admitted.
	KindConflict Kind = "conflict"
	// KindUndo takes back a movement whose person did not pass.
	KindUndo Kind = "undo"
	// KindRequeue says that a person sent a parked movement to the vendor again.
	KindRequeue Kind = "requeue"
	// KindAcknowledge says that a person has seen a parked movement, or a conflict.
	KindAcknowledge Kind = "acknowledge"
)

// Clerical tells what was decided about the outbox and not at the gate: history
// has it, the gate's screen has nothing to show.
func (k Kind) Clerical() bool { return k == KindRequeue || k == KindAcknowledge }

// Fate is what became of a movement's report to the vendor.
type Fate string

// The fates of a movement.
const (
	// FateNone: nothing is owed to the vendor (refusals, reviews, undo notes).
	FateNone Fate = ""
	// FatePending: in the outbox.
	FatePending Fate = "pending"
	// FateConfirmed: the vendor itself decided it, online.
	FateConfirmed Fate = "confirmed"
	// FateTaken: uploaded and taken.
	FateTaken Fate = "taken"
	// FateConflict: uploaded, and the vendor knew of another entry.
	FateConflict Fate = "conflict"
	// FateParked: the vendor will not take it; a person must look.
	FateParked Fate = "parked"
	// FateAcknowledged: parked, and a person has seen it.
	FateAcknowledged Fate = "acknowledged"
	// FateWithdrawn: undone before the vendor heard of it.
	FateWithdrawn Fate = "withdrawn"
	// FateUndone: undone after the vendor had it.
	FateUndone Fate = "undone"
	// FateKept: the vendor takes none; kept here and exported.
	FateKept Fate = "kept"
)

// Acknowledged tells whether the vendor holds the movement, so that it may
// judge the ticket's next scan.
func (f Fate) Acknowledged() bool {
	switch f {
	case FateConfirmed, FateTaken, FateConflict, FateUndone:
		return true
	}
	return false
}

// Origin is the device and gate that made a record, frozen at scan time.
type Origin struct {
	Device string `json:"device"`
	Name   string `json:"name,omitempty"`
	Gate   string `json:"gate,omitempty"`
}

// Record is one line of the journal: what was scanned, what was decided, and
// why. Once written it never changes; what becomes of it is its [Fate].
type Record struct {
	Seq       uint64    `json:"seq"`
	ID        string    `json:"id"`
	Kind      Kind      `json:"kind"`
	Scope     Scope     `json:"scope"`
	Origin    Origin    `json:"origin"`
	Scanner   string    `json:"scanner"`
	Code      Code      `json:"code"`
	Direction Direction `json:"direction"`
	// At is the raw stamp; True is the corrected time as known at the decision.
	At   Stamp   `json:"at"`
	True Instant `json:"true"`

	Verdict Verdict `json:"verdict"`
	Reason  Reason  `json:"reason"`
	Mode    Mode    `json:"mode"`
	Message string  `json:"message"`

	Late       bool `json:"late,omitempty"`
	InDoubt    bool `json:"in_doubt,omitempty"`
	Conflict   bool `json:"conflict,omitempty"`
	Overridden bool `json:"overridden,omitempty"`
	Unverified bool `json:"unverified,omitempty"`

	// By is the person behind an override, undo, requeue or acknowledgement, Of the
	// record it acts on.
	By string `json:"by,omitempty"`
	Of uint64 `json:"of,omitempty"`

	// Ticket is sealed on disk where a device key is at hand.
	Ticket *TicketInfo `json:"-"`
	// TicketID and Upload freeze what the vendor's upload needs.
	TicketID string          `json:"ticket_id,omitempty"`
	Upload   json.RawMessage `json:"upload,omitempty"`
	Event    string          `json:"event,omitempty"`

	FirstEnteredAt   time.Time `json:"first_entered_at,omitzero"`
	FirstEnteredGate string    `json:"first_entered_gate,omitempty"`
	// VendorAt is the time that the vendor gave the movement by its own clock, where
	// it decided it and says so.
	VendorAt time.Time `json:"vendor_at,omitzero"`
	// OpensAt and ClosedAt are the window behind TooEarly, TooLate and ClockDoubt,
	// Detail a vendor's own words behind Restricted: what Message says, for a screen
	// in another language.
	OpensAt  time.Time `json:"opens_at,omitzero"`
	ClosedAt time.Time `json:"closed_at,omitzero"`
	Detail   string    `json:"detail,omitempty"`
	// Took is from the reading to the verdict.
	Took time.Duration `json:"took_ns"`

	// Before is the ticket's mark before this movement, so that it can be undone.
	Before *Mark `json:"before,omitempty"`
	// Fate is the record's fate when it was written.
	Fate Fate `json:"fate,omitempty"`
}

// Movement tells whether the record moved somebody: only those owe the vendor
// anything and can be undone.
func (r *Record) Movement() bool {
	return r.Verdict == Admit && (r.Kind == KindScan || r.Kind == KindOverride)
}

// Mark is the gate state of one ticket in one scope.
type Mark struct {
	// Rev counts the changes; a commit states the Rev it was decided on.
	Rev uint64 `json:"rev"`
	// Entered: the ticket has entered the venue, here or at an internal gate.
	Entered bool `json:"entered,omitempty"`
	// EnteredAt and EnteredGate tell of that entry.
	EnteredAt   time.Time `json:"entered_at,omitzero"`
	EnteredGate string    `json:"entered_gate,omitempty"`
	// Exited: it left by an external exit and has not entered again.
	Exited bool `json:"exited,omitempty"`
	// Inside: it is inside the internal area.
	Inside bool `json:"inside,omitempty"`
	// Conflict: a vendor refused an entry that this device had admitted.
	Conflict bool `json:"conflict,omitempty"`
	// Permit admits the next movement of that direction once.
	Permit Direction `json:"permit,omitempty"`
	// Last is the newest movement's seq; Undone says that it was taken back.
	Last   uint64 `json:"last,omitempty"`
	Undone bool   `json:"undone,omitempty"`
	// LastAt is when that was, for the mark's end.
	LastAt Stamp `json:"last_at"`
	// Open counts the movements that the vendor has not acknowledged and may
	// still take: pending and parked ones. A mark with any never ends.
	Open int `json:"open,omitempty"`
	// Kept says that a movement behind this mark will never reach a vendor, so
	// that this device must go on judging the ticket by itself.
	Kept bool `json:"kept,omitempty"`
	// EventEnds is when the ticket's event is over, where known.
	EventEnds time.Time `json:"event_ends,omitzero"`
	// Unproven says that there is no mark, but that there may have been one: the
	// store was damaged. It is never stored.
	Unproven bool `json:"-"`
}

// Speaks tells whether the journal must judge the ticket's next scan, whatever
// the vendor would say: it does not know what this device knows.
func (m Mark) Speaks() bool { return m.Open > 0 || m.Kept || m.Permit != "" }

// Attempt is a call to a vendor, on the disk before it is made: until it is
// closed the vendor may hold what was asked without anybody here knowing.
type Attempt struct {
	ID        uint64    `json:"id"`
	Scope     Scope     `json:"scope"`
	Code      Code      `json:"code"`
	Direction Direction `json:"direction"`
	Scanner   string    `json:"scanner"`
	At        Stamp     `json:"at"`
	// Used: the list or the vendor said that the ticket was used before the call was
	// made. Who says so later does not speak of this call.
	Used bool `json:"used,omitempty"`
	// Admitted: the vendor's yes came after its scan was judged without it and not
	// admitted.
	Admitted bool `json:"admitted,omitempty"`
}

// FateChange moves one movement's fate inside a commit. From is what it must be
// at that moment; any other value fails the commit with [ErrChanged].
type FateChange struct {
	Seq  uint64
	From Fate
	To   Fate
}

// Change is what one commit of the journal writes, all of it or nothing.
type Change struct {
	// Record is appended; its Seq is set by the commit.
	Record Record
	// Mark, when not nil, replaces the ticket's mark, whose Rev must still be
	// Mark.Rev; the stored Rev is one higher. Last, where it is SelfSeq, becomes
	// the record's own Seq.
	Mark *Mark
	// Fate, when not nil, changes another movement's fate.
	Fate *FateChange
	// CloseAttempts are attempts that this commit ends. SpendAttempt is one that it
	// rests on, and ends: the commit fails with ErrChanged where it is spent
	// already; zero: none.
	CloseAttempts []uint64
	SpendAttempt  uint64
}

// SelfSeq in Mark.Last stands for the seq of the record being committed.
const SelfSeq = ^uint64(0)

// Outcome is what a reading led to, for everything that shows it: the screen,
// the socket, the scanner's own light.
type Outcome struct {
	Record
	// Fate is the movement's fate at that moment.
	Fate Fate
	// Repeat: the same code again, nothing decided; Record is the original's and
	// Ago is how long before this reading its last reading was.
	Repeat bool
	Ago    time.Duration
}
