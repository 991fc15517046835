package screen

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

//go:embed words/*.json
var catalogue embed.FS

// Languages lists what screen.language may be.
func Languages() []string { return []string{"en", "es", "fr", "de"} }

// Words are all that a screen says by itself, in one language. A text may hold
// placeholders in braces, the same in every language.
type Words struct {
	// Language is the words' own, as HTML names it.
	Language string `json:"language"`

	// The verdict in one word or two, in capitals: it fills the screen.
	Admit    string `json:"admit"`
	Exit     string `json:"exit"`
	Refuse   string `json:"refuse"`
	Review   string `json:"review"`
	Same     string `json:"same"`
	Undone   string `json:"undone"`
	Conflict string `json:"conflict"`

	// What the surface says without a verdict.
	NoConnection   string `json:"no_connection"`
	DoNotTrust     string `json:"do_not_trust"`
	NotReady       string `json:"not_ready"`
	CallSupport    string `json:"call_support"`
	NoScanner      string `json:"no_scanner"`
	NoScannerNamed string `json:"no_scanner_named"` // {name} {known}
	ReadyToScan    string `json:"ready_to_scan"`
	Connecting     string `json:"connecting"`

	// Why, by reason.
	WhyUnverified       string `json:"why_unverified"`
	WhyAdmittedBy       string `json:"why_admitted_by"` // {by}
	WhyLetOutBy         string `json:"why_let_out_by"`  // {by}
	WhyExited           string `json:"why_exited"`
	WhyAlreadyEntered   string `json:"why_already_entered"`
	WhyEnteredAt        string `json:"why_entered_at"`      // {time}
	WhyEnteredGate      string `json:"why_entered_gate"`    // {gate}
	WhyEnteredGateAt    string `json:"why_entered_gate_at"` // {gate} {time}
	WhyVendorHasAnother string `json:"why_vendor_has_another"`
	WhyNotFound         string `json:"why_not_found"`
	WhyVoided           string `json:"why_voided"`
	WhyRefunded         string `json:"why_refunded"`
	WhyWrongClient      string `json:"why_wrong_client"`
	WhyWrongSeries      string `json:"why_wrong_series"`
	WhyWrongEvent       string `json:"why_wrong_event"`
	WhyWrongSection     string `json:"why_wrong_section"`
	WhyTooEarly         string `json:"why_too_early"` // {time}
	WhyTooLate          string `json:"why_too_late"`  // {time}
	WhyNotOpen          string `json:"why_not_open"`
	WhyClosed           string `json:"why_closed"`
	WhyExitNotPermitted string `json:"why_exit_not_permitted"`
	WhyRestricted       string `json:"why_restricted"`
	WhyRestrictedDetail string `json:"why_restricted_detail"` // {detail}
	WhyUnreadable       string `json:"why_unreadable"`
	WhyNoList           string `json:"why_no_list"`
	WhyNotInList        string `json:"why_not_in_list"`
	WhyNotReady         string `json:"why_not_ready"`
	WhyClock            string `json:"why_clock"`
	WhyDamaged          string `json:"why_damaged"`
	WhyNotStored        string `json:"why_not_stored"`
	WhySame             string `json:"why_same"`          // {ago}
	WhyUndone           string `json:"why_undone"`        // {by}
	WhyConflict         string `json:"why_conflict"`      // {why}
	WhyConflictExit     string `json:"why_conflict_exit"` // {why}
	WhyUnknown          string `json:"why_unknown"`       // {reason}
	Window              string `json:"window"`            // {from} {until}
	WindowFrom          string `json:"window_from"`       // {from}
	WindowUntil         string `json:"window_until"`      // {until}
	WhatItWas           string `json:"what_it_was"`       // {verdict} {why}

	// What to do now.
	DoSupervisor  string `json:"do_supervisor"`
	DoEntered     string `json:"do_entered"`
	DoHelpDesk    string `json:"do_help_desk"`
	DoOtherTicket string `json:"do_other_ticket"`
	DoOtherGate   string `json:"do_other_gate"`
	DoComeBack    string `json:"do_come_back"`
	DoScanAgain   string `json:"do_scan_again"`
	DoTell        string `json:"do_tell"`

	// What is not usual about an event.
	MarkOffline    string `json:"mark_offline"`
	MarkLate       string `json:"mark_late"`
	MarkInDoubt    string `json:"mark_in_doubt"`
	MarkConflict   string `json:"mark_conflict"`
	MarkOverridden string `json:"mark_overridden"`
	MarkUnverified string `json:"mark_unverified"`
	MarkQueued     string `json:"mark_queued"`

	// Labels of a ticket.
	Section string `json:"section"`
	Seat    string `json:"seat"`
	Name    string `json:"name"`
	Order   string `json:"order"`

	// What must always be seen.
	Online         string `json:"online"`
	Offline        string `json:"offline"`
	Outbox         string `json:"outbox"`   // {n}
	ListAge        string `json:"list_age"` // {age}
	ListOld        string `json:"list_old"` // {age}
	NoList         string `json:"no_list"`
	ClockUncertain string `json:"clock_uncertain"`
	ScannerMissing string `json:"scanner_missing"` // {name}
	ScannerFault   string `json:"scanner_fault"`   // {name}
	Parked         string `json:"parked"`          // {n}
	Conflicts      string `json:"conflicts"`       // {n}
	NeedsLook      string `json:"needs_look"`
	DirectionEntry string `json:"direction_entry"`
	DirectionExit  string `json:"direction_exit"`
	TypedByHand    string `json:"typed_by_hand"`
	CountAdmitted  string `json:"count_admitted"`
	CountRefused   string `json:"count_refused"`
	CountReviewed  string `json:"count_reviewed"`
	CountOffline   string `json:"count_offline"`
	CountInside    string `json:"count_inside"`
	SecondsShort   string `json:"seconds_short"` // {n}
	MinutesShort   string `json:"minutes_short"` // {n}
	HoursShort     string `json:"hours_short"`   // {h} {m}
	DaysShort      string `json:"days_short"`    // {n}

	// The page's buttons and fields.
	Title          string `json:"title"`
	TypeCode       string `json:"type_code"`
	Check          string `json:"check"`
	Cancel         string `json:"cancel"`
	Close          string `json:"close"`
	LastScans      string `json:"last_scans"`
	NoScansYet     string `json:"no_scans_yet"`
	Search         string `json:"search"`
	SearchHint     string `json:"search_hint"`
	FoundNone      string `json:"found_none"`
	TooManyFound   string `json:"too_many_found"` // {n}
	LetIn          string `json:"let_in"`
	LetOut         string `json:"let_out"`
	TakeBack       string `json:"take_back"`
	YourName       string `json:"your_name"`
	NameNeeded     string `json:"name_needed"`
	LetInAsk       string `json:"let_in_ask"`    // {code}
	LetOutAsk      string `json:"let_out_ask"`   // {code}
	TakeBackAsk    string `json:"take_back_ask"` // {code}
	CheckTicket    string `json:"check_ticket"`
	AllScanners    string `json:"all_scanners"`
	TapForSound    string `json:"tap_for_sound"`
	Problems       string `json:"problems"`
	Failed         string `json:"failed"` // {why}
	StatusValid    string `json:"status_valid"`
	StatusUsed     string `json:"status_used"`
	StatusVoided   string `json:"status_voided"`
	StatusRefunded string `json:"status_refunded"`
	StatusBlocked  string `json:"status_blocked"`
	StatusTwice    string `json:"status_twice"`
}

// WordsIn gives the words of a language.
func WordsIn(language string) (Words, error) {
	var w Words
	if !slices.Contains(Languages(), language) {
		return w, fmt.Errorf("screen.language: %q: must be one of %s", language, strings.Join(Languages(), ", "))
	}
	text, err := catalogue.ReadFile("words/" + language + ".json")
	if err != nil {
		return w, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&w); err != nil {
		return w, fmt.Errorf("words in %s: %w", language, err)
	}
	return w, nil
}

// fill puts values into a text's placeholders: name, value, name, value.
func fill(text string, pairs ...string) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		pairs[i] = "{" + pairs[i] + "}"
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
