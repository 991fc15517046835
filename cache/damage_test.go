package cache_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/cache"
	"usher/scanner"
)

// tells fails the test where a look-up of the first n samples is not the right
// ticket or Damaged, or a look-up of another not Missing or Damaged. It gives
// how many were damaged.
func tells(t *testing.T, s *cache.Store, n int) (damaged int) {
	t.Helper()
	for i := range n + 50 {
		got, found := s.Lookup(scope, sample(i).Code)
		switch {
		case found == scanner.Damaged:
			damaged++
		case i < n && found == scanner.Listed:
			want := sample(i)
			want.ValidFrom, want.ValidUntil = want.ValidFrom.UTC(), want.ValidUntil.UTC()
			if !reflect.DeepEqual(want, got) {
				t.Errorf("ticket %d is another: %+v", i, got)
			}
		case i < n:
			t.Errorf("ticket %d is missing", i)
		case found != scanner.Missing:
			t.Errorf("ticket %d was never there: %v", i, found)
		}
	}
	return damaged
}

// damages change a file, each in its own way.
var damages = map[string]func(r *rand.Rand, data []byte){
	"bit":  func(r *rand.Rand, data []byte) { data[r.IntN(len(data))] ^= 1 << r.IntN(8) },
	"byte": func(r *rand.Rand, data []byte) { data[r.IntN(len(data))] ^= byte(1 + r.IntN(255)) },
	"page of zeros": func(r *rand.Rand, data []byte) {
		clear(data[r.IntN(len(data)/4096)*4096:][:4096])
	},
	"page of noise": func(r *rand.Rand, data []byte) {
		page := data[r.IntN(len(data)/4096)*4096:][:4096]
		for i := range page {
			page[i] = byte(r.Uint32())
		}
	},
	"page of another place": func(r *rand.Rand, data []byte) {
		pages := len(data) / 4096
		copy(data[r.IntN(pages)*4096:][:4096], data[r.IntN(pages)*4096:][:4096])
	},
	"head of a page": func(r *rand.Rand, data []byte) {
		data[r.IntN(len(data)/4096)*4096+r.IntN(48)] ^= byte(1 + r.IntN(255))
	},
}

func TestDamageOnDisk(t *testing.T) {
	const n = 300
	origin := t.TempDir()
	s := open(t, origin)
	if err := build(t, s, samples(n)...); err != nil {
		t.Fatal(err)
	}
	s.Close()
	whole, err := os.ReadFile(filepath.Join(origin, "tickets.db"))
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for name, damage := range damages {
		absent, damaged, clean := 0, 0, 0
		for range 20 {
			data := append([]byte(nil), whole...)
			damage(r, data)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "tickets.db"), data, 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir)
			switch {
			case !s.List(scope).Loaded:
				absent++
				if len(s.Status().Problems) != 1 {
					t.Errorf("%s: no list and no problem", name)
				}
			case tells(t, s, n) > 0:
				damaged++
			default:
				clean++
			}
			if _, err := s.Search(t.Context(), scope, "nobody", 1); err != nil {
				t.Errorf("%s: search: %v", name, err)
			}
			s.Close()
		}
		t.Logf("%s: %d absent, %d with damaged records, %d without effect", name, absent, damaged, clean)
		if damaged == 0 {
			t.Errorf("%s: no damage was ever noticed", name)
		}
	}
}

// TestDamageUnderTheReader changes the file while it is mapped.
func TestDamageUnderTheReader(t *testing.T) {
	const n = 300
	for name, damage := range damages {
		dir := t.TempDir()
		s := open(t, dir)
		if err := build(t, s, samples(n)...); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "tickets.db")
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, 2))
		for range 10 {
			data := append([]byte(nil), whole...)
			damage(r, data)
			overwrite(t, path, data)
			tells(t, s, n)
		}
		overwrite(t, path, make([]byte, len(whole)))
		if got := tells(t, s, n); got != n+50 {
			t.Errorf("%s: all zeros: %d damaged", name, got)
		}
		if err := os.Truncate(path, 4096); err != nil { // now a read is a bus error
			t.Fatal(err)
		}
		if got := tells(t, s, n); got != n+50 {
			t.Errorf("%s: cut off: %d damaged", name, got)
		}
		if _, err := s.Search(t.Context(), scope, "nobody", 1); err != nil {
			t.Errorf("%s: search: %v", name, err)
		}
		if err := build(t, s, samples(n)...); err != nil {
			t.Errorf("%s: the next list: %v", name, err)
		}
		if got := tells(t, s, n); got != 0 {
			t.Errorf("%s: the next list: %d damaged", name, got)
		}
		s.Close()
	}
}

