package archtics

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"usher/scanner"
	"usher/vendors/vendortest"
)

func lineOf(i int, at time.Time) line {
	return line{
		seat:    seat{"EVENT01", fmt.Sprint("S", i/1000), fmt.Sprint(i / 20 % 50), fmt.Sprint(i % 20)}.key(),
		seconds: seconds(at), gate: fmt.Sprint("Gate ", i%12), vague: i%7 == 0, heard: seconds(at),
	}
}

func linesOf(from, to int, at time.Time) []line {
	var all []line
	for i := from; i < to; i++ {
		all = append(all, lineOf(i, at.Add(time.Duration(i)*time.Millisecond)))
	}
	return all
}

var evening = time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC)

var compareLines = cmp.AllowUnexported(line{}, seat{})

// What is written is read again, and nothing else is.
func TestChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(0, 8, -1)
		lines := rapid.SliceOf(rapid.Custom(func(t *rapid.T) line {
			return line{
				seat{name.Draw(t, "event"), name.Draw(t, "section"), name.Draw(t, "row"), name.Draw(t, "seat")},
				rapid.Uint32().Draw(t, "seconds"), rapid.Bool().Draw(t, "vague"), name.Draw(t, "gate"), rapid.Uint32().Draw(t, "heard"),
			}
		})).Draw(t, "lines")
		mark := rapid.Int64().Draw(t, "mark")
		raw := encodeChunk(lines, mark)
		got, gotMark, err := decodeChunk(raw)
		if err != nil || gotMark != mark || !slices.Equal(got, lines) {
			t.Fatalf("%v, %d\n%s", err, gotMark, cmp.Diff(lines, got, compareLines))
		}
		cut := rapid.IntRange(0, len(raw)-1).Draw(t, "cut")
		if _, _, err := decodeChunk(raw[:cut]); !errors.Is(err, errChunk) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	})
}

// dying is a disk that takes so many writes and then none, as of a device whose
// battery goes.
type dying struct {
	vendortest.Memory
	left, writes, bytes int
}

var errDead = errors.New("dead")

func (d *dying) Save(key string, value []byte) error {
	if d.left == 0 {
		return errDead
	}
	d.left--
	d.writes++
	d.bytes += len(value)
	if value == nil {
		delete(d.Kept, key)
		return nil
	}
	return d.Memory.Save(key, value)
}

// Wherever a device dies, entries and mark are those of a whole write: nothing that
// was written is lost, no mark is there without all that is before it, and nothing of
// an old generation stays.
func TestDyingWhileKeeping(t *testing.T) {
	for left := range 40 {
		disk := &dying{left: left}
		k := keep{memory: disk}
		written, alive := 0, true
		for step := range 8 {
			var err error
			if step == 3 || step == 6 {
				err = k.rewrite(linesOf(0, written, evening), int64(written))
			} else {
				err = k.append(linesOf(written, written+10, evening), int64(written+10))
				if err == nil {
					written += 10
				}
			}
			if alive = err == nil; !alive {
				break
			}
		}
		disk.left = -1
		again := keep{memory: disk}
		lines, mark, err := again.load()
		if err != nil {
			t.Fatalf("%d writes: %v", left, err)
		}
		slices.SortFunc(lines, func(a, b line) int { return int(a.seconds) - int(b.seconds) })
		if len(lines) < written || int(mark) > len(lines) || int(mark) < written {
			t.Errorf("%d writes: %d entries and mark %d, %d were written", left, len(lines), mark, written)
		}
		chunks := 0
		for key := range disk.Kept {
			if key != headKey {
				chunks++
			}
		}
		if chunks != again.chunks {
			t.Errorf("%d writes: %d chunks on the disk, %d are read", left, chunks, again.chunks)
		}
		if err := again.append(linesOf(written, written+1, evening), int64(written+1)); err != nil {
			t.Fatal(err)
		}
		if third, _, err := (&keep{memory: disk}).load(); err != nil || len(third) < written+1 {
			t.Errorf("%d writes: %d entries, %v", left, len(third), err)
		}
	}
}

