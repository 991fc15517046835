package journal

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"usher/scanner"
)

// badSectors is a file of which some blocks cannot be read.
type badSectors struct {
	*bytes.Reader
	bad map[int64]bool
}

func (f badSectors) ReadAt(b []byte, at int64) (int, error) {
	for n := range b {
		if f.bad[(at+int64(n))/patientBlock] {
			got, _ := f.Reader.ReadAt(b[:n], at)
			return got, &os.PathError{Op: "read", Path: fileName, Err: unix.EIO}
		}
	}
	return f.Reader.ReadAt(b, at)
}

// TestScanReadsOnBehindABadSector: what lies in other blocks is found. A run loses
// every third block; USHER_SWEEP=full each.
func TestScanReadsOnBehindABadSector(t *testing.T) {
	tm := makeTemplate(t)
	whole := newSalvaged()
	if err := scan(bytes.NewReader(tm.raw), whole); err != nil {
		t.Fatal(err)
	}
	first, stride := rand.Int64N(3), int64(3)
	if os.Getenv("USHER_SWEEP") == "full" {
		first, stride = 0, 1
	}
	for page := first; page < int64(len(tm.raw))/patientBlock; page += stride {
		found := newSalvaged()
		if err := scan(badSectors{bytes.NewReader(tm.raw), map[int64]bool{page: true}}, found); err != nil {
			t.Fatal(err)
		}
		zeroed := bytes.Clone(tm.raw)
		clear(zeroed[page*patientBlock : (page+1)*patientBlock])
		want := newSalvaged()
		if err := scan(bytes.NewReader(zeroed), want); err != nil {
			t.Fatal(err)
		}
		if len(found.log) != len(want.log) || len(found.marks) != len(want.marks) || len(found.log) == 0 {
			t.Errorf("block %d: %d records and %d marks, want %d and %d", page, len(found.log), len(found.marks), len(want.log), len(want.marks))
		}
	}
	if len(whole.log) != len(tm.records) {
		t.Errorf("%d records, want %d", len(whole.log), len(tm.records))
	}
}

// TestABadSectorIsDamage, which a rescue ends, and not an error that stays.
func TestABadSectorIsDamage(t *testing.T) {
	tm := makeTemplate(t)
	l := &layout{file: badSectors{bytes.NewReader(tm.raw), map[int64]bool{5: true}}, size: int64(len(tm.raw)), page: 4096, high: 100, used: map[uint64]struct{}{}}
	if _, _, _, err := l.read(5); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "page 5 cannot be read") {
		t.Errorf("got %v", err)
	}
}

// inside is how many have entered at a journal that is crowded.
const inside = 300

// crowded is a small disk with a damaged journal and no room for a second one.
func crowded(t *testing.T) small {
	disk := smallDisk(t, "32m")
	j, err := Open(disk.opts)
	if err != nil {
		t.Fatal(err)
	}
	j.db.db.NoSync = true
	for n := range inside {
		admit(t, j, n, scanner.FatePending)
	}
	j.Note(refusal(disk.opts.Clock.(*clock), 7))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	disk.fill(nil)
	overwrite(t, filepath.Join(disk.opts.Dir, fileName), 40*4096, []byte{7})
	return disk
}

