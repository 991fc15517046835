package report

import (
	"bytes"
	"slices"
	"time"
)

// partWithin is how long the next part of a code may take.
const partWithin = 500 * time.Millisecond

// POS is where a point-of-sale scanner's reports hold their data (HID Point of
// Sale Usage Tables 1.02). Offsets count bits.
type POS struct {
	id byte
	// length is the byte count; size zero: there is none, and zeros at the end are
	// padding.
	length, more place
	// symbology are the three characters of the AIM identifier.
	symbology []place
	// data are bytes in a row.
	data place
	// shifts: the data may begin one byte later, as told by the AIM identifier.
	shifts bool
	// kind is the maker's own code identifier, where the layout is known to have
	// one.
	kind place
}

// place is a value in a report.
type place struct{ offset, size, count int }

func (p place) in(report []byte) uint32 { return bits(report, p.offset, p.size) }

// POS finds the scanned data in a descriptor; false: it is no point-of-sale
// scanner.
func (d Descriptor) POS() (POS, bool) {
	var p POS
	at := slices.IndexFunc(d.Fields, func(f Field) bool {
		return f.Kind == Input && slices.Contains(f.Usages, usageData) && f.Size == 8
	})
	if at < 0 {
		return p, false
	}
	p.id = d.Fields[at].ID
	for _, f := range d.Fields {
		if f.Kind != Input || f.ID != p.id || f.Constant {
			continue
		}
		for i := range f.Count {
			here := place{offset: f.Offset + i*f.Size, size: f.Size, count: 1}
			switch u := f.usage(i); {
			case u == usageByteCount:
				p.length = here
			case u >= usageFirstID && u <= usageLastID && len(p.symbology) < 3:
				p.symbology = append(p.symbology, here)
			case u == usageMore && p.more.size == 0:
				p.more = here
			case u == usageData && p.data.count == 0:
				p.data = place{offset: here.offset, size: 8, count: f.Count - i}
			}
		}
	}
	return p, p.data.offset%8 == 0
}

// IsPOS tells whether a descriptor is of the point-of-sale page at all, data or
// not.
func (d Descriptor) IsPOS() bool {
	return slices.ContainsFunc(d.Fields, func(f Field) bool { return f.Application>>16 == pagePOS })
}

// FallbackPOS is the layout of scanners whose descriptor cannot be read, by the
// length of a report, its ID included: 64 bytes as of Honeywell and Access-IS
// (LSR118/ATR110 manual), else 62.
func FallbackPOS(length int) POS {
	p := POS{
		id: 2, shifts: true,
		length: place{8, 8, 1},
		data:   place{5 * 8, 8, 56},
		more:   place{61 * 8, 1, 1},
	}
	for i := range 3 {
		p.symbology = append(p.symbology, place{(2 + i) * 8, 8, 1})
	}
	if length >= 64 {
		p.kind, p.more = place{61 * 8, 8, 1}, place{63 * 8, 1, 1}
	}
	return p
}

// Carries tells whether a report is of the kind that carries codes.
func (p POS) Carries(report []byte) bool {
	return len(report) > p.data.offset/8 && (p.id == 0 || report[0] == p.id)
}

// Assembler puts a code together from the reports that carry it.
type Assembler struct {
	layout POS

	kept      []byte
	symbology string
	last      time.Time
	// parts: the code in hand goes on. over: it outgrew what is kept and was
	// reported.
	parts, over bool
	// rest: the code in hand may be the rest of one that was given up, which began
	// with head.
	rest bool
	head []byte
}

// NewAssembler starts with no code in hand.
func NewAssembler(layout POS) *Assembler { return &Assembler{layout: layout} }

// Push takes a report and gives the codes that it completes: also one that was
// cut off, marked so that the gate refuses it, where the report begins another.
// Reports of other kinds, and the scanner's replies to commands, are none.
//
// No report tells whether it goes on a code, only whether another one will: the last
// part of a code that was given up looks like a short code. What comes next with the
// same symbology is marked, too, unless it begins as that code did and is the
// ticket scanned again.
func (a *Assembler) Push(at time.Time, report []byte) []string {
	l := a.layout
	if !l.Carries(report) {
		return nil
	}
	symbology, data := l.read(report)
	// What goes on a code is of it, whatever byte stands where the maker's code
	// identifier would: a code without its middle is another code.
	if goesOn := a.parts && symbology == a.symbology; !goesOn && (reply(symbology) || l.kindOf(report) == '?') {
		return nil
	}
	var codes []string
	if a.parts && (symbology != a.symbology || at.Sub(a.last) > partWithin) {
		codes = a.Silence()
	}
	if !a.parts {
		a.rest = a.rest && symbology == a.symbology && !bytes.Equal(data, a.head)
		a.head = append(a.head[:0], data...)
	}
	a.last, a.symbology = at, symbology
	if !a.over {
		a.kept = append(a.kept, data...)
	}
	if len(a.kept) > MaxKept {
		codes = append(codes, Cut(a.kept))
		a.kept, a.over = a.kept[:0], true
	}
	if a.parts = l.more.size > 0 && l.more.in(report) != 0; a.parts {
		return codes
	}
	switch {
	case len(a.kept) == 0:
	case a.rest:
		codes = append(codes, Cut(a.kept))
	default:
		codes = append(codes, string(a.kept))
	}
	a.kept, a.over, a.rest = a.kept[:0], false, false
	return codes
}

// Wait tells how long from at on the next part may take; negative: none is
// waited for.
func (a *Assembler) Wait(at time.Time) time.Duration {
	if !a.parts {
		return -1
	}
	return max(0, a.last.Add(partWithin).Sub(at))
}

// Silence gives up a code whose next part did not come: it is marked so that the
// gate refuses it, since what there is of it may be another ticket's code.
func (a *Assembler) Silence() []string {
	if !a.parts {
		return nil
	}
	over := a.over
	code := Cut(a.kept)
	a.kept, a.parts, a.over, a.rest = a.kept[:0], false, false, true
	if over {
		return nil
	}
	return []string{code}
}

// read gives the AIM identifier and the data of a report, marked so that the gate
// refuses the code where the report is shorter than it says.
func (p POS) read(report []byte) (symbology string, data []byte) {
	shift := p.shift(report)
	var aim []byte
	for _, c := range p.symbology {
		if at := c.offset/8 + shift; at < len(report) {
			aim = append(aim, report[at])
		}
	}
	from := p.data.offset/8 + shift
	data = report[from:min(from+p.data.count, len(report))]
	if p.length.size == 0 {
		return string(aim), bytes.TrimRight(data, "\x00")
	}
	length := int(p.length.in(report))
	if length > len(data) {
		return string(aim), []byte(Cut(bytes.Clone(data))) // more was meant to come
	}
	return string(aim), data[:length]
}

// shift is how many bytes later than described the data begins.
func (p POS) shift(report []byte) int {
	if p.shifts && len(report) > 3 && report[2] != ']' && report[3] == ']' {
		return 1
	}
	return 0
}

// kindOf is the maker's own code identifier; zero: the layout has none. It moves
// with the data, whose last byte would be taken for it otherwise.
func (p POS) kindOf(report []byte) byte {
	at := p.kind.offset/8 + p.shift(report)
	if p.kind.size == 0 || at >= len(report) {
		return 0
	}
	return report[at]
}

// reply tells the AIM identifiers under which scanners answer commands.
func reply(symbology string) bool { return symbology == "]X0" || symbology == "]Z6" }
