// Package scanner is the domain of usher: a scan, the ticket it names, the
// gate state kept of it, and the verdict a person at the gate sees.
//
// The package holds no I/O and never asks what time it is: every time comes in
// as an argument, so that the same facts always give the same verdict. Rooms
// that do I/O (the ticket cache, the journal, devices, vendors) meet the engine
// in scanner/gate through the small interfaces of ports.go.
//
// Vocabulary, in the order of a scan's life: a [Reading] is one code as a
// driver framed it; a Reading judged becomes a [Record] with exactly one
// [Verdict] and one [Reason]; an admission changes the ticket's [Mark] and may
// owe the vendor an upload, whose end is its [Fate].
package scanner
