package scanner

import "errors"

// The errors that rooms share. Each is wrapped with what happened; compare with
// errors.Is.
var (
	// ErrNotStored is returned when a commit could not be made durable. Whether
	// its write is on the disk is unknown, so nothing may be shown as green.
	ErrNotStored = errors.New("not stored")
	// ErrChanged is returned when the state a commit was decided on is no longer
	// there. Nothing was written; decide again.
	ErrChanged = errors.New("state changed meanwhile")
	// ErrUnknown is returned when there is no such record.
	ErrUnknown = errors.New("no such record")
	// ErrNotPossible is returned when a person asks for what cannot be: undoing
	// what is not the newest movement, admitting an admission.
	ErrNotPossible = errors.New("not possible")
	// ErrUnplugged is returned by a driver when its scanner went away.
	ErrUnplugged = errors.New("scanner unplugged")
	// ErrSettling is returned by a driver when its scanner was plugged in this
	// moment and cannot be told from another yet. It is over within 1 s.
	ErrSettling = errors.New("it is still being set up by the kernel; tried again")
)
