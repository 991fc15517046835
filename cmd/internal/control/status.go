package control

// State is the daemon's state in one word.
type State string

// The three states.
const (
	// Ready: scans are decided. Offline alone is ready.
	Ready State = "ready"
	// Degraded: scans are decided, and a person should look at Problems.
	Degraded State = "degraded"
	// NotReady: no scan can be decided.
	NotReady State = "not_ready"
)

// The states of a link.
const (
	LinkOnline  = "online"
	LinkOffline = "offline"
)

// The states of a scanner.
const (
	ScannerConnected = "connected"
	ScannerMissing   = "missing"
	ScannerError     = "error"
)

// Status is what support reads out on the phone. Every field is always on the
// wire, null or empty where it is unknown.
type Status struct {
	Version string `json:"version"`
	State   State  `json:"state"`
	// Problems are sentences that say what is wrong and what to do.
	Problems []string      `json:"problems"`
	Device   DeviceStatus  `json:"device"`
	Link     LinkStatus    `json:"link"`
	Vendor   VendorStatus  `json:"vendor"`
	Tickets  TicketsStatus `json:"tickets"`
	Outbox   OutboxStatus  `json:"outbox"`
	// Parked and Conflicts are the numbers that wait for a person.
	Parked    int             `json:"parked"`
	Conflicts int             `json:"conflicts"`
	Scanners  []ScannerStatus `json:"scanners"`
	Counts    Counts          `json:"counts"`
	Events    []EventCounts   `json:"events"`
	Clock     ClockStatus     `json:"clock"`
	// LastScan is null before the first one.
	LastScan *Event `json:"last_scan"`
	// Screen is how the gate screens of this device speak.
	Screen ScreenStatus `json:"screen"`
}

// ScreenStatus is what every gate screen of the device has in common, wherever it
// is drawn.
type ScreenStatus struct {
	// URL is the page's, for a browser on the device; empty: it is off.
	URL string `json:"url"`
	// Language is en, es, fr or de.
	Language string `json:"language"`
	// HoldMS is how long a verdict stays, in milliseconds.
	HoldMS int64 `json:"hold_ms"`
	// Timezone is the venue's, in IANA names; empty: the device's own.
	Timezone string `json:"timezone"`
}

// DeviceStatus names the device and its gate.
type DeviceStatus struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Gate      string `json:"gate"`
	Direction string `json:"direction"`
	// EventName is the event that is scanned here, in words, and EventStartsAt when it
	// starts; empty and null where it is any, or not known.
	EventName     string `json:"event_name"`
	EventStartsAt Time   `json:"event_starts_at"`
}

// LinkStatus says whether the vendor is asked now. For a vendor that is never
// asked it is offline, with the reason in words.
type LinkStatus struct {
	State       string `json:"state"`
	Since       Time   `json:"since"`
	Reason      string `json:"reason"`
	NextProbeAt Time   `json:"next_probe_at"`
}

// VendorStatus names the vendor and when it must be signed in to again.
type VendorStatus struct {
	Name              string `json:"name"`
	SessionExpiresAt  Time   `json:"session_expires_at"`
	PasswordExpiresAt Time   `json:"password_expires_at"`
	// EventsAt is when the vendor last told its events; null: never, or it tells none.
	EventsAt Time `json:"events_at"`
}

// TicketsStatus describes the list that offline decisions read. AgeS is null
// where no list was ever loaded.
type TicketsStatus struct {
	Count        int    `json:"count"`
	GenerationAt Time   `json:"generation_at"`
	AgeS         *int64 `json:"age_s"`
	Stale        bool   `json:"stale"`
}

// OutboxStatus is what the vendor has not acknowledged yet. DeadlineAt is when
// the vendor stops taking the oldest of it, where it has such a rule.
type OutboxStatus struct {
	Pending    int    `json:"pending"`
	OldestAt   Time   `json:"oldest_at"`
	OldestAgeS *int64 `json:"oldest_age_s"`
	DeadlineAt Time   `json:"deadline_at"`
}

// ScannerStatus is one configured scanner.
type ScannerStatus struct {
	Name   string `json:"name"`
	Driver string `json:"driver"`
	State  string `json:"state"`
	Detail string `json:"detail"`
	// Direction is which way its scans go: its own, or the gate's.
	Direction string `json:"direction"`
	Scans     int    `json:"scans"`
	LastAt    Time   `json:"last_at"`
}

// Counts are the verdicts since the daemon's start.
type Counts struct {
	Admit   int `json:"admit"`
	Refuse  int `json:"refuse"`
	Review  int `json:"review"`
	Repeat  int `json:"repeat"`
	Offline int `json:"offline"`
}

// EventCounts are the numbers of one event, from the journal.
type EventCounts struct {
	Event string `json:"event"`
	// EventName is the event in words where Event is the vendor's id, and EventStartsAt
	// when it starts; empty and null where that is not known.
	EventName     string `json:"event_name"`
	EventStartsAt Time   `json:"event_starts_at"`

	Entries    int `json:"entries"`
	Exits      int `json:"exits"`
	Inside     int `json:"inside"`
	Refused    int `json:"refused"`
	Overridden int `json:"overridden"`
	Undone     int `json:"undone"`
}

// ClockStatus says whether the time is known, and by how much the device's
// clock is wrong: true time minus wall clock, null where unknown.
type ClockStatus struct {
	Trusted  bool   `json:"trusted"`
	OffsetMS *int64 `json:"offset_ms"`
}

// Health is the answer of /healthz.
type Health struct {
	State State `json:"state"`
	// Error says why no scan can be decided.
	Error string `json:"error,omitempty"`
}

// filled makes every list a list, so that none is null on the wire.
func (s Status) filled() Status {
	if s.Problems == nil {
		s.Problems = []string{}
	}
	if s.Scanners == nil {
		s.Scanners = []ScannerStatus{}
	}
	if s.Events == nil {
		s.Events = []EventCounts{}
	}
	return s
}
