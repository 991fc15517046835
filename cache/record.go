package cache

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"usher/scanner"
)

// maxRecord is the longest record in bytes. A ticket has a few hundred; more is
// a fault of the source, not of the gate.
const maxRecord = 128 << 10

// recordVersion is the first byte of a record. Version 1 had no laterTexts.
const recordVersion = 2

var errRecord = errors.New("record not understood")

// A record is its version, a bit set of the fields that follow, and those
// fields: texts as length and bytes, times as seconds and nanoseconds since
// 1970, then the later texts; all numbers as varints. JSON would take three times
// the space and ten times the time.
func appendTicket(dst []byte, t *scanner.Ticket) []byte {
	dst = append(dst, recordVersion)
	texts, times, later := ticketTexts(t), ticketTimes(t), laterTexts(t)
	var set uint64
	for i, s := range texts {
		if s != "" {
			set |= 1 << i
		}
	}
	for i, at := range times {
		if !at.IsZero() {
			set |= 1 << (textCount + i)
		}
	}
	for i, s := range later {
		if s != "" {
			set |= 1 << (firstCount + i)
		}
	}
	dst = appendTexts(binary.AppendUvarint(dst, set), texts[:])
	for _, at := range times {
		if !at.IsZero() {
			dst = binary.AppendVarint(dst, at.Unix())
			dst = binary.AppendUvarint(dst, uint64(at.Nanosecond()))
		}
	}
	return appendTexts(dst, later[:])
}

func appendTexts(dst []byte, texts []string) []byte {
	for _, s := range texts {
		if s != "" {
			dst = binary.AppendUvarint(dst, uint64(len(s)))
			dst = append(dst, s...)
		}
	}
	return dst
}

const (
	textCount = 13
	timeCount = 4
	// firstCount is how many fields version 1 had.
	firstCount = textCount + timeCount
	laterCount = 1
)

// The order of ticketTexts, ticketTimes and laterTexts is the format: append to the
// last of them only, with a new recordVersion.
func ticketTexts(t *scanner.Ticket) [textCount]string {
	return [textCount]string{string(t.Code), t.ID, t.Name, t.Order, t.Section, t.Seat, t.Event, t.Series, t.Client,
		string(t.Status), t.UsedGate, t.Detail, string(t.Vendor)}
}

func ticketTimes(t *scanner.Ticket) [timeCount]time.Time {
	return [timeCount]time.Time{t.ValidFrom, t.ValidUntil, t.EventEnds, t.UsedAt}
}

func laterTexts(t *scanner.Ticket) [laterCount]string { return [laterCount]string{t.SectionID} }

// fieldCount is how many fields a record of the version may have; zero: it is not
// known.
func fieldCount(version byte) int {
	switch version {
	case 1:
		return firstCount
	case recordVersion:
		return firstCount + laterCount
	}
	return 0
}

// decodeTicket reads a record; texts share the memory of plain. Times come back
// in UTC.
func decodeTicket(plain string) (scanner.Ticket, error) {
	if plain == "" || fieldCount(plain[0]) == 0 {
		return scanner.Ticket{}, errRecord
	}
	d := decoder{rest: plain[1:]}
	var texts [textCount]string
	var times [timeCount]time.Time
	var later [laterCount]string
	set := d.uvarint()
	for i := range texts {
		if set&(1<<i) != 0 {
			texts[i] = d.text()
		}
	}
	for i := range times {
		if set&(1<<(textCount+i)) != 0 {
			times[i] = d.time()
		}
	}
	for i := range later {
		if set&(1<<(firstCount+i)) != 0 {
			later[i] = d.text()
		}
	}
	if d.bad || d.rest != "" || set>>fieldCount(plain[0]) != 0 {
		return scanner.Ticket{}, errRecord
	}
	t := scanner.Ticket{
		Code: scanner.Code(texts[0]), ID: texts[1], Name: texts[2], Order: texts[3], Section: texts[4], Seat: texts[5],
		Event: texts[6], Series: texts[7], Client: texts[8], Status: scanner.Status(texts[9]), UsedGate: texts[10], Detail: texts[11],
		ValidFrom: times[0], ValidUntil: times[1], EventEnds: times[2], UsedAt: times[3],
		SectionID: later[0],
	}
	if texts[12] != "" {
		t.Vendor = json.RawMessage(texts[12])
	}
	return t, nil
}

// decoder takes a record apart; after the first fault it gives zeros.
type decoder struct {
	rest string
	bad  bool
}

func (d *decoder) uvarint() uint64 {
	var v uint64
	for i := 0; i < len(d.rest) && i < binary.MaxVarintLen64; i++ {
		b := d.rest[i]
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			d.rest = d.rest[i+1:]
			return v
		}
	}
	d.bad = true
	return 0
}

func (d *decoder) text() string {
	n := d.uvarint()
	if d.bad || n > uint64(len(d.rest)) {
		d.bad = true
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) time() time.Time {
	u := d.uvarint()
	seconds := int64(u>>1) ^ -int64(u&1) // zigzag, as AppendVarint wrote it
	nanos := d.uvarint()
	if d.bad || nanos >= uint64(time.Second) {
		d.bad = true
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanos)).UTC()
}
