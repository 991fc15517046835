package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"usher/scanner"
)

// isStructure tells the bytes that hold a file together: the metas, every page's
// head and elements, and the free list.
func isStructure(raw []byte, at int) bool {
	size := os.Getpagesize()
	page := raw[at/size*size:]
	n := int(binary.NativeEndian.Uint16(page[10:]))
	switch binary.NativeEndian.Uint16(page[8:]) {
	case branchPage, leafPage:
		return at%size < pageHead+n*pageElement
	case freePage:
		return at%size < pageHead+n*8
	case 4:
		return at%size < metaEnd
	}
	return false
}

// costs fails where what is salvaged is not everything: each record, with its
// fate, and each ticket's mark.
func (tm template) costs(t *testing.T, found *salvaged, what string, args ...any) {
	t.Helper()
	for seq, want := range tm.records {
		got := found.log[seq]
		if got == nil || got.ID != want.ID || got.Code != want.Code || got.Verdict != want.Verdict || found.fate(seq) != want.Fate {
			t.Errorf(what+": record %d is %+v", append(args, seq, got)...)
		}
	}
	if len(found.log) != len(tm.records) {
		t.Errorf(what+": %d records, want %d", append(args, len(found.log), len(tm.records))...)
	}
	for n, want := range tm.marks {
		m := found.marks[string(markKey(scope, code(n)))]
		if m == nil || m.Mark.Entered != want.Entered || m.Mark.Last != want.Last || m.Mark.Open != want.Open || m.Mark.Conflict != want.Conflict {
			t.Errorf(what+": mark %d is %+v, want %+v", append(args, n, m, want)...)
		}
	}
}

