package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"usher/scanner"
)

func TestDamage(t *testing.T) {
	tm := makeTemplate(t)
	page := os.Getpagesize()
	for name, tc := range map[string]struct {
		harm func([]byte) []byte
		// healthy: bbolt survives it by itself.
		healthy              bool
		maxRecords, maxMarks int
		cause                string
	}{
		"nothing":    {harm: func(raw []byte) []byte { return raw }, healthy: true},
		"one meta":   {harm: func(raw []byte) []byte { clear(raw[16 : page/2]); return raw }, cause: "one of the two meta pages"},
		"other meta": {harm: func(raw []byte) []byte { clear(raw[page+16 : page*2]); return raw }, cause: "one of the two meta pages"},
		"two metas":  {harm: func(raw []byte) []byte { clear(raw[:2*page]); return raw }, cause: "both meta pages"},
		"empty": {harm: func([]byte) []byte { return nil }, maxRecords: len(tm.records), maxMarks: tickets,
			cause: "the file is empty"},
		"another file": {harm: func([]byte) []byte { return bytes.Repeat([]byte("x"), 50_000) }, maxRecords: len(tm.records), maxMarks: tickets,
			cause: "both meta pages"},
		"cut in half": {harm: func(raw []byte) []byte { return raw[:len(raw)/2/page*page] }, maxRecords: len(tm.records), maxMarks: tickets,
			cause: "cut off"},
		"cut within a page": {harm: func(raw []byte) []byte { return raw[:len(raw)-page-100] }, maxRecords: 10, maxMarks: 10, cause: "cut off"},
		"a record's byte":   {harm: flip(`"message":"Welcome"`, 1), maxRecords: 1, healthy: true},
		"every root": {harm: func(raw []byte) []byte {
			for at := 2 * page; at+page <= len(raw); at += page {
				if raw[at+8] == 1 { // a branch
					clear(raw[at : at+page])
				}
			}
			return raw
		}, maxRecords: 0, maxMarks: 0},
	} {
		t.Run(name, func(t *testing.T) {
			opts := tm.write(t, tc.harm)
			j := open(t, opts)
			lostRecords, lostMarks := tm.compare(t, j)
			if lostRecords > tc.maxRecords || lostMarks > tc.maxMarks {
				t.Errorf("lost %d records and %d marks, at most %d and %d may be", lostRecords, lostMarks, tc.maxRecords, tc.maxMarks)
			}
			aside := damagedAside(t, opts.Dir)
			if name == "nothing" {
				if len(aside) != 0 || len(j.Status().Problems) != 0 {
					t.Errorf("a healthy file was moved aside: %v %q", aside, j.Status().Problems)
				}
				return
			}
			if tc.healthy {
				return
			}
			problems := j.Status().Problems
			if len(aside) != 1 || len(problems) != 1 || !strings.Contains(problems[0], filepath.Base(aside[0])) ||
				!strings.Contains(problems[0], tc.cause) || !strings.Contains(problems[0], "carried over") || !strings.Contains(problems[0], "move it out") {
				t.Errorf("aside %v, problems %q", aside, problems)
			}
			admit(t, j, 5000, scanner.FatePending)
			closeAndCheck(t, j)

			// The problem stays as long as the file lies there.
			j = open(t, opts)
			if again := j.Status().Problems; !cmp.Equal(again, problems) {
				t.Errorf("after a restart the problems are %q", again)
			}
			if err := os.Remove(aside[0]); err != nil {
				t.Fatal(err)
			}
			if err := j.findDamaged(); err != nil || len(j.Status().Problems) != 0 {
				t.Errorf("with the file gone the problems are %q, %v", j.Status().Problems, err)
			}
		})
	}
}

// flip changes one byte of the nth place where text stands.
func flip(text string, nth int) func([]byte) []byte {
	return func(raw []byte) []byte {
		at := 0
		for range nth {
			at += bytes.Index(raw[at:], []byte(text)) + 1
		}
		raw[at+3] ^= 0x20
		return raw
	}
}

