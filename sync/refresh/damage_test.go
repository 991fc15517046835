package refresh_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/scanner"
	"usher/sync/refresh"
)

// harm overwrites every record of the list in the state directory, but not what
// holds its pages together, under the store that has it open.
func (s *site) harm() {
	s.t.Helper()
	path := filepath.Join(s.state, "tickets.db")
	raw, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	for at := 2 * 4096; at+4096 <= len(raw); at += 4096 {
		for in := at + 2500; in < at+4096; in += 40 {
			if _, err := file.WriteAt([]byte{raw[in] ^ 1}, int64(in)); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// damaged looks tickets up until one cannot be read.
func (s *site) damaged() bool {
	for i := range 300 {
		if _, found := s.store.Lookup(scope, scanner.Code(fmt.Sprintf("%08d", i))); found == scanner.Damaged {
			return true
		}
	}
	return false
}

// TestADamagedListIsLoadedAgain though its manifest says the same; an import is
// not thrown away for an older manifest.
func TestADamagedListIsLoadedAgain(t *testing.T) {
	s := newSite(t)
	s.put(list(300))
	s.run()
	s.wait("the list", func() bool { return s.count() == 300 })
	s.harm()
	if !s.damaged() {
		t.Fatal("nothing was damaged: this test proves nothing")
	}
	s.wait("the list again", func() bool { return !s.store.Damaged(scope) })
	if s.damaged() || s.store.builds.Load() != 2 {
		t.Errorf("%d builds", s.store.builds.Load())
	}

	if err := s.Import(t.Context(), "import.csv", strings.NewReader(list(299))); err != nil {
		t.Fatal(err)
	}
	s.harm()
	if !s.damaged() {
		t.Fatal("nothing was damaged")
	}
	if err := s.Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.count() != 299 {
		t.Error("an older manifest took the place of an import")
	}
}

// fixed is a vendor with the same list each time.
type fixed struct{ n int }

func (f fixed) List(_ context.Context, add func(scanner.Ticket, string) error) (scanner.ListPage, error) {
	var errs []error
	for i := range f.n {
		errs = append(errs, add(scanner.Ticket{Code: scanner.Code(fmt.Sprint("T", i)), Status: scanner.StatusValid}, "entry"))
	}
	// Twice, and not the same.
	errs = append(errs, add(scanner.Ticket{Code: "T7", Status: scanner.StatusUsed}, "entry"))
	return scanner.ListPage{Complete: true}, errors.Join(errs...)
}

// TestADamagedVendorListIsFetchedAgain though the vendor says the same; what it
// lists twice keeps nobody else from entering.
func TestADamagedVendorListIsFetchedAgain(t *testing.T) {
	s := newSite(t)
	lists := refresh.NewLists(refresh.ListOptions{
		Lister: fixed{300}, Scope: scope, Store: s.store, Clock: &ticking{}, Online: func() bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	fetch := func() {
		t.Helper()
		if err := lists.Now(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	bad := func() (n int) {
		for i := range 300 {
			if _, found := s.store.Lookup(scope, scanner.Code(fmt.Sprint("T", i))); found != scanner.Listed {
				n++
			}
		}
		return n
	}
	fetch()
	if got, _ := s.store.Lookup(scope, "T7"); bad() != 0 || got.Status != scanner.StatusTwice || s.count() != 300 {
		t.Errorf("%d of %d tickets are not listed, T7 is %q", bad(), s.count(), got.Status)
	}
	s.harm()
	if bad() == 0 {
		t.Fatal("nothing was damaged: this test proves nothing")
	}
	fetch()
	if n := bad(); n != 0 || s.store.Damaged(scope) {
		t.Errorf("%d tickets are still damaged", n)
	}
}
