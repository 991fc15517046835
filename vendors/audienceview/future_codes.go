package audienceview

import "usher/vendors/wire"

// Availability says who may buy tickets of a performance.
type Availability string

// The event availability codes.
const (
	NotAvailable   Availability = "N"
	PackageHolders Availability = "P"
	AvailableToAll Availability = "A"
)

// UnmarshalJSON takes what a text may be.
func (a *Availability) UnmarshalJSON(raw []byte) error { return (*words)(a).UnmarshalJSON(raw) }

// words is what a person at a gate needs of it; empty: nothing.
func (a Availability) words() string {
	switch a {
	case AvailableToAll, "":
		return ""
	case NotAvailable:
		return "not on sale"
	case PackageHolders:
		return "on sale to package holders only"
	}
	return "availability " + code(string(a))
}

// Display says how a performance is to be shown.
type Display string

// The event display codes.
const (
	Invisible   Display = "I"
	ShowMessage Display = "M"
	ShowNormal  Display = "T"
	Cancelled   Display = "C"
	SoldOut     Display = "S"
)

// UnmarshalJSON takes what a text may be.
func (d *Display) UnmarshalJSON(raw []byte) error { return (*words)(d).UnmarshalJSON(raw) }

// words say the code; message is the performance's own, for ShowMessage.
func (d Display) words(message string) string {
	switch d {
	case ShowNormal, "":
		return ""
	case Invisible:
		return "not shown to the public"
	case ShowMessage:
		return wire.PlainText(message)
	case Cancelled:
		return "cancelled"
	case SoldOut:
		return "sold out"
	}
	return "display " + code(string(d))
}

// ProductionStatus says whether a series is there for the public.
type ProductionStatus string

// The event production statuses.
const (
	Deleted           ProductionStatus = "D"
	UnderConstruction ProductionStatus = "U"
	NormalProduction  ProductionStatus = "T"
)

// UnmarshalJSON takes what a text may be.
func (s *ProductionStatus) UnmarshalJSON(raw []byte) error { return (*words)(s).UnmarshalJSON(raw) }

func (s ProductionStatus) words() string {
	switch s {
	case NormalProduction, "":
		return ""
	case Deleted:
		return "series deleted"
	case UnderConstruction:
		return "series under construction"
	}
	return "series status " + code(string(s))
}

// ProductionStyle is the colour behind a series, 0 to 9.
type ProductionStyle number

// UnmarshalJSON takes what an id may be; anything else is a style without colour.
func (s *ProductionStyle) UnmarshalJSON(raw []byte) error {
	if (*number)(s).UnmarshalJSON(raw) != nil {
		*s = -1
	}
	return nil
}

// Colour gives the name and the RGB of it; ok is false for a style that the
// document does not name.
func (s ProductionStyle) Colour() (name string, rgb uint32, ok bool) {
	colours := []struct {
		name string
		rgb  uint32
	}{
		{"white", 0xffffff}, {"light pink", 0xffe2e9}, {"light blue", 0xe2f1ff}, {"light green", 0xddffbb}, {"light purple", 0xeadfff},
		{"light yellow", 0xfff5ce}, {"dark blue", 0xb6c5f4}, {"light brown", 0xeddac7}, {"beige", 0xffe7d7}, {"dark green", 0xdcecdc},
	}
	if s < 0 || int(s) >= len(colours) {
		return "", 0, false
	}
	return colours[s].name, colours[s].rgb, true
}

// code is a code that the document does not name, short and printable.
func code(s string) string {
	const most = 20
	text := []rune(wire.Plain(s))
	return string(text[:min(len(text), most)])
}
