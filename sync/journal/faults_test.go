package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"usher/scanner"
)

var errIO = errors.New("input/output error")

// failing makes one call of the store's next commit fail: the nth write, or the
// fdatasync behind it. A commit writes its pages, syncs, writes a meta page, and
// syncs again.
type failing struct {
	// write is the number of the write, from 1; 0: none.
	write int
	// how much of that write is done: "nothing", "half", "all".
	done string
	// sync: "pages" or "meta" whose fdatasync fails, after all that was written.
	sync string
}

func (f failing) String() string {
	if f.sync != "" {
		return "sync of " + f.sync
	}
	return fmt.Sprintf("write %d, %s of it done", f.write, f.done)
}

// failOn installs the fault in bbolt itself. The fdatasync fails because its
// descriptor is a pipe's by then; writes go through another one.
func failOn(t testing.TB, s *store, f failing) (undo func()) {
	t.Helper()
	ops := reflect.ValueOf(s.db).Elem().FieldByName("ops").FieldByName("writeAt")
	hook := (*func([]byte, int64) (int, error))(unsafe.Pointer(ops.UnsafeAddr()))
	plain := *hook
	fd := int(s.file.Fd())
	kept, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		t.Fatal(err)
	}
	n := 0
	*hook = func(p []byte, at int64) (int, error) {
		n++
		if f.write == n {
			part := map[string]int{"nothing": 0, "half": len(p) / 2, "all": len(p)}[f.done]
			if _, err := unix.Pwrite(kept, p[:part], at); err != nil {
				return 0, err
			}
			return part, errIO
		}
		meta := at < 2*s.pageSize
		if f.sync == "pages" && !meta || f.sync == "meta" && meta {
			if err := unix.Dup3(pipe[1], fd, unix.O_CLOEXEC); err != nil {
				return 0, err
			}
		}
		return unix.Pwrite(kept, p, at)
	}
	return func() {
		*hook = plain
		if err := errors.Join(unix.Dup3(kept, fd, unix.O_CLOEXEC), unix.Close(kept), unix.Close(pipe[0]), unix.Close(pipe[1])); err != nil {
			t.Error(err)
		}
	}
}

// failures are all the points at which a commit of an admission can fail.
func failures(t testing.TB) (list []failing) {
	t.Helper()
	opts := options(stateDir(t))
	j := open(t, opts)
	for n := range 30 {
		admit(t, j, n, scanner.FatePending)
	}
	writes := 0
	for n := 1; n < 20; n++ {
		undo := failOn(t, j.db, failing{write: n, done: "nothing"})
		_, err := j.Commit(t.Context(), entryChange(t, j, opts.Clock.(*clock), 100+n, scanner.FatePending))
		undo()
		if err == nil {
			break
		}
		writes = n
		if err := j.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if writes < 4 {
		t.Fatalf("a commit makes %d writes: the test sees nothing", writes)
	}
	for n := 1; n <= writes; n++ {
		for _, done := range []string{"nothing", "half", "all"} {
			list = append(list, failing{write: n, done: done})
		}
	}
	return append(list, failing{sync: "pages"}, failing{sync: "meta"})
}

// TestFaultAtEveryCall: wherever a commit fails, nothing of it is seen, not then,
// not after the repair, and not by the next life that finds what this one could
// not take back.
func TestFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, f := range failures(t) {
		for _, end := range []string{"repaired", "killed before the repair"} {
			t.Run(fmt.Sprintf("%s, %s", f, end), func(t *testing.T) { failOnce(t, f, end == "repaired") })
		}
	}
}