func overwrite(t *testing.T, path string, data []byte) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(data); err != nil {
		t.Fatal(err)
	}
}

func TestUnusableFilesCountAsAbsent(t *testing.T) {
	good := t.TempDir()
	s := open(t, good)
	if err := build(t, s, samples(1000)...); err != nil {
		t.Fatal(err)
	}
	s.Close()
	whole, err := os.ReadFile(filepath.Join(good, "tickets.db"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data   []byte
		secret string
		want   string
	}{
		"empty":       {nil, string(secret), "is empty"},
		"short":       {[]byte("x"), string(secret), "cannot be opened"},
		"text":        {[]byte(strings.Repeat("no list\n", 4096)), string(secret), "cannot be opened"},
		"cut off":     {whole[:len(whole)/2], string(secret), "cut off"},
		"page lost":   {whole[:len(whole)-4096], string(secret), "cut off"},
		"foreign key": {whole, "vutsrqponmlkjihgfedcba9876543210", "written under another device key"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "tickets.db"), c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		s := openWith(t, dir, []byte(c.secret))
		problems := strings.Join(s.Status().Problems, "\n")
		if !strings.Contains(problems, c.want) || !strings.Contains(problems, "refresh or import replaces it") || s.List(scope).Loaded {
			t.Errorf("%s: %v, %v", name, problems, s.List(scope))
		}
		if _, found := s.Lookup(scope, sample(1).Code); found != scanner.Missing {
			t.Errorf("%s: %v", name, found)
		}
		if err := build(t, s, samples(10)...); err != nil {
			t.Errorf("%s: the next list: %v", name, err)
		}
		if st := s.Status(); len(st.Problems) != 0 || st.Count != 10 {
			t.Errorf("%s: after the next list: %+v", name, st)
		}
		s.Close()
	}
}

func TestLeftoversAreRemoved(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"tickets.db.next", "tickets.db.sort", "journal.db"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir).Close()
	if diff := cmp.Diff([]string{"journal.db"}, files(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestABuildWritesOverWhatCouldNotBeRemoved(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	if err := build(t, s, samples(100)...); err != nil {
		t.Fatal(err)
	}
	stale, err := os.ReadFile(filepath.Join(dir, "tickets.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tickets.db.next", "tickets.db.sort"} {
		if err := os.WriteFile(filepath.Join(dir, name), stale, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := build(t, s, samples(10)...); err != nil {
		t.Fatal(err)
	}
	if damaged := tells(t, s, 10); damaged != 0 {
		t.Errorf("%d damaged", damaged)
	}
}

// buildForEver is the process that TestKilledBuilds kills.
func buildForEver(dir string) {
	tb := &testing.T{}
	s := open(tb, dir)
	for i := 0; ; i++ {
		n := 3000 + i%2
		if err := s.Build(context.Background(), &cache.Meta{Scope: scope}, rows(samples(n)...), nil); err != nil {
			panic(err)
		}
	}
}

func TestKilledBuilds(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := build(t, s, samples(3000)...); err != nil {
		t.Fatal(err)
	}
	s.Close()
	for range 4 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "USHER_TEST_BUILD_FOR_EVER="+dir)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(100+rand.IntN(200)) * time.Millisecond) // the moment of death is what is tried
		_ = child.Process.Kill()
		_ = child.Wait()
		s := open(t, dir)
		count := s.List(scope).Count
		if count != 3000 && count != 3001 || len(s.Status().Problems) != 0 {
			t.Fatalf("%d tickets, %v", count, s.Status().Problems)
		}
		if damaged := tells(t, s, count); damaged != 0 {
			t.Errorf("%d damaged", damaged)
		}
		s.Close()
		if diff := cmp.Diff([]string{"tickets.db"}, files(t, dir)); diff != "" {
			t.Error(diff)
		}
	}
}
