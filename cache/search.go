package cache

import (
	"bytes"
	"context"
	"runtime"
	"runtime/debug"

	"usher/scanner"
)

// searchChunk is how many records a search opens before it lets go of the file,
// so that it delays neither a look-up nor the end of a generation.
const searchChunk = 256

// Search gives the tickets of the scope in whose name, order or seat (section
// included) every word of the text occurs, upper or lower case and accents or not:
// the first limit of them by name, section and seat. A row or section of one or two
// letters with a number is one word however it is written ("A12", "A-12", "A 12"),
// and is also found where the list has it in two columns or with words between.
//
// It reads the whole list, which takes seconds with a million tickets; the context
// ends it. It keeps no more than limit tickets in memory. Damaged records are
// passed over; a list whose pages do not hang together gives nothing. A text without words finds nothing.
func (s *Store) Search(ctx context.Context, scope scanner.Scope, text string, limit int) ([]scanner.Ticket, error) {
	q := parseQuery(text)
	if len(q) == 0 || limit <= 0 {
		return nil, nil
	}
	found := &hits{limit: limit}
	// Indexes are the same in every generation of a scope: when a new one comes
	// in the middle, the search goes on in it.
	from := []byte{}
	for from != nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		g := s.current.Load()
		if g == nil || g.id.Scope != scope {
			return nil, nil
		}
		r, ok := g.take()
		if !ok {
			continue
		}
		from = r.search(q, found, from)
		g.put(r)
		runtime.Gosched()
	}
	return found.tickets(), nil
}

// search looks through one chunk of records, and tells where the next begins;
// nil: at the end, or where the file cannot be read any further.
func (r *reader) search(q query, found *hits, from []byte) (next []byte) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			next = nil
		}
	}()
	if len(from) == 0 && r.pages.sound(uint64(r.cursor.Bucket().Root())) != nil {
		// Somewhere a walk would not end, so only look-ups are safe.
		return nil
	}
	key, value := r.cursor.Seek(from)
	for range searchChunk {
		if key == nil || bytes.Compare(key, from) < 0 {
			return nil
		}
		if t, err := r.open(key, value); err == nil && q.matches(&t) {
			found.add(t)
		}
		key, value = r.cursor.Next()
	}
	if bytes.Compare(key, from) <= 0 { // the end, or damage that leads in a circle
		return nil
	}
	return bytes.Clone(key)
}
