package ticketing

import (
	"sync"
	"time"

	"usher/scanner"
)

const (
	// passwordTime is how long a refused password is not tried again by itself, keyTime
	// how long a refused key or token is not: those lock no account.
	passwordTime = 5 * time.Minute
	keyTime      = time.Minute
	// vainTime is how long a call that a fresh key did not help gets no other.
	vainTime = 5 * time.Minute
)

// lock keeps what was refused from being tried over and over: accounts lock. It is
// safe for concurrent use.
type lock struct {
	clock scanner.Clock
	lasts time.Duration

	mu     sync.Mutex // guards what follows
	secret string
	at     scanner.Stamp
	why    *scanner.CallError
}

// close keeps a secret from being tried.
func (l *lock) close(secret string, why *scanner.CallError) {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.secret, l.at, l.why = secret, now, why
}

// barred tells why the secret is not tried now; nil: try.
func (l *lock) barred(secret string) *scanner.CallError {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == nil || l.secret != secret {
		return nil
	}
	if passed, known := now.Since(l.at); !known || passed >= l.lasts {
		return nil
	}
	return l.why
}

// open forgets what was refused.
func (l *lock) open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.secret, l.why = "", nil
}

// closed tells whether the last try was refused.
func (l *lock) closed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why != nil
}

// vain remembers calls that are refused with a fresh key too: by a firewall, or for
// a right that is missing. It is safe for concurrent use.
type vain struct {
	clock scanner.Clock

	mu sync.Mutex // guards at
	at map[string]scanner.Stamp
}

func (v *vain) note(op string) {
	now := v.clock.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.at == nil {
		v.at = map[string]scanner.Stamp{}
	}
	v.at[op] = now
}

// lately tells whether that is so recent that another key is not worth its calls.
func (v *vain) lately(op string) bool {
	now := v.clock.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	at, ok := v.at[op]
	passed, known := now.Since(at)
	return ok && known && passed < vainTime
}

func (v *vain) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.at = nil
}
