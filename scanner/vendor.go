package scanner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Vendor is what a vendor's folder gives the house. What a vendor does not
// offer is nil or zero here, never an error at the gate. Each method of the
// parts makes one attempt (a vendor may sign in once more inside it) and is safe
// for concurrent use; retry and backoff live in sync.
type Vendor struct {
	// Scope is what scans are judged under from now on.
	Scope Scope
	// Exits tells whether exits exist at this vendor.
	Exits bool
	// Client is what the vendor itself restricts the scope to, for the offline
	// checks: a ticket of another client is refused.
	Client string
	// CallTimeout is a validation's own end where the vendor's document states
	// one; zero: online.timeout.
	CallTimeout time.Duration
	// Normal is how long an answer may take by the vendor's document: one that comes
	// within it is no sign of a bad link, though nobody at the gate waits for it.
	// Zero: online.patience.
	Normal time.Duration
	// Registers: the vendor is told the device's names and gate when the daemon
	// starts, so that they cannot change while it runs.
	Registers bool
	// Fixed are the paths of the configuration, beside the vendor's own block, that the
	// vendor was made with, so that they cannot change while it runs: gate.event,
	// gate.timezone.
	Fixed []string
	// Freeze gives what Uploader will need of this device as it is at scan time; nil:
	// nothing beside the list's.
	Freeze func() json.RawMessage
	// Advice is what a person should know before a gate opens, each as "path: text".
	Advice []string
	// EventsNote says in words why the vendor lists no events; empty: it has none to
	// tell.
	EventsNote string

	// Sections gives the ids of the sections that the vendor lets this device admit
	// to, from memory. It is nil where the vendor limits no device; it gives nil where
	// the vendor never told which: until then no ticket of a section is green offline.
	Sections func() []string
	// Window gives the check-in window of the configured event, from memory; nil, or
	// false: none is known.
	Window func() (Window, bool)

	// A vendor has a Validator, or a Finder, or neither.
	Validator Validator
	Finder    Finder
	Watcher   Watcher
	Uploader  Uploader
	Undoer    Undoer
	Lister    Lister
	// Changes gives what changed of a list; nil: only the whole list can be had.
	Changes Changes
	Session Session
	Events  EventLister
	Tokens  TokenIssuer
}

// Ask is one question to the vendor: may this ticket pass.
type Ask struct {
	Code      Code
	Direction Direction
	At        Stamp
	True      Instant
}

// Answer is a vendor's definite answer: admit or refuse.
type Answer struct {
	// Verdict may be review as well: the vendor answered and said nothing of the ticket
	// that can be understood. MaybeActed: it may have taken the movement all the same.
	Verdict    Verdict
	MaybeActed bool
	Reason     Reason
	// Ticket is what the vendor tells of it; nil: nothing.
	Ticket   *TicketInfo
	TicketID string
	// FirstEnteredAt and FirstEnteredGate tell of the entry behind
	// AlreadyEntered, where the vendor names it. An answer that names neither may
	// speak of this device's own call whose answer got lost.
	FirstEnteredAt   time.Time
	FirstEnteredGate string
	// OpensAt and ClosedAt are the edges behind TooEarly and TooLate, where the vendor
	// names them.
	OpensAt, ClosedAt time.Time
	// VendorAt is the time that the vendor gave the movement by its own clock; zero:
	// it does not say.
	VendorAt time.Time
	// Detail is the vendor's own words behind Restricted, plain text.
	Detail string
}

// Validator asks the vendor for a verdict.
type Validator interface {
	// Validate asks once. An error is a [CallError]: no definite answer.
	Validate(ctx context.Context, ask Ask) (Answer, error)
}

// Movement is one admission or exit on its way to the vendor, frozen at scan
// time.
type Movement struct {
	Seq       uint64
	ID        string
	Scope     Scope
	Origin    Origin
	Code      Code
	Direction Direction
	// At is the corrected scan time: never in the vendor's future.
	At       time.Time
	TicketID string
	// Data is the record's Upload: what the vendor's list said to send back.
	Data json.RawMessage
}

// Delivery is how the vendor took one movement.
type Delivery string

// The ways of taking a movement.
const (
	// Taken: the vendor holds it.
	Taken Delivery = "taken"
	// Duplicate: the vendor holds an entry of this ticket already.
	Duplicate Delivery = "duplicate"
	// Rejected: the vendor will not take it, with its reason.
	Rejected Delivery = "rejected"
	// Later: not now; it stays in the outbox.
	Later Delivery = "later"
)

// Receipt is what became of one movement of a batch.
type Receipt struct {
	Seq      uint64
	Delivery Delivery
	// VendorAt is the time that the vendor gave the movement by its own clock; zero:
	// it does not say.
	VendorAt time.Time
	// Theirs says of a Duplicate that the entry is certainly somebody else's: no
	// sending of ours whose answer got lost.
	Theirs bool
	// Detail is the vendor's reason, plain text.
	Detail string
}

// Undoer takes a movement back at the vendor, as if it had never been.
type Undoer interface {
	// Undo asks once. No error: the vendor has forgotten the movement, or never had it.
	// An error is a [CallError]: nothing is known, or Malformed: the vendor will not.
	Undo(ctx context.Context, m Movement) error
}

