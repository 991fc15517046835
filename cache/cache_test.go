package cache_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"usher/cache"
	"usher/scanner"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("USHER_TEST_BUILD_FOR_EVER"); dir != "" {
		buildForEver(dir)
	}
	if dir := os.Getenv("USHER_TEST_AMEND_FOR_EVER"); dir != "" {
		amendForEver(dir)
	}
	goleak.VerifyTestMain(m)
}

// build makes a list of the tickets; row n comes from "list.csv:n".
func build(t *testing.T, s *cache.Store, tickets ...scanner.Ticket) error {
	t.Helper()
	return s.Build(t.Context(), &cache.Meta{Scope: scope, Complete: true, Source: "test"}, rows(tickets...), nil)
}

func rows(tickets ...scanner.Ticket) cache.Feed {
	return func(add func(scanner.Ticket, string) error) error {
		for i, ticket := range tickets {
			if err := add(ticket, "list.csv:"+strconv.Itoa(i+1)); err != nil {
				return err
			}
		}
		return nil
	}
}

func samples(n int) []scanner.Ticket {
	tickets := make([]scanner.Ticket, n)
	for i := range tickets {
		tickets[i] = sample(i)
	}
	return tickets
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestAListComesBackWhole(t *testing.T) {
	full := scanner.Ticket{
		Code: "]x\x1dÄ", ID: "1", Name: "Änni Müller", Order: "R1", Section: "A", SectionID: "7", Seat: "1", Event: "e", Series: "s", Client: "c",
		ValidFrom: time.Date(2026, 11, 21, 18, 0, 0, 1, time.UTC), ValidUntil: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		EventEnds: time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC), Status: scanner.StatusUsed,
		UsedAt: time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), UsedGate: "Gate 1", Detail: "blocked by box office", Vendor: json.RawMessage(`{"id":7}`),
	}
	bare := scanner.Ticket{Code: "4711", Status: scanner.StatusValid}
	dir := t.TempDir()
	s := open(t, dir)
	if got, found := s.Lookup(scope, "4711"); found != scanner.Missing || s.List(scope).Loaded {
		t.Errorf("no list: %v, %v", got, found)
	}
	stamp := scanner.Stamp{Wall: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), Boot: "b", Up: time.Hour, Trusted: true}
	meta := cache.Meta{Scope: scope, Complete: true, GeneratedAt: stamp.Wall.Add(-time.Hour), Checked: stamp, Source: "sha256:1", Cursor: []byte("next")}
	if err := s.Build(t.Context(), &meta, rows(full, bare), nil); err != nil {
		t.Fatal(err)
	}
	for range 2 { // as built, and as opened again
		for _, want := range []scanner.Ticket{full, bare} {
			got, found := s.Lookup(scope, want.Code)
			if diff := cmp.Diff(want, got); found != scanner.Listed || diff != "" {
				t.Errorf("%q: %v\n%s", want.Code, found, diff)
			}
		}
		if _, found := s.Lookup(scope, "4712"); found != scanner.Missing {
			t.Errorf("not in the list: %v", found)
		}
		info := scanner.ListInfo{Loaded: true, Complete: true, Count: 2, GeneratedAt: meta.GeneratedAt, Checked: stamp}
		if diff := cmp.Diff(info, s.List(scope)); diff != "" {
			t.Error(diff)
		}
		if source, cursor, ok := s.Source(scope); !ok || source != "sha256:1" || string(cursor) != "next" {
			t.Errorf("source %q, cursor %q, %v", source, cursor, ok)
		}
		later := stamp
		later.Up += time.Minute
		s.Checked(scope, later)
		if s.List(scope).Checked != later {
			t.Error("Checked is not seen")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir)
	}
	s.Close()
	if diff := cmp.Diff([]string{"tickets.db"}, files(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestAnotherScopeIsAbsent(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	if err := build(t, s, sample(1)); err != nil {
		t.Fatal(err)
	}
	other := scanner.Scope{Vendor: "manifest", Event: "other"}
	if _, found := s.Lookup(other, sample(1).Code); found != scanner.Missing {
		t.Errorf("look-up: %v", found)
	}
	if info := s.List(other); info.Loaded {
		t.Errorf("list: %v", info)
	}
	if _, _, ok := s.Source(other); ok {
		t.Error("source")
	}
	if got, err := s.Search(t.Context(), other, "Anna", 9); err != nil || got != nil {
		t.Errorf("search: %v, %v", got, err)
	}
	s.Checked(other, scanner.Stamp{Boot: "x"})
	if s.List(scope).Checked.Boot != "" {
		t.Error("another scope's check counts")
	}
}

func TestFormsOfACode(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	ticket := func(code scanner.Code) scanner.Ticket {
		return scanner.Ticket{Code: code, ID: string(code), Status: "valid"}
	}
	if err := build(t, s, ticket("123456"), ticket("]C1own"), ticket("own"), ticket(`\000026eci`)); err != nil {
		t.Fatal(err)
	}
	for code, want := range map[scanner.Code]string{
		"123456": "123456", "]C1123456": "123456", `\000026123456`: "123456", `]Q2\000026123456`: "123456",
		"]C1own": "]C1own", "]C0own": "own", `]Q2\000026eci`: `\000026eci`, "eci": "", "]C1": "", "": "",
	} {
		got, found := s.Lookup(scope, code)
		if got.ID != want || (found == scanner.Listed) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", code, got.ID, found, want)
		}
	}
}

func TestSizes(t *testing.T) {
	// Around the borders of a transaction, a page and nothing at all.
	for _, n := range []int{0, 1, 2, 15, 499, 500, 501, 1500, 5000} {
		s := open(t, t.TempDir())
		if err := build(t, s, samples(n)...); err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		if got := s.List(scope).Count; got != n {
			t.Errorf("%d: count %d", n, got)
		}
		for i := range n + 100 {
			got, found := s.Lookup(scope, sample(i).Code)
			if i < n && (found != scanner.Listed || got.ID != sample(i).ID) || i >= n && found != scanner.Missing {
				t.Fatalf("%d: ticket %d: %v, %v", n, i, found, got)
			}
		}
		s.Close()
	}
}

func TestACodeTwiceNamesBothPlaces(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	if err := build(t, s, sample(1)); err != nil {
		t.Fatal(err)
	}
	list := append(samples(3000), sample(2999), sample(7), sample(7))
	err := build(t, s, list...)
	for _, want := range []string{
		"list.csv:3001: code …2999 is already at list.csv:3000; keep one of the two",
		"list.csv:3002: code …0007 is already at list.csv:8; keep one of the two",
		"list.csv:3003: code …0007 is already at list.csv:8; keep one of the two",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if s.List(scope).Count != 1 {
		t.Error("the list before is gone")
	}
	err = build(t, s, append(samples(50), samples(50)...)...)
	if err == nil || strings.Count(err.Error(), "is already at") != 10 || !strings.Contains(err.Error(), "there may be more") {
		t.Errorf("many: %v", err)
	}
}

func TestAFailedBuildChangesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	if err := build(t, s, sample(1)); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "tickets.db"))
	if err != nil {
		t.Fatal(err)
	}
	cut := errors.New("connection reset")
	cancelled, cancel := context.WithCancel(t.Context())
	for name, c := range map[string]struct {
		ctx  context.Context
		feed cache.Feed
		want string
	}{
		"cut off at once": {t.Context(), func(func(scanner.Ticket, string) error) error { return cut }, "connection reset"},
		"cut off late": {t.Context(), func(add func(scanner.Ticket, string) error) error {
			return errors.Join(rows(samples(60_000)...)(add), cut)
		}, "connection reset"},
		"cancelled": {cancelled, func(add func(scanner.Ticket, string) error) error {
			if err := rows(samples(1000)...)(add); err != nil {
				return err
			}
			cancel()
			return nil // and the writing notices
		}, "context canceled"},
		"no code":     {t.Context(), rows(sample(1), scanner.Ticket{}), "list.csv:2: a ticket without a code"},
		"bad code":    {t.Context(), rows(scanner.Ticket{Code: "SECRET\x1b"}), "list.csv:1: unreadable code: control characters inside"},
		"huge ticket": {t.Context(), rows(scanner.Ticket{Code: "SECRET4711", Detail: strings.Repeat("x", 1<<20)}), "list.csv:1: ticket …711 has"},
		"error swallowed": {t.Context(), func(add func(scanner.Ticket, string) error) error {
			_ = add(scanner.Ticket{}, "list.csv:1")
			return nil
		}, "without a code"},
	} {
		err := s.Build(c.ctx, &cache.Meta{Scope: scope, Source: "new"}, c.feed, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff([]string{"tickets.db"}, files(t, dir)); diff != "" {
			t.Errorf("%s: left behind\n%s", name, diff)
		}
		after, err := os.ReadFile(filepath.Join(dir, "tickets.db"))
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the file changed, %v", name, err)
		}
		if _, found := s.Lookup(scope, sample(1).Code); found != scanner.Listed || s.Status().Building {
			t.Errorf("%s: %v, %v", name, found, s.Status())
		}
	}
}

