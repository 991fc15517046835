package archtics

import (
	"slices"
	"strings"

	"usher/scanner"
	"usher/vendors/wire"
)

// stateWords are in the names of fields that say how a ticket stands. None is known
// of verify_barcode, so that each is taken for one.
var stateWords = []string{
	"state", "status", "void", "cancel", "refund", "return", "valid", "activ", "block", "lost", "stolen", "reissue", "replaced", "disabled", "expired", "revoked",
	"allowed", "denied", "suspend",
}

// stateField tells such a field, but for those that the tables document as something
// else: letters of what may be done with a ticket, the time and the seat of a status
// beside them, and the prices of a block.
func stateField(field string) bool {
	switch {
	case strings.HasSuffix(field, "_allowed_ind"), field == "status_date_time", field == "status_seat_num", strings.HasPrefix(field, "block_") && strings.HasSuffix(field, "_price"):
		return false
	}
	return slices.ContainsFunc(stateWords, func(word string) bool { return strings.Contains(field, word) })
}

// addressWords are in the names of fields beside which a state is a place, such as
// NY.
var addressWords = []string{"city", "zip", "postal", "street", "address", "country"}

// inAddress tells the state of an address among the names of an object's fields.
func inAddress(field, value string, names []string) bool {
	return field == "state" && len(value) <= 2 && slices.ContainsFunc(names, func(name string) bool {
		return slices.ContainsFunc(addressWords, func(word string) bool { return strings.Contains(strings.ToLower(name), word) })
	})
}

// The values of status fields that are no obstacle: words that say so, and by the
// public tables the letters of seat_status_ind and, of ticket_status, those of a
// printed, paperless or mobile ticket.
var (
	fineWords   = []string{"OK", "VALID", "ACTIVE", "SOLD"}
	fineLetters = map[string][]string{
		"seat_status_ind": {"A", "C", "S"},
		"ticket_status":   {"PB", "PI", "PC", "PP", "FP", "FW", "WC", "VM"},
	}
)

// obstacles are words in the value of a status, and what they make of a ticket; the
// first that fits counts.
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

// asks are the whole names, as [bare] gives them, of fields that ask one question
// to which yes or no is a clear answer, and what yes makes of a ticket. A name that
// only holds one of them, such as refundable or validated, asks something else.
var asks = map[string]scanner.Status{
	"valid": scanner.StatusValid, "active": scanner.StatusValid, "entryallowed": scanner.StatusValid, "admissionallowed": scanner.StatusValid,
	"refund": scanner.StatusRefunded, "refunded": scanner.StatusRefunded,
	"void": scanner.StatusVoided, "voided": scanner.StatusVoided, "cancel": scanner.StatusVoided, "cancelled": scanner.StatusVoided, "canceled": scanner.StatusVoided,
	"return": scanner.StatusVoided, "returned": scanner.StatusVoided, "reissued": scanner.StatusVoided, "replaced": scanner.StatusVoided, "revoked": scanner.StatusVoided,
	"disabled": scanner.StatusBlocked, "blocked": scanner.StatusBlocked, "lost": scanner.StatusBlocked, "stolen": scanner.StatusBlocked, "expired": scanner.StatusBlocked,
	"invalid": scanner.StatusBlocked, "notvalid": scanner.StatusBlocked, "inactive": scanner.StatusBlocked, "notactive": scanner.StatusBlocked,
	"deactivated": scanner.StatusBlocked, "entrydenied": scanner.StatusBlocked, "suspended": scanner.StatusBlocked,
}

// bare is a field's name without what says no more than that it is about this
// ticket, or that it is a question.
func bare(field string) string {
	field = strings.ReplaceAll(field, "_", "")
	for _, before := range []string{"is", "was", "ticket", "barcode", "seat", "is", "was"} {
		field = strings.TrimPrefix(field, before)
	}
	for _, behind := range []string{"ind", "flag"} {
		field = strings.TrimSuffix(field, behind)
	}
	return field
}

// happened tells a field that is filled where something was done to a ticket, such
// as void_date, and what that was.
func happened(field string) scanner.Status {
	for _, behind := range []string{"datetime", "date", "time", "by", "reason"} {
		if what, has := strings.CutSuffix(bare(field), behind); has {
			if status := asks[what]; status != scanner.StatusValid {
				return status
			}
			return ""
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
	asked := asks[bare(s.field)]
	switch {
	case s.inside:
	case s.value == "", slices.ContainsFunc(c.cfg.AdmitStatuses, fits):
		return scanner.StatusValid, ""
	case strings.Contains(s.field, "stat"): // a status, or a state
		if slices.ContainsFunc(fineWords, fits) || slices.ContainsFunc(fineLetters[s.field], fits) {
			return scanner.StatusValid, ""
		}
		if status := obstacle(s.value); status != "" {
			return status, s.plain(barcode)
		}
	case asked == scanner.StatusValid && (yes || slices.ContainsFunc(fineWords, fits)):
		return scanner.StatusValid, ""
	case asked == scanner.StatusValid && no:
		return scanner.StatusBlocked, s.plain(barcode)
	case asked != "" && no:
		return scanner.StatusValid, ""
	case asked != "" && yes:
		return asked, s.plain(barcode)
	case happened(s.field) != "" && !no:
		return happened(s.field), s.plain(barcode)
	}
	return "", "Archtics says what usher does not know: " + s.plain(barcode)
}

// plain is the field and its value, without the code.
func (s state) plain(barcode string) string {
	const longest = 40
	value := []rune(wire.Plain(s.value))
	said := wire.Plain(s.field) + " " + string(value[:min(len(value), longest)])
	if repeats(said, barcode) || repeats(s.value, barcode) {
		return "a field that repeats the code"
	}
	return said
}
