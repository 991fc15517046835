package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"usher/scanner"
)

// OpenReadOnly opens the journal of a device that is not running, for export:
// the directory may be read-only or a copy, and a file's path opens that file, one
// that was moved aside for example. Nothing is written. Of a damaged file Each
// gives what a rescue would find.
func OpenReadOnly(path string, sealer scanner.Sealer) (*Journal, error) {
	j := newJournal(Options{Dir: path, Sealer: sealer})
	j.readOnly = true
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		j.path, j.opts.Dir = path, filepath.Dir(path)
	} else if err == nil {
		info, err = os.Stat(j.path)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("journal: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("journal: %s: %w", j.path, damaged("it is no file but %s", info.Mode()))
	case info.Size() == 0:
		return nil, fmt.Errorf("journal: %s: %w", j.path, damaged("the file is empty"))
	}
	err = j.openTrees()
	if errors.Is(err, ErrDamaged) {
		err = j.openRest(err)
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return j, nil
}

func (j *Journal) openTrees() error {
	s, err := openStore(j.path, storeOptions{readOnly: true})
	if err != nil {
		return err
	}
	if err := j.checkIdentity(s); err != nil {
		return errors.Join(err, s.close())
	}
	if err := j.use(s); err != nil {
		return errors.Join(err, s.close())
	}
	// What a failed commit left does not count: readers see what was before it.
	if err := j.recallDoubt(j.scrubbed); err != nil {
		return errors.Join(err, j.closeStore())
	}
	return nil
}

// openRest reads what the damaged file still gives; nothing at all is an error.
func (j *Journal) openRest(cause error) error {
	found, err := j.salvage()
	if err != nil {
		return err
	}
	if len(found.log) == 0 {
		return cause
	}
	j.damage, j.rest = cause, found
	return nil
}

// Damage says in words what is wrong with the journal of a device that is not
// running, and which damaged ones lie aside; empty: nothing is. Nothing is written.
// Errors: the file cannot be opened at all, or was written by a newer usher
// ([ErrNewer]).
func Damage(dir string) ([]string, error) {
	j, err := OpenReadOnly(dir, nil)
	var said []string
	switch {
	case errors.Is(err, ErrDamaged):
		said = append(said, fmt.Sprintf("%v; it will be moved aside at the next start, and a new one begun", err))
		j = newJournal(Options{Dir: dir})
	case err != nil:
		return nil, err
	case j.rest != nil:
		lost := "nothing is missing"
		if j.rest.lost != "" {
			lost = j.rest.lost
		}
		said = append(said, fmt.Sprintf("%s: %v; it will be moved aside at the next start, and carried over: %s; %s", j.path, j.damage, j.rest.carried(), lost))
	}
	return append(said, j.Damaged()...), j.closeStore()
}

// Damaged says in words which damaged journals lie in the directory of one that
// was opened read-only, the opened one excepted.
func (j *Journal) Damaged() []string {
	if j.rest != nil {
		for _, r := range j.rest.rescues {
			j.rescues = append(j.rescues, *r)
		}
	}
	if err := j.findDamaged(); err != nil {
		return []string{err.Error()}
	}
	var said []string
	for _, d := range j.damagedFiles {
		if filepath.Join(d.dir, d.name) != j.path {
			said = append(said, d.String())
		}
	}
	return said
}

// eachRest gives what was found of the history from a number on, and the damage.
func (j *Journal) eachRest(ctx context.Context, from uint64, fn func(Entry) error) error {
	for _, seq := range j.rest.seqs() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if seq < from {
			continue
		}
		rec := *j.rest.log[seq]
		e := written(unseal(&rec, j.opts.Sealer))
		if f := j.rest.fates[seq]; f != nil {
			f.tell(&e)
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	return damaged("%s; %d records were found in what is left", causeText(j.damage), len(j.rest.log))
}