// TestAnyFlipCostsNothing: one wrong byte, wherever it is, is noticed before bbolt
// meets it or mended, and every record, fate and mark is carried over. A run tries
// some; USHER_SWEEP=full ten times as many.
func TestAnyFlipCostsNothing(t *testing.T) {
	t.Parallel()
	tm := makeTemplate(t)
	path := filepath.Join(t.TempDir(), fileName)
	if err := os.WriteFile(path, tm.raw, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	tried, noticed, mended, unproven := 0, 0, 0, 0
	rare := 50
	if os.Getenv("USHER_SWEEP") == "full" {
		rare = 5
	}
	for at := range tm.raw {
		if structure := isStructure(tm.raw, at); structure && r.IntN(rare) > 0 || !structure && r.IntN(80*rare) > 0 {
			continue
		}
		flip := byte(1 + r.IntN(255))
		if r.IntN(2) == 0 {
			flip = 1 << r.IntN(8)
		}
		write := func(b byte) {
			if _, err := file.WriteAt([]byte{b}, int64(at)); err != nil {
				t.Fatal(err)
			}
		}
		write(tm.raw[at] ^ flip)
		tried++
		if err := inspect(file); errors.Is(err, ErrDamaged) {
			noticed++
		} else if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		found, err := salvage(file)
		if err != nil {
			t.Fatalf("byte %d ^ %#x: %v", at, flip, err)
		}
		found.remakeMarks()
		tm.costs(t, found, "byte %d ^ %#x", at, flip)
		mended += found.mended
		if found.unproven {
			unproven++
		}
		write(tm.raw[at])
	}
	t.Logf("%d flips of %d bytes: %d noticed at the start, %d mended, %d not proven", tried, len(tm.raw), noticed, mended, unproven)
	if noticed == 0 || mended == 0 || unproven > tried/20 {
		t.Error("this proves nothing")
	}
}

// TestMend: a frame with any one byte wrong is given back as it was; with two, it
// is not taken for another.
func TestMend(t *testing.T) {
	key := seqKey(7)
	rapid.Check(t, func(t *rapid.T) {
		rec := logEntry{Record: scanner.Record{Seq: 7, Code: code(7), Message: rapid.String().Draw(t, "message")}}
		raw, err := encode(kindLog, hintPending, key, rec)
		if err != nil {
			t.Fatal(err)
		}
		harmed := bytes.Clone(raw)
		at := rapid.IntRange(0, len(raw)-1).Draw(t, "at")
		harmed[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		if got := mend(harmed, key); !bytes.Equal(got, raw) {
			t.Fatalf("mended into %q, want %q", got, raw)
		}
		other := rapid.IntRange(0, len(raw)-1).Filter(func(n int) bool { return n != at }).Draw(t, "other")
		harmed[other] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		if got := mend(harmed, key); got != nil {
			if _, err := verify(kindLog, key, got); err != nil || bytes.Equal(got, raw) {
				t.Fatalf("two wrong bytes mended into %q, %v", got, err)
			}
		}
		if got := mend(raw, seqKey(8)); got != nil {
			t.Fatalf("mended for another key into %q", got)
		}
	})
}

// TestABranchThatLeadsBack: bbolt would follow it until the stack is gone.
func TestABranchThatLeadsBack(t *testing.T) {
	tm := makeTemplate(t)
	branches := 0
	opts := tm.write(t, func(raw []byte) []byte {
		for at := 0; at+4096 <= len(raw); at += 4096 {
			if page := raw[at:]; binary.NativeEndian.Uint16(page[8:]) == branchPage {
				for i := range int(binary.NativeEndian.Uint16(page[10:])) {
					copy(page[pageHead+i*pageElement+8:][:8], page[:8])
				}
				branches++
			}
		}
		return raw
	})
	if branches == 0 {
		t.Fatal("the journal has no branch: this test proves nothing")
	}
	j := open(t, opts)
	if records, marks := tm.compare(t, j); records+marks > 0 {
		t.Errorf("lost %d records and %d marks", records, marks)
	}
}

// TestTheNewerMetaHoldsTheLastCommit: bbolt goes on with the older meta page where
// the newer one is damaged, as if the last green light had never been.
func TestTheNewerMetaHoldsTheLastCommit(t *testing.T) {
	for range 2 { // whichever of the two is the newer
		opts := options(stateDir(t))
		j := open(t, opts)
		for n := range 3 + rand.IntN(2) {
			admit(t, j, n, scanner.FatePending)
		}
		last := admit(t, j, 9, scanner.FatePending)
		if err := j.closeStore(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(opts.Dir, fileName)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		page, newer := os.Getpagesize(), 0
		if binary.NativeEndian.Uint64(raw[page+metaAt+48:]) > binary.NativeEndian.Uint64(raw[metaAt+48:]) {
			newer = page
		}
		overwrite(t, path, int64(newer+metaAt+20), []byte{raw[newer+metaAt+20] ^ 4})
		j = open(t, opts)
		if m := mark(t, j, 9); !m.Entered || m.Last != last {
			t.Errorf("the last green light left %+v", m)
		}
		if m := mark(t, j, 50); m.Unproven {
			t.Error("a ticket that never entered is in doubt though nothing is missing")
		}
	}
}

// TestAFreePageThatIsNone: bbolt would write over what is in use.
func TestAFreePageThatIsNone(t *testing.T) {
	tm := makeTemplate(t)
	opts := tm.write(t, func(raw []byte) []byte {
		meta := raw[metaAt:]
		if other := raw[os.Getpagesize()+metaAt:]; binary.NativeEndian.Uint64(other[48:]) > binary.NativeEndian.Uint64(meta[48:]) {
			meta = other
		}
		// The first free page is called the root.
		at := freelistAt(raw) + pageHead
		copy(raw[at:at+8], meta[16:24])
		return raw
	})
	j := open(t, opts)
	if records, marks := tm.compare(t, j); records+marks > 0 {
		t.Errorf("lost %d records and %d marks", records, marks)
	}
	if p := j.Status().Problems; len(p) != 1 || !strings.Contains(p[0], "called free") || !strings.Contains(p[0], "nothing is missing") {
		t.Errorf("problems %q", p)
	}
}
