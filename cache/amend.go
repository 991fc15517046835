package cache

import (
	"bytes"
	"context"
	"errors"
	"os"
	"time"

	"usher/scanner"
)

// ErrBase is returned by Amend where the list is not the one that the changes are
// for, or cannot be read whole: only a whole list will do.
var ErrBase = errors.New("the list is not the one that the changes are for")

// Amend makes the next list of the present one and of what feed gives: tickets that
// are new, and tickets that differ, whole. All else is as with Build: until the swap,
// and for ever where anything fails, look-ups read the list before; memory grows with
// neither the list nor the changes. The present list must be of meta's scope and
// source and have the cursor. Where nothing differs nothing is written, and meta.Kept
// says so: the list there stays, with its cursor.
//
// The list stays as complete as it was. A ticket that the changes name twice, and not
// the same, is of status scanner.StatusTwice. Errors: ErrBase.
func (s *Store) Amend(ctx context.Context, cursor []byte, meta *Meta, feed func(add func(t scanner.Ticket, place string) error) error, progress func(n int)) error {
	return s.alone(ctx, func() error { return s.amend(ctx, cursor, meta, feed, progress) })
}

func (s *Store) amend(ctx context.Context, cursor []byte, meta *Meta, feed Feed, progress func(int)) error {
	s.sweep()
	started := time.Now()
	// Only builds replace it, and this is the one that runs.
	base := s.current.Load()
	if base == nil || base.hurt.Load() || base.id.Scope != meta.Scope || base.id.Source != meta.Source || !bytes.Equal(base.id.Cursor, cursor) {
		return ErrBase
	}
	records, err := s.key.Records(base.id.Salt)
	if err != nil {
		return err
	}
	in, err := s.takeIn(ctx, meta.Scope, records, feed, progress)
	if err != nil {
		return err
	}
	defer in.sorter.close()
	var twice repeats
	c := changes{in: in, rows: distinctRows(in.sorter, records, true, &twice)}
	if err := base.read(func(r *reader) error { return c.compare(ctx, r) }); err != nil {
		return s.explain(err)
	}
	if c.added+c.changed == 0 {
		meta.Kept = true
		return nil
	}
	id := base.id
	meta.Complete = id.Complete
	id.describe(meta)
	id.Schema, id.Distinct = schema, base.id.Distinct && base.id.Schema == schema
	id.Sum = nil
	if id.Distinct {
		id.Sum = c.over(base.id.Sum)
	}
	info, err := os.Stat(s.path(fileName))
	if err != nil {
		return err
	}
	if err := s.room(info.Size()); err != nil {
		return err
	}
	err = base.read(func(r *reader) error {
		return writeGeneration(ctx, s.path(nextName), &id, func(each func(index, sealed []byte) error) error { return c.merge(r, each) }, func() error {
			if id.Count != base.id.Count+c.added {
				return errDamaged
			}
			return nil
		})
	})
	if err == nil {
		err = s.publish()
	}
	if err != nil {
		return errors.Join(s.explain(err), remove(s.path(nextName)))
	}
	s.log.Info("ticket list amended", "tickets", id.Count, "added", c.added, "changed", c.changed, "took", time.Since(started).Round(time.Millisecond))
	return nil
}

// read lends a reader to a build that goes through the list. One that meets damage
// has the list loaded anew.
func (g *generation) read(use func(*reader) error) error {
	r, ok := g.take()
	if !ok {
		return ErrBase
	}
	defer g.put(r)
	err := use(r)
	if errors.Is(err, errDamaged) {
		g.hurt.Store(true)
		return errors.Join(ErrBase, err)
	}
	return err
}

// changes are what is to be made of a list.
type changes struct {
	in *intake
	// rows are the changes, each ticket once.
	rows rows
	// added tickets are new, changed ones differ; plus and minus are the sums of what
	// comes and of what goes.
	added, changed int
	plus, minus    sum
}

// compare counts what differs from the list.
func (c *changes) compare(ctx context.Context, r *reader) error {
	var old []byte
	return c.rows(func(index, sealed []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		plain, err := c.in.records.Open(nil, nil, sealed, index)
		if err != nil {
			return errSort
		}
		ticket, found := r.find(index)
		switch found {
		case scanner.Damaged:
			return errDamaged
		case scanner.Missing:
			c.added++
		default:
			if old = appendTicket(old[:0], &ticket); bytes.Equal(old, plain) {
				return nil
			}
			c.changed++
			c.minus.add(old)
		}
		c.plus.add(plain)
		return nil
	})
}

// over is the sum of the list with the changes made.
func (c *changes) over(base []byte) []byte {
	next := sum(base)
	next.plus(&c.plus)
	next.minus(&c.minus)
	return next[:]
}

// merge gives the list with the changes made.
func (c *changes) merge(r *reader, each func(index, sealed []byte) error) error {
	w, err := newWalk(r)
	if err != nil {
		return err
	}
	err = c.rows(func(index, sealed []byte) error {
		if err := w.upTo(index, each); err != nil {
			return err
		}
		return each(index, sealed)
	})
	if err != nil {
		return err
	}
	return w.upTo(endKey, each)
}