// Many entries of one fetch are several chunks, of which the last alone has the mark.
func TestManyEntriesAreSeveralChunks(t *testing.T) {
	disk := &dying{left: 2}
	k := keep{memory: disk}
	if err := k.append(linesOf(0, 2*chunkLines+5, evening), 7); !errors.Is(err, errDead) {
		t.Fatalf("%v", err)
	}
	if lines, mark, err := (&keep{memory: disk}).load(); err != nil || len(lines) != 2*chunkLines || mark != 0 {
		t.Errorf("%d entries, mark %d, %v", len(lines), mark, err)
	}
}

// A stadium takes a few megabytes of memory and one of disk, and a fetch writes what
// is new alone.
func TestAStadium(t *testing.T) {
	const people = 80_000
	disk := &dying{left: -1}
	w := watchOf(newTestClock(), disk)
	before := allocated()
	for _, l := range linesOf(0, people, evening) {
		w.seats.add(l)
	}
	if grown := allocated() - before; grown > 6<<20 {
		t.Errorf("%d entries take %d KiB of memory", people, grown>>10)
	}
	w.unsaved = w.seats.lines(time.Time{})
	w.save()
	if disk.bytes > 1536<<10 {
		t.Errorf("%d entries take %d KiB on the disk", people, disk.bytes>>10)
	}
	disk.bytes, disk.writes = 0, 0
	w.unsaved = linesOf(people, people+50, evening)
	w.save()
	if disk.writes != 1 || disk.bytes > 2<<10 {
		t.Errorf("50 more: %d writes, %d bytes", disk.writes, disk.bytes)
	}
	w.save()
	if disk.writes != 1 {
		t.Error("nothing new is written all the same")
	}
	again := watchOf(newTestClock(), disk)
	if _, ok := again.attended(seat{"event01", "S79", "49", "019"}); !ok {
		t.Error("the last one is not known after a restart")
	}
	if n := again.seats.count(); n != people+50 {
		t.Errorf("%d entries after a restart", n)
	}
}

func allocated() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func watchOf(clock scanner.Clock, memory scanner.Memory) *watch {
	return newWatch(&Client{cfg: Config{AttendanceEvery: time.Minute}, clock: clock, zone: time.UTC, log: slog.New(slog.DiscardHandler)}, memory)
}

// Many small writes become few, and old entries go: where the time is known.
func TestEntriesAreWrittenAnew(t *testing.T) {
	clock, disk := newTestClock(), &dying{left: -1}
	clock.truth = evening
	w := watchOf(clock, disk)
	w.ready()
	for i := range mostChunks + 3 {
		l := lineOf(i, clock.truth)
		w.seats.add(l)
		w.unsaved = []line{l}
		w.save()
	}
	if w.keep.chunks != 3 || len(disk.Kept) != 4 {
		t.Errorf("%d chunks, %d values", w.keep.chunks, len(disk.Kept))
	}
	count := func(w *watch) int {
		w.ready()
		return w.seats.count()
	}
	clock.step(80 * time.Hour)
	clock.trusted = false
	w.save()
	if n := count(watchOf(clock, disk)); n != mostChunks+3 {
		t.Errorf("%d entries, and nobody knows the time", n)
	}
	clock.trusted = true
	late := lineOf(500, clock.truth)
	w.seats.add(late)
	w.unsaved = []line{late}
	w.save()
	if n := count(w); n != 1 || count(watchOf(clock, disk)) != 1 {
		t.Errorf("%d entries are left, %d on the disk", n, count(watchOf(clock, disk)))
	}
}

// What the disk refuses is written with the next fetch; what it damages is fetched
// anew.
func TestTheDiskRefusesTheAttendance(t *testing.T) {
	disk := &dying{}
	w := watchOf(newTestClock(), disk)
	w.ready()
	one := lineOf(1, evening)
	w.seats.add(one)
	w.unsaved = []line{one}
	w.save()
	disk.left = -1
	w.save()
	again := watchOf(newTestClock(), disk)
	if _, ok := again.attended(one.seat); !ok {
		t.Error("an entry is lost")
	}
	for key := range disk.Kept {
		disk.Kept[key] = []byte("x")
	}
	again = watchOf(newTestClock(), disk)
	if _, ok := again.attended(one.seat); ok || !again.mark.IsZero() {
		t.Error("damaged, and believed")
	}
	again.seats.add(one)
	again.unsaved, again.mark = []line{one}, evening
	again.save()
	third := watchOf(newTestClock(), disk)
	if _, ok := third.attended(one.seat); !ok || !third.mark.Equal(evening) {
		t.Error("after the damage nothing is kept")
	}
}