func failOnce(t *testing.T, f failing, repaired bool) {
	ctx := t.Context()
	opts := options(stateDir(t))
	c := opts.Clock.(*clock)
	j := reopen(t, opts)
	j.db.db.NoSync = true
	for n := range 30 {
		admit(t, j, n, scanner.FatePending)
	}
	j.db.db.NoSync = false
	first := admit(t, j, 50, scanner.FatePending)
	id, err := j.Attempt(ctx, Attempt{Scope: scope, Code: code(50), At: c.Now()})
	if err != nil {
		t.Fatal(err)
	}
	was := mark(t, j, 50)

	// An exit that withdraws the entry and spends an attempt: every tree changes.
	ch := entryChange(t, j, c, 50, scanner.FatePending)
	ch.Mark.Exited = true
	ch.Fate = &scanner.FateChange{Seq: first, From: scanner.FatePending, To: scanner.FateWithdrawn}
	ch.SpendAttempt = id
	undo := failOn(t, j.db, f)
	_, err = j.Commit(ctx, ch)
	undo()
	if err == nil && f.write > 4 {
		// This commit has fewer writes.
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	if !errors.Is(err, scanner.ErrNotStored) {
		t.Fatalf("commit: %v, want ErrNotStored", err)
	}
	good := func(when string) {
		t.Helper()
		if m := mark(t, j, 50); m.Exited || m.Open != was.Open || m.Last != was.Last {
			t.Errorf("%s: mark %+v, want %+v", when, m, was)
		}
		if got := fateOf(t, j, first); got != scanner.FatePending {
			t.Errorf("%s: the first entry is %q", when, got)
		}
		if got := len(history(t, j)); got != 31 {
			t.Errorf("%s: %d records, want 31", when, got)
		}
		if got := j.Attempts(scope, code(50)); len(got) != 1 {
			t.Errorf("%s: attempts %+v", when, got)
		}
		if s := j.Status(); s.Pending != 31 || s.Tallies[0].Entries != 31 {
			t.Errorf("%s: status %+v", when, s)
		}
	}
	good("after the failure")
	if repaired {
		if err := j.flush(ctx); err != nil {
			t.Fatal(err)
		}
		good("after the repair")
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	} else if err := j.closeStore(); err != nil {
		t.Fatal(err)
	}
	j = reopen(t, opts)
	good("in the next life")
	if seq := admit(t, j, 60, scanner.FatePending); seq <= first+1 {
		t.Errorf("seq %d was given again", seq)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	// A note of a failed commit is not followed twice.
	j = reopen(t, opts)
	if s := j.Status(); s.Pending != 32 {
		t.Errorf("in the third life %d are pending, want 32", s.Pending)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAnOldNoteOfDoubt: the note is cleared without a sync, so a power cut may
// bring it back; what the journal took back long ago, and what is said of another
// file, is left alone.
func TestAnOldNoteOfDoubt(t *testing.T) {
	ctx := t.Context()
	opts := options(stateDir(t))
	j := reopen(t, opts)
	seq := admit(t, j, 1, scanner.FatePending)
	j.db.commit = liar
	if err := j.Settle(ctx, []scanner.Settlement{{Seq: seq, To: scanner.FateParked}}); !errors.Is(err, scanner.ErrNotStored) {
		t.Fatal(err)
	}
	path := filepath.Join(opts.Dir, doubtName)
	note, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.flush(ctx); err != nil {
		t.Fatal(err)
	}
	check := func(which string) {
		t.Helper()
		if err := j.Settle(ctx, []scanner.Settlement{{Seq: seq, To: scanner.FateTaken}}); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, note, 0o600); err != nil {
			t.Fatal(err)
		}
		j = reopen(t, opts)
		if got := fateOf(t, j, seq); got != scanner.FateTaken {
			t.Errorf("%s: the record is %q, and was taken", which, got)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	check("the same journal")
	if err := errors.Join(os.Remove(filepath.Join(opts.Dir, fileName)), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	opts.Clock.(*clock).advance(time.Minute)
	j = reopen(t, opts)
	if again := admit(t, j, 1, scanner.FatePending); again != seq {
		t.Fatalf("seq %d, want %d", again, seq)
	}
	check("another journal")
}

// doubtEnv makes the test binary the process that fails and is killed.
const doubtEnv = "USHER_JOURNAL_DOUBT"

// failAndDie admits, fails at a point, says so, and is killed before it repairs
// anything.
func failAndDie(dir string, point string) error {
	j, err := Open(options(dir))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(point)
	if err != nil {
		return err
	}
	t := &reportless{}
	c := j.opts.Clock.(*clock)
	for ticket := range 5 {
		fmt.Println("admitted", admit(t, j, n*100+ticket, scanner.FatePending))
	}
	points := []failing{{sync: "meta"}, {sync: "pages"}, {write: 2, done: "half"}, {write: 1, done: "all"}, {write: 4, done: "all"}}
	failOn(t, j.db, points[n%len(points)])
	if _, err := j.Commit(context.Background(), entryChange(t, j, c, n*100+50, scanner.FatePending)); errors.Is(err, scanner.ErrNotStored) {
		fmt.Println("refused", n*100+50)
	} else {
		return fmt.Errorf("not refused: %v", err)
	}
	return unix.Kill(os.Getpid(), syscall.SIGKILL)
}

// reportless lets helpers of tests run outside a test.
type reportless struct{ testing.TB }

func (*reportless) Helper()           {}
func (*reportless) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
func (*reportless) Error(args ...any) { panic(fmt.Sprint(args...)) }

// TestKilledInDoubt kills the process between the failure and its repair.
func TestKilledInDoubt(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	admitted := map[uint64]bool{}
	for n := range 10 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), doubtEnv+"="+dir+":"+strconv.Itoa(n))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("life %d: %v, %s", n, err, out)
		}
		if !strings.Contains(string(out), "refused") {
			t.Fatalf("life %d: %s", n, out)
		}
		for line := range strings.Lines(string(out)) {
			if seq, ok := strings.CutPrefix(strings.TrimSpace(line), "admitted "); ok {
				v, err := strconv.ParseUint(seq, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				admitted[v] = true
			}
		}
		j := reopen(t, options(dir))
		for _, e := range history(t, j) {
			if !admitted[e.Seq] {
				t.Errorf("life %d: record %d of %s counts as stored, and was shown as not stored", n, e.Seq, string(e.Code))
			}
		}
		if got := j.Status().Pending; got != len(admitted) {
			t.Errorf("life %d: %d are pending, want %d", n, got, len(admitted))
		}
		if mark(t, j, n*100+50).Entered {
			t.Errorf("life %d: the refused ticket has entered", n)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCutOffUnderARunningJournal: whatever becomes of the file under it, every
// call of the journal comes back, what is in doubt is never green, and Status
// says what is wrong.
func TestCutOffUnderARunningJournal(t *testing.T) {
	t.Parallel()
	page := int64(os.Getpagesize())
	for name, harm := range map[string]func(t *testing.T, j *Journal){
		"to nothing":          func(t *testing.T, j *Journal) { truncate(t, j.path, 0) },
		"to one page":         func(t *testing.T, j *Journal) { truncate(t, j.path, page) },
		"to two pages":        func(t *testing.T, j *Journal) { truncate(t, j.path, 2*page) },
		"to nine pages":       func(t *testing.T, j *Journal) { truncate(t, j.path, 9*page) },
		"both meta pages":     func(t *testing.T, j *Journal) { overwrite(t, j.path, 0, make([]byte, 2*page)) },
		"bbolt's locks stuck": stick,
	} {
		t.Run(name, func(t *testing.T) {
			opts := options(stateDir(t))
			c := opts.Clock.(*clock)
			j := reopen(t, opts)
			for n := range 200 {
				admit(t, j, n, scanner.FatePending)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				harm(t, j)
				var wg sync.WaitGroup
				for lane := range 4 {
					wg.Go(func() {
						for n := range 5 {
							_, _ = j.Mark(scope, code(n))
							_, _ = j.Scans(0, 10)
							m, _ := j.Mark(scope, code(1000*lane+n))
							m.Entered = true
							_, _ = j.Commit(context.Background(), scanner.Change{Record: record(c, 1000*lane+n, scanner.FatePending), Mark: &m})
						}
					})
				}
				wg.Wait()
				_ = j.flush(context.Background())
			}()
			select {
			case <-ended:
			case <-time.After(time.Minute):
				t.Fatal("the journal hangs")
			}
			s := j.Status()
			if len(s.Problems) == 0 || !strings.Contains(strings.Join(s.Problems, " "), "damaged") {
				t.Errorf("status says nothing: %+v", s)
			}
			if _, err := j.Commit(t.Context(), entryChange(t, j, c, 9000, scanner.FatePending)); err != nil {
				t.Errorf("no scan is stored afterwards: %v", err)
			}
			if err := j.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Error(err)
	}
}

// stick makes bbolt panic with its lock held: what is looked at first is another
// file, so that the harm is only met inside.
func stick(t *testing.T, j *Journal) {
	whole, err := os.ReadFile(j.path)
	if err != nil {
		t.Error(err)
		return
	}
	other := j.path + ".other"
	if err := os.WriteFile(other, whole, 0o600); err != nil {
		t.Error(err)
		return
	}
	f, err := os.Open(other)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	own := j.db.file
	j.db.file, j.db.path = f, other
	truncate(t, j.path, 0)
	if _, err := j.db.begin(true); !errors.Is(err, ErrDamaged) || !j.db.stuck.Load() {
		t.Errorf("begin on a file that is gone: %v", err)
	}
	j.db.file, j.db.path = own, j.path
	overwrite(t, j.path, 0, whole)
}
