package journal

import (
	"context"
	"errors"
	"fmt"
	"os"

	"usher/scanner"
)

// OpenReadOnly opens the journal of a device that is not running, for export:
// the directory may be read-only or a copy. Nothing is written. Of a damaged
// file Each gives what a rescue would find.
func OpenReadOnly(dir string, sealer scanner.Sealer) (*Journal, error) {
	j := newJournal(Options{Dir: dir, Sealer: sealer})
	j.readOnly = true
	if info, err := os.Stat(j.path); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	} else if info.Size() == 0 {
		return nil, fmt.Errorf("journal: %s: %w", j.path, damaged("the file is empty"))
	}
	err := j.openTrees()
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
	return nil
}

// openRest reads what the damaged file still gives; nothing at all is an error.
func (j *Journal) openRest(cause error) error {
	found, err := salvage(j.path, nil)
	if err != nil {
		return err
	}
	if len(found.log) == 0 {
		return cause
	}
	j.damage, j.rest = cause, found
	return nil
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
		e := Entry{Record: unseal(&rec, j.opts.Sealer), Fate: rec.Fate}
		if f := j.rest.fates[seq]; f != nil {
			e.setFate(f)
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	return damaged("%s; %d records were found in what is left", causeText(j.damage), len(j.rest.log))
}
