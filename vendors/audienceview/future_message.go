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
// listing, so each is read in any of its forms.

// Performance is one show, in venue-local times; see [Performance.Start].
type Performance struct {
	ID number `json:"performanceId"`
	// StartMillis is "time zone agnostic": no moment can be had of it alone.
	StartMillis number `json:"performanceStart"`
	// Date is MM/dd/yyyy, Time "h:mm a", Time24 HH:mm:ss, StartDate
	// "EEE, MMM d, yyyy - h:mm a".
	Date      string `json:"performanceDate"`
	Time      string `json:"performanceTime"`
	Time24    string `json:"performanceTime24"`
	StartDate string `json:"performanceStartDate"`

	SuperTitle string `json:"performanceSuperTitle"`
	SubTitle   string `json:"performanceSubTitle"`
	Notes      string `json:"performanceNotes"`

	Availability Availability `json:"availabilityCode"`
	Display      Display      `json:"displayCode"`

	Production            number `json:"productionId"`
	ProductionName        string `json:"productionName"`
	ProductionLogo        string `json:"productionLogoLink"`
	ProductionDescription string `json:"productionDescription"`

	Available bool `json:"hasAvailableTickets"`
	// Remaining must not be shown to anybody.
	Remaining withheld `json:"tixRemaining"`
	// CustomMessage is to be shown if, and only if, Display is [ShowMessage].
	CustomMessage       string `json:"customMessage"`
	NoneRemaining       string `json:"noRemainingTicketsMessage"`
	ShutoffHours        hours  `json:"shutoffHour"`
	ShutoffHoursMessage string `json:"shutoffHourMessage"`
	GeneralAdmission    bool   `json:"generalAdmission"`

	// AllDay: without a start time. The doors' times, MM/dd/yyyy and "h:mm a", mean
	// something for such a performance only; the document's example has others.
	AllDay         bool   `json:"allDayEvent"`
	DoorsOpenDate  string `json:"doorEntryStartDate"`
	DoorsOpenTime  string `json:"doorEntryStartTime"`
	DoorsCloseDate string `json:"doorEntryEndDate"`
	DoorsCloseTime string `json:"doorEntryEndTime"`

	Department     number     `json:"departmentId"`
	DepartmentName string     `json:"departmentName"`
	Entries        entryTimes `json:"performanceEntryTimes"`
}

// EntryTime is a time of the performance's day for which its tickets are sold.
type EntryTime struct {
	ID number `json:"performanceEntryTimeId"`
	// Time is HH:mm:ss, Formatted "h:mm a".
	Time      string `json:"entryTime"`
	Formatted string `json:"entryTimeFormatted"`
	Hour      text24 `json:"entryTimeHour"`
	Minute    text24 `json:"entryTimeMinute"`
	SoldOut   bool   `json:"displaySoldOut"`
}

// Series is a production with performances yet to come.
type Series struct {
	ID     number           `json:"productionId"`
	Name   string           `json:"productionName"`
	Status ProductionStatus `json:"productionStatus"`
	Style  ProductionStyle  `json:"productionStyle"`
	Venue  *Venue           `json:"productionVenue"`

	Available           bool   `json:"hasAvailableTickets"`
	NoneRemaining       string `json:"noRemainingMessage"`
	ShutoffHours        hours  `json:"shutoffHour"`
	ShutoffHoursMessage string `json:"shutoffHourMessage"`
	SuperTitle          string `json:"seriesSuperTitle"`
	SubTitle            string `json:"seriesSubTitle"`
	PurchaseAlert       string `json:"purchaseAlert"`
	Description         string `json:"productionDescription"`
	LogoFile            number `json:"productionLogoClientFileId"`
	Logo                string `json:"productionLogoLink"`
	// LogoName is empty where Name serves.
	LogoName string `json:"productionLogoAltName"`
	// FirstMillis and LastMillis are of the same kind as Performance.StartMillis.
	FirstMillis number `json:"firstPerformanceDate"`
	LastMillis  number `json:"lastPerformanceDate"`
	// OnlyPerformance is 0 where there are more than one.
	OnlyPerformance number `json:"performanceIdIfOnlyOneEventAvailable"`
	ShowLink        bool   `json:"showLinkToBuyTickets"`
	Department      number `json:"departmentId"`
	DepartmentName  string `json:"departmentName"`
}

// Venue is where a series takes place.
type Venue struct {
	Name     string        `json:"name"`
	Location string        `json:"location"`
	Phone    string        `json:"venuePhone"`
	Transit  string        `json:"transitInfo"`
	Address  *VenueAddress `json:"venueAddress"`
}

// VenueAddress is the venue's own.
type VenueAddress struct {
	Line1        string `json:"line1"`
	Line2        string `json:"line2"`
	City         string `json:"city"`
	State        string `json:"state"`
	StateShort   string `json:"stateAbbreviation"`
	ZIP          text24 `json:"zipcode"`
	Country      string `json:"country"`
	CountryShort string `json:"countryAbbreviation"`
}

// FutureHead is what every answer carries beside its list. An answer with errors
// comes as its error.
type FutureHead struct {
	Messages   serviceMessages `json:"serviceMessages"`
	Department number          `json:"departmentId"`
	Client     number          `json:"clientId"`
	ClientName string          `json:"clientName"`
	// Active is nil where the answer does not say.
	Active   *bool     `json:"clientActive"`
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

// UnmarshalJSON takes 1, "1", "" and null.
func (n *number) UnmarshalJSON(raw []byte) error {
	s, err := scalar(raw)
	if err != nil || s == "" {
		*n = 0
		return err
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

// UnmarshalJSON takes 2.00, "2.00", "" and null.
func (h *hours) UnmarshalJSON(raw []byte) error {
	s, err := scalar(raw)
	if err != nil || s == "" {
		*h = 0
		return err
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return errors.New("a number that is none")
	}
	*h = hours(v)
	return nil
}

// text24 is a text that some answers write as a number.
type text24 string

// UnmarshalJSON takes "14", 14 and null.
func (t *text24) UnmarshalJSON(raw []byte) error {
	s, err := scalar(raw)
	*t = text24(s)
	return err
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

// withheld is a number that the vendor tells in confidence: whatever prints it,
// as text, as JSON or in a log, gives a word for it.
type withheld struct{ n number }

const withheldText = "withheld"

// UnmarshalJSON takes what number takes.
func (w *withheld) UnmarshalJSON(raw []byte) error { return w.n.UnmarshalJSON(raw) }

// MarshalJSON writes no number.
func (withheld) MarshalJSON() ([]byte, error) { return []byte(`"` + withheldText + `"`), nil }

// Format writes no number, whatever the verb.
func (withheld) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, withheldText) }

// LogValue logs no number.
func (withheld) LogValue() slog.Value { return slog.StringValue(withheldText) }

// entryTimes is a list; the table's type says one alone.
type entryTimes []EntryTime

// UnmarshalJSON takes a list, one alone, and null.
func (e *entryTimes) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '{' {
		*e = make(entryTimes, 1)
		return json.Unmarshal(raw, &(*e)[0])
	}
	return json.Unmarshal(raw, (*[]EntryTime)(e))
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