// Uploader takes movements that were made offline.
type Uploader interface {
	// Group names what may travel in one batch: movements of one group share
	// everything that the vendor wants once per call.
	Group(Movement) string
	// Limits are the most a batch may hold, and how old a movement may be when
	// the vendor takes it; zero: no limit.
	Limits() (batch int, age time.Duration)
	// Upload sends one batch of one group, no code twice in it. It gives one
	// receipt for each movement. An error is a [CallError]: nothing is known of
	// any of them.
	Upload(ctx context.Context, batch []Movement) ([]Receipt, error)
}

// ListPage describes a list as a vendor gave it.
type ListPage struct {
	// Complete says that the list holds every ticket of the scope.
	Complete bool
	// Delta says that it holds only what changed since the cursor.
	Delta       bool
	GeneratedAt time.Time
	// Source is a fingerprint of what was asked, Cursor where a delta goes on.
	Source string
	Cursor []byte
}

// Lister gives the vendor's tickets for offline decisions.
type Lister interface {
	// List streams every ticket of the scope to add, with its place in the
	// answer for error texts. An error is add's own, as it is, or a [CallError]:
	// then what was given before is to be thrown away.
	List(ctx context.Context, add func(t Ticket, place string) error) (ListPage, error)
}

// Changes gives what changed of a list since it was fetched.
type Changes interface {
	// Changes streams the tickets that are new or differ since the cursor, each whole
	// and as List does, and gives where the next delta goes on. Deltas may overlap: where
	// nothing differs from the list that is here, the cursor before stays in use. A page
	// of another Source than the list's, or without a Cursor, counts as ErrCursor: the
	// vendor, or what is asked of it, is not what the cursor was made for, and only a
	// whole list will do.
	Changes(ctx context.Context, cursor []byte, add func(t Ticket, place string) error) (ListPage, error)
}

// ErrCursor is returned by Changes for a cursor that no delta can go on from.
var ErrCursor = errors.New("no delta goes on from here: fetch the whole list")

// SessionStatus is how the device stands with the vendor, from memory.
type SessionStatus struct {
	// Ready is false where the vendor cannot be asked for want of a sign-in or
	// registration.
	Ready             bool
	SessionExpiresAt  time.Time
	PasswordExpiresAt time.Time
	// Problem says what is wrong with the credentials and what to do.
	Problem string
}

// Session is the device's standing with a vendor that wants a sign-in.
type Session interface {
	// Probe is the vendor's cheapest authenticated call; it signs in where that is
	// needed. An error is a [CallError].
	Probe(ctx context.Context) error
	// SignIn forgets why no sign-in was tried and tries one.
	SignIn(ctx context.Context) error
	// Status is from memory.
	Status() SessionStatus
	// SignOut ends the session, as the daemon stops.
	SignOut(ctx context.Context) error
}

// Trouble is why a call to a vendor gave no definite answer.
type Trouble string

// The kinds of trouble.
const (
	// Unreachable: refused, no route, DNS, TLS. The vendor never saw the call.
	Unreachable Trouble = "unreachable"
	// Silent: sent, and no whole answer came.
	Silent Trouble = "silent"
	// Nonsense: an answer that is not the vendor's: HTML, truncated or foreign
	// JSON.
	Nonsense Trouble = "nonsense"
	// Failing: the vendor's own fault, 5xx and its own words for it.
	Failing Trouble = "failing"
	// Throttled: 429, or a quota; RetryAfter says for how long.
	Throttled Trouble = "throttled"
	// Denied: the sign-in is refused; another needs a person.
	Denied Trouble = "denied"
	// Malformed: the vendor calls the request wrong (4xx).
	Malformed Trouble = "malformed"
)

// CallError is a call to a vendor that gave no definite answer.
type CallError struct {
	// Op is the call in the vendor's own words, without secrets.
	Op      string
	Trouble Trouble
	// MaybeSent: the vendor may have acted on the call.
	MaybeSent bool
	// Status is the HTTP status; 0: there was none.
	Status int
	// RetryAfter is how long the vendor asks to be left alone; 0: it does not say.
	RetryAfter time.Duration
	Err        error
}

func (e *CallError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Op, e.Trouble, e.Err) }

// Unwrap gives the cause.
func (e *CallError) Unwrap() error { return e.Err }

// The longest that is heeded of a vendor's wish to be left alone: of one that
// wants fewer calls, and of any other answer, which may be a front end's with a
// maintenance page. Nobody stands beside a device that a broken header silenced.
const (
	longestRest = 24 * time.Hour
	shortRest   = 5 * time.Minute
)

// Rest is how long the vendor is to be left alone.
func (e *CallError) Rest() time.Duration {
	if e.Trouble == Throttled {
		return min(e.RetryAfter, longestRest)
	}
	return min(e.RetryAfter, shortRest)
}

// CallErrorOf gives the call error inside err; one of its own where there is
// none, taken to have been sent, since nothing says otherwise.
func CallErrorOf(err error) *CallError {
	var call *CallError
	if errors.As(err, &call) {
		return call
	}
	return &CallError{Op: "call", Trouble: Silent, MaybeSent: true, Err: err}
}