// TestDamageAnywhere flips one byte at random. It costs nothing: what the journal
// says afterwards is what it said before.
func TestDamageAnywhere(t *testing.T) {
	t.Parallel()
	tm := makeTemplate(t)
	rescues := 0
	for range 20 {
		at := rand.IntN(len(tm.raw))
		opts := tm.write(t, func(raw []byte) []byte {
			raw[at] ^= byte(1 + rand.IntN(255))
			return raw
		})
		j, err := Open(opts)
		if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		lostRecords, lostMarks := tm.compare(t, j)
		aside := len(damagedAside(t, opts.Dir))
		rescues += aside
		if lostRecords > 0 || lostMarks > 0 {
			t.Errorf("byte %d: lost %d records and %d marks, %d files aside", at, lostRecords, lostMarks, aside)
		}
		if s := j.Status(); aside > 0 && len(s.Problems) == 0 {
			t.Errorf("byte %d: a rescue without a problem", at)
		}
		if err := j.Close(); err != nil {
			t.Errorf("byte %d: %v", at, err)
		}
		// It stays as good as it was.
		j = reopen(t, opts)
		if again, marks := tm.compare(t, j); again != lostRecords || marks != lostMarks {
			t.Errorf("byte %d: after a restart %d records and %d marks are lost, not %d and %d", at, again, marks, lostRecords, lostMarks)
		}
		if err := j.Close(); err != nil {
			t.Errorf("byte %d: %v", at, err)
		}
	}
	if rescues == 0 {
		t.Error("no byte mattered")
	}
}

// TestDamageWhileRunning: a record that goes bad under an open journal is met by
// a reader, rescued, and the reader gets its answer.
func TestDamageWhileRunning(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	for n := range 20 {
		admit(t, j, n, scanner.FatePending)
	}
	if err := j.snapshot(context.Background()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(opts.Dir, fileName)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Every version of one mark, in use or stale.
	quoted, err := json.Marshal(code(7))
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; ; {
		i := bytes.Index(raw[at:], append([]byte(`"code":`), append(quoted, `,"ver":`...)...))
		if i < 0 {
			break
		}
		at += i + 10
		overwrite(t, path, int64(at), []byte("?"))
	}
	if m := mark(t, j, 7); !m.Entered || m.Open != 1 || m.Last != 8 {
		t.Errorf("the mark made from the log is %+v", m)
	}
	if n := len(damagedAside(t, opts.Dir)); n != 1 {
		t.Errorf("%d files lie aside", n)
	}
	if s := j.Status(); s.Pending != 20 || !s.Writable || s.Tallies[0].Entries != 20 || len(s.Problems) != 1 {
		t.Errorf("status: %+v", s)
	}
	if got := admit(t, j, 7, scanner.FatePending); got <= 20 {
		t.Errorf("seq %d was given again", got)
	}
}

func TestNewerSchema(t *testing.T) {
	tm := makeTemplate(t)
	newer := func(id identity, version byte) func([]byte) []byte {
		return func([]byte) []byte {
			dir := t.TempDir()
			j := newJournal(options(dir))
			s, err := j.newStore()
			if err != nil {
				t.Fatal(err)
			}
			raw, err := encode(kindIdentity, hintNone, keyIdentity, id)
			if err != nil {
				t.Fatal(err)
			}
			raw[4] = version
			sign(raw, keyIdentity)
			if err := s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyIdentity, raw) }); err != nil {
				t.Fatal(err)
			}
			if err := s.close(); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(filepath.Join(dir, newName))
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
	}
	for name, harm := range map[string]func([]byte) []byte{
		"identity": newer(identity{Schema: schema + 1}, schema),
		"frames":   newer(identity{Schema: schema}, schema+1),
	} {
		t.Run(name, func(t *testing.T) {
			opts := tm.write(t, harm)
			path := filepath.Join(opts.Dir, fileName)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, open := range []func() (*Journal, error){
				func() (*Journal, error) { return Open(opts) },
				func() (*Journal, error) { return OpenReadOnly(opts.Dir, nil) },
			} {
				if _, err := open(); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "install that version") {
					t.Errorf("open: %v, want ErrNewer", err)
				}
			}
			after, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(before, after) || len(damagedAside(t, opts.Dir)) != 0 {
				t.Errorf("a newer file was touched (%v)", err)
			}
		})
	}
}

// TestScrubbedEntriesStayAway: what a failed commit left on stale pages is not
// brought back by a rescue that reads every byte.
func TestScrubbedEntriesStayAway(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	admit(t, j, 1, scanner.FatePending)
	j.db.commit = liar
	if _, err := j.Commit(context.Background(), entryChange(t, j, opts.Clock.(*clock), 2, scanner.FatePending)); !errors.Is(err, scanner.ErrNotStored) {
		t.Fatal(err)
	}
	if err := j.flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := j.closeStore(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(opts.Dir, fileName)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw, []byte(code(2))) {
		t.Fatal("the failed entry left no trace: this test proves nothing")
	}
	overwrite(t, path, 0, make([]byte, 2*os.Getpagesize()))
	j = open(t, opts)
	if got := len(history(t, j)); got != 1 {
		t.Errorf("history holds %d records, want 1", got)
	}
	if m := mark(t, j, 2); m != (scanner.Mark{Unproven: true}) {
		t.Errorf("the failed entry left a mark: %+v", m)
	}
}

