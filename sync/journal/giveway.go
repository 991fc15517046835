package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"
)

const (
	// newestKept is how many of the newest records never give way: the repeat rule
	// and supervisors ask for them.
	newestKept = 256
	// lookedAt bounds how many records one look for old history passes.
	lookedAt = 4096
)

// given is what gave way.
type given struct {
	records int
	// before is the time of the newest of them.
	before time.Time
	look   lookout
	// stuck: pruning needs pages too, and there are none.
	stuck bool
}

// lookout is how far the look for old history is.
type lookout struct {
	next uint64
	// commits and upto are what the store had seen, and where the look ended, when
	// it was begun; done: it found nothing, and nothing is found before they change.
	commits, upto uint64
	done          bool
}

// admission submits what needs room of its own. Where there is none, old history
// gives way first: only a scan that Run did not foresee waits for that, and not long.
func (j *Journal) admission(ctx context.Context, r *request) error {
	err := j.submit(ctx, r)
	if !errors.Is(err, errFull) {
		return err
	}
	soon, done := context.WithTimeout(ctx, j.room.wait)
	defer done()
	gave, failed := j.giveWay(soon, j.room.tight)
	if errors.Is(failed, context.DeadlineExceeded) {
		// The rest is Run's.
		j.wake()
	}
	if !gave {
		return err
	}
	return j.submit(ctx, r)
}

// keepRoom makes sure that the next admissions find room: blocks for the file,
// or, where the disk gives none, pages of old history.
func (j *Journal) keepRoom(ctx context.Context) error {
	j.mu.Lock()
	spare, full := j.spare, j.full
	j.mu.Unlock()
	if spare >= j.room.ahead/2 && full == nil {
		return nil
	}
	if s := j.current(); s != nil {
		err := j.growAhead(ctx, s, max(0, j.room.ahead-spare))
		if err == nil {
			j.roomReturned()
			return nil
		} else if errors.Is(err, errReplaced) {
			return nil
		}
	}
	if spare >= j.room.ahead/2 {
		return nil
	}
	_, err := j.giveWay(ctx, j.room.ahead)
	return err
}

// current is the store of this moment.
func (j *Journal) current() *store {
	j.dbmu.RLock()
	defer j.dbmu.RUnlock()
	return j.db
}

// roomReturned ends what was said of a full disk.
func (j *Journal) roomReturned() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.given = given{}
	j.lean = j.spare < j.room.tight
}

// giveWay prunes the oldest settled history, also what is younger than it should
// become, until there is so much room over the reserve or nothing is left to give.
// What is pending, parked or kept never gives way, nor does a mark.
func (j *Journal) giveWay(ctx context.Context, want int64) (gave bool, err error) {
	if j.readOnly {
		return false, nil
	}
	for !j.hasRoom(want) {
		some, err := j.giveSome(ctx)
		gave = gave || some
		j.mu.Lock()
		j.given.stuck = !some && errors.Is(err, errFull)
		j.mu.Unlock()
		if err != nil || !some {
			return gave, err
		}
	}
	return true, nil
}

// giveSome prunes one chunk, and gives way to an admission after each.
func (j *Journal) giveSome(ctx context.Context) (gave bool, err error) {
	for !j.giving.TryLock() {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		wait(ctx, 5*time.Millisecond)
	}
	defer j.giving.Unlock()
	seqs, newest, err := j.oldestSettled(ctx)
	if err != nil || len(seqs) == 0 {
		return false, err
	}
	if err := j.prune(ctx, seqs, true); err != nil {
		return false, err
	}
	j.tellGiven(len(seqs), newest)
	// The pages are free for the next transaction: see how many there are.
	return true, j.submit(ctx, &request{ends: true})
}

func (j *Journal) hasRoom(want int64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.spare >= want && !j.lean
}

func (j *Journal) tellGiven(n int, newest Entry) {
	j.mu.Lock()
	first := j.given.records == 0
	j.given.records += n
	j.given.before = newest.True.At
	j.mu.Unlock()
	level := slog.LevelInfo // once is alarm enough; the rest is for who asks later what is gone
	if first {
		level = slog.LevelWarn
	}
	j.log.Log(context.Background(), level, "journal: history gives way to scans: the disk is full", "records", n, "before", newest.True.At)
}

