package archtics

import (
	"slices"
	"strings"

	"usher/scanner"
	"usher/vendors/wire"
)

// stateWords are in the names of fields that say how a ticket stands. None is known
// of verify_barcode, so that each is taken for one.
var stateWords = []string{"status", "void", "cancel", "refund", "return", "valid", "active", "block", "lost", "stolen", "reissue", "replaced", "disabled", "expired", "revoked"}

// stateField tells such a field. The letters of *_allowed_ind say what may be done
// with a ticket, and status_date_time and the like belong to a status beside them.
func stateField(field string) bool {
	if strings.Contains(field, "allowed") || strings.HasPrefix(field, "status_") && field != "status_ind" {
		return false
	}
	return slices.ContainsFunc(stateWords, func(word string) bool { return strings.Contains(field, word) })
}

// fine are the values of status fields that are no obstacle by the public tables:
// seat_status_ind A, C, S, and the ticket_status of a printed, paperless or mobile
// ticket.
var fine = []string{"A", "C", "S", "PB", "PI", "PC", "PP", "FP", "FW", "WC", "VM", "OK", "VALID", "ACTIVE", "SOLD"}

// obstacles are words in the name or the value of such a field, and what they make
// of a ticket; the first that fits counts.
var obstacles = []struct {
	word   string
	status scanner.Status
}{
	{"refund", scanner.StatusRefunded}, {"void", scanner.StatusVoided}, {"cancel", scanner.StatusVoided}, {"return", scanner.StatusVoided},
	{"reissue", scanner.StatusVoided}, {"replaced", scanner.StatusVoided}, {"revoked", scanner.StatusVoided}, {"disabled", scanner.StatusBlocked},
	{"block", scanner.StatusBlocked}, {"lost", scanner.StatusBlocked}, {"stolen", scanner.StatusBlocked}, {"expired", scanner.StatusBlocked},
	{"invalid", scanner.StatusBlocked}, {"inactive", scanner.StatusBlocked},
}

func obstacle(text string) scanner.Status {
	for _, o := range obstacles {
		if strings.Contains(strings.ToLower(text), o.word) {
			return o.status
		}
	}
	return ""
}

// judgeState reads one field: valid is no obstacle, another status is one, and
// empty is what a person must look at, with the reason in words.
func (c *Client) judgeState(s state, barcode string) (scanner.Status, string) {
	fits := func(value string) bool { return strings.EqualFold(value, s.value) }
	yes := slices.ContainsFunc([]string{"Y", "YES", "TRUE", "1"}, fits)
	no := slices.ContainsFunc([]string{"N", "NO", "FALSE", "0"}, fits)
	asked := obstacle(s.field) // such as is_void
	switch {
	case s.value == "", slices.ContainsFunc(c.cfg.AdmitStatuses, fits):
		return scanner.StatusValid, ""
	case strings.Contains(s.field, "status") && slices.ContainsFunc(fine, fits):
		return scanner.StatusValid, ""
	case strings.Contains(s.field, "status"):
		if status := obstacle(s.value); status != "" {
			return status, s.plain(barcode)
		}
	case asked != "" && no:
		return scanner.StatusValid, ""
	case asked != "":
		return asked, s.plain(barcode)
	case yes, slices.ContainsFunc(fine, fits): // valid, active
		return scanner.StatusValid, ""
	case no:
		return scanner.StatusBlocked, s.plain(barcode)
	}
	return "", "Archtics says what usher does not know: " + s.plain(barcode)
}

// plain is the field and its value, without the code.
func (s state) plain(barcode string) string {
	const longest = 40
	value := []rune(wire.Plain(s.value))
	said := wire.Plain(s.field) + " " + string(value[:min(len(value), longest)])
	if barcode != "" && (strings.Contains(said, barcode) || strings.Contains(s.value, barcode)) {
		return "a field that repeats the code"
	}
	return said
}