// TestDamagedAndNoRoom: usher starts, knows who is inside, stores nothing, leaves
// one name only, and goes on by itself once there is room.
func TestDamagedAndNoRoom(t *testing.T) {
	disk := crowded(t)
	ctx := context.Background()
	var j *Journal
	for range 3 {
		var err error
		if j, err = Open(disk.opts); err != nil {
			t.Fatal(err)
		}
		if n := len(damagedAside(t, disk.opts.Dir)); n != 0 {
			t.Fatalf("%d names aside, and no rescue", n)
		}
		if _, err := os.Stat(filepath.Join(disk.opts.Dir, newName)); err == nil {
			t.Error("a half new journal takes the room that is left")
		}
		if s := j.Status(); s.Writable || len(s.Problems) == 0 || !strings.Contains(s.Problems[0], "free space in "+disk.opts.Dir) {
			t.Errorf("status: %v, %q", s.Writable, s.Problems)
		}
		if !mark(t, j, 3).Entered || mark(t, j, 99999).Entered {
			t.Error("marks are not those of the file")
		}
		if _, err := j.Commit(ctx, entryChange(t, j, disk.opts.Clock.(*clock), 99999, scanner.FatePending)); !errors.Is(err, scanner.ErrNotStored) {
			t.Errorf("commit: %v", err)
		}
		_ = j.Close()
	}
	j, err := Open(disk.opts)
	if err != nil {
		t.Fatal(err)
	}
	noted := j.Note(refusal(disk.opts.Clock.(*clock), 8))
	disk.release(nil)
	if err := j.flush(ctx); err != nil {
		t.Fatal(err)
	}
	admit(t, j, 99999, scanner.FatePending)
	if s := j.Status(); !s.Writable || s.Pending < inside-100 || !mark(t, j, 3).Entered || len(damagedAside(t, disk.opts.Dir)) != 1 {
		t.Errorf("with room again: %+v", s)
	}
	seen := map[uint64]bool{}
	for _, e := range history(t, j) {
		if seen[e.Seq] {
			t.Errorf("number %d is there twice", e.Seq)
		}
		seen[e.Seq] = true
	}
	if !seen[noted] || len(seen) < inside-100 {
		t.Errorf("%d records, the note among them: %v", len(seen), seen[noted])
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// TestNumbersOfAFileThatCannotBeRead: a note takes no record's number where that may
// be readable again later.
func TestNumbersOfAFileThatCannotBeRead(t *testing.T) {
	tm := makeTemplate(t)
	for _, c := range []struct {
		harm func([]byte) []byte
		jump bool
	}{
		{func(raw []byte) []byte { return raw }, false},
		{func(raw []byte) []byte { clear(raw); return raw }, true},
	} {
		j := newJournal(tm.write(t, c.harm))
		if err := j.postpone(unix.EROFS); err != nil {
			t.Fatal(err)
		}
		if seq := j.Note(refusal(newClock(), 1)); seq > unreadNumbers != c.jump || seq <= uint64(len(tm.records)) {
			t.Errorf("the note is number %d", seq)
		}
	}
}

// TestNoSecondNames: on vfat there are no links; a death between the two renames
// costs nothing.
func TestNoSecondNames(t *testing.T) {
	tm := makeTemplate(t)
	opts := tm.write(t, func(raw []byte) []byte { raw[6*4096+2] ^= 7; return raw })
	j := newJournal(opts)
	j.link = func(string, string) error { return unix.EPERM }
	if err := errors.Join(j.openOrCreate(), j.closeStore()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(j.path, filepath.Join(opts.Dir, newName)); err != nil {
		t.Fatal(err)
	}
	j = open(t, opts)
	if n := len(damagedAside(t, opts.Dir)); n != 1 {
		t.Errorf("%d files aside, want 1", n)
	}
	if lost, marks := tm.compare(t, j); lost+marks > 0 {
		t.Errorf("%d records and %d marks are lost", lost, marks)
	}
}

// TestNoRoomForTheNote: a note of doubt that cannot be made is told, and made later.
func TestNoRoomForTheNote(t *testing.T) {
	disk := smallDisk(t, "12m,nr_inodes=8")
	j, err := Open(disk.opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(disk.opts.Dir, doubtName)); err != nil {
		t.Fatal(err)
	}
	var more []string
	for {
		f, err := os.CreateTemp(disk.opts.Dir, "x")
		if err != nil {
			break
		}
		more = append(more, f.Name())
		_ = f.Close()
	}
	if j, err = Open(disk.opts); err != nil {
		t.Fatal(err)
	}
	if told := strings.Join(j.Status().Problems, "\n"); !strings.Contains(told, doubtName+" cannot be made") {
		t.Errorf("told: %q", told)
	}
	for _, name := range more {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.findDamaged(); err != nil {
		t.Fatal(err)
	}
	if told := j.Status().Problems; len(told) > 0 {
		t.Errorf("still told: %q", told)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// TestReadOnlyFileSystem: usher starts, says what to do, and writes once it may.
func TestReadOnlyFileSystem(t *testing.T) {
	disk := smallDisk(t, "12m")
	j, err := Open(disk.opts)
	if err != nil {
		t.Fatal(err)
	}
	admit(t, j, 1, scanner.FatePending)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	remount := func(flags uintptr) {
		if err := unix.Mount("tmpfs", disk.opts.Dir, "tmpfs", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(unix.MS_RDONLY)
	if j, err = Open(disk.opts); err != nil {
		t.Fatal(err)
	}
	said := strings.Join(j.Status().Problems, "\n")
	if !strings.Contains(said, "read-only, the card may be dying: export with usher export --state-dir "+disk.opts.Dir) || strings.Contains(said, "full") {
		t.Errorf("said: %q", said)
	}
	if !mark(t, j, 1).Entered {
		t.Error("who is inside is not known")
	}
	seq := j.Note(refusal(disk.opts.Clock.(*clock), 2))
	remount(0)
	if err := j.flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if list := history(t, j); len(list) != 2 || list[1].Seq != seq || j.Status().Pending != 1 {
		t.Errorf("history: %+v", list)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// TestExportLeavesOutDoubt: a scan whose commit failed is none, also for who looks at
// the directory of a device that died before it took the commit back.
func TestExportLeavesOutDoubt(t *testing.T) {
	// The file that is left is beyond reading, on purpose.
	opts := options(t.TempDir())
	j := open(t, opts)
	admit(t, j, 1, scanner.FatePending)
	j.db.commit = func(tx *bbolt.Tx) error { return errors.Join(tx.Commit(), unix.EIO) }
	if _, err := j.Commit(context.Background(), entryChange(t, j, opts.Clock.(*clock), 2, scanner.FatePending)); !errors.Is(err, scanner.ErrNotStored) {
		t.Fatal(err)
	}
	dead := t.TempDir()
	for _, name := range []string{fileName, doubtName} {
		raw, err := os.ReadFile(filepath.Join(opts.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dead, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k, err := OpenReadOnly(dead, nil)
	if err != nil {
		t.Fatal(err)
	}
	if list := history(t, k); len(list) != 1 || list[0].Code != code(1) {
		t.Errorf("export shows %+v", list)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
}

// TestALiveJournalIsNotDamaged: who may not look at it yet says so, and nothing else.
func TestALiveJournalIsNotDamaged(t *testing.T) {
	opts := options(stateDir(t))
	open(t, opts)
	// As a look in the middle of a commit would find it.
	overwrite(t, filepath.Join(opts.Dir, fileName), 30, []byte{9, 9, 9})
	defer overwrite(t, filepath.Join(opts.Dir, fileName), 30, []byte{0, 0, 0})
	if _, err := OpenReadOnly(opts.Dir, nil); err == nil || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "held by another process") {
		t.Errorf("got %v", err)
	}
}

// TestMendMakesNothingUp: a frame that only looks as if one byte were wrong is none.
func TestMendMakesNothingUp(t *testing.T) {
	key := seqKey(7)
	rec := logEntry{Record: record(newClock(), 1, scanner.FatePending)}
	rec.Seq = 7
	whole, err := encode(kindLog, hintPending, key, rec)
	if err != nil {
		t.Fatal(err)
	}
	if !asWritten(whole) {
		t.Error("a record as it was written is refused")
	}
	for name, harm := range map[string]func(string) string{
		"no text":        func(s string) string { return strings.Replace(s, "TICKET", "TIC\xffET", 1) },
		"a space":        func(s string) string { return strings.Replace(s, `"seq":7`, `"seq": 7`, 1) },
		"another name":   func(s string) string { return strings.Replace(s, `"seq"`, `"Seq"`, 1) },
		"an unknown one": func(s string) string { return strings.Replace(s, `"verdict"`, `"verdikt"`, 1) },
	} {
		raw := append(bytes.Clone(whole[:headerLen]), harm(string(whole[headerLen:]))...)
		if bytes.Equal(raw, whole) {
			t.Errorf("%s: the test changes nothing in %s", name, whole[headerLen:])
		}
		if asWritten(raw) {
			t.Errorf("%s: taken", name)
		}
	}
}
