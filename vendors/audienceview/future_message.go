package audienceview

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"usher/vendors/wire"
)

// The messages of the Future Events API, field by field as the document has them.
// It contradicts itself here and there, and answers do so with it: a field that
// "is not nullable" comes as null, a number as text. Nothing is at stake but a
// listing, so a text, a flag or a duration that is none counts as not told, and
// takes no performance with it. A number that is none does: it may be
// the id.

// Performance is one show, in venue-local times; see [Performance.Start].
type Performance struct {
	ID number `json:"performanceId"`
	// StartMillis is "time zone agnostic": no moment can be had of it alone.
	StartMillis number `json:"performanceStart"`
	// Date is MM/dd/yyyy, Time "h:mm a", Time24 HH:mm:ss, StartDate
	// "EEE, MMM d, yyyy - h:mm a".
	Date      words `json:"performanceDate"`
	Time      words `json:"performanceTime"`
	Time24    words `json:"performanceTime24"`
	StartDate words `json:"performanceStartDate"`

	SuperTitle words `json:"performanceSuperTitle"`
	SubTitle   words `json:"performanceSubTitle"`
	Notes      words `json:"performanceNotes"`

	Availability Availability `json:"availabilityCode"`
	Display      Display      `json:"displayCode"`

	Production            number `json:"productionId"`
	ProductionName        words  `json:"productionName"`
	ProductionLogo        words  `json:"productionLogoLink"`
	ProductionDescription words  `json:"productionDescription"`

	Available flag `json:"hasAvailableTickets"`
	// Remaining must not be shown to anybody.
	Remaining withheld `json:"tixRemaining"`
	// CustomMessage is to be shown if, and only if, Display is [ShowMessage].
	CustomMessage       words `json:"customMessage"`
	NoneRemaining       words `json:"noRemainingTicketsMessage"`
	ShutoffHours        hours `json:"shutoffHour"`
	ShutoffHoursMessage words `json:"shutoffHourMessage"`
	GeneralAdmission    flag  `json:"generalAdmission"`

	// AllDay: without a start time. The doors' times, MM/dd/yyyy and "h:mm a", mean
	// something for such a performance only; the document's example has others.
	AllDay         flag  `json:"allDayEvent"`
	DoorsOpenDate  words `json:"doorEntryStartDate"`
	DoorsOpenTime  words `json:"doorEntryStartTime"`
	DoorsCloseDate words `json:"doorEntryEndDate"`
	DoorsCloseTime words `json:"doorEntryEndTime"`

	Department     number     `json:"departmentId"`
	DepartmentName words      `json:"departmentName"`
	Entries        entryTimes `json:"performanceEntryTimes"`
}

// EntryTime is a time of the performance's day for which its tickets are sold.
type EntryTime struct {
	ID number `json:"performanceEntryTimeId"`
	// Time is HH:mm:ss, Formatted "h:mm a".
	Time      words `json:"entryTime"`
	Formatted words `json:"entryTimeFormatted"`
	Hour      words `json:"entryTimeHour"`
	Minute    words `json:"entryTimeMinute"`
	SoldOut   flag  `json:"displaySoldOut"`
}

// Series is a production with performances yet to come.
type Series struct {
	ID     number           `json:"productionId"`
	Name   words            `json:"productionName"`
	Status ProductionStatus `json:"productionStatus"`
	Style  ProductionStyle  `json:"productionStyle"`
	Venue  *Venue           `json:"productionVenue"`

	Available           flag   `json:"hasAvailableTickets"`
	NoneRemaining       words  `json:"noRemainingMessage"`
	ShutoffHours        hours  `json:"shutoffHour"`
	ShutoffHoursMessage words  `json:"shutoffHourMessage"`
	SuperTitle          words  `json:"seriesSuperTitle"`
	SubTitle            words  `json:"seriesSubTitle"`
	PurchaseAlert       words  `json:"purchaseAlert"`
	Description         words  `json:"productionDescription"`
	LogoFile            number `json:"productionLogoClientFileId"`
	Logo                words  `json:"productionLogoLink"`
	// LogoName is empty where Name serves.
	LogoName words `json:"productionLogoAltName"`
	// FirstMillis and LastMillis are of the same kind as Performance.StartMillis.
	FirstMillis number `json:"firstPerformanceDate"`
	LastMillis  number `json:"lastPerformanceDate"`
	// OnlyPerformance is 0 where there are more than one.
	OnlyPerformance number `json:"performanceIdIfOnlyOneEventAvailable"`
	ShowLink        flag   `json:"showLinkToBuyTickets"`
	Department      number `json:"departmentId"`
	DepartmentName  words  `json:"departmentName"`
}

// Venue is where a series takes place.
type Venue struct {
	Name     words         `json:"name"`
	Location words         `json:"location"`
	Phone    words         `json:"venuePhone"`
	Transit  words         `json:"transitInfo"`
	Address  *VenueAddress `json:"venueAddress"`
}

