// Package manifest reads a ticket list that an installer copies onto the
// device: CSV with a header row, or JSON Lines (one object a line), UTF-8, told
// apart by the first character.
//
// Columns, in any order, of which only code must be there:
//
//	code                     as the scanner reads it
//	id name order section    texts
//	seat event series
//	valid_from valid_until   RFC 3339 with offset (2026-11-21T18:00:00+01:00),
//	                         both ends inclusive; empty: open
//	status                   valid (also when empty), used, voided, refunded, blocked
//
// The reader is strict, because what it does not understand would let somebody
// in or keep somebody out: an unknown column is an error (a misspelt valid_untill
// would open every window), and so is a value that is not what the column holds.
// A row is one line: a quote that is never closed cannot swallow the rows below
// it.
//
// Errors name file and line, say what to do, and show of the file's content no
// more than the names of columns and the last characters of a code.
package manifest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"usher/scanner"
)

const (
	// MaxLine is the longest line in bytes.
	MaxLine = 64 << 10
	// maxFaults is how many faults are gathered, so that they can be repaired
	// together.
	maxFaults = 10
)

// Faults are what is wrong with a manifest, in the order of the lines. More
// says that reading ended before the end of the file.
type Faults struct {
	List []Fault
	More bool
}

// Fault is one thing wrong with one line.
type Fault struct {
	File string
	Line int
	What string
}

// Error is "file:line: what is wrong, what to do".
func (f Fault) Error() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.What) }

// Error lists the faults, one a line.
func (f *Faults) Error() string {
	var b strings.Builder
	for i, fault := range f.List {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(fault.Error())
	}
	if f.More {
		b.WriteString("\nthere may be more")
	}
	return b.String()
}

// Read reads a manifest and gives each ticket, with its line, to add. The name
// is what errors call the file. Errors: *Faults for what is wrong with the
// content; what add or the context returned, as it is; and an error of r.
//
// Tickets are given as they are read: after an error, those given before it are
// to be thrown away. Memory does not grow with the file. A code that is there
// twice is for the receiver to find.
func Read(ctx context.Context, name string, r io.Reader, add func(t scanner.Ticket, line int) error) error {
	in := &input{ended: ctx.Err, name: name, lines: bufio.NewReaderSize(r, MaxLine+2), add: add}
	first, err := in.next()
	switch {
	case err != nil:
	case first[0] == '{':
		err = in.jsonLines(first)
	case first[0] == '[':
		err = in.stop("a JSON array; write one object a line, without brackets and commas around them")
	default:
		err = in.csv(first)
	}
	return in.end(err)
}

// errStop ends the reading where the faults gathered say why.
var errStop = errors.New("stop")

// input is a manifest being read.
type input struct {
	// ended tells whether the reading was called off.
	ended   func() error
	name    string
	lines   *bufio.Reader
	add     func(scanner.Ticket, int) error
	line    int
	tickets int
	faults  Faults
}

// fault notes a fault of the present line; it is errStop when there are enough.
func (in *input) fault(format string, args ...any) error {
	in.faults.List = append(in.faults.List, Fault{in.name, in.line, fmt.Sprintf(format, args...)})
	if len(in.faults.List) == maxFaults {
		in.faults.More = true
		return errStop
	}
	return nil
}

// stop notes a fault after which nothing further can be understood.
func (in *input) stop(format string, args ...any) error {
	if in.fault(format, args...) == nil {
		in.faults.More = true
	}
	return errStop
}

func (in *input) end(err error) error {
	switch {
	case err != nil && err != errStop && err != io.EOF:
		return err
	case len(in.faults.List) > 0:
		return &in.faults
	case in.tickets == 0:
		in.line = max(in.line, 1)
		return in.end(in.fault("no tickets in the file; copy it again, whole"))
	}
	return nil
}

// next gives the next line that is not blank, without its end, valid until the
// next call; io.EOF after the last. A line that is too long or not UTF-8 is
// noted and passed over.
func (in *input) next() ([]byte, error) {
	for {
		line, err := in.lines.ReadSlice('\n')
		if len(line) == 0 && err != nil {
			return nil, in.readError(err)
		}
		in.line++
		if in.line%256 == 0 {
			if err := in.ended(); err != nil {
				return nil, err
			}
		}
		if err == bufio.ErrBufferFull {
			if err := in.skipLine(); err != nil {
				return nil, err
			}
			if err := in.fault("the line is longer than %d KiB; check the file: it may be damaged or no manifest", MaxLine>>10); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil && err != io.EOF {
			return nil, in.readError(err)
		}
		if in.line == 1 {
			if bytes.HasPrefix(line, []byte("\xff\xfe")) || bytes.HasPrefix(line, []byte("\xfe\xff")) {
				return nil, in.stop("the file is UTF-16; save it as UTF-8")
			}
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if !utf8.Valid(line) {
			if err := in.fault("not UTF-8 text; save the file as UTF-8"); err != nil {
				return nil, err
			}
			continue
		}
		return line, nil
	}
}

func (in *input) skipLine() error {
	for {
		_, err := in.lines.ReadSlice('\n')
		switch err {
		case bufio.ErrBufferFull:
			if err := in.ended(); err != nil {
				return err
			}
		case nil, io.EOF:
			return nil
		default:
			return in.readError(err)
		}
	}
}

func (in *input) readError(err error) error {
	if err == io.EOF {
		return err
	}
	return fmt.Errorf("%s: read after line %d: %w", in.name, in.line, err)
}

// ticket gives a complete row to add. After the first fault rows are only
// checked.
func (in *input) ticket(t scanner.Ticket) error {
	in.tickets++
	if len(in.faults.List) > 0 {
		return nil
	}
	return in.add(t, in.line)
}
