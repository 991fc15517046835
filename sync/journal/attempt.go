package journal

import (
	"context"
	"slices"
	"time"

	"usher/scanner"
)

// attemptAge is how long an attempt is kept at least. The rule that admits by it
// asks for two minutes; but what the vendor says of an entry may speak of it for as
// long as the ticket would have a mark, and it is kept that long.
const attemptAge = 10 * time.Minute

// maxAttempts is how many a sweep leaves: the newest. A verdict or an answer ends
// nearly all of them, soon.
const maxAttempts = 10_000

// Attempt is the domain's.
type Attempt = scanner.Attempt

// Attempt commits a call that is about to be made and gives its id. Errors:
// ErrNotStored; the vendor may be asked all the same.
func (j *Journal) Attempt(ctx context.Context, a Attempt) (uint64, error) {
	j.mu.Lock()
	j.attempt++
	a.ID = j.attempt
	j.mu.Unlock()
	err := j.admission(ctx, &request{apply: func(b *batch) error {
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
	return j.submit(ctx, &request{ends: true, apply: func(b *batch) error { return b.removeAttempt(id) }})
}

// AdmitAttempt keeps the vendor's yes that came too late for its own scan. An
// attempt that is gone is no error.
func (j *Journal) AdmitAttempt(ctx context.Context, id uint64) error {
	return j.submit(ctx, &request{ends: true, apply: func(b *batch) error {
		raw := b.get(bucketAttempts, seqKey(id))
		if raw == nil {
			return nil
		}
		var a Attempt
		if err := decode(kindAttempt, seqKey(id), raw, &a); err != nil {
			return err
		}
		a.Admitted = true
		if err := b.encode(bucketAttempts, kindAttempt, hintNone, seqKey(id), a); err != nil {
			return err
		}
		b.effect(func(ix *index) {
			ix.removeAttempt(id)
			ix.addAttempt(a)
		})
		return nil
	}})
}

// Attempts gives the open attempts for a ticket, oldest first, from memory.
// Those of an earlier life are among them; how old they may be is the caller's
// rule.
func (j *Journal) Attempts(scope scanner.Scope, code scanner.Code) []Attempt {
	key := markKey(scope, code)
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.index.attempts[string(key)])
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
	ix.attemptOf[a.ID] = key
}

func (ix *index) removeAttempt(id uint64) {
	key := ix.attemptOf[id]
	delete(ix.attemptOf, id)
	ix.attempts[key] = slices.DeleteFunc(ix.attempts[key], func(a Attempt) bool { return a.ID == id })
	if len(ix.attempts[key]) == 0 {
		delete(ix.attempts, key)
	}
}
