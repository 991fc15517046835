package archtics

import (
	"context"
	"encoding/json"
)

const cmdSold = "seats_sold"

// SeatsSold is the public table of seats_sold's input; Account is required, what is
// empty is left out.
type SeatsSold struct {
	Account  int64  `json:"acct_id"`
	ItemSet  string `json:"item_set,omitempty"`
	Forward  string `json:"forwarding_event_selector,omitempty"`
	Resale   string `json:"resale_event_selector,omitempty"`
	Credit   string `json:"add_credit_event_selector,omitempty"`
	Print    string `json:"print_event_selector,omitempty"`
	Club     string `json:"club_group_event_selector,omitempty"`
	Start    string `json:"start_date,omitempty"`
	End      string `json:"end_date,omitempty"`
	AMClient string `json:"amclient_id,omitempty"`
	// Status is A for all, N for those not printed.
	Status   string          `json:"status_filter,omitempty"`
	Events   []EventFilter   `json:"event_filter,omitempty"`
	Sections []SectionFilter `json:"section_filter,omitempty"`
	Rows     []RowFilter     `json:"row_filter,omitempty"`
	Seats    []SeatFilter    `json:"seat_num_filter,omitempty"`
	Actions  []ActionFilter  `json:"action_filter,omitempty"`
	// What follows the last block of the page before asks for the next one; Count is
	// how many blocks a page has.
	PrevEvent   string `json:"prev_event_name,omitempty"`
	PrevSection string `json:"prev_section_name,omitempty"`
	PrevRow     string `json:"prev_row_name,omitempty"`
	PrevSeat    int    `json:"prev_seatnum,omitempty"`
	Count       int    `json:"count,omitempty"`
}

// The document has a filter as an array of objects with one field each.
type (
	// EventFilter names one event.
	EventFilter struct {
		Event string `json:"event_filter"`
	}
	// SectionFilter names one section.
	SectionFilter struct {
		Section string `json:"section_filter"`
	}
	// RowFilter names one row.
	RowFilter struct {
		Row string `json:"row_filter"`
	}
	// SeatFilter names one seat.
	SeatFilter struct {
		Seat string `json:"seat_num_filter"`
	}
	// ActionFilter names one action.
	ActionFilter struct {
		Action string `json:"action_filter"`
	}
)

// Block is the public table of one block of seats that an account holds, without the
// holder's e-mail address, which usher has no use for.
type Block struct {
	Event         text   `json:"event_name"`
	EventID       text   `json:"event_id"`
	Section       text   `json:"section_name"`
	Row           text   `json:"row_name"`
	Seat          number `json:"seat_num"`
	Seats         number `json:"num_seat"`
	LastSeat      number `json:"last_seat"`
	Increment     number `json:"seat_increment"`
	PriceCode     text   `json:"price_code"`
	FullPrice     text   `json:"full_price"`
	PurchasePrice text   `json:"purchase_price"`
	BlockFull     text   `json:"block_full_price"`
	BlockPurchase text   `json:"block_purchase_price"`
	SectionType   text   `json:"section_type"`    // N, S, C
	SeatType      text   `json:"seat_type"`       // N, S, G
	Status        text   `json:"seat_status_ind"` // A active, F forwarded, I invitation, Q for resale, R resold, C on a card, S credit, T reassigned, G club, H charity, L locked, P pending
	Market        text   `json:"market_ind"`      // P, S, H
	Plan          text   `json:"plan_name"`
	MasterEvent   text   `json:"master_event_name"`
	PurchaseDate  text   `json:"purchase_date"`
	Added         text   `json:"add_date_time"`
	TicketType    text   `json:"ticket_type_code"`
	TicketTypePC  text   `json:"ticket_type_pc"`
	Portal        text   `json:"gate_exit_portal"`
	Delayed       text   `json:"delayed_delivery"`
	UserFlag      text   `json:"user_flag"`
	// Attended are the numbers of the seats that were scanned.
	Attended []struct {
		Seat number `json:"attended_seat"`
	} `json:"attended_seats"`
	Atomic []AtomicSeat `json:"atomic_seats"`
}

// AtomicSeat is one seat of a block. The barcode is given inside the client's window
// alone, for a ticket that is resold or forwarded.
type AtomicSeat struct {
	Seat       number `json:"atomic_seat"`
	Barcode    text   `json:"barcode"`
	Status     text   `json:"ticket_status"` // XX action required, PB PI PC printed, PP paperless, FP forced paperless, FW WC will call, VM on a telephone, NA no longer on the account
	StatusSeat number `json:"status_seat_num"`
	StatusAt   text   `json:"status_date_time"`
}

// Sold is a page of seats_sold.
type Sold struct {
	// Count is "count" in the document's table and "Count" in its sample.
	Count  number  `json:"count"`
	Blocks []Block `json:"seats_array"`
	// Raw is command1 as it came: it has more than the table.
	Raw json.RawMessage `json:"-"`
}

// SeatsSold gives a page of the seats that an account holds; none is no error.
func (c *Client) SeatsSold(ctx context.Context, s SeatsSold) (Sold, error) {
	base := c.common(cmdSold)
	a, err := c.ask(ctx, rest, base, struct {
		common
		SeatsSold
	}{base, s})
	if err == nil {
		err = a.must()
	}
	var sold Sold
	if err != nil || a.empty() {
		return sold, err
	}
	sold.Raw = a.command
	return sold, a.table(&sold)
}
