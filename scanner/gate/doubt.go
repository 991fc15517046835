package gate

import (
	"maps"
	"slices"
	"sync"
	"time"

	"usher/scanner"
)

// doubtFor is how long an open attempt explains a vendor's answer: a holder whose
// green light got lost is scanned again within it.
const doubtFor = 2 * time.Minute

// ownEntry is how far a time that the vendor names may lie from our own attempt
// and still mean it.
const ownEntry = 10 * time.Second

// unended gives the ticket's open attempts in this direction, but for the one
// that asks: the vendor may hold each of them.
func (s *scan) unended(own scanner.Attempt) []scanner.Attempt {
	if s.cfg.Validator == nil {
		return nil // nobody was ever asked
	}
	var open []scanner.Attempt
	for _, a := range s.gate.attempts(s.cfg.Scope, s.code) {
		if a.ID != own.ID && a.Direction == s.reading.Direction {
			open = append(open, a)
		}
	}
	return open
}

// young gives those that a holder who is scanned again may be standing behind.
func (s *scan) young(open []scanner.Attempt) []scanner.Attempt {
	return slices.DeleteFunc(slices.Clone(open), func(a scanner.Attempt) bool { return !youngEnough(a, s.reading.At) })
}

func youngEnough(a scanner.Attempt, now scanner.Stamp) bool {
	age := ageOf(a, now)
	return age >= 0 && age <= doubtFor
}

// ageOf is below zero where the attempt was made after that moment.
func ageOf(a scanner.Attempt, now scanner.Stamp) time.Duration {
	age, known := now.Since(a.At)
	if !known {
		age = now.Wall.Sub(a.At.Wall) // over a reboot the wall clock is all there is
	}
	return age
}

// again is how a vendor refuses a movement that it has already.
func again(way scanner.Direction) scanner.Reason {
	if way == scanner.Exit {
		return scanner.ExitNotPermitted
	}
	return scanner.AlreadyEntered
}

// explaining gives those attempts that may be the movement somebody speaks of:
// none where this device has seen the ticket make it, none that it has moved
// after, and of entries none made when it was known as used already.
func (s *scan) explaining(mark scanner.Mark, open []scanner.Attempt) []scanner.Attempt {
	young := s.young(open)
	if len(young) == 0 || s.seen(mark) {
		return nil
	}
	return slices.DeleteFunc(young, func(a scanner.Attempt) bool {
		return movedSince(mark, a) || a.Used && a.Direction == scanner.Entry
	})
}

// seen tells whether the ticket's newest movement here is the one that is asked
// for, so that the vendor's refusal needs no other explanation.
func (s *scan) seen(mark scanner.Mark) bool {
	internal := s.cfg.Rule.Kind == scanner.Internal
	switch {
	case s.reading.Direction == scanner.Entry && internal:
		return mark.Inside && s.cfg.Rule.ExitRequired
	case s.reading.Direction == scanner.Entry:
		return mark.Entered && !mark.Exited
	case !internal:
		return mark.Exited
	case mark.Inside || mark.Undone || mark.Last == 0:
		return false
	}
	// The mark alone does not tell one who left the area from one who was never in it.
	last, _, err := s.gate.Journal.Record(mark.Last)
	return err == nil && last.Movement() && last.Direction == scanner.Exit
}

// movedSince tells whether the ticket was seen to move after the attempt.
func movedSince(mark scanner.Mark, a scanner.Attempt) bool {
	passed, known := mark.LastAt.Since(a.At)
	return known && passed > 0
}

// ours tells whether the vendor's earlier entry may be one of our attempts whose
// answer got lost: it names no time and no gate that is not ours.
func (g *Gate) ours(cfg *Config, a scanner.Answer, open []scanner.Attempt) bool {
	if a.FirstEnteredGate != "" && a.FirstEnteredGate != cfg.Origin.Gate {
		return false
	}
	for _, d := range open {
		if a.FirstEnteredAt.IsZero() {
			return true
		}
		at := g.Clock.True(d.At)
		off := max(at.Latest.Sub(at.At), 0) + cfg.Timeout + ownEntry
		if a.FirstEnteredAt.Sub(at.At).Abs() <= off {
			return true
		}
	}
	return false
}

// attempts gives the ticket's open attempts, oldest first: what the journal
// holds, and what the disk refused it.
func (g *Gate) attempts(scope scanner.Scope, code scanner.Code) []scanner.Attempt {
	return g.spent.without(func() []scanner.Attempt {
		kept := g.unsaved.of(scope, code)
		open := g.Journal.Attempts(scope, code)
		for i, a := range open {
			if k := slices.IndexFunc(kept, func(k scanner.Attempt) bool { return k.ID == a.ID }); k >= 0 {
				open[i] = kept[k]
				kept = slices.Delete(kept, k, k+1)
			}
		}
		return append(open, kept...)
	})
}

// unsavedID marks the ids of attempts that are on no disk.
const unsavedID = 1 << 63

// unsaved are attempts, and late answers to them, that the disk refused. They
// end with the daemon's life, which they must not do before.
type unsaved struct {
	mu   sync.Mutex // guards what follows
	last uint64
	list []scanner.Attempt
}

// put keeps the attempt as it is now and gives it an id where it has none.
func (u *unsaved) put(a scanner.Attempt) scanner.Attempt {
	u.mu.Lock()
	defer u.mu.Unlock()
	if a.ID == 0 {
		u.last++
		a.ID = unsavedID | u.last
	}
	// What is too old to be of use to anybody goes. What is newer stays: this one may
	// have waited for its answer, or its turn.
	u.list = slices.DeleteFunc(u.list, func(old scanner.Attempt) bool { return old.ID == a.ID || ageOf(old, a.At) > doubtFor })
	u.list = append(u.list, a)
	return a
}

func (u *unsaved) of(scope scanner.Scope, code scanner.Code) []scanner.Attempt {
	u.mu.Lock()
	defer u.mu.Unlock()
	var list []scanner.Attempt
	for _, a := range u.list {
		if a.Scope == scope && a.Code == code {
			list = append(list, a)
		}
	}
	return list
}

func (u *unsaved) remove(ids ...uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = slices.DeleteFunc(u.list, func(a scanner.Attempt) bool { return slices.Contains(ids, a.ID) })
}

// spentFor is how long the disk may keep an attempt open that it would not end.
const spentFor = 24 * time.Hour

// spentSlack is how many ids gather before the old ones among them are looked for.
const spentSlack = 1000

// spent are attempts on the disk that were used and may still be open there.
type spent struct {
	mu sync.Mutex // guards what follows
	// ids tells when each was spent.
	ids map[uint64]scanner.Stamp
	// full is how many there may be before the old ones go.
	full int
}

func (s *spent) add(now scanner.Stamp, ids ...uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids, s.full = map[uint64]scanner.Stamp{}, spentSlack
	}
	if len(s.ids) >= s.full {
		maps.DeleteFunc(s.ids, func(_ uint64, at scanner.Stamp) bool {
			age, known := now.Since(at)
			return known && age > spentFor
		})
		s.full = 2*len(s.ids) + spentSlack
	}
	for _, id := range ids {
		if id < unsavedID {
			s.ids[id] = now
		}
	}
}

func (s *spent) remove(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ids, id)
}

// without reads the open attempts, from memory, and leaves out those that are
// spent. Both are one step: an attempt leaves this set as soon as the journal has
// dropped it.
func (s *spent) without(read func() []scanner.Attempt) []scanner.Attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(read(), func(a scanner.Attempt) bool {
		_, is := s.ids[a.ID]
		return is
	})
}