// oldestSettled finds the next records that may give way. What is not counted yet,
// or whose mark only the log tells, is not among them: a snapshot comes first.
func (j *Journal) oldestSettled(ctx context.Context) (seqs []uint64, newest Entry, err error) {
	seqs, newest, err = j.settledUpTo(ctx, j.covered())
	if err != nil || len(seqs) > 0 {
		return seqs, newest, err
	}
	before := j.covered()
	each, most := marksPerCommit, math.MaxInt
	if j.scarce() {
		// What is left is for ending things, unless there is something to gain.
		if worth, err := j.worthCovering(ctx, before); err != nil || !worth {
			return nil, newest, err
		}
		each, most = 1, marksPerCommit
	}
	if err := j.cover(ctx, each, most); err != nil && !errors.Is(err, errFull) || j.covered() == before {
		return nil, newest, err
	}
	return j.settledUpTo(ctx, j.covered())
}

// covered is the seq up to which the tallies and the state tree hold every record,
// less the newest.
func (j *Journal) covered() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	upto := j.upto
	for _, m := range j.index.fresh {
		upto = min(upto, m.Ver-2)
	}
	return min(upto, j.next-min(j.next, j.room.newest))
}

// worthCovering tells whether records could give way if what they count, and their
// marks, were in their trees.
func (j *Journal) worthCovering(ctx context.Context, from uint64) (bool, error) {
	j.mu.Lock()
	upto := j.next - min(j.next, j.room.newest)
	j.mu.Unlock()
	w := forward{j: j, next: from + 1}
	for passed := 0; !w.done && passed < j.room.looked && w.next <= upto; passed += readChunk {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if err := j.read(w.chunk); err != nil {
			return false, err
		}
		w.next = w.resume
		for _, e := range w.list {
			if e.Seq <= upto && settled(e.Fate) {
				return true, nil
			}
		}
	}
	return false, nil
}

// settledUpTo looks for a chunk of settled history: on from where it last was, and
// from the beginning when it came to the end, as what was owed may be settled now.
func (j *Journal) settledUpTo(ctx context.Context, upto uint64) (seqs []uint64, newest Entry, err error) {
	j.mu.Lock()
	look, commits := j.given.look, j.commits
	j.mu.Unlock()
	defer func() {
		j.mu.Lock()
		j.given.look = look
		j.mu.Unlock()
	}()
	if upto == 0 || look.done && look.commits == commits && look.upto == upto {
		return nil, newest, nil
	}
	for {
		if look.next == 0 || look.done {
			look = lookout{commits: commits, upto: upto}
		}
		w := forward{j: j, next: look.next}
		for passed := 0; !w.done && passed < j.room.looked && len(seqs) < pruneChunk && w.next <= upto; passed += readChunk {
			if err := ctx.Err(); err != nil {
				if len(seqs) == 0 {
					look.next = w.next
				}
				return nil, newest, err
			}
			if err := j.read(w.chunk); err != nil {
				return nil, newest, err
			}
			w.next = w.resume
			for _, e := range w.list {
				if e.Seq <= upto && settled(e.Fate) && len(seqs) < pruneChunk {
					seqs, newest = append(seqs, e.Seq), e
				}
			}
		}
		ended := w.done || w.next > upto
		switch look.next = w.next; {
		case len(seqs) > 0:
			look.next = newest.Seq + 1
			return seqs, newest, nil
		case !ended:
			return nil, newest, nil
		case look.commits == commits:
			look.done = true
			return nil, newest, nil
		}
		look.next = 0
	}
}

// roomProblem says in words what a full disk means; empty: it is not. The caller
// holds mu.
func (j *Journal) roomProblem() string {
	if j.full == nil && !j.lean {
		return ""
	}
	text := "the disk is full"
	if j.full != nil {
		text += fmt.Sprintf(" (%v)", j.full)
	}
	if j.lean {
		text += ": scans without network cannot be stored and stay amber"
	} else {
		text += fmt.Sprintf(": the journal has room for about %d more scans without network", j.spare/scanRoom)
	}
	if j.given.stuck {
		text += "; history cannot give way, which needs some room itself: delete or move other files by hand"
	}
	if j.given.records > 0 {
		text += fmt.Sprintf("; history is shortened to what came after %s because the disk is full, %d records are gone",
			j.given.before.UTC().Format(time.DateTime), j.given.records)
	}
	return text + "; free space in " + j.opts.Dir
}

// scanRoom is about what an admission takes, its share of the reserve included.
const scanRoom = 3 << 10