// VenueAddress is the venue's own.
type VenueAddress struct {
	Line1        words `json:"line1"`
	Line2        words `json:"line2"`
	City         words `json:"city"`
	State        words `json:"state"`
	StateShort   words `json:"stateAbbreviation"`
	ZIP          words `json:"zipcode"`
	Country      words `json:"country"`
	CountryShort words `json:"countryAbbreviation"`
}

// FutureHead is what every answer carries beside its list. An answer with errors
// comes as its error.
type FutureHead struct {
	Messages   serviceMessages `json:"serviceMessages"`
	Department number          `json:"departmentId"`
	Client     number          `json:"clientId"`
	ClientName words           `json:"clientName"`
	// Active is nil where the answer does not say.
	Active   *flag     `json:"clientActive"`
	Errors   []message `json:"errors"`
	Warnings []message `json:"warnings"`
}

type serviceMessages struct {
	Errors   []message `json:"errors"`
	Warnings []message `json:"warnings"`
	Infos    []message `json:"infoMessages"`
	All      []message `json:"allMessages"`
}

// faults are the errors of an answer: the document names two places for them.
func (h FutureHead) faults() []message { return append(h.Errors, h.Messages.Errors...) }

// number is an id, or a moment in milliseconds; 0: none.
type number int64

// UnmarshalJSON takes 1, "1", 1.0, "" and null.
func (n *number) UnmarshalJSON(raw []byte) error {
	s, err := scalar(raw)
	if err != nil || s == "" {
		*n = 0
		return err
	}
	if whole, fraction, _ := strings.Cut(s, "."); strings.Trim(fraction, "0") == "" {
		s = whole
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return errors.New("a number that is none")
	}
	*n = number(v)
	return nil
}

// String is the number as the configuration writes it; empty: none.
func (n number) String() string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(int64(n), 10)
}

// hours is a duration in hours; sales may go on after the start, so it may be
// negative.
type hours float64

// UnmarshalJSON takes 2.00 and "2.00"; anything else is none.
func (h *hours) UnmarshalJSON(raw []byte) error {
	*h = 0
	s, err := scalar(raw)
	if err != nil {
		return nil
	}
	if v, err := strconv.ParseFloat(s, 64); err == nil {
		*h = hours(v)
	}
	return nil
}

// words are a text that some answers write as a number.
type words string

// UnmarshalJSON takes "14" and 14; anything else is none.
func (w *words) UnmarshalJSON(raw []byte) error {
	s, err := scalar(raw)
	if err != nil {
		s = ""
	}
	*w = words(s)
	return nil
}

// line is the text for people, on one line.
func (w words) line() string { return wire.Plain(string(w)) }

// flag is a yes or no that some answers write as a text or a number.
type flag bool

// UnmarshalJSON takes true, "true", "Y" and 1; anything else is no.
func (f *flag) UnmarshalJSON(raw []byte) error {
	s, err := scalar(raw)
	if err != nil {
		s = string(raw)
	}
	switch strings.ToLower(s) {
	case "true", "1", "y", "yes":
		*f = true
	default:
		*f = false
	}
	return nil
}

// scalar is a text or a number as text; empty for null.
func scalar(raw []byte) (string, error) {
	switch {
	case string(raw) == "null":
		return "", nil
	case len(raw) > 0 && raw[0] == '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return strings.TrimSpace(s), err
	case len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9'):
		return string(raw), nil
	}
	return "", errors.New("a value of the wrong type")
}

// withheld is a number that the vendor tells in confidence. It is not kept, and
// whatever prints it, as text, as JSON or in a log, gives a word for it.
type withheld struct{}

const withheldText = "withheld"

// UnmarshalJSON takes anything.
func (*withheld) UnmarshalJSON([]byte) error { return nil }

// MarshalJSON writes no number.
func (withheld) MarshalJSON() ([]byte, error) { return []byte(`"` + withheldText + `"`), nil }

// Format writes no number, whatever the verb.
func (withheld) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, withheldText) }

// LogValue logs no number.
func (withheld) LogValue() slog.Value { return slog.StringValue(withheldText) }

// entryTimes is a list; the table's type says one alone.
type entryTimes []EntryTime

// UnmarshalJSON takes a list and one alone, and leaves out what is none.
func (e *entryTimes) UnmarshalJSON(raw []byte) error {
	*e = nil
	list := []json.RawMessage{raw}
	if len(raw) > 0 && raw[0] == '[' {
		if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
	}
	for _, raw := range list {
		var one EntryTime
		if string(raw) != "null" && json.Unmarshal(raw, &one) == nil {
			*e = append(*e, one)
		}
	}
	return nil
}

// message is a vendor's sentence; the document shows none, only that they come in
// lists.
type message string

// UnmarshalJSON takes a text, and an object that holds one.
func (m *message) UnmarshalJSON(raw []byte) error {
	if s, err := scalar(raw); err == nil {
		*m = message(s)
		return nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return nil
	}
	for _, name := range []string{"message", "errorMessage", "text", "description", "name", "code"} {
		if s, err := scalar(object[name]); err == nil && s != "" {
			*m = message(s)
			return nil
		}
	}
	return nil
}

// plain is the message for people.
func (m message) plain() string { return wire.PlainText(string(m)) }
