package cache

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"usher/cache/seal"
	"usher/scanner"
)

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	key, err := seal.New([]byte("0123456789abcdefghijklmnopqrstuv"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{Dir: dir, Key: key, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func tickets(n int) Feed {
	return func(add func(scanner.Ticket, string) error) error {
		for i := range n {
			if err := add(scanner.Ticket{Code: scanner.Code(fmt.Sprintf("%08d", i)), Name: "Anna", Status: "valid"}, fmt.Sprint("list.csv:", i+1)); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestRecordsComeBack(t *testing.T) {
	text, moment := rapid.String(), rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "none") {
			return time.Time{}
		}
		return time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
	})
	rapid.Check(t, func(t *rapid.T) {
		want := scanner.Ticket{
			Code: scanner.Code(text.Draw(t, "code")), ID: text.Draw(t, "id"), Name: text.Draw(t, "name"), Order: text.Draw(t, "order"),
			Section: text.Draw(t, "section"), SectionID: text.Draw(t, "section id"), Seat: text.Draw(t, "seat"), Event: text.Draw(t, "event"), Series: text.Draw(t, "series"),
			Client: text.Draw(t, "client"), Status: scanner.Status(text.Draw(t, "status")), UsedGate: text.Draw(t, "gate"), Detail: text.Draw(t, "detail"),
			ValidFrom: moment.Draw(t, "from"), ValidUntil: moment.Draw(t, "until"), EventEnds: moment.Draw(t, "ends"), UsedAt: moment.Draw(t, "used"),
		}
		if vendor := text.Draw(t, "vendor"); vendor != "" {
			want.Vendor = []byte(vendor)
		}
		record := appendTicket([]byte("before"), &want)[len("before"):]
		got, err := decodeTicket(string(record))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
		if _, err := decodeTicket(string(record[:rapid.IntRange(0, len(record)-1).Draw(t, "cut")])); err == nil {
			t.Fatal("a cut-off record was read")
		}
		if _, err := decodeTicket(string(record) + "x"); err == nil {
			t.Fatal("a record with something behind it was read")
		}
	})
}

// TestAnOlderRecordIsRead: what the version before wrote is still a list, and what a
// record's version cannot hold is damage.
func TestAnOlderRecordIsRead(t *testing.T) {
	const fields = "\x81\x84\x04\x02T1\x05valid\x04\x07" // the code, the status and UsedAt
	got, err := decodeTicket("\x01" + fields)
	want := scanner.Ticket{Code: "T1", Status: scanner.StatusValid, UsedAt: time.Unix(2, 7).UTC()}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for name, record := range map[string]string{
		"a version to come": "\x03" + fields, "no version": "\x00" + fields, "a later field in version 1": "\x01\x80\x80\x08\x01A",
		"a field that version 2 has not": "\x02\x80\x80\x10\x01A",
	} {
		if got, err := decodeTicket(record); err == nil {
			t.Errorf("%s: read as %+v", name, got)
		}
	}
	if got, err := decodeTicket("\x02\x80\x80\x08\x01A"); err != nil || got.SectionID != "A" {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzDecodeTicket(f *testing.F) {
	f.Add(appendTicket(nil, &scanner.Ticket{Code: "1", Name: "Anna", ValidFrom: time.Unix(1, 2)}))
	f.Add(appendTicket(nil, &scanner.Ticket{Code: "1", SectionID: "7", UsedAt: time.Unix(1, 2)}))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, data []byte) {
		ticket, err := decodeTicket(string(data))
		if err != nil {
			return
		}
		again, err := decodeTicket(string(appendTicket(nil, &ticket)))
		if diff := cmp.Diff(ticket, again); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}

func TestSortWithManyRunsAndPasses(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		s, err := newSorter(filepath.Join(dir, "sort"), func(int64) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		s.limit, s.fan = rapid.SampledFrom([]int{50, 200, 400, 4000}).Draw(t, "limit"), rapid.IntRange(2, 4).Draw(t, "fan")
		type row struct{ index, place, sealed string }
		var want, got []row
		for i := range rapid.IntRange(0, 120).Draw(t, "rows") {
			index := make([]byte, seal.IndexSize)
			index[rapid.SampledFrom([]int{0, 9, 31}).Draw(t, "at")] = byte(rapid.IntRange(0, 3).Draw(t, "value"))
			r := row{string(index), fmt.Sprint("list:", i), strings.Repeat("s", rapid.IntRange(0, 60).Draw(t, "size"))}
			if err := s.add(index, r.place, []byte(r.sealed)); err != nil {
				t.Fatal(err)
			}
			want = append(want, r)
		}
		slices.SortStableFunc(want, func(a, b row) int { return strings.Compare(a.index, b.index) })
		err = s.merge(func(e entry) error {
			got = append(got, row{string(e.index), string(e.place), string(e.sealed)})
			return nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v\n got %q\nwant %q", err, got, want)
		}
	})
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestABuildLeavesRoomForScans(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	scope := scanner.Scope{Vendor: "v"}
	if err := s.Build(t.Context(), &Meta{Scope: scope}, tickets(10), nil); err != nil {
		t.Fatal(err)
	}
	s.reserve = 1 << 60
	err := s.Build(t.Context(), &Meta{Scope: scope}, tickets(20), nil)
	if err == nil || !strings.Contains(err.Error(), "free some space") || s.List(scope).Count != 10 {
		t.Errorf("%d tickets, %v", s.List(scope).Count, err)
	}
}

// TestAFullDisk fills a small file system of its own; mounting one needs root.
func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("usher", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skip("no right to mount a small file system: ", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	s := openStore(t, dir)
	defer s.Close()
	s.reserve = -1 << 60 // so that the disk itself says no
	scope := scanner.Scope{Vendor: "v"}
	if err := s.Build(t.Context(), &Meta{Scope: scope}, tickets(1000), nil); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{9_000, 100_000} { // full while writing the list, and while sorting
		err := s.Build(t.Context(), &Meta{Scope: scope}, tickets(n), nil)
		if err == nil || !strings.Contains(err.Error(), "is full") || !strings.Contains(err.Error(), "free some space") {
			t.Errorf("%d: %v", n, err)
		}
		if _, found := s.Lookup(scope, "00000999"); found != scanner.Listed {
			t.Errorf("%d: the list before: %v", n, found)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
			t.Errorf("%d: left behind: %v", n, left)
		}
	}
	if err := s.Build(t.Context(), &Meta{Scope: scope}, tickets(1001), nil); err != nil {
		t.Errorf("with room again: %v", err)
	}
	// A few changes need the room of the whole list.
	filler := filepath.Join(dir, "filler")
	if err := s.Build(t.Context(), &Meta{Scope: scope, Cursor: []byte("1")}, tickets(7000), nil); err != nil {
		t.Fatal(err)
	}
	free, err := freeSpace(dir)
	if err != nil {
		t.Fatal(err)
	}
	change := func(add func(scanner.Ticket, string) error) error {
		return add(scanner.Ticket{Code: "new", Status: "valid"}, "1")
	}
	s.reserve = free - (300 << 10)
	if err := s.Amend(t.Context(), []byte("1"), &Meta{Scope: scope, Cursor: []byte("2")}, change, nil); err == nil || !strings.Contains(err.Error(), "kept for scans") {
		t.Errorf("changes that would take the scans' room: %v", err)
	}
	s.reserve = -1 << 60
	if err := os.WriteFile(filler, make([]byte, free-(300<<10)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Amend(t.Context(), []byte("1"), &Meta{Scope: scope, Cursor: []byte("2")}, change, nil); err == nil || !strings.Contains(err.Error(), "is full") {
		t.Errorf("changes on a full disk: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 2 || s.List(scope).Count != 7000 || s.Damaged(scope) {
		t.Errorf("left behind: %v; %d tickets", left, s.List(scope).Count)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := s.Amend(t.Context(), []byte("1"), &Meta{Scope: scope, Cursor: []byte("2")}, change, nil); err != nil || s.List(scope).Count != 7001 {
		t.Errorf("changes with room again: %v", err)
	}
}

func TestForeignIdentities(t *testing.T) {
	for want, change := range map[string]func(id identity, b *bbolt.Bucket) error{
		"written by a newer usher (schema 3, this one knows 2)": func(id identity, b *bbolt.Bucket) error {
			id.Schema = schema + 1
			value, err := id.encode()
			if err != nil {
				return err
			}
			return b.Put(identityKey, value)
		},
		"identity record is missing or damaged": func(id identity, b *bbolt.Bucket) error {
			value := bytes.Clone(b.Get(identityKey))
			value[len(value)-3] ^= 1
			return b.Put(identityKey, value)
		},
		"is missing": func(id identity, b *bbolt.Bucket) error { return b.Delete(identityKey) },
		"it holds no tickets": func(id identity, b *bbolt.Bucket) error {
			return b.Tx().DeleteBucket(ticketBucket)
		},
		"its end is missing": func(id identity, b *bbolt.Bucket) error {
			return b.Tx().Bucket(ticketBucket).Delete(endKey)
		},
	} {
		dir := t.TempDir()
		s := openStore(t, dir)
		if err := s.Build(t.Context(), &Meta{Scope: scanner.Scope{Vendor: "v"}}, tickets(10), nil); err != nil {
			t.Fatal(err)
		}
		id := s.current.Load().id
		s.Close()
		db, err := bbolt.Open(filepath.Join(dir, fileName), 0o600, &bbolt.Options{Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Update(func(tx *bbolt.Tx) error { return change(id, tx.Bucket(identityBucket)) }); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, dir)
		if problems := strings.Join(s.Status().Problems, "\n"); !strings.Contains(problems, want) || s.List(scanner.Scope{Vendor: "v"}).Loaded {
			t.Errorf("got %s, want %s", problems, want)
		}
	}
}

func TestAbsenceIsProved(t *testing.T) {
	index := func(first byte) []byte { return append([]byte{first}, make([]byte, seal.IndexSize-1)...) }
	value := appendLink(nil, index(3), index(7))
	for name, c := range map[string]struct {
		asked, next, value []byte
		want               bool
	}{
		"between the two":         {index(5), index(7), value, true},
		"the predecessor itself":  {index(3), index(7), value, false},
		"before the predecessor":  {index(2), index(7), value, false},
		"after the record":        {index(8), index(7), value, false},
		"another record's link":   {index(5), index(8), value, false},
		"no record":               {index(5), nil, nil, false},
		"cut off":                 {index(5), index(7), value[:linkSize-1], false},
		"a key of another length": {index(5), index(7)[:31], value, false},
	} {
		if got := absent(c.asked, c.next, c.value); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestFold(t *testing.T) {
	for text, want := range map[string]string{
		"ABC": "abc", "Änne": "anne", "A\u0308nne": "anne", "STRAẞE": "strasse", "ﬁn": "fin", "Ελλάδα": "ελλαδα", "ÆØÅ": "aeoa", "İI": "ii", "Иван": "иван",
	} {
		if got := fold(text); got != want {
			t.Errorf("fold(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s := openStore(t, t.TempDir())
	meta := &Meta{Scope: scanner.Scope{Vendor: "v"}}
	for _, c := range []struct {
		name string
		work func() error
	}{
		{"a list", func() error { return s.Build(t.Context(), meta, padded(60_000, 1, "valid"), nil) }},
		{"changes", func() error { return s.Amend(t.Context(), nil, meta, padded(60_000, 240, "used"), nil) }},
	} {
		if peak := peakHeap(t, c.work); peak > 48<<20 {
			t.Errorf("%s: peak of %d MiB of heap for a list of 60 MB", c.name, peak>>20)
		}
	}
}

// padded gives every so manyth of n tickets, some 1 kB each.
func padded(n, every int, status scanner.Status) Feed {
	padding := strings.Repeat("x", 900)
	return func(add func(scanner.Ticket, string) error) error {
		for i := 0; i < n; i += every {
			ticket := scanner.Ticket{Code: scanner.Code(fmt.Sprintf("%012d", i)), Detail: padding + fmt.Sprint(every), Status: status}
			if err := add(ticket, "list"); err != nil {
				return err
			}
		}
		return nil
	}
}

// peakHeap is the most that is held while the work is done, in bytes: what a busy
// machine has not collected yet does not count.
func peakHeap(t *testing.T, work func() error) uint64 {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- work() }()
	for peak := uint64(0); ; {
		peak = max(peak, heapHeld())
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("peak %d MiB", peak>>20)
			return peak
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func heapHeld() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
