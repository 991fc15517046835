package journal

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Since gives the oldest records with a seq above after, oldest first, at most
// limit; noted ones included. A caller that goes on after the last it got meets
// every record: none is given while one with a lower seq may still come.
func (j *Journal) Since(ctx context.Context, after uint64, limit int) ([]Entry, error) {
	w := forward{j: j, next: after + 1}
	// Taken first: what is written meanwhile is met in the log or here.
	list, below := j.complete(after)
	for read := 0; !w.done && read < limit; read += len(w.list) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := j.read(w.chunk); err != nil {
			return nil, err
		}
		w.next = w.resume
		list = append(list, w.list...)
	}
	slices.SortStableFunc(list, func(a, b Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	list = slices.CompactFunc(list, func(a, b Entry) bool { return a.Seq == b.Seq })
	if end := slices.IndexFunc(list, func(e Entry) bool { return e.Seq >= below }); end >= 0 {
		list = list[:end]
	}
	return list[:min(max(limit, 0), len(list))], nil
}

// complete gives the notes after a seq, and the seq below which every record
// there will ever be is a note or in the log.
func (j *Journal) complete(after uint64) (notes []Entry, below uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	below = j.next
	if j.flying != 0 {
		below = j.flying
	}
	return j.notesSince(after), below
}

// Configure changes how long history and marks are kept, from the next sweep on.
func (j *Journal) Configure(keep, forgetAfter time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.opts.Keep, j.opts.ForgetAfter = keep, forgetAfter
}

// limits are how long history and marks are kept.
func (j *Journal) limits() (keep, forgetAfter time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.opts.Keep, j.opts.ForgetAfter
}
