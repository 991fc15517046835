package cache

import (
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
func writeGeneration(ctx context.Context, path string, id identity, records cipher.AEAD, rows *sorter) (err error) {
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
		return err
	}
	w := &genWriter{db: db, file: file, records: records, prev: make([]byte, linkPrev)}
	defer func() {
		if w.tx != nil {
			err = errors.Join(err, w.tx.Rollback())
		}
		err = errors.Join(err, db.Close())
	}()
	if err := w.begin(); err != nil {
		return err
	}
	if err := rows.merge(func(e entry) error { return w.row(ctx, e) }); err != nil {
		return err
	}
	if len(w.repeats) > 0 {
		return errors.Join(w.repeats...)
	}
	if err := w.finish(id); err != nil {
		return err
	}
	return db.Sync()
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
	// prev is the beginning of the index before; last and place are the whole
	// of it and where it came from.
	prev    []byte
	last    []byte
	place   []byte
	repeats []error
}

func (w *genWriter) row(ctx context.Context, e entry) error {
	if w.last != nil && string(w.last) == string(e.index) {
		w.repeats = append(w.repeats, w.repeat(e))
		if len(w.repeats) == maxRepeats {
			return errors.Join(append(w.repeats, errors.New("there may be more codes listed twice"))...)
		}
		return nil
	}
	w.last = append(w.last[:0], e.index...)
	w.place = append(w.place[:0], e.place...)
	w.n++
	if w.n%yieldEvery == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		runtime.Gosched()
	}
	if len(w.repeats) > 0 { // the file is lost; only further repeats are of interest
		return nil
	}
	if err := w.put(e.index, e.sealed); err != nil {
		return err
	}
	if w.n%chunk != 0 {
		return nil
	}
	return w.flush()
}

// repeat words a code that is there twice; the code itself is known only from
// the sealed record.
func (w *genWriter) repeat(e entry) error {
	code := scanner.Code("")
	if plain, err := w.records.Open(nil, nil, e.sealed, e.index); err == nil {
		if t, err := decodeTicket(string(plain)); err == nil {
			code = t.Code
		}
	}
	return fmt.Errorf("%s: code %s is already at %s; keep one of the two", e.place, code.Mask(), w.place)
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
