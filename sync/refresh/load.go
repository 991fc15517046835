package refresh

import (
	"context"
	"encoding/json"
	"errors"

	"usher/scanner"
)

// errEmpty ends a build of a list that says nothing: outside its window a vendor
// lists no tickets, which is no reason to forget those it listed before.
var errEmpty = errors.New("empty list")

// errWhole says that no delta goes on from the list that is there.
var errWhole = errors.New("only the whole list will do")

// place is where the next delta of a list goes on. It is kept as the list's cursor.
type place struct {
	// Vendor is the vendor's own cursor, Full when the list was last fetched whole.
	Vendor []byte        `json:"vendor"`
	Full   scanner.Stamp `json:"full"`
}

func (p place) encode() ([]byte, error) {
	if p.Vendor == nil {
		return nil, nil
	}
	return json.Marshal(p)
}

// base is the list that a delta goes on from.
type base struct {
	source string
	cursor []byte
	place  place
}

// base gives the list that is there, where a delta can go on from it.
func (l *Lists) base() (base, bool) {
	source, cursor, ok := l.o.Store.Source(l.o.Scope)
	b := base{source: source, cursor: cursor}
	if !ok || l.o.Changes == nil || json.Unmarshal(cursor, &b.place) != nil || b.place.Vendor == nil {
		return base{}, false
	}
	return b, !l.o.Store.Damaged(l.o.Scope)
}

// load has the store replace the list, unless what the vendor gave is what is
// there, in whatever order it came.
func (l *Lists) load(ctx context.Context, begun scanner.Stamp, progress func(int)) error {
	meta := Meta{Scope: l.o.Scope, GeneratedAt: l.o.Clock.True(begun).At, Checked: begun, Repeats: true, KeepSame: true}
	err := l.o.Store.Build(ctx, &meta, func(add func(scanner.Ticket, string) error) error {
		some := false
		page, err := l.o.Lister.List(ctx, func(t scanner.Ticket, place string) error {
			some = true
			return add(t, place)
		})
		if err != nil {
			return err
		}
		if !some && !page.Complete {
			return errEmpty
		}
		meta.Complete, meta.Source = page.Complete, page.Source
		meta.Cursor, err = place{page.Cursor, begun}.encode()
		return err
	}, progress)
	if err == nil && meta.Kept {
		l.o.Store.Checked(l.o.Scope, begun)
	}
	return err
}

// amend has the store make the changes that the vendor gives. Where there are none,
// the list stays with its cursor: the next delta says a little more, and nothing
// is written. Errors: errWhole.
func (l *Lists) amend(ctx context.Context, begun scanner.Stamp, progress func(int)) error {
	from, ok := l.base()
	if !ok {
		return errWhole
	}
	meta := Meta{Scope: l.o.Scope, GeneratedAt: l.o.Clock.True(begun).At, Checked: begun, Source: from.source}
	err := l.o.Store.Amend(ctx, from.cursor, &meta, func(add func(scanner.Ticket, string) error) error {
		page, err := l.o.Changes.Changes(ctx, from.place.Vendor, add)
		if err == nil && (page.Source != from.source || page.Cursor == nil) {
			err = scanner.ErrCursor
		}
		if err != nil {
			return err
		}
		meta.Cursor, err = place{page.Cursor, from.place.Full}.encode()
		return err
	}, progress)
	_, still := l.base()
	switch {
	case errors.Is(err, scanner.ErrCursor) || err != nil && !still:
		l.o.Log.Info("the whole ticket list is needed", "err", err)
		return errWhole
	case err == nil && meta.Kept:
		l.o.Store.Checked(l.o.Scope, begun)
	}
	return err
}