func TestReadOnlyReadsWhatItCan(t *testing.T) {
	tm := makeTemplate(t)
	opts := tm.write(t, func(raw []byte) []byte {
		// The newest copy of some record in the middle of the log.
		at := bytes.LastIndex(raw, fmt.Appendf(nil, `"code":%q,"direction"`, code(tickets*2/3)))
		raw[at+9] ^= 1
		return raw
	})
	j, err := OpenReadOnly(opts.Dir, opts.Sealer)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	n := 0
	err = j.Each(context.Background(), func(Entry) error { n++; return nil })
	if n < len(tm.records)-1 || !errors.Is(err, ErrDamaged) {
		t.Errorf("read %d of %d records, %v", n, len(tm.records), err)
	}
	if len(damagedAside(t, opts.Dir)) != 0 {
		t.Error("a read-only journal was rescued")
	}
}

// TestLostKeys: a record that vanishes from a tree without a trace, as one does
// when a page's count of elements is wrong, is missed.
func TestLostKeys(t *testing.T) {
	for name, tc := range map[string]struct {
		bucket, key []byte
	}{
		"mark":   {bucketState, markKey(scope, code(3))},
		"fate":   {bucketFate, seqKey(2)},
		"record": {bucketLog, seqKey(3)},
		"memory": {bucketMemory, []byte("acme\x00quota")},
	} {
		t.Run(name, func(t *testing.T) {
			opts := options(stateDir(t))
			j := open(t, opts)
			for n := range 20 {
				admit(t, j, n, scanner.FatePending)
			}
			if err := j.Settle(context.Background(), []scanner.Settlement{{Seq: 2, To: scanner.FateTaken}}); err != nil {
				t.Fatal(err)
			}
			if err := j.Memory("acme").Save("quota", []byte("17")); err != nil {
				t.Fatal(err)
			}
			closeAndCheck(t, j)
			s, err := openStore(filepath.Join(opts.Dir, fileName), storeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.update(func(tx *bbolt.Tx) error { return tx.Bucket(tc.bucket).Delete(tc.key) }); err != nil {
				t.Fatal(err)
			}
			if err := s.close(); err != nil {
				t.Fatal(err)
			}
			j = open(t, opts)
			if n := len(damagedAside(t, opts.Dir)); n != 1 {
				t.Errorf("%d files lie aside", n)
			}
			if m := mark(t, j, 3); !m.Entered || m.Open != 1 {
				t.Errorf("mark: %+v", m)
			}
			if f := fateOf(t, j, 2); f != scanner.FateTaken {
				t.Errorf("fate: %q", f)
			}
			if v, err := j.Memory("acme").Load("quota"); err != nil || string(v) != "17" {
				t.Errorf("memory: %q, %v", v, err)
			}
			if s := j.Status(); s.Pending != 19 || s.Tallies[0].Entries != 20 {
				t.Errorf("status: %+v", s)
			}
		})
	}
}

// TestWrongTurns: a branch that leads to the wrong leaf hides marks that are
// there; they are missed, not taken for tickets that never entered.
func TestWrongTurns(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	for n := range 100 {
		admit(t, j, n, scanner.FateConfirmed)
	}
	if err := j.snapshot(context.Background()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(opts.Dir, fileName)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// A branch page's elements are a position, a size and a page each (bbolt
	// page.go); those with keys of 32 bytes are of the state tree.
	turned := 0
	page := os.Getpagesize()
	for at := 2 * page; at+page <= len(raw); at += page {
		if raw[at+8] != 1 {
			continue
		}
		for i := range int(raw[at+10]) {
			elem := at + 16 + 16*i
			if pos, size := raw[elem:elem+4], raw[elem+4]; size == 32 {
				key := elem + int(pos[0]) + int(pos[1])<<8
				overwrite(t, path, int64(key), []byte{0xff})
				turned++
			}
		}
	}
	if turned == 0 {
		t.Fatal("no branch was found: this test proves nothing")
	}
	for n := range 100 {
		if m := mark(t, j, n); !m.Entered {
			t.Fatalf("mark %d is %+v", n, m)
		}
	}
	if n := len(damagedAside(t, opts.Dir)); n != 1 {
		t.Errorf("%d files lie aside", n)
	}
}
