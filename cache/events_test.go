package cache_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/cache"
	"usher/scanner"
)

var (
	noon    = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	account = scanner.Scope{Vendor: "audienceview", Account: "284", Event: "performance 1"}
)

func playing(id string, hours int) scanner.Event {
	return scanner.Event{ID: id, Name: "Show " + id, StartsAt: noon.Add(time.Duration(hours) * time.Hour)}
}

// known are the ids of what is known.
func known(s *cache.Events) string {
	var ids []string
	for _, e := range s.List(account).All {
		ids = append(ids, e.ID)
	}
	return strings.Join(ids, " ")
}

func tell(t *testing.T, s *cache.Events, at time.Time, events ...scanner.Event) {
	t.Helper()
	if err := s.Told(account, cache.Told{From: at.Add(-24 * time.Hour), To: at.Add(8 * 24 * time.Hour), At: at, Events: events}); err != nil {
		t.Fatal(err)
	}
}

func eventsFile(dir string) string { return filepath.Join(dir, "events.cache") }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestEventsComeBackWhole(t *testing.T) {
	dir := t.TempDir()
	s := cache.OpenEvents(dir, quiet())
	if list := s.List(account); !list.At.IsZero() || list.All != nil {
		t.Errorf("a new device knows %+v", list)
	}
	rich := scanner.Event{
		ID: "49182", IDs: map[string]string{"client_id": "284", "production_id": "3622", "performance_id": "49182"}, Name: "Spamalot", Series: "Spamalot 2026",
		Venue: "Great Hall", StartsAt: noon, EndsAt: noon.Add(time.Hour), DoorsAt: noon.Add(-time.Hour), OpensAt: noon.Add(-2 * time.Hour), ClosesAt: noon.Add(time.Minute),
		EntryTimes: []time.Time{noon}, AllDay: true, OpenNow: true, Sections: []scanner.Section{{ID: "7", Name: "Stalls"}}, State: "sold out",
	}
	tell(t, s, noon, playing("late", 20), rich)
	for _, s := range []*cache.Events{s, cache.OpenEvents(dir, quiet())} {
		list := s.List(scanner.Scope{Vendor: "audienceview", Account: "284"})
		got, ok := list.Find("49182")
		if !ok || fmt.Sprint(got) != fmt.Sprint(rich) || !list.At.Equal(noon) || known(s) != "49182 late" {
			t.Errorf("got %+v, %v, %v, %s", got, ok, list.At, known(s))
		}
		if other := s.List(scanner.Scope{Vendor: "audienceview", Account: "285"}); other.All != nil || !other.At.IsZero() {
			t.Errorf("another account's: %+v", other)
		}
	}
	if info, err := os.Stat(eventsFile(dir)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// An event is found by its own id alone: series and events are numbered apart, and
// the number of one may be that of another.
func TestEventsAreFoundByTheirID(t *testing.T) {
	s := cache.OpenEvents(t.TempDir(), quiet())
	of := func(id, series string) scanner.Event {
		return scanner.Event{ID: id, Name: "Show " + id, IDs: map[string]string{"performance_id": id, "production_id": series}}
	}
	tell(t, s, noon, of("1001", "7"), of("20", "1001"), of("21", "8"), scanner.Event{Name: "nameless"})
	list := s.List(account)
	for id, want := range map[string]string{"1001": "Show 1001", "20": "Show 20", "21": "Show 21", "7": "", "8": "", "": "", "x": ""} {
		if got, ok := list.Find(id); got.Name != want || ok != (want != "") {
			t.Errorf("%q is %q", id, got.Name)
		}
	}
}

// What the vendor does not tell any more is forgotten, unless it is past or was not
// asked for; and in the end that too.
func TestWhatIsRememberedOfEvents(t *testing.T) {
	dir := t.TempDir()
	s := cache.OpenEvents(dir, quiet())
	tell(t, s, noon, playing("begun", -1), playing("withdrawn", 5), playing("stays", 6))
	if err := s.Told(account, cache.Told{From: noon.Add(200 * time.Hour), To: noon.Add(900 * time.Hour), At: noon, Events: []scanner.Event{playing("far", 800)}}); err != nil {
		t.Fatal(err)
	}
	if got := known(s); got != "begun withdrawn stays far" {
		t.Errorf("after two questions: %s", got)
	}
	tell(t, s, noon.Add(time.Hour), playing("stays", 6))
	if got := known(s); got != "begun stays far" {
		t.Errorf("after it was withdrawn: %s", got)
	}
	if err := s.Told(account, cache.Told{From: noon, To: noon.Add(time.Hour * 99), At: noon.Add(2 * time.Hour), Partial: true}); err != nil {
		t.Fatal(err)
	}
	if got := known(s); got != "begun stays far" || !s.List(account).At.Equal(noon.Add(time.Hour)) {
		t.Errorf("half an answer took away: %s, told at %v", got, s.List(account).At)
	}
	s = cache.OpenEvents(dir, quiet())
	tell(t, s, noon.Add(13*24*time.Hour))
	if got := known(s); got != "begun stays far" {
		t.Errorf("after 13 days: %s", got)
	}
	tell(t, s, noon.Add(15*24*time.Hour))
	if got := known(s); got != "far" {
		t.Errorf("after 15 days: %s", got)
	}
	if err := s.Told(scanner.Scope{Vendor: "acme"}, cache.Told{At: noon}); err != nil {
		t.Fatal(err)
	}
	if got := known(s); got != "" {
		t.Errorf("under another vendor: %s", got)
	}
}

func TestEventsAreBounded(t *testing.T) {
	s := cache.OpenEvents(t.TempDir(), quiet())
	var many []scanner.Event
	for i := range 5200 {
		many = append(many, playing(fmt.Sprint(i), i))
	}
	tell(t, s, noon, many...)
	list := s.List(account)
	if _, near := list.Find("0"); len(list.All) != 5000 || !near {
		t.Errorf("%d are kept, the nearest %v", len(list.All), near)
	}
}

// Whatever is wrong with the file, nothing is known, and the next answer mends it.
func TestUnusableEventsCountAsNone(t *testing.T) {
	dir := t.TempDir()
	tell(t, cache.OpenEvents(dir, quiet()), noon, playing("1", 1))
	whole, err := os.ReadFile(eventsFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	broken := map[string][]byte{"empty": {}, "short": whole[:3], "foreign": []byte("{}"), "newer": newer(whole)}
	for i := range whole {
		bad := append([]byte(nil), whole...)
		bad[i] ^= 0x10
		broken[fmt.Sprintf("byte %d", i)] = bad
		broken[fmt.Sprintf("cut at %d", i)] = whole[:i]
	}
	for name, raw := range broken {
		if err := os.WriteFile(eventsFile(dir), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := known(cache.OpenEvents(dir, quiet())); got != "" {
			t.Errorf("%s: knows %q", name, got)
		}
	}
	s := cache.OpenEvents(dir, quiet())
	tell(t, s, noon, playing("2", 1))
	if got := known(cache.OpenEvents(dir, quiet())); got != "2" {
		t.Errorf("after the next answer: %q", got)
	}
	if err := os.Remove(eventsFile(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(eventsFile(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	s = cache.OpenEvents(dir, quiet())
	if err := s.Told(account, cache.Told{At: noon, Events: []scanner.Event{playing("3", 1)}}); err == nil || !strings.Contains(err.Error(), "events not stored") {
		t.Errorf("a file that cannot be: %v", err)
	}
	if got := known(s); got != "3" {
		t.Errorf("what cannot be stored is not even known: %q", got)
	}
}

// One time that cannot be takes no other event off the disk, nor its own event's
// name: the year 50668 is what milliseconds taken for seconds make.
func TestATimeThatCannotBeIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	for name, bad := range map[string]time.Time{
		"beyond the file's format": time.UnixMilli(1536768000000000), "before all": time.Date(-3, 1, 1, 0, 0, 0, 0, time.UTC),
		"10000 in UTC alone": time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -5*3600)), "1969": time.Unix(-1, 0),
	} {
		s := cache.OpenEvents(dir, quiet())
		odd := playing("odd", 2)
		odd.StartsAt, odd.EndsAt, odd.DoorsAt, odd.OpensAt, odd.ClosesAt = bad, bad, bad, bad, bad
		odd.EntryTimes = []time.Time{bad, noon}
		tell(t, s, noon, playing("good", 1), odd)
		for _, s := range []*cache.Events{s, cache.OpenEvents(dir, quiet())} {
			good, _ := s.List(account).Find("good")
			got, ok := s.List(account).Find("odd")
			if !good.StartsAt.Equal(noon.Add(time.Hour)) || !ok || got.Name != "Show odd" || len(got.EntryTimes) != 1 || !got.EntryTimes[0].Equal(noon) ||
				!got.StartsAt.IsZero() || !got.EndsAt.IsZero() || !got.DoorsAt.IsZero() || !got.OpensAt.IsZero() || !got.ClosesAt.IsZero() {
				t.Errorf("%s: %+v, and %+v", name, good, got)
			}
		}
		if !odd.EntryTimes[0].Equal(bad) {
			t.Errorf("%s: the caller's own event was changed", name)
		}
	}
}

// newer is the file as a later usher may write it, with a true checksum.
func newer(whole []byte) []byte {
	return checksummed(strings.Replace(string(whole[4:]), `"schema":1`, `"schema":2`, 1))
}

func checksummed(text string) []byte {
	sum := crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli))
	return append(binary.BigEndian.AppendUint32(nil, sum), text...)
}
