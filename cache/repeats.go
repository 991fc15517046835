package cache

import (
	"bytes"
	"crypto/cipher"
	"errors"
	"fmt"

	"usher/scanner"
)

// maxRepeats is how many codes listed twice are named before giving up.
const maxRepeats = 10

// repeats counts the rows whose code was in the list already.
type repeats struct {
	// same said what the row before said; differing counts the tickets for which
	// one did not.
	same, differing int
}

// distinct makes one row of those that have one code. What is listed twice is
// counted; where it is not tolerated, the error names it.
type distinct struct {
	records cipher.AEAD
	// each is given the rows.
	each func(index, sealed []byte) error
	// held is the row that waits for the next: it may be there twice. Nil index:
	// none does. doubled: it was, and not the same.
	held    entry
	doubled bool
	// tolerant says that a code listed twice is no fault; else faults name it.
	tolerant bool
	twice    repeats
	faults   []error
}

// distinctRows gives the sorter's rows, each code once; twice counts the others.
func distinctRows(sorted *sorter, records cipher.AEAD, tolerant bool, twice *repeats) rows {
	return func(each func(index, sealed []byte) error) error {
		d := &distinct{records: records, tolerant: tolerant, each: each}
		if err := sorted.merge(d.row); err != nil {
			return err
		}
		if len(d.faults) > 0 {
			return errors.Join(d.faults...)
		}
		*twice = d.twice
		return d.release()
	}
}

func (d *distinct) row(e entry) error {
	if d.held.index != nil && string(d.held.index) == string(e.index) {
		return d.again(e)
	}
	if err := d.release(); err != nil {
		return err
	}
	d.held.index = append(d.held.index[:0], e.index...)
	d.held.place = append(d.held.place[:0], e.place...)
	d.held.sealed = append(d.held.sealed[:0], e.sealed...)
	d.doubled = false
	return nil
}

// release gives the row that is held.
func (d *distinct) release() error {
	if d.held.index == nil || len(d.faults) > 0 { // the list is lost; only further faults are of interest
		return nil
	}
	return d.each(d.held.index, d.held.sealed)
}

// again takes a row whose code is that of the row held.
func (d *distinct) again(e entry) error {
	before, err := d.records.Open(nil, nil, d.held.sealed, d.held.index)
	if err != nil {
		return errSort
	}
	now, err := d.records.Open(nil, nil, e.sealed, e.index)
	if err != nil {
		return errSort
	}
	ticket, err := decodeTicket(string(before))
	if err != nil {
		return errSort
	}
	switch {
	case !d.tolerant:
		d.faults = append(d.faults, fmt.Errorf("%s: code %s is already at %s; keep one of the two", e.place, ticket.Code.Mask(), d.held.place))
		if len(d.faults) == maxRepeats {
			return errors.Join(append(d.faults, errors.New("there may be more codes listed twice"))...)
		}
	case d.doubled:
	case bytes.Equal(before, now):
		d.twice.same++
	default:
		d.twice.differing++
		d.doubled = true
		ticket.Status = scanner.StatusTwice
		d.held.sealed = d.records.Seal(d.held.sealed[:0], nil, appendTicket(nil, &ticket), d.held.index)
	}
	return nil
}
