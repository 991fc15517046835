package presence

import (
	"strings"

	"usher/scanner"
	"usher/vendors/wire"
)

// status is result.status, compared byte by byte.
type status string

// The statuses of all generations of the document.
const (
	okay                     status = "OKAY"
	exited                   status = "EXIT"
	internalScan             status = "INTERNAL_SCAN"
	internalScanExit         status = "INTERNAL_SCAN_EXIT"
	internalExitScan         status = "INTERNAL_EXIT_SCAN"
	duplicate                status = "DUPLICATE"
	exitNotPermitted         status = "EXIT_NOT_PERMITTED"
	internalAlreadyEntered   status = "INTERNAL_SCAN_ALREADY_ENTERED"
	internalExitNotPermitted status = "INTERNAL_SCAN_EXIT_NOT_PERMITTED"
	notFound                 status = "NOT_FOUND"
	badRequest               status = "BAD_REQUEST"
	alreadyEntered           status = "ALREADY_ENTERED"
	invalidTicket            status = "INVALID_TICKET"
	startRestriction         status = "START_RESTRICTION"
	endRestriction           status = "END_RESTRICTION"
	sectionRestriction       status = "SECTION_RESTRICTION"
	eventRestriction         status = "EVENT_RESTRICTION"
	accessGroupRestriction   status = "ACCESS_GROUP_RESTRICTION"
	xnumRestriction          status = "XNUM_RESTRICTION"
	markRestriction          status = "MARK_RESTRICTION"
	tooEarly                 status = "TOO_EARLY"
	tooLate                  status = "TOO_LATE"
	badToken                 status = "BAD_TOKEN"
	openSeat                 status = "OPEN_SEAT"
	transfer                 status = "TRANSFER"
	generalError             status = "GENERAL_ERROR"
)

// hidden stands for an unknown status that holds what must not be shown.
const hidden status = "an unknown status"

// meaning is what a refusal tells the person at the gate; words are for
// [scanner.Restricted] alone.
type meaning struct {
	reason scanner.Reason
	words  string
}

// meaning gives what a status says of a ticket that it refuses. It is false for
// those that let somebody pass, for those that answer no question, and for
// unknown ones.
func (s status) meaning() (meaning, bool) {
	switch s {
	case alreadyEntered, internalAlreadyEntered:
		return meaning{reason: scanner.AlreadyEntered}, true
	case exitNotPermitted, internalExitNotPermitted:
		return meaning{reason: scanner.ExitNotPermitted}, true
	case notFound:
		return meaning{reason: scanner.NotFound}, true
	case startRestriction, tooEarly:
		return meaning{reason: scanner.TooEarly}, true
	case endRestriction, tooLate:
		return meaning{reason: scanner.TooLate}, true
	case sectionRestriction:
		return meaning{reason: scanner.WrongSection}, true
	case eventRestriction:
		return meaning{reason: scanner.WrongEvent}, true
	case invalidTicket:
		return meaning{scanner.Restricted, "the ticket is not valid"}, true
	case badToken:
		return meaning{scanner.Restricted, "the code is not valid; let the holder open the ticket anew"}, true
	case accessGroupRestriction:
		return meaning{scanner.Restricted, "not for this access group"}, true
	case xnumRestriction:
		return meaning{scanner.Restricted, "a rule on its Xnum"}, true
	case markRestriction:
		return meaning{scanner.Restricted, "there is a mark on the ticket"}, true
	case openSeat:
		return meaning{scanner.Restricted, "its seat is open"}, true
	case transfer:
		return meaning{scanner.Restricted, "it was transferred to somebody else"}, true
	case internalScan:
		return meaning{scanner.Restricted, "scanned at an internal gate"}, true
	case duplicate:
		return meaning{scanner.Restricted, "scanned elsewhere in the same moment"}, true
	}
	return meaning{}, false
}

// passes tells the statuses that let somebody through in some direction.
func (s status) passes() bool {
	switch s {
	case okay, exited, internalScanExit, internalExitScan:
		return true
	}
	return false
}

func (s status) known() bool {
	_, refuses := s.meaning()
	return refuses || s.passes() || s == generalError || s == badRequest
}

// plain is the status as it can be shown: an unknown one is whatever was sent.
func (s status) plain() string {
	const longest = 60
	text := []rune(wire.Plain(string(s)))
	return string(text[:min(len(text), longest)])
}

// verdict is what a status says of a ticket in a direction. It must not be asked
// of those that answer no question.
func (s said) verdict(direction scanner.Direction, code scanner.Code) scanner.Answer {
	switch {
	case s.status == okay && direction == scanner.Entry:
		return scanner.Answer{Verdict: scanner.Admit, Reason: scanner.OK}
	case s.status.passes() && direction == scanner.Exit:
		return scanner.Answer{Verdict: scanner.Admit, Reason: scanner.Exited}
	}
	m, known := s.status.meaning()
	switch {
	case !known:
		m = meaning{reason: scanner.Restricted}
	case m.reason == scanner.AlreadyEntered && direction == scanner.Exit:
		// No exit: nobody may take it for one whose answer got lost.
		m = meaning{scanner.Restricted, "it has entered already"}
	case m.reason == scanner.ExitNotPermitted && direction == scanner.Entry:
		m = meaning{scanner.Restricted, "its exit is not permitted"}
	}
	a := scanner.Answer{Verdict: scanner.Refuse, Reason: m.reason}
	if m.reason == scanner.Restricted {
		a.Detail = s.detail(m.words, code)
	}
	return a
}

// detail is the status in plain words, with the vendor's own beside it: the
// document wants it shown why somebody was denied.
func (s said) detail(words string, code scanner.Code) string {
	var parts []string
	if words != "" {
		parts = append(parts, words)
	}
	if s.words != "" && !strings.Contains(s.words, string(code)) {
		parts = append(parts, s.words)
	}
	shown := s.status
	if !shown.known() && strings.Contains(string(shown), string(code)) {
		shown = hidden
	}
	return strings.Join(append(parts, shown.plain()), " · ")
}
