package cache

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
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
			Section: text.Draw(t, "section"), Seat: text.Draw(t, "seat"), Event: text.Draw(t, "event"), Series: text.Draw(t, "series"),
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

func FuzzDecodeTicket(f *testing.F) {
	f.Add(appendTicket(nil, &scanner.Ticket{Code: "1", Name: "Anna", ValidFrom: time.Unix(1, 2)}))
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
}

func TestForeignIdentities(t *testing.T) {
	for want, change := range map[string]func(id identity, b *bbolt.Bucket) error{
		"written by a newer usher (schema 2, this one knows 1)": func(id identity, b *bbolt.Bucket) error {
			id.Schema = 2
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
	const rows = 60_000
	var peak uint64
	// The collector follows closely, so that the peak is what is held and not what
	// a busy machine has not collected yet.
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	padding := strings.Repeat("x", 900) // some 60 MB of records
	feed := func(add func(scanner.Ticket, string) error) error {
		for i := range rows {
			if err := add(scanner.Ticket{Code: scanner.Code(fmt.Sprintf("%012d", i)), Detail: padding, Status: "valid"}, "list"); err != nil {
				return err
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- s.Build(ctx, &Meta{Scope: scanner.Scope{Vendor: "v"}}, feed, nil)
		cancel()
	}()
	for ctx.Err() == nil {
		peak = max(peak, heapInUse())
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Logf("peak %d MiB", peak>>20)
	if peak > 48<<20 {
		t.Errorf("peak of %d MiB of heap for a list of 60 MB", peak>>20)
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
