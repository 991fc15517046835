package journal

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/scanner"
)

// TestTheFileLosesItsName under an open journal: what was committed to it is
// written anew before the next green light, which would be gone with the process.
func TestTheFileLosesItsName(t *testing.T) {
	for name, tc := range map[string]struct {
		harm  func(path string) error
		aside int
		cause string
	}{
		"deleted":    {os.Remove, 0, "deleted or moved away"},
		"moved away": {func(path string) error { return os.Rename(path, path+".mine") }, 0, "deleted or moved away"},
		"replaced": {func(path string) error {
			if err := os.WriteFile(path+".other", []byte("another"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".other", path)
		}, 1, "replaced by another"},
		"a directory": {func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.MkdirAll(filepath.Join(path, "x"), 0o700)
		}, 1, "replaced by another"},
	} {
		t.Run(name, func(t *testing.T) {
			opts := options(stateDir(t))
			j := open(t, opts)
			admit(t, j, 1, scanner.FatePending)
			if err := tc.harm(j.path); err != nil {
				t.Fatal(err)
			}
			if m := mark(t, j, 1); !m.Entered {
				t.Errorf("mark %+v", m)
			}
			admit(t, j, 2, scanner.FatePending)
			problems := j.Status().Problems
			if len(problems) != 1 || !strings.Contains(problems[0], tc.cause) || !strings.Contains(problems[0], "nothing is missing") {
				t.Errorf("problems %q", problems)
			}
			if n := len(damagedAside(t, opts.Dir)); n != tc.aside {
				t.Errorf("%d files aside, want %d", n, tc.aside)
			}
			// The process dies.
			if err := j.closeStore(); err != nil {
				t.Fatal(err)
			}
			j = open(t, opts)
			for n := 1; n <= 2; n++ {
				if m := mark(t, j, n); !m.Entered || m.Open != 1 {
					t.Errorf("mark %d: %+v", n, m)
				}
			}
			if m := mark(t, j, 3); m.Unproven {
				t.Error("in doubt though nothing is missing")
			}
		})
	}
}

// TestWhatIsNoFile in the journal's place is moved aside like a damaged file.
func TestWhatIsNoFile(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"directory":     func(path string) error { return os.MkdirAll(filepath.Join(path, "x"), 0o700) },
		"FIFO":          func(path string) error { return unix.Mkfifo(path, 0o600) },
		"dangling link": func(path string) error { return os.Symlink("nowhere", path) },
	} {
		t.Run(name, func(t *testing.T) {
			opts := options(stateDir(t))
			path := filepath.Join(opts.Dir, fileName)
			if err := harm(path); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenReadOnly(opts.Dir, nil); err == nil {
				t.Error("read-only: no error")
			}
			j := open(t, opts)
			problems := j.Status().Problems
			if len(problems) != 1 || !strings.Contains(problems[0], "0 records") || len(damagedAsideAny(t, opts.Dir)) != 1 {
				t.Errorf("problems %q", problems)
			}
			if m := mark(t, j, 1); !m.Unproven {
				t.Error("what was there before cannot be known, and nobody is told")
			}
			admit(t, j, 1, scanner.FatePending)
		})
	}
}

