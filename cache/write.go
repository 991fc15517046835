package cache

import (
	"context"
	"errors"
	"os"
	"runtime"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// chunk is how many records one transaction holds: its pages are in memory
	// until it commits.
	chunk    = 500
	pageSize = 4 << 10
)

// rows gives records in the order of their indexes, each index once. What each is
// given is valid until it returns.
type rows func(each func(index, sealed []byte) error) error

// writeGeneration writes the rows as a new file and syncs it, and sets the
// identity's Count. Until the sync at the end nothing needs to be durable: a killed
// build's file is thrown away. Beside the rows' own errors, finish, which comes after
// the last of them, has the last word.
func writeGeneration(ctx context.Context, path string, id *identity, source rows, finish func() error) (err error) {
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
	w := &genWriter{db: db, file: file, prev: make([]byte, linkPrev)}
	defer func() {
		if w.tx != nil {
			err = errors.Join(err, w.tx.Rollback())
		}
		err = errors.Join(err, db.Close())
	}()
	if err := w.begin(); err != nil {
		return err
	}
	if err := source(func(index, sealed []byte) error { return w.row(ctx, index, sealed) }); err != nil {
		return err
	}
	id.Count = w.n
	if err := finish(); err != nil {
		return err
	}
	if err := w.finish(*id); err != nil {
		return err
	}
	return db.Sync()
}

// genWriter puts sorted rows into a file, in transactions of bounded size.
type genWriter struct {
	db      *bbolt.DB
	file    *os.File
	tx      *bbolt.Tx
	tickets *bbolt.Bucket
	n       int
	since   int64
	value   []byte
	// prev is the beginning of the index written before.
	prev []byte
}

func (w *genWriter) row(ctx context.Context, index, sealed []byte) error {
	if err := w.put(index, sealed); err != nil {
		return err
	}
	w.n++
	if w.n%yieldEvery == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		runtime.Gosched()
	}
	if w.n%chunk != 0 {
		return nil
	}
	return w.flush()
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
