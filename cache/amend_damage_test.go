package cache_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"usher/cache"
	"usher/scanner"
)

// TestAmendingADamagedList: either the whole list is asked for, or what is damaged
// stays damaged. No change ever makes a missing ticket out of a listed one, or vouches
// for what it cannot read.
func TestAmendingADamagedList(t *testing.T) {
	const n = 300
	origin := t.TempDir()
	loaded(t, origin, samples(n)...).Close()
	whole, err := os.ReadFile(filepath.Join(origin, "tickets.db"))
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for name, damage := range damages {
		refused, carried, clean := 0, 0, 0
		for range 15 {
			data := append([]byte(nil), whole...)
			dir := t.TempDir()
			path := filepath.Join(dir, "tickets.db")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir)
			damage(r, data) // while it is mapped
			overwrite(t, path, data)
			_, err := amend(s, "1", "2", sample(n+60))
			switch damaged := 0; {
			case err != nil:
				if !errors.Is(err, cache.ErrBase) || !s.Damaged(scope) {
					t.Errorf("%s: %v, damaged: %v", name, err, s.Damaged(scope))
				}
				refused++
			default:
				if damaged = tells(t, s, n); damaged > 0 {
					carried++
				} else {
					clean++
				}
				if _, found := s.Lookup(scope, sample(n+60).Code); found != scanner.Listed {
					t.Errorf("%s: the new ticket is not there: %v", name, found)
				}
			}
			if left := files(t, dir); len(left) != 1 {
				t.Errorf("%s: left behind: %v", name, left)
			}
			s.Close()
		}
		t.Logf("%s: %d refused, %d carried over, %d without effect", name, refused, carried, clean)
		if refused+carried == 0 {
			t.Errorf("%s: no damage was ever noticed", name)
		}
	}
}

// TestChangesOfABranchThatLeadsBack: wherever the change itself lies, the way through
// the whole list would never end.
func TestChangesOfABranchThatLeadsBack(t *testing.T) {
	origin := t.TempDir()
	whole := smallList(t, origin)
	for _, child := range []string{"first", "last", "every"} {
		for i := range 6 {
			dir := t.TempDir()
			path := filepath.Join(dir, "tickets.db")
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir) // it looks whole when it is opened
			data := append([]byte(nil), whole...)
			leadBack(t, data, child)
			overwrite(t, path, data)
			meta := cache.Meta{Scope: scope, Source: "test", Cursor: []byte("1")}
			if err := s.Amend(t.Context(), nil, &meta, rows(sample(flipped+i)), nil); !errors.Is(err, cache.ErrBase) {
				t.Errorf("%s: %v", child, err)
			}
			s.Close()
		}
	}
}

// evening is the list after so many rounds: in each the first five tickets change, and
// one is new.
func evening(rounds int) []scanner.Ticket {
	list := samples(3000 + rounds)
	for i := range 5 {
		list[i].UsedGate = strconv.Itoa(rounds)
	}
	return list
}

// amendForEver is the process that TestKilledAmendments kills. Its list is the
// evening that its cursor tells; now and then it loads it whole.
func amendForEver(dir string) {
	s := open(&testing.T{}, dir)
	_, cursor, _ := s.Source(scope)
	for {
		round, err := strconv.Atoi(string(cursor))
		if err != nil {
			panic(err)
		}
		next := []byte(strconv.Itoa(round + 1))
		now := evening(round + 1)
		meta := &cache.Meta{Scope: scope, Source: "list", Cursor: next}
		if round%7 == 0 {
			err = s.Build(context.Background(), meta, rows(now...), nil)
		} else {
			err = s.Amend(context.Background(), cursor, meta, rows(append(now[:5], now[3000+round])...), nil)
		}
		if err != nil || meta.Kept {
			panic(err)
		}
		cursor = next
		os.Stdout.WriteString(".")
	}
}

// TestKilledAmendments: at whatever moment it dies, the list is whole, and the one of
// its cursor.
func TestKilledAmendments(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Build(t.Context(), &cache.Meta{Scope: scope, Source: "list", Cursor: []byte("1")}, rows(evening(1)...), nil); err != nil {
		t.Fatal(err)
	}
	s.Close()
	rounds := 1
	for range 6 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "USHER_TEST_AMEND_FOR_EVER="+dir)
		done, err := child.StdoutPipe()
		if err == nil {
			err = child.Start()
		}
		if err == nil {
			_, err = done.Read(make([]byte, 1)) // however busy the machine is, something was written
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(200 * time.Millisecond)) // the moment of death is what is tried
		_ = child.Process.Kill()
		_ = child.Wait()
		s := open(t, dir)
		_, cursor, ok := s.Source(scope)
		round, err := strconv.Atoi(string(cursor))
		if !ok || err != nil || round < rounds || len(s.Status().Problems) != 0 {
			t.Fatalf("cursor %q, %v", cursor, s.Status().Problems)
		}
		rounds = round
		holds(t, s, 3000+round+5, mapOf(evening(round)...))
		s.Close()
		if left := files(t, dir); len(left) != 1 {
			t.Errorf("left behind: %v", left)
		}
	}
	if rounds == 1 {
		t.Error("nothing was ever written before it died")
	}
}
