package scanner

import "time"

// Recorded is a record of the journal and what became of it.
type Recorded struct {
	Record
	Fate Fate
	// Sent is how often it left for the vendor without a definite answer that
	// it was not taken.
	Sent int
	// SentAs is the scan's time as the vendor was last told it; zero where it is
	// certain that it was never told.
	SentAs time.Time
	// VendorAt is the time that the vendor gave the movement by its own clock, as it
	// decided or took it; zero: it never said.
	VendorAt time.Time
	// Detail is the vendor's own words on it, FateAt when its fate last changed
	// or it last left, FateBy the person behind that; all zero where nothing did.
	Detail string
	FateAt time.Time
	FateBy string
}

// Sending is one entry of the outbox that is about to leave, with the time that
// the vendor is told.
type Sending struct {
	Seq uint64
	As  time.Time
}

// Settlement is what became of one entry at the vendor.
type Settlement struct {
	Seq uint64
	// To is the new fate: taken, confirmed, conflict, parked, undone,
	// acknowledged. FatePending means that the vendor definitely did not take
	// it: it stays, and its latest sending does not count. That of a parked one
	// does not either. Once no sending counts, the time it was sent as is free.
	To Fate
	// VendorAt is the time that the vendor gave it by its own clock; zero: it does not
	// say.
	VendorAt time.Time
	// Detail is the vendor's own words.
	Detail string
}
