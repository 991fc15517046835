package cache_test

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"usher/cache"
	"usher/scanner"
)

// flipped is how many samples the small list of the flip tests holds, each long
// enough that the list has a tree of some height.
const flipped = 40

// smallList builds a list of some pages and gives the file.
func smallList(t *testing.T, dir string) []byte {
	t.Helper()
	s := open(t, dir)
	defer s.Close()
	if err := build(t, s, long(samples(flipped))...); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "tickets.db"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func long(tickets []scanner.Ticket) []scanner.Ticket {
	for i := range tickets {
		tickets[i].Detail = strings.Repeat("x", 400)
	}
	return tickets
}

// honest fails where a look-up gives anything but the right ticket, Damaged, or,
// for a code that is not listed, Missing.
func honest(t *testing.T, s *cache.Store, what string, args ...any) (damaged int) {
	t.Helper()
	for i := range flipped + 10 {
		got, found := s.Lookup(scope, sample(i).Code)
		switch {
		case found == scanner.Damaged:
			damaged++
		case i < flipped && (found != scanner.Listed || got.Name != sample(i).Name || got.Status != scanner.StatusValid || len(got.Detail) != 400):
			t.Errorf(what+": ticket %d is %v, %+v", append(args, i, found, got)...)
		case i >= flipped && found != scanner.Missing:
			t.Errorf(what+": ticket %d was never there: %v", append(args, i, found)...)
		}
	}
	return damaged
}

// isStructure tells the bytes that hold a file together, of which each is tried:
// the metas, and every page's head and elements.
func isStructure(data []byte, at int) bool {
	page := data[at/4096*4096:]
	switch binary.NativeEndian.Uint16(page[8:]) {
	case 1, 2:
		return at%4096 < 16+16*int(binary.NativeEndian.Uint16(page[10:]))
	case 4:
		return at%4096 < 16+64
	}
	return false
}

// otherwise is how rare a flip of a byte is that does not hold the file together;
// USHER_SWEEP=full makes it eight times as frequent.
func otherwise(rare int) int {
	if os.Getenv("USHER_SWEEP") == "full" {
		return max(1, rare/8)
	}
	return rare
}

// TestEveryFlipIsNoticed flips every byte of what holds the file together, and some
// of the others, under a store that has the file open: no answer is wrong.
func TestEveryFlipIsNoticed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := smallList(t, dir)
	s := open(t, dir)
	defer s.Close()
	file, err := os.OpenFile(filepath.Join(dir, "tickets.db"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	tried, noticed := 0, 0
	for at := range data {
		if !isStructure(data, at) && r.IntN(otherwise(80)) > 0 {
			continue
		}
		flip := byte(1 + r.IntN(255))
		if r.IntN(2) == 0 {
			flip = 1 << r.IntN(8)
		}
		if _, err := file.WriteAt([]byte{data[at] ^ flip}, int64(at)); err != nil {
			t.Fatal(err)
		}
		tried++
		if honest(t, s, "byte %d ^ %#x", at, flip) > 0 {
			noticed++
			if !s.Damaged(scope) {
				t.Fatalf("byte %d: nobody was told", at)
			}
		}
		if _, err := file.WriteAt(data[at:at+1], int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d flips of %d bytes, %d noticed", tried, len(data), noticed)
	if noticed < tried/3 {
		t.Error("hardly a flip was noticed")
	}
}

// TestEveryFlipAtTheStart opens files of which one byte is flipped: each of those
// that opening reads, and some others.
func TestEveryFlipAtTheStart(t *testing.T) {
	t.Parallel()
	data := smallList(t, t.TempDir())
	dir := t.TempDir()
	path := filepath.Join(dir, "tickets.db")
	absent := 0
	for at := range data {
		if !isStructure(data, at) && rand.IntN(otherwise(400)) > 0 || isStructure(data, at) && at > 8192 && rand.IntN(otherwise(8)) > 0 {
			continue
		}
		was := data[at]
		data[at] ^= byte(1 << rand.IntN(8))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		if s.List(scope).Loaded {
			honest(t, s, "byte %d is %#x", at, data[at])
		} else if absent++; len(s.Status().Problems) != 1 {
			t.Errorf("byte %d: no list and no problem", at)
		}
		if _, err := s.Search(t.Context(), scope, "nobody", 1); err != nil {
			t.Error(err)
		}
		s.Close()
		data[at] = was
	}
	if absent == 0 {
		t.Error("no flip was noticed at the start")
	}
}

// TestABranchThatLeadsBack: bbolt would follow it until the stack or the memory is
// gone, which ends the process whatever is recovered.
func TestABranchThatLeadsBack(t *testing.T) {
	for _, child := range []string{"first", "last", "every"} {
		t.Run(child, func(t *testing.T) {
			dir := t.TempDir()
			data := smallList(t, dir)
			s := open(t, dir) // it looks whole when it is opened
			defer s.Close()
			leadBack(t, data, child)
			overwrite(t, filepath.Join(dir, "tickets.db"), data)
			for range 2 {
				if s.List(scope).Loaded && honest(t, s, child) == 0 {
					t.Error("nothing was damaged")
				}
				if _, err := s.Search(t.Context(), scope, "nobody", 1); err != nil {
					t.Error(err)
				}
				s.Close()
				s = open(t, dir) // it does not look whole any more
			}
		})
	}
}

// leadBack has a child of every branch be the branch itself.
func leadBack(t *testing.T, data []byte, child string) {
	t.Helper()
	branches := 0
	for at := 0; at+4096 <= len(data); at += 4096 {
		page := data[at:]
		if binary.NativeEndian.Uint16(page[8:]) != 1 {
			continue
		}
		branches++
		n := int(binary.NativeEndian.Uint16(page[10:]))
		for i := range n {
			if child == "every" || child == "first" && i == 0 || child == "last" && i == n-1 {
				copy(page[16+16*i+8:][:8], page[:8])
			}
		}
	}
	if branches == 0 {
		t.Fatal("the list has no branch: this test proves nothing")
	}
}

// TestCutOffAtAnyLength: a list cut off anywhere counts as absent.
func TestCutOffAtAnyLength(t *testing.T) {
	dir := t.TempDir()
	data := smallList(t, dir)
	path := filepath.Join(dir, "tickets.db")
	lengths := []int{0, 1, 15, 16, 80, 4095}
	for page := 4096; page < len(data); page += 4096 {
		lengths = append(lengths, page-1, page, page+1)
	}
	for range 50 {
		lengths = append(lengths, rand.IntN(len(data)))
	}
	for _, n := range lengths {
		if err := os.WriteFile(path, data[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		if s.List(scope).Loaded {
			honest(t, s, "%d bytes", n)
		} else if len(s.Status().Problems) != 1 {
			t.Errorf("%d bytes: no list and no problem", n)
		}
		s.Close()
	}
}

// TestWhatIsNoFileIsReplaced: nothing in the list's place keeps a list away.
func TestWhatIsNoFileIsReplaced(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"directory":       func(path string) error { return os.Mkdir(path, 0o700) },
		"full directory":  func(path string) error { return os.MkdirAll(filepath.Join(path, "x"), 0o700) },
		"FIFO":            func(path string) error { return unix.Mkfifo(path, 0o600) },
		"dangling link":   func(path string) error { return os.Symlink("nowhere", path) },
		"link in circles": func(path string) error { return os.Symlink("tickets.db", path) },
		"unreadable":      func(path string) error { return os.WriteFile(path, []byte("x"), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := make(filepath.Join(dir, "tickets.db")); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir)
			if s.List(scope).Loaded || name != "dangling link" && len(s.Status().Problems) != 1 {
				t.Errorf("list %+v, %v", s.List(scope), s.Status().Problems)
			}
			if err := build(t, s, samples(10)...); err != nil {
				t.Fatal(err)
			}
			s.Close()
			s = open(t, dir)
			defer s.Close()
			if st := s.Status(); st.Count != 10 || len(st.Problems) != 0 {
				t.Errorf("the next list: %+v", st)
			}
		})
	}
}

// TestADamagedRecordIsTold: once for each list, and the next list is well.
func TestADamagedRecordIsTold(t *testing.T) {
	dir := t.TempDir()
	data := smallList(t, dir)
	s := open(t, dir)
	s.Close()
	var told atomic.Int32
	s = openTold(t, dir, func() { told.Add(1) })
	defer s.Close()
	other := scope
	other.Event = "other"
	for at := 4 * 4096; at < len(data); at += 100 {
		data[at] ^= 1
	}
	overwrite(t, filepath.Join(dir, "tickets.db"), data)
	for range 2 {
		if honest(t, s, "damaged") == 0 {
			t.Fatal("nothing was noticed")
		}
	}
	problems := s.Status().Problems
	if told.Load() != 1 || !s.Damaged(scope) || s.Damaged(other) || len(problems) != 1 || !strings.Contains(problems[0], "tickets.db is damaged") {
		t.Errorf("told %d times, %v", told.Load(), problems)
	}
	if err := build(t, s, long(samples(flipped))...); err != nil {
		t.Fatal(err)
	}
	if honest(t, s, "new") != 0 || s.Damaged(scope) || len(s.Status().Problems) != 0 {
		t.Errorf("the next list: %v", s.Status().Problems)
	}
}
