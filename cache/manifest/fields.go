package manifest

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"usher/scanner"
)

// columns are the known names, in the order of the documentation.
var columns = []string{
	"code", "id", "name", "order", "section", "seat", "event", "series", "valid_from", "valid_until", "status",
}

var (
	codeColumn   = slices.Index(columns, "code")
	fromColumn   = slices.Index(columns, "valid_from")
	untilColumn  = slices.Index(columns, "valid_until")
	statusColumn = slices.Index(columns, "status")
)

// row is one row's values, by the index of their column.
type row [11]string

// rounded is a long number after a spreadsheet had it: 4.00599E+12.
var rounded = regexp.MustCompile(`^[0-9]+([.,][0-9]+)?E\+?[0-9]+$`)

// rfc3339 is what time.Parse is not strict about: it takes hours of one digit,
// commas before fractions, and offsets of a hundred hours.
var rfc3339 = regexp.MustCompile(`^[0-9-]{10}T[0-9:]{8}(\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

// row checks the values and gives the ticket on.
func (in *input) row(v *row) error {
	before := len(in.faults.List)
	code := scanner.Clean(v[codeColumn])
	note := func(format string, args ...any) error {
		if code == "" {
			return in.fault(format, args...)
		}
		return in.fault("code %s: "+format, append([]any{code.Mask()}, args...)...)
	}
	if err := in.code(code); err != nil {
		return err
	}
	for i, name := range columns {
		if i == codeColumn {
			continue
		}
		v[i] = strings.TrimSpace(v[i])
		if strings.ContainsFunc(v[i], unicode.IsControl) {
			if err := note("%s: a line break or control character inside; take it out", name); err != nil {
				return err
			}
		}
	}
	t := scanner.Ticket{Code: code, ID: v[1], Name: v[2], Order: v[3], Section: v[4], Seat: v[5], Event: v[6], Series: v[7]}
	var err error
	if t.ValidFrom, err = in.time(v, fromColumn, note); err != nil {
		return err
	}
	if t.ValidUntil, err = in.time(v, untilColumn, note); err != nil {
		return err
	}
	if !t.ValidFrom.IsZero() && !t.ValidUntil.IsZero() && t.ValidUntil.Before(t.ValidFrom) {
		if err := note("valid_until is before valid_from; check the two"); err != nil {
			return err
		}
	}
	t.Status = scanner.Status(v[statusColumn])
	if t.Status == "" {
		t.Status = scanner.StatusValid
	}
	if !t.Status.Known() {
		if err := note("unknown status; use valid, used, voided, refunded or blocked (empty: valid)"); err != nil {
			return err
		}
	}
	if len(in.faults.List) > before {
		in.tickets++
		return nil
	}
	return in.ticket(t)
}

func (in *input) code(code scanner.Code) error {
	if code == "" {
		return in.fault("the code is empty; fill it in or take the row out")
	}
	if err := code.Check(); err != nil {
		return in.fault("code %s: %v; write it as the scanner reads it", code.Mask(), err)
	}
	if strings.ContainsRune(string(code), unicode.ReplacementChar) {
		return in.fault("code %s: a character was lost on the way (U+FFFD); export the list again as UTF-8", code.Mask())
	}
	if rounded.MatchString(string(code)) {
		return in.fault("code %s: a number that a spreadsheet has rounded; export the column as text", code.Mask())
	}
	return nil
}

// time reads the row's time in the column; empty is the zero time.
func (in *input) time(v *row, column int, note func(string, ...any) error) (time.Time, error) {
	if v[column] == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, v[column])
	if err != nil || !rfc3339.MatchString(v[column]) {
		return time.Time{}, note("%s is no time with an offset; write it like 2026-11-21T18:00:00+01:00", columns[column])
	}
	// The year 1 is how some systems write "no time", and usher's open end.
	if t.Year() < 1970 {
		return time.Time{}, note("%s is before 1970; leave it empty where the window is open", columns[column])
	}
	return t, nil
}

// column gives the index of a column's name; -1: unknown. Upper case and blanks
// around it do not matter.
func column(name string) int {
	return slices.Index(columns, strings.ToLower(strings.TrimSpace(name)))
}

// columnLike is what a name of a column looks like.
var columnLike = regexp.MustCompile(`^[a-z_]{1,20}$`)

// shown is an unknown name as a message may show it: a row without a header, or
// a list whose keys are its codes, would bring codes and people's names into the
// log. What does not look like a column's name is told by its place.
func shown(name string, place int) string {
	if columnLike.MatchString(name) {
		return strconv.Quote(name)
	}
	return "number " + strconv.Itoa(place)
}

// suggestion is what an unknown column's message ends with.
func suggestion(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	best, distance := "", 4
	for _, known := range columns {
		if d := editDistance(name, known); d < distance && d < len(known) {
			best, distance = known, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "take it out, or name it one of " + strings.Join(columns, ", ")
}

// editDistance is the number of letters to add, take away or change. Names of
// columns are short; longer ones are compared by their beginning.
func editDistance(a, b string) int {
	a = a[:min(len(a), 40)]
	line := make([]int, len(b)+1)
	for j := range line {
		line[j] = j
	}
	for i := range len(a) {
		diagonal := line[0]
		line[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = line[j+1]
			line[j+1] = min(change, line[j]+1, diagonal+1)
		}
	}
	return line[len(b)]
}
