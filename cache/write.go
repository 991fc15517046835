package cache

import (
	"bytes"
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"go.etcd.io/bbolt"

	"usher/scanner"
)

const (
	// chunk is how many records one transaction holds: its pages are in memory
	// until it commits.
	chunk = 500
	// maxRepeats is how many codes listed twice are named before giving up.
	maxRepeats = 10
	pageSize   = 4 << 10
)

// writeGeneration writes the sorted rows as a new file and syncs it. Until the
// sync at the end nothing needs to be durable: a killed build's file is thrown
// away.
//
// What is listed twice is counted, and counts once in the identity; where it is
// not tolerated, the error names it.
func writeGeneration(ctx context.Context, path string, id *identity, records cipher.AEAD, tolerant bool, rows *sorter) (twice repeats, err error) {
	var file *os.File
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: time.Second, PageSize: pageSize, NoSync: true, NoGrowSync: true, NoFreelistSync: true,
		NoStatistics: true, FreelistType: bbolt.FreelistMapType,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			var err error
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	})
	if err != nil {
		return twice, err
	}
	w := &genWriter{db: db, file: file, records: records, tolerant: tolerant, prev: make([]byte, linkPrev)}
	defer func() {
		if w.tx != nil {
			err = errors.Join(err, w.tx.Rollback())
		}
		err = errors.Join(err, db.Close())
	}()
	if err := w.begin(); err != nil {
		return twice, err
	}
	if err := rows.merge(func(e entry) error { return w.row(ctx, e) }); err != nil {
		return twice, err
	}
	if len(w.faults) > 0 {
		return twice, errors.Join(w.faults...)
	}
	if err := w.release(); err != nil {
		return twice, err
	}
	id.Count = w.n
	if err := w.finish(*id); err != nil {
		return twice, err
	}
	return w.twice, db.Sync()
}

// repeats counts the rows whose code was in the list already.
type repeats struct {
	// same said what the row before said; differing counts the tickets for which
	// one did not.
	same, differing int
}

// genWriter puts sorted rows into a file, in transactions of bounded size.
type genWriter struct {
	db      *bbolt.DB
	file    *os.File
	records cipher.AEAD
	tx      *bbolt.Tx
	tickets *bbolt.Bucket
	n       int
	since   int64
	value   []byte
	// prev is the beginning of the index written before.
	prev []byte
	// held is the row that waits for the next: it may be there twice. Nil index:
	// none does. doubled: it was, and not the same.
	held    entry
	doubled bool
	// tolerant says that a code listed twice is no fault; else faults name it.
	tolerant bool
	twice    repeats
	faults   []error
}

func (w *genWriter) row(ctx context.Context, e entry) error {
	if w.held.index != nil && string(w.held.index) == string(e.index) {
		return w.again(e)
	}
	if err := w.release(); err != nil {
		return err
	}
	w.held.index = append(w.held.index[:0], e.index...)
	w.held.place = append(w.held.place[:0], e.place...)
	w.held.sealed = append(w.held.sealed[:0], e.sealed...)
	w.doubled = false
	w.n++
	if w.n%yieldEvery == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		runtime.Gosched()
	}
	return nil
}

// release writes the row that is held.
func (w *genWriter) release() error {
	if w.held.index == nil || len(w.faults) > 0 { // the file is lost; only further faults are of interest
		return nil
	}
	if err := w.put(w.held.index, w.held.sealed); err != nil {
		return err
	}
	if w.n%chunk != 0 {
		return nil
	}
	return w.flush()
}

// again takes a row whose code is that of the row held.
func (w *genWriter) again(e entry) error {
	before, err := w.records.Open(nil, nil, w.held.sealed, w.held.index)
	if err != nil {
		return errSort
	}
	now, err := w.records.Open(nil, nil, e.sealed, e.index)
	if err != nil {
		return errSort
	}
	ticket, err := decodeTicket(string(before))
	if err != nil {
		return errSort
	}
	switch {
	case !w.tolerant:
		w.faults = append(w.faults, fmt.Errorf("%s: code %s is already at %s; keep one of the two", e.place, ticket.Code.Mask(), w.held.place))
		if len(w.faults) == maxRepeats {
			return errors.Join(append(w.faults, errors.New("there may be more codes listed twice"))...)
		}
	case w.doubled:
	case bytes.Equal(before, now):
		w.twice.same++
	default:
		w.twice.differing++
		w.doubled = true
		ticket.Status = scanner.StatusTwice
		w.held.sealed = w.records.Seal(w.held.sealed[:0], nil, appendTicket(nil, &ticket), w.held.index)
	}
	return nil
}

func (w *genWriter) put(index, sealed []byte) error {
	// Put keeps the value until the commit: it cannot share memory.
	w.value = make([]byte, 0, linkSize+len(sealed))
	w.value = append(appendLink(w.value, w.prev, index), sealed...)
	w.since += int64(len(w.value))
	copy(w.prev, index)
	return w.tickets.Put(index, w.value)
}

func (w *genWriter) begin() error {
	tx, err := w.db.Begin(true)
	if err != nil {
		return err
	}
	w.tx = tx
	if w.tickets, err = tx.CreateBucketIfNotExists(ticketBucket); err != nil {
		return err
	}
	w.tickets.FillPercent = 1 // sorted: no page is ever put into again
	return nil
}

func (w *genWriter) commit() error {
	tx := w.tx
	w.tx = nil
	return tx.Commit()
}

func (w *genWriter) flush() error {
	if err := w.commit(); err != nil {
		return err
	}
	if w.since >= pace {
		writeOut(w.file, 0, 0)
		w.since = 0
	}
	return w.begin()
}

func (w *genWriter) finish(id identity) error {
	if err := w.put(endKey, nil); err != nil {
		return err
	}
	value, err := id.encode()
	if err != nil {
		return err
	}
	bucket, err := w.tx.CreateBucket(identityBucket)
	if err != nil {
		return err
	}
	if err := bucket.Put(identityKey, value); err != nil {
		return err
	}
	return w.commit()
}
