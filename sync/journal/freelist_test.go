package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// freelistAt is where the freelist page of the newer meta page lies.
func freelistAt(raw []byte) int64 {
	const header, freelist, txid = 16, 32, 48
	page := os.Getpagesize()
	newest, at := uint64(0), uint64(0)
	for meta := header; meta < 2*page; meta += page {
		if id := binary.NativeEndian.Uint64(raw[meta+txid:]); id >= newest {
			newest, at = id, binary.NativeEndian.Uint64(raw[meta+freelist:])
		}
	}
	return int64(at) * int64(page)
}

// TestZeroedFreelist: bbolt panics while it opens such a file and leaves its
// descriptor and lock behind.
func TestZeroedFreelist(t *testing.T) {
	tm := makeTemplate(t)
	opts := tm.write(t, func(raw []byte) []byte {
		at := freelistAt(raw)
		clear(raw[at : at+int64(os.Getpagesize())])
		return raw
	})
	j := open(t, opts)
	if records, marks := tm.compare(t, j); records+marks > 0 {
		t.Errorf("lost %d records and %d marks", records, marks)
	}
	if n := len(damagedAside(t, opts.Dir)); n != 1 {
		t.Errorf("%d files lie aside, want 1", n)
	}
	admit(t, j, 5000, "pending")
}

// TestZeroedFreelistAfterAFailedCommit: the reopening meets it.
func TestZeroedFreelistAfterAFailedCommit(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	for n := range 20 {
		admit(t, j, n, "pending")
	}
	j.db.commit = broken
	if _, err := j.Commit(context.Background(), entryChange(t, j, opts.Clock.(*clock), 30, "pending")); err == nil {
		t.Fatal("the commit did not fail")
	}
	path := filepath.Join(opts.Dir, fileName)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, freelistAt(raw), make([]byte, os.Getpagesize()))
	admit(t, j, 31, "pending")
	if got := len(history(t, j)); got != 21 {
		t.Errorf("history holds %d records, want 21", got)
	}
}

// TestCutOffAnywhere: every page that is left gives what it holds, to a daemon
// and to an export. A run cuts at every second page; USHER_SWEEP=full at each.
func TestCutOffAnywhere(t *testing.T) {
	t.Parallel()
	tm := makeTemplate(t)
	first, stride := 4096*(1+rand.IntN(2)), 2*4096
	if os.Getenv("USHER_SWEEP") == "full" {
		first, stride = 4096, 4096
	}
	for size := first; size < len(tm.raw); size += stride {
		opts := tm.write(t, func(raw []byte) []byte { return raw[:size] })
		path := filepath.Join(opts.Dir, fileName)
		exported := 0
		if ro, err := OpenReadOnly(opts.Dir, opts.Sealer); err == nil {
			err = ro.Each(context.Background(), func(Entry) error { exported++; return nil })
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%d bytes: export: %v", size, err)
			}
			if err := ro.Close(); err != nil {
				t.Error(err)
			}
		} else if !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes: read-only: %v", size, err)
		}
		if raw, err := os.ReadFile(path); err != nil || !bytes.Equal(raw, tm.raw[:size]) {
			t.Errorf("%d bytes: the export changed the file, %v", size, err)
		}
		j := reopen(t, opts)
		lost, _ := tm.compare(t, j)
		if kept := len(tm.records) - lost; kept != exported {
			t.Errorf("%d bytes: %d records rescued, %d exported", size, kept, exported)
		}
		if size > len(tm.raw)*3/4 && exported < len(tm.records)/4 {
			t.Errorf("%d bytes of %d gave %d records of %d", size, len(tm.raw), exported, len(tm.records))
		}
		if len(damagedAside(t, opts.Dir)) != 1 {
			t.Errorf("%d bytes: not kept aside", size)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
}
