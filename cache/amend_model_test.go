package cache_test

import (
	"context"
	"errors"
	"os"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"usher/cache"
	"usher/scanner"
)

// TestAnyListsAndChanges: whatever came, the list is the map that it should be, also
// after a restart.
func TestAnyListsAndChanges(outer *testing.T) {
	const codes = 30
	rapid.Check(outer, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "cache")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		s := open(outer, dir)
		defer func() { s.Close() }()
		tickets := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) scanner.Ticket {
			ticket := sample(rapid.IntRange(0, codes-1).Draw(t, "n"))
			ticket.Status = rapid.SampledFrom([]scanner.Status{scanner.StatusValid, scanner.StatusUsed, scanner.StatusVoided}).Draw(t, "status")
			ticket.SectionID = rapid.SampledFrom([]string{"", "7"}).Draw(t, "section")
			return ticket
		}), 0, 40)
		fold := func(list []scanner.Ticket) map[scanner.Code]scanner.Ticket {
			all := map[scanner.Code]scanner.Ticket{}
			for _, ticket := range list {
				if had, twice := all[ticket.Code]; twice && !cmp.Equal(had, ticket) {
					ticket = had
					ticket.Status = scanner.StatusTwice
				} else if twice {
					continue
				}
				all[ticket.Code] = ticket
			}
			return all
		}
		var want map[scanner.Code]scanner.Ticket
		cursor := 0
		steps := map[string]func(){
			"list": func() {
				list := tickets.Draw(t, "list")
				meta := &cache.Meta{Scope: scope, Complete: true, Source: "list", Cursor: []byte(strconv.Itoa(cursor + 1)), Repeats: true, KeepSame: rapid.Bool().Draw(t, "keep")}
				if err := s.Build(context.Background(), meta, rows(list...), nil); err != nil {
					t.Fatal(err)
				}
				next := fold(list)
				if meta.Kept {
					if !cmp.Equal(want, next) {
						t.Fatalf("kept, though the list differs:\n%s", cmp.Diff(want, next))
					}
					return
				}
				cursor++
				want = next
			},
			"changes": func() {
				list := tickets.Draw(t, "changes")
				kept, err := amend(s, strconv.Itoa(cursor), strconv.Itoa(cursor+1), list...)
				if want == nil {
					if !errors.Is(err, cache.ErrBase) {
						t.Fatal(err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				same := true
				for code, ticket := range fold(list) {
					same = same && cmp.Equal(want[code], ticket)
					want[code] = ticket
				}
				if kept != same {
					t.Fatalf("kept %v, and the same %v", kept, same)
				}
				if !kept {
					cursor++
				}
			},
			"fail": func() {
				meta := &cache.Meta{Scope: scope, Source: "list", Cursor: []byte("x")}
				cut := errors.New("cut off")
				err := s.Amend(context.Background(), []byte(strconv.Itoa(cursor)), meta, func(add func(scanner.Ticket, string) error) error {
					return errors.Join(rows(tickets.Draw(t, "cut")...)(add), cut)
				}, nil)
				if want != nil && !errors.Is(err, cut) {
					t.Fatal(err)
				}
			},
			"restart": func() {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(outer, dir)
			},
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			steps[rapid.SampledFrom([]string{"list", "changes", "changes", "changes", "fail", "restart"}).Draw(t, "step")]()
			holds(t, s, codes, want)
		}
	})
}
