package journal

import (
	"context"
	"slices"
	"time"

	"usher/scanner"
)

// attemptAge is how long an attempt is kept: the rule that uses it asks for two
// minutes.
const attemptAge = 10 * time.Minute

// Attempt is a call to a vendor, noted before it is made: until it is closed the
// vendor may hold what was asked without anybody here knowing.
type Attempt struct {
	ID        uint64            `json:"id"`
	Scope     scanner.Scope     `json:"scope"`
	Code      scanner.Code      `json:"code"`
	Direction scanner.Direction `json:"direction"`
	Scanner   string            `json:"scanner"`
	At        scanner.Stamp     `json:"at"`
}

// Attempt commits a call that is about to be made and gives its id. Errors:
// ErrNotStored; the vendor may be asked all the same.
func (j *Journal) Attempt(ctx context.Context, a Attempt) (uint64, error) {
	j.mu.Lock()
	j.attempt++
	a.ID = j.attempt
	j.mu.Unlock()
	err := j.submit(ctx, &request{apply: func(b *batch) error {
		if err := b.encode(bucketAttempts, kindAttempt, hintNone, seqKey(a.ID), a); err != nil {
			return err
		}
		b.effect(func(ix *index) { ix.addAttempt(a) })
		return nil
	}})
	if err != nil {
		return 0, err
	}
	return a.ID, nil
}

// CloseAttempt ends an attempt outside a verdict's own commit: it got a definite
// answer that changed nothing else, or was never sent. One that is gone is no
// error.
func (j *Journal) CloseAttempt(ctx context.Context, id uint64) error {
	return j.submit(ctx, &request{apply: func(b *batch) error { return b.removeAttempt(id) }})
}

// Attempts gives the open attempts for a ticket, oldest first, from memory.
// Those of an earlier life are among them; how old they may be is the caller's
// rule.
func (j *Journal) Attempts(scope scanner.Scope, code scanner.Code) []Attempt {
	key := string(markKey(scope, code))
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.index.attempts[key])
}

func (b *batch) removeAttempt(id uint64) error {
	if id == 0 {
		return nil
	}
	if err := b.remove(bucketAttempts, seqKey(id)); err != nil {
		return err
	}
	b.effect(func(ix *index) { ix.removeAttempt(id) })
	return nil
}

func (ix *index) addAttempt(a Attempt) {
	key := string(markKey(a.Scope, a.Code))
	ix.attempts[key] = append(ix.attempts[key], a)
}

func (ix *index) removeAttempt(id uint64) {
	for key, list := range ix.attempts {
		kept := slices.DeleteFunc(list, func(a Attempt) bool { return a.ID == id })
		if len(kept) == 0 {
			delete(ix.attempts, key)
			continue
		}
		ix.attempts[key] = kept
	}
}
