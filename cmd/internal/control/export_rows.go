package control

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"usher/scanner"
)

// Format is how an export is written.
type Format string

// The export formats.
const (
	CSV       Format = "csv"
	JSONLines Format = "jsonl"
)

// ParseFormat reads a format's name; "" is CSV.
func ParseFormat(name string) (Format, error) {
	switch Format(name) {
	case "", CSV:
		return CSV, nil
	case JSONLines:
		return JSONLines, nil
	}
	return "", fmt.Errorf("%w: format %q: want csv or jsonl", ErrBadRequest, name)
}

// ContentType is the format's media type.
func (f Format) ContentType() string {
	if f == CSV {
		return "text/csv; charset=utf-8; header=present"
	}
	return contentLines
}

// ExportRow is one record of history and what became of it.
type ExportRow struct {
	Record scanner.Record
	// True is the corrected time as known now; where it is zero, the record's
	// own stands.
	True scanner.Instant
	// SentAs is the time that the vendor was last told; zero where it was not.
	SentAs time.Time
	// VendorAt is the time that the vendor gave the movement by its own clock; zero
	// where it never said.
	VendorAt time.Time
	// Fate is the present one, FateAt when it came to be, FateBy the person behind
	// it, Detail the vendor's words where it refused.
	Fate   scanner.Fate
	FateAt time.Time
	FateBy string
	Detail string
}

// exportLine is a row on the wire. Patron names stay out of it: an export goes
// to people who need entries, seats and codes.
type exportLine struct {
	Seq            uint64  `json:"seq"`
	ID             string  `json:"id"`
	Kind           string  `json:"kind"`
	At             Time    `json:"at"`
	AtEarliest     Time    `json:"at_earliest"`
	AtLatest       Time    `json:"at_latest"`
	AtTrusted      bool    `json:"at_trusted"`
	RawAt          Time    `json:"raw_at"`
	RawTrusted     bool    `json:"raw_trusted"`
	Boot           string  `json:"boot"`
	UpMS           int64   `json:"up_ms"`
	SentAs         Time    `json:"sent_as"`
	VendorAt       Time    `json:"vendor_at"`
	Device         string  `json:"device"`
	DeviceName     string  `json:"device_name"`
	Gate           string  `json:"gate"`
	Scanner        string  `json:"scanner"`
	Code           string  `json:"code"`
	Direction      string  `json:"direction"`
	Verdict        string  `json:"verdict"`
	Reason         string  `json:"reason"`
	Mode           string  `json:"mode"`
	Message        string  `json:"message"`
	Late           bool    `json:"late"`
	InDoubt        bool    `json:"in_doubt"`
	Conflict       bool    `json:"conflict"`
	Overridden     bool    `json:"overridden"`
	Unverified     bool    `json:"unverified"`
	By             string  `json:"by"`
	Of             uint64  `json:"of"`
	Fate           string  `json:"fate"`
	FateAt         Time    `json:"fate_at"`
	FateBy         string  `json:"fate_by"`
	FateDetail     string  `json:"fate_detail"`
	Vendor         string  `json:"vendor"`
	Account        string  `json:"account"`
	Event          string  `json:"event"`
	TicketID       string  `json:"ticket_id"`
	Section        string  `json:"section"`
	Seat           string  `json:"seat"`
	FirstEnteredAt Time    `json:"first_entered_at"`
	FirstGate      string  `json:"first_entered_gate"`
	TookMS         float64 `json:"took_ms"`
}

func lineOf(row ExportRow) exportLine {
	r, at := row.Record, row.True
	if at.At.IsZero() {
		at = r.True
	}
	event := r.Event
	if event == "" {
		event = r.Scope.Event
	}
	l := exportLine{
		Seq: r.Seq, ID: r.ID, Kind: string(r.Kind),
		At: At(at.At), AtEarliest: At(at.Earliest), AtLatest: At(at.Latest), AtTrusted: at.Trusted,
		RawAt: At(r.At.Wall), RawTrusted: r.At.Trusted, Boot: r.At.Boot, UpMS: r.At.Up.Milliseconds(),
		SentAs: At(row.SentAs), VendorAt: At(row.VendorAt),
		Device: r.Origin.Device, DeviceName: r.Origin.Name, Gate: r.Origin.Gate,
		Scanner: r.Scanner, Code: string(r.Code), Direction: string(r.Direction),
		Verdict: string(r.Verdict), Reason: string(r.Reason), Mode: string(r.Mode), Message: r.Message,
		Late: r.Late, InDoubt: r.InDoubt, Conflict: r.Conflict,
		Overridden: r.Overridden, Unverified: r.Unverified, By: r.By, Of: r.Of,
		Fate: string(row.Fate), FateAt: At(row.FateAt), FateBy: row.FateBy, FateDetail: row.Detail,
		Vendor: r.Scope.Vendor, Account: r.Scope.Account, Event: event, TicketID: r.TicketID,
		FirstEnteredAt: At(r.FirstEnteredAt), FirstGate: r.FirstEnteredGate,
		TookMS: float64(r.Took.Round(time.Microsecond)) / float64(time.Millisecond),
	}
	if r.Ticket != nil {
		l.Section, l.Seat = r.Ticket.Section, r.Ticket.Seat
	}
	return l
}