func TestProgressAndStatus(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	var seen []int
	var during cache.Status
	err := s.Build(t.Context(), &cache.Meta{Scope: scope}, func(add func(scanner.Ticket, string) error) error {
		err := rows(samples(25_000)...)(add)
		during = s.Status()
		return err
	}, func(n int) { seen = append(seen, n) })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{0, 10_000, 20_000, 25_000}, seen); diff != "" {
		t.Error(diff)
	}
	if !during.Building || during.Progress < 24_900 || during.Count != 0 {
		t.Errorf("during: %+v", during)
	}
	if after := s.Status(); after.Building || after.Progress != 0 || after.Count != 25_000 {
		t.Errorf("after: %+v", after)
	}
}

func TestTwoBuildsNeverRunAtOnce(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	started, release := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		err := s.Build(t.Context(), &cache.Meta{Scope: scope}, func(add func(scanner.Ticket, string) error) error {
			close(started)
			<-release
			return add(sample(1), "a")
		}, nil)
		if err != nil {
			t.Error(err)
		}
	})
	<-started
	impatient, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	never := func(func(scanner.Ticket, string) error) error { t.Error("two at once"); return nil }
	if err := s.Build(impatient, &cache.Meta{Scope: scope}, never, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second: %v", err)
	}
	close(release)
	group.Wait()
	if err := build(t, s, samples(2)...); err != nil || s.List(scope).Count != 2 {
		t.Errorf("the third: %v", err)
	}
}

