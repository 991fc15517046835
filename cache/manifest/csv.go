package manifest

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
)

// csv reads the header in first and the rows after it.
func (in *input) csv(first []byte) error {
	feed := &lineFeed{line: first}
	rows := csv.NewReader(feed)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil {
		return in.stop("the header row is damaged (%s); check its quotes", csvFault(err))
	}
	order, err := in.header(header)
	if err != nil {
		return err
	}
	rows.FieldsPerRecord = len(order)
	for {
		line, err := in.next()
		if err != nil {
			return err
		}
		feed.line = line
		feed.done = false
		values, err := rows.Read()
		if errors.Is(err, csv.ErrFieldCount) {
			err = in.fault("the row has %d columns and the header %d; put values that hold a comma into quotes", len(values), len(order))
		} else if err != nil {
			err = in.fault("%s; close the quote on the same line, and double quotes inside a value", csvFault(err))
			// The reader is in the middle of a value: begin anew.
			feed = &lineFeed{}
			rows = csv.NewReader(feed)
			rows.ReuseRecord, rows.FieldsPerRecord = true, len(order)
		} else {
			var v row
			for i, value := range values {
				v[order[i]] = value
			}
			err = in.row(&v)
		}
		if err != nil {
			return err
		}
	}
}

// header gives the known column of each place of the header.
func (in *input) header(names []string) ([]int, error) {
	order := make([]int, len(names))
	for i, name := range names {
		order[i] = column(name)
	}
	// Without the one name that must be there this is more likely a row of
	// tickets, and nothing of it may be shown.
	if !slices.Contains(order, codeColumn) {
		if len(names) == 1 && strings.ContainsAny(names[0], ";\t|") {
			return nil, in.stop("the columns are not separated by commas; export the file with commas")
		}
		return nil, in.stop("no column is named code; begin the file with a row of column names, among them code")
	}
	before := len(in.faults.List)
	for i, name := range names {
		var err error
		switch {
		case order[i] < 0 && strings.TrimSpace(name) == "":
			err = in.fault("column %d of the header has no name; name it or take it out", i+1)
		case order[i] < 0:
			err = in.fault("unknown column %s; %s", shown(name, i+1), suggestion(name))
		case slices.Index(order, order[i]) < i:
			err = in.fault("column %s is there twice; keep one", columns[order[i]])
		}
		if err != nil {
			return nil, err
		}
	}
	if len(in.faults.List) > before {
		in.faults.More = true
		return nil, errStop
	}
	return order, nil
}

var errSecondLine = errors.New("a value goes on after the end of the line")

// csvFault words an error of encoding/csv without its place: its lines are not
// the file's.
func csvFault(err error) string {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		err = parse.Err
	}
	switch {
	case errors.Is(err, csv.ErrBareQuote):
		return "a quote inside a value that does not begin with one"
	case errors.Is(err, csv.ErrQuote):
		return "a quote that ends a value is followed by more"
	case errors.Is(err, errSecondLine):
		return errSecondLine.Error()
	}
	return "cannot be read as CSV"
}

// lineFeed gives encoding/csv one line for each record: it buffers a value that
// is not closed without end, and would take all rows below for a part of it.
type lineFeed struct {
	line []byte
	done bool
}

func (f *lineFeed) Read(p []byte) (int, error) {
	if len(f.line) > 0 {
		n := copy(p, f.line)
		f.line = f.line[n:]
		return n, nil
	}
	if !f.done {
		f.done = true
		p[0] = '\n'
		return 1, nil
	}
	return 0, errSecondLine
}

var _ io.Reader = (*lineFeed)(nil)
