package cache

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt" // the on-disk B+tree: one file, read through the page cache

	"usher/cache/seal"
	"usher/scanner"
)

// schema is the version of the file's layout: 2 has records of version 2 too. A newer
// one counts as no list.
const schema = 2

// readerCount is how many look-ups may read one generation at the same moment.
// Further ones wait for a look-up to end, which takes microseconds.
const readerCount = 8

var (
	identityBucket = []byte("identity")
	identityKey    = []byte("identity")
	ticketBucket   = []byte("tickets")
	// endKey is the record after the last ticket. No HMAC is all ones.
	endKey     = bytes.Repeat([]byte{0xff}, seal.IndexSize)
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// identity is the record that says what a file is.
type identity struct {
	Schema      int           `json:"schema"`
	Check       []byte        `json:"check"`
	Salt        []byte        `json:"salt"`
	Scope       scanner.Scope `json:"scope"`
	Complete    bool          `json:"complete"`
	GeneratedAt time.Time     `json:"generated_at"`
	Checked     scanner.Stamp `json:"checked"`
	Count       int           `json:"count"`
	Source      string        `json:"source"`
	Cursor      []byte        `json:"cursor,omitempty"`
	// Sum is the sum of the hashes of all rows that the list was made of; nil: it is
	// not known. Distinct says that they were its records, each once.
	Sum      []byte `json:"sum,omitempty"`
	Distinct bool   `json:"distinct,omitempty"`
}

// describe takes over what the caller says of the list.
func (id *identity) describe(meta *Meta) {
	id.Complete, id.GeneratedAt, id.Checked = meta.Complete, meta.GeneratedAt, meta.Checked
	id.Source, id.Cursor = meta.Source, meta.Cursor
}

func (id identity) encode() ([]byte, error) {
	text, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint32(nil, crc32.Checksum(text, castagnoli)), text...), nil
}

func decodeIdentity(value []byte) (identity, error) {
	var id identity
	if len(value) < 4 || crc32.Checksum(value[4:], castagnoli) != binary.BigEndian.Uint32(value) {
		return id, errors.New("its identity record is missing or damaged")
	}
	var version struct {
		Schema int `json:"schema"`
	}
	if err := json.Unmarshal(value[4:], &version); err != nil {
		return id, fmt.Errorf("its identity record cannot be read: %w", err)
	}
	if version.Schema > schema {
		return id, fmt.Errorf("it was written by a newer usher (schema %d, this one knows %d)", version.Schema, schema)
	}
	if err := json.Unmarshal(value[4:], &id); err != nil {
		return id, fmt.Errorf("its identity record cannot be read: %w", err)
	}
	return id, nil
}

// generation is one list on disk, open for reading.
type generation struct {
	db      *bbolt.DB
	id      identity
	checked atomic.Pointer[scanner.Stamp]
	// hurt: a record could not be read.
	hurt    atomic.Bool
	readers chan *reader
	made    int
	retired chan struct{}
}

// openGeneration opens the file read-only and checks that it is a whole list
// under this key. Errors say what is wrong with the file.
func openGeneration(path string, key *seal.Key) (g *generation, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular(): // opening a FIFO would wait for ever
		return nil, fmt.Errorf("%s is no file", path)
	case info.Size() == 0:
		return nil, fmt.Errorf("%s is empty", path)
	}
	// bbolt panics where the file is not what it wrote, and reads through a
	// mapping, where a cut-off file is a fault of the memory.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			// bbolt may have left with a lock held: closing it could wait for ever.
			g, err = nil, fmt.Errorf("%s is damaged: %v", path, p)
		}
	}()
	// A read-only open maps the file once and does not look for free pages.
	var file *os.File
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		ReadOnly: true, Timeout: time.Second, NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	})
	if err != nil {
		return nil, fmt.Errorf("%s cannot be opened: %w", path, err)
	}
	g = &generation{db: db, readers: make(chan *reader, readerCount), retired: make(chan struct{})}
	if err := g.start(key, file, info.Size()); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), g.close())
	}
	return g, nil
}

// start reads the identity and makes the readers. Their transactions live as
// long as the generation: nothing ever writes to the file, and a bbolt whose
// meta page goes bad panics in Begin with a lock held, for ever.
func (g *generation) start(key *seal.Key, file *os.File, size int64) error {
	var records cipher.AEAD
	for range readerCount {
		tx, err := g.db.Begin(false)
		if err != nil {
			return err
		}
		r := &reader{tx: tx, pages: &pages{file: file, limit: uint64(size) / pageSize}}
		g.readers <- r
		g.made++
		if records == nil {
			if tx.Size() > size {
				return fmt.Errorf("it is cut off (%d of %d bytes)", size, tx.Size())
			}
			for _, name := range [][]byte{identityBucket, ticketBucket} {
				if err := r.pages.seeks(uint64(tx.Cursor().Bucket().Root()), name); err != nil {
					return err
				}
			}
			if records, err = g.identify(tx, key); err != nil {
				return err
			}
		}
		bucket := tx.Bucket(ticketBucket)
		if bucket == nil {
			return errors.New("it holds no tickets")
		}
		r.cursor, r.records = bucket.Cursor(), records
	}
	r := <-g.readers
	defer g.put(r)
	if err := r.pages.seeks(uint64(r.cursor.Bucket().Root()), endKey); err != nil {
		return err
	}
	if last, _ := r.cursor.Seek(endKey); !bytes.Equal(last, endKey) {
		return errors.New("its end is missing")
	}
	return nil
}

func (g *generation) identify(tx *bbolt.Tx, key *seal.Key) (cipher.AEAD, error) {
	bucket := tx.Bucket(identityBucket)
	if bucket == nil {
		return nil, errors.New("its identity record is missing or damaged")
	}
	id, err := decodeIdentity(bucket.Get(identityKey))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(id.Check, key.Check()) {
		return nil, errors.New("it was written under another device key")
	}
	g.id = id
	g.checked.Store(&id.Checked)
	return key.Records(id.Salt)
}

// says tells whether the generation is what another list would be.
func (g *generation) says(other *identity) bool {
	return !g.hurt.Load() && g.id.Schema == other.Schema && g.id.Scope == other.Scope && g.id.Complete == other.Complete &&
		g.id.Source == other.Source && g.id.Sum != nil && bytes.Equal(g.id.Sum, other.Sum)
}

// take lends a reader; it is false when the generation is being closed.
func (g *generation) take() (*reader, bool) {
	select {
	case r := <-g.readers:
		return r, true
	case <-g.retired:
		return nil, false
	}
}

func (g *generation) put(r *reader) { g.readers <- r }

// close waits for the look-ups under way and closes the file. Nobody may find
// the generation any more when it is called.
func (g *generation) close() error {
	close(g.retired)
	var err error
	for range g.made {
		err = errors.Join(err, (<-g.readers).tx.Rollback())
	}
	return errors.Join(err, g.db.Close())
}