// damagedAsideAny also sees links that lead nowhere.
func damagedAsideAny(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), damagedPrefix) {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestDoubtEndsWithTheFile: a ticket without a mark is in doubt after a damage
// that may have taken marks, over restarts, until a person moves the file away.
func TestDoubtEndsWithTheFile(t *testing.T) {
	tm := makeTemplate(t)
	opts := tm.write(t, func(raw []byte) []byte { return raw[:len(raw)/2/4096*4096] })
	j := open(t, opts)
	for range 2 {
		if m := mark(t, j, 5000); !m.Unproven {
			t.Error("not in doubt")
		}
		problem := strings.Join(j.Status().Problems, "\n")
		for _, want := range []string{"missing", "numbers", "for a supervisor", "usher export --state-dir " + opts.Dir} {
			if !strings.Contains(problem, want) {
				t.Errorf("%q is not in %q", want, problem)
			}
		}
		closeAndCheck(t, j)
		j = open(t, opts)
	}
	// A supervisor admits it all the same, and then it is known.
	seq := admit(t, j, 5000, scanner.FatePending)
	if m := mark(t, j, 5000); m.Unproven || m.Last != seq {
		t.Errorf("admitted: %+v", m)
	}
	if err := os.Remove(damagedAside(t, opts.Dir)[0]); err != nil {
		t.Fatal(err)
	}
	if err := j.findDamaged(); err != nil || mark(t, j, 5001).Unproven {
		t.Errorf("still in doubt, %v", err)
	}
}

// TestRunSeesTheFileGo within seconds.
func TestRunSeesTheFileGo(t *testing.T) {
	running(t, func(t *testing.T, j *Journal, _ *clock) {
		aside := j.path + ".damaged-1"
		if err := os.WriteFile(aside, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := j.findDamaged(); err != nil || !mark(t, j, 1).Unproven {
			t.Fatalf("not in doubt, %v", err)
		}
		if err := os.Remove(aside); err != nil {
			t.Fatal(err)
		}
		j.wake()
		wait(t.Context(), 2*lookAside)
		if mark(t, j, 1).Unproven {
			t.Error("the file is gone, and nobody saw it")
		}
	})
}

// TestDamageOfAStoppedDevice is told without changing anything.
func TestDamageOfAStoppedDevice(t *testing.T) {
	tm := makeTemplate(t)
	for name, tc := range map[string]struct {
		harm func([]byte) []byte
		want string
	}{
		"well":      {func(raw []byte) []byte { return raw }, ""},
		"two metas": {func(raw []byte) []byte { clear(raw[:8192]); return raw }, fmt.Sprint(2*tickets, " records")},
		"one meta":  {func(raw []byte) []byte { clear(raw[:4096]); return raw }, fmt.Sprint("carried over: ", 2*tickets, " records")},
		"empty":     {func([]byte) []byte { return nil }, "the file is empty"},
		"noise":     {func([]byte) []byte { return bytes.Repeat([]byte("noise"), 9999) }, "both meta pages"},
	} {
		t.Run(name, func(t *testing.T) {
			opts := tm.write(t, tc.harm)
			path := filepath.Join(opts.Dir, fileName)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			said, err := Damage(opts.Dir)
			if err != nil || strings.Join(said, "\n") == "" != (tc.want == "") || !strings.Contains(strings.Join(said, "\n"), tc.want) {
				t.Errorf("said %q, %v", said, err)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) || len(damagedAside(t, opts.Dir)) > 0 {
				t.Errorf("changed, %v", err)
			}
			if tc.want == "" {
				return
			}
			open(t, opts).Close()
			if said, err = Damage(opts.Dir); err != nil || len(said) != 1 || !strings.Contains(said[0], "lies aside since") {
				t.Errorf("rescued: said %q, %v", said, err)
			}
			// The file itself can be exported where it lies.
			j, err := OpenReadOnly(damagedAside(t, opts.Dir)[0], opts.Sealer)
			if strings.Contains(name, "meta") != (err == nil) {
				t.Fatalf("export of the damaged file: %v", err)
			}
			if err == nil {
				n := 0
				_ = j.Each(context.Background(), func(Entry) error { n++; return nil })
				if n != len(tm.records) {
					t.Errorf("%d records of the damaged file", n)
				}
				j.Close()
			}
		})
	}
}

// TestAnUndoProvesNothing: a supervisor admits a ticket whose mark may be lost, and
// takes it back.
func TestAnUndoProvesNothing(t *testing.T) {
	opts := options(stateDir(t))
	if err := os.MkdirAll(filepath.Join(opts.Dir, fileName, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	j := open(t, opts)
	in := admit(t, j, 1, scanner.FatePending)
	m := mark(t, j, 1)
	if m.Unproven {
		t.Error("somebody vouched for this one")
	}
	m.Entered, m.EnteredAt, m.Open, m.Undone, m.EventEnds = false, time.Time{}, 0, true, noon
	undo := scanner.Change{
		Record: scanner.Record{Kind: scanner.KindUndo, Scope: scope, Code: code(1), By: "ann", Of: in},
		Mark:   &m,
		Fate:   &scanner.FateChange{Seq: in, From: scanner.FatePending, To: scanner.FateWithdrawn},
	}
	if _, err := j.Commit(context.Background(), undo); err != nil {
		t.Fatal(err)
	}
	if m := mark(t, j, 1); !m.Unproven || m.Rev == 0 {
		t.Errorf("after the undo: %+v", m)
	}
	closeAndCheck(t, j)
	j = open(t, opts)
	if m := mark(t, j, 1); !m.Unproven {
		t.Errorf("after a restart: %+v", m)
	}
	if err := os.RemoveAll(filepath.Join(opts.Dir, damagedAsideAny(t, opts.Dir)[0])); err != nil {
		t.Fatal(err)
	}
	if err := j.findDamaged(); err != nil || mark(t, j, 1).Unproven {
		t.Errorf("the damaged file is gone, and the ticket still in doubt: %v", err)
	}
}
