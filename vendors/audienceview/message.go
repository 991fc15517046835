package audienceview

import (
	"errors"
	"strings"

	"usher/scanner"
	"usher/vendors/wire"
)

// The messages as they are on the wire, with the vendor's own names. Fields that
// usher has no business knowing (addresses, e-mail, telephone) are not among
// them, so that they end in the decoder.

// filters are the "filter criteria" of validateTicket and syncScans.
type filters struct {
	Client      int64  `json:"clientId"`
	Production  *int64 `json:"productionId"`
	Performance *int64 `json:"performanceId"`
}

// envelope is what every answer but one carries.
type envelope struct {
	Expires *int64   `json:"accessTokenExpiration"`
	Failed  *bool    `json:"error"`
	HTML    *string  `json:"errorMessageHTML"`
	Details *details `json:"errorDetails"`
}

func (e *envelope) outer() *envelope { return e }

// genuine tells whether the answer says if it is an error: without that it is
// not the vendor's.
func (e *envelope) genuine() bool { return e.Failed != nil || e.Details != nil }

// answer is any of the answers below.
type answer interface {
	outer() *envelope
	genuine() bool
}

type details struct {
	ID          *int64 `json:"errorCodeId"`
	Key         string `json:"errorCodeKey"`
	Name        string `json:"errorCodeName"`
	ForceLogout bool   `json:"forceLogout"`
}

type signInRequest struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

type signInReply struct {
	envelope
	Token           *string `json:"accessToken"`
	PasswordExpires *int64  `json:"passwordExpiresOn"`
	DaysLeft        *int64  `json:"daysTillPasswordExpires"`
}

type validateRequest struct {
	Barcode string `json:"barcodeString"`
	filters
}

type validateReply struct {
	envelope
	Name        *string `json:"name"`
	Performance *string `json:"performance"`
	Section     *string `json:"section"`
	Seat        *string `json:"seat"`
	Scanned     *int64  `json:"ticketsScanned"`
	Sold        *int64  `json:"ticketsSold"`
	Message     *string `json:"successMsg"`
	Patron      *patron `json:"patron"`
}

// patron is all that is taken of a person.
type patron struct {
	First *string `json:"firstName"`
	Last  *string `json:"lastName"`
}

// info is what the answer tells of the ticket; nil: nothing.
func (r *validateReply) info() *scanner.TicketInfo {
	info := scanner.TicketInfo{
		Name:    personName(r.Patron, r.Name),
		Section: plain(r.Section),
		Seat:    plain(r.Seat),
		Event:   plain(r.Performance),
	}
	if info == (scanner.TicketInfo{}) {
		return nil
	}
	return &info
}

// doubt tells why an answer without an error is no admission all the same.
func (r *validateReply) doubt() error {
	nothing := r.Expires == nil && r.Name == nil && r.Performance == nil && r.Section == nil &&
		r.Seat == nil && r.Scanned == nil && r.Sold == nil && r.Message == nil && r.Patron == nil
	switch {
	case nothing:
		return errors.New("an answer without anything of the documented one")
	case r.HTML != nil && wire.PlainText(*r.HTML) != "":
		return errors.New("an admission with an error message")
	}
	return nil
}

// personName is the patron's first and last name, else the purchaser's.
func personName(p *patron, purchaser *string) string {
	if p != nil {
		if name := strings.TrimSpace(plain(p.First) + " " + plain(p.Last)); name != "" {
			return name
		}
	}
	return plain(purchaser)
}

func plain(s *string) string {
	if s == nil {
		return ""
	}
	return wire.Plain(*s)
}

type optionsReply struct {
	envelope
	Clients []FilterClient `json:"clients"`
}

// FilterClient is a client of AudienceView that the user may scan for now.
type FilterClient struct {
	ID          int64              `json:"id"`
	Name        string             `json:"value"`
	Productions []FilterProduction `json:"productions"`
}

// FilterProduction is a series that can be scanned now.
type FilterProduction struct {
	ID           int64               `json:"productionId"`
	Name         string              `json:"productionName"`
	Performances []FilterPerformance `json:"performances"`
}

// FilterPerformance is a performance that can be scanned now.
type FilterPerformance struct {
	ID int64 `json:"performanceId"`
	// Start is in milliseconds since 1970.
	Start int64 `json:"performanceStart"`
}

// listedTicket is a ticket of validTickets.
type listedTicket struct {
	ID          *int64  `json:"ticketId"`
	Performance *int64  `json:"performanceId"`
	Production  *string `json:"productionName"`
	Barcode     *string `json:"barcode"`
	Scanned     *bool   `json:"alreadyScanned"`
	Dead        *bool   `json:"refundedOrVoided"`
	Consumer    *string `json:"orderConsumerName"`
	Event       *string `json:"performance"`
	Section     *string `json:"section"`
	Seat        *string `json:"seat"`
	Patron      *patron `json:"patron"`
}

type syncRequest struct {
	filters
	Tickets []syncTicket `json:"tickets"`
}

type syncTicket struct {
	Ticket      int64  `json:"ticketId"`
	Performance int64  `json:"performanceId"`
	Barcode     string `json:"barcode"`
	Time        int64  `json:"scanTime"`
}

type syncReply struct {
	envelope
	Failed *[]syncFailure `json:"failedBarcodes"`
}

// genuine: the document shows this answer without the error fields.
func (r *syncReply) genuine() bool { return r.envelope.genuine() || r.Failed != nil }

type syncFailure struct {
	Barcode *string `json:"barcode"`
	Reason  *string `json:"reason"`
}