// exportColumns are the CSV's header, in the order of cells.
var exportColumns = []string{
	"seq", "id", "kind", "at", "at_earliest", "at_latest", "at_trusted", "raw_at", "raw_trusted", "boot", "up_ms", "sent_as", "vendor_at",
	"device", "device_name", "gate", "scanner", "code", "direction", "verdict", "reason", "mode", "message",
	"late", "in_doubt", "conflict", "overridden", "unverified", "by", "of", "fate", "fate_at", "fate_by", "fate_detail",
	"vendor", "account", "event", "ticket_id", "section", "seat", "first_entered_at", "first_entered_gate", "took_ms",
}

func (l exportLine) cells() []string {
	yes := strconv.FormatBool
	of := ""
	if l.Of != 0 {
		of = strconv.FormatUint(l.Of, 10)
	}
	return []string{
		strconv.FormatUint(l.Seq, 10), cell(l.ID), cell(l.Kind),
		l.At.String(), l.AtEarliest.String(), l.AtLatest.String(), yes(l.AtTrusted),
		l.RawAt.String(), yes(l.RawTrusted), cell(l.Boot), strconv.FormatInt(l.UpMS, 10), l.SentAs.String(), l.VendorAt.String(),
		cell(l.Device), cell(l.DeviceName), cell(l.Gate), cell(l.Scanner), cell(l.Code),
		cell(l.Direction), cell(l.Verdict), cell(l.Reason), cell(l.Mode), cell(l.Message),
		yes(l.Late), yes(l.InDoubt), yes(l.Conflict), yes(l.Overridden), yes(l.Unverified),
		cell(l.By), of, cell(l.Fate), l.FateAt.String(), cell(l.FateBy), cell(l.FateDetail),
		cell(l.Vendor), cell(l.Account), cell(l.Event), cell(l.TicketID), cell(l.Section), cell(l.Seat),
		l.FirstEnteredAt.String(), cell(l.FirstGate), strconv.FormatFloat(l.TookMS, 'f', -1, 64),
	}
}

// cell keeps a spreadsheet from executing a text as a formula, without losing
// the text. Where a cell begins (at the text's start, and behind each ; and tab
// inside it, which end a cell for a spreadsheet of another country) one of
// = + - @ (full-width ones too, which some take for the same), a quote, a tab, a
// line break or an apostrophe gets one apostrophe in front. So a reader gets every
// text back exactly by dropping, at each of these places, one apostrophe.
// Spreadsheets still show long numbers rounded: open the code column as text,
// or export JSON Lines, which holds every text as it is.
func cell(text string) string {
	var out strings.Builder
	begins := true
	for i, r := range text {
		// A quote at the text's own start is doubled by the CSV itself.
		if begins && (starts(r) || r == '"' && i > 0) {
			out.WriteByte('\'')
		}
		out.WriteString(text[i : i+size(text[i:])])
		begins = r == ';' || r == '\t'
	}
	return out.String()
}

// starts tells what begins a formula, or is taken away before one.
func starts(r rune) bool {
	switch r {
	case '=', '+', '-', '@', '\uFF1D', '\uFF0B', '\uFF0D', '\uFF20', '\t', '\r', '\n', '\'':
		return true
	}
	return false
}

// size is the length of the first character, which need not be whole.
func size(text string) int {
	_, n := utf8.DecodeRuneInString(text)
	return n
}

// Exporter writes rows in one format. It buffers: Flush before the end.
type Exporter struct {
	buf   *bufio.Writer
	csv   *csv.Writer
	lines *json.Encoder
}

// NewExporter begins an export: a CSV starts with its header row.
func NewExporter(w io.Writer, format Format) (*Exporter, error) {
	e := &Exporter{buf: bufio.NewWriterSize(w, 32<<10)}
	if format == JSONLines {
		e.lines = json.NewEncoder(e.buf)
		e.lines.SetEscapeHTML(false)
		return e, nil
	}
	e.csv = csv.NewWriter(e.buf)
	return e, e.csv.Write(exportColumns)
}

// Write adds a row.
func (e *Exporter) Write(row ExportRow) error {
	if e.lines != nil {
		return e.lines.Encode(lineOf(row))
	}
	return e.csv.Write(lineOf(row).cells())
}

// Flush writes out what is buffered.
func (e *Exporter) Flush() error {
	if e.csv != nil {
		e.csv.Flush()
		if err := e.csv.Error(); err != nil {
			return err
		}
	}
	return e.buf.Flush()
}