func TestLookupsGoOnWhileListsChange(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	lists := [2][]scanner.Ticket{samples(200), samples(260)}
	for i := range lists[1] {
		lists[1][i].Name = "second"
	}
	if err := build(t, s, lists[0]...); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var group sync.WaitGroup
	for worker := range 12 { // more than a generation has readers
		group.Go(func() {
			for i := worker; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if i%10 == 0 {
					time.Sleep(time.Millisecond) // leave some processor to the build
				}
				want := sample(i % 200)
				got, found := s.Lookup(scope, want.Code)
				if found != scanner.Listed || got.ID != want.ID || got.Name != want.Name && got.Name != "second" {
					t.Errorf("ticket %d: %v, %+v", i%200, found, got)
					return
				}
				if _, found := s.Lookup(scope, "no such code"); found != scanner.Missing {
					t.Errorf("no such code: %v", found)
					return
				}
			}
		})
	}
	group.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			if got, err := s.Search(t.Context(), scope, "R7", 1000); err != nil || len(got) < 3 {
				t.Errorf("search: %d, %v", len(got), err)
				return
			}
		}
	})
	for i := range 10 {
		if err := build(t, s, lists[i%2]...); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	group.Wait()
}

func TestClosed(t *testing.T) {
	s := open(t, t.TempDir())
	if err := build(t, s, sample(1)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, found := s.Lookup(scope, sample(1).Code); found != scanner.Missing {
		t.Errorf("look-up: %v", found)
	}
	if err := build(t, s, sample(1)); !errors.Is(err, cache.ErrClosed) {
		t.Errorf("build: %v", err)
	}
}

func TestOpenWithoutDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{filepath.Join(file, "..", "none"): "create the state directory", file: "is not a directory"} {
		if _, err := cache.Open(cache.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestNothingIsInTheClear looks for codes and texts in every file of the store,
// the sort's deleted one included, while a list is built and after.
func TestNothingIsInTheClear(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	check := func(when string) (sortFile bool) {
		paths, _ := filepath.Glob(filepath.Join(dir, "*"))
		links, _ := filepath.Glob("/proc/self/fd/*")
		for _, link := range links {
			if target, _ := os.Readlink(link); strings.HasPrefix(target, dir) {
				paths = append(paths, link)
				sortFile = sortFile || strings.Contains(target, "tickets.db.sort")
			}
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Error(err)
			}
			for _, secret := range []string{"Mustermann", "Block ", "Row 12", "000000000042"} {
				if bytes.Contains(data, []byte(secret)) {
					t.Errorf("%s: %s holds %q", when, path, secret)
				}
			}
		}
		return sortFile
	}
	err := s.Build(t.Context(), &cache.Meta{Scope: scope}, func(add func(scanner.Ticket, string) error) error {
		err := rows(samples(60_000)...)(add)
		if !check("during") {
			t.Error("the sort's file was not looked at")
		}
		return err
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	check("after")
}

func TestSearch(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	list := samples(2000) // several chunks
	for i, name := range []string{"Änne Müller", "Søren Kierkegaard", "STRAẞE Groß", "Łukasz Đorđević", "Zoë O’Neil", "José\u0301 Nguyễn"} {
		list[i] = scanner.Ticket{Code: scanner.Code(fmt.Sprint("n", i)), Name: name, Order: "Ord-77" + strconv.Itoa(i), Section: "Balkon", Seat: "Reihe 3", Status: "valid"}
	}
	if err := build(t, s, list...); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"muller": "n0", "MÜLLER änne": "n0", "anne balkon 3": "n0", "soren": "n1", "strasse gross": "n2", "lukasz dordevic": "n3",
		"zoe": "n4", "nguyen jose": "n5", "ord-774": "n4", "anne kierkegaard": "", "mustermann-1999": "000000001999",
		"": "", "  ": "", "nobody": "",
	} {
		got, err := s.Search(t.Context(), scope, query, 10)
		code := ""
		if len(got) > 0 {
			code = string(got[0].Code)
		}
		if err != nil || code != want || len(got) > 1 {
			t.Errorf("%q: %d found, %s, %v; want %s", query, len(got), code, err, want)
		}
	}
	if got, err := s.Search(t.Context(), scope, "mustermann", 5000); err != nil || len(got) != 1994 {
		t.Errorf("all: %d, %v", len(got), err)
	}
	if got, err := s.Search(t.Context(), scope, "mustermann", 7); err != nil || len(got) != 7 {
		t.Errorf("limit: %d, %v", len(got), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Search(ctx, scope, "mustermann", 7); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSearchIsSorted(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	var list []scanner.Ticket
	add := func(code scanner.Code, name, section, seat string) {
		list = append(list, scanner.Ticket{Code: code, Name: name, Section: section, Seat: seat, Status: "valid"})
	}
	add("5", "Zoë Meier", "A", "1")
	add("4", "Änne Meier", "B", "1")
	add("3", "anne Meier", "A", "10")
	add("2", "Anne Meier", "A", "9")
	add("1", "Anne Meier", "A", "9")
	for i := range 1000 {
		add(scanner.Code(fmt.Sprint("x", i)), "Meier zuletzt", "", strconv.Itoa(i))
	}
	if err := build(t, s, list...); err != nil {
		t.Fatal(err)
	}
	var codes []string
	got, err := s.Search(t.Context(), scope, "meier", 8)
	for _, ticket := range got {
		codes = append(codes, string(ticket.Code))
	}
	if diff := cmp.Diff([]string{"1", "2", "3", "4", "x0", "x1", "x2", "x3"}, codes); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestSearchFindsAPlace(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	var list []scanner.Ticket
	for code, place := range map[scanner.Code][2]string{
		"1-columns": {"A", "12"}, "2-words": {"Block 3", "Row A Seat 12"}, "3-written": {"", "A12"}, "4-dashed": {"", "A-12"}, "5-zeros": {"A", "012"},
		"another seat": {"A", "112"}, "another row": {"AA", "12"}, "upside down": {"12", "A"}, "no row": {"", "12"},
	} {
		list = append(list, scanner.Ticket{Code: code, Name: "Anna", Section: place[0], Seat: place[1], Status: "valid"})
	}
	if err := build(t, s, list...); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"A12", "a 12", "A-12", "A- 12", "anna A 12", "a12 anna", "A012"} {
		var codes []string
		got, err := s.Search(t.Context(), scope, text, 20)
		for _, ticket := range got {
			codes = append(codes, string(ticket.Code))
		}
		slices.Sort(codes)
		if diff := cmp.Diff([]string{"1-columns", "2-words", "3-written", "4-dashed", "5-zeros"}, codes); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	}
}
