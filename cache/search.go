package cache

import (
	"bytes"
	"context"
	"runtime"
	"runtime/debug"
	"strings"

	"usher/scanner"
)

// searchChunk is how many records a search opens before it lets go of the file,
// so that it delays neither a look-up nor the end of a generation.
const searchChunk = 256

// Search gives up to limit tickets of the scope in whose name, order or seat
// (section included) every word of the query occurs, upper or lower case and
// accents or not. The order is arbitrary but stable. It reads the whole list,
// which takes seconds with a million tickets; the context ends it. Damaged
// records are passed over. A query without words finds nothing.
func (s *Store) Search(ctx context.Context, scope scanner.Scope, query string, limit int) ([]scanner.Ticket, error) {
	words := strings.Fields(fold(query))
	if len(words) == 0 || limit <= 0 {
		return nil, nil
	}
	var found []scanner.Ticket
	// Indexes are the same in every generation of a scope: when a new one comes
	// in the middle, the search goes on in it.
	from := []byte{}
	for from != nil && len(found) < limit {
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
		found, from = r.search(words, found, limit, from)
		g.put(r)
		runtime.Gosched()
	}
	return found, nil
}

// search looks through one chunk of records, and tells where the next begins;
// nil: at the end, or where the file cannot be read any further.
func (r *reader) search(words []string, found []scanner.Ticket, limit int, from []byte) (all []scanner.Ticket, next []byte) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	all = found
	defer func() {
		if recover() != nil {
			next = nil
		}
	}()
	key, value := r.cursor.Seek(from)
	for range searchChunk {
		if key == nil || len(all) == limit || bytes.Compare(key, from) < 0 {
			return all, nil
		}
		if t, err := r.open(key, value); err == nil && matches(&t, words) {
			all = append(all, t)
		}
		key, value = r.cursor.Next()
	}
	if bytes.Compare(key, from) <= 0 { // the end, or damage that leads in a circle
		return all, nil
	}
	return all, bytes.Clone(key)
}

func matches(t *scanner.Ticket, words []string) bool {
	text := fold(t.Name + "\n" + t.Order + "\n" + t.Section + " " + t.Seat)
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}
