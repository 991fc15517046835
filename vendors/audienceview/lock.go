package audienceview

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"time"

	"usher/scanner"
)

const (
	// lockTime is how long a refused sign-in is not tried again by itself.
	lockTime = 5 * time.Minute
	// lockKey is where Memory keeps the lock.
	lockKey = "sign_in_lock"
	// lockRounds makes guessing the password from the kept lock slow.
	lockRounds = 100_000
)

// lock is a refused sign-in, kept over restarts: a daemon that restarts in a loop
// must not lock the account. It holds no secret, only what tells another one.
type lock struct {
	At   scanner.Stamp `json:"at"`
	Why  string        `json:"why"`
	Salt []byte        `json:"salt"`
	Sum  []byte        `json:"sum"`

	// same is the password once it is known to be the one that was refused.
	same string
}

// sum is a slow, salted hash of all that a sign-in is made of.
func (c *Client) sum(salt []byte, password string) ([]byte, error) {
	return pbkdf2.Key(sha256.New, c.cfg.BaseURL+"\x00"+c.cfg.Username+"\x00"+password, salt, lockRounds, 32)
}

// locked tells why no sign-in is tried now; empty: try. It is called by the one
// sign-in under way.
func (s *session) locked(password string) string {
	l := s.currentLock()
	if l == nil {
		return ""
	}
	now := s.client.clock.Now()
	if l.over(now) || !s.sameSecret(l, password) {
		s.unlock()
		return ""
	}
	s.trouble(l.Why)
	return l.Why
}

// over tells whether the lock has ended. Over a restart of the device only the
// wall clock is left to ask; one that stepped back begins the time anew.
func (l *lock) over(now scanner.Stamp) bool {
	passed, ok := now.Since(l.At)
	if !ok {
		if passed = now.Wall.Sub(l.At.Wall); passed < 0 {
			l.At = now
			passed = 0
		}
	}
	return passed >= lockTime
}

func (s *session) sameSecret(l *lock, password string) bool {
	if l.same != "" {
		return l.same == password
	}
	sum, err := s.client.sum(l.Salt, password)
	if err != nil || subtle.ConstantTimeCompare(sum, l.Sum) != 1 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l.same = password
	return true
}

// currentLock is the lock, from Memory the first time.
func (s *session) currentLock() *lock {
	s.mu.Lock()
	l, loaded := s.closed, s.loaded
	s.mu.Unlock()
	if loaded {
		return l
	}
	if l == nil && s.memory != nil {
		l = s.load()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.loaded = l, true
	return l
}

func (s *session) load() *lock {
	raw, err := s.memory.Load(lockKey)
	if err != nil {
		s.client.log.Warn("the sign-in lock cannot be read: signing in all the same", "err", err)
		return nil
	}
	if len(raw) == 0 {
		return nil
	}
	l := new(lock)
	if err := json.Unmarshal(raw, l); err != nil || len(l.Sum) == 0 {
		return nil
	}
	return l
}

// close keeps the refused sign-in.
func (s *session) close(why, password string) {
	l := &lock{At: s.client.clock.Now(), Why: why, Salt: make([]byte, 16), same: password}
	_, _ = rand.Read(l.Salt) // never fails since Go 1.24
	s.trouble(why)
	s.mu.Lock()
	s.closed, s.loaded = l, true
	s.value, s.auth = "", ""
	s.mu.Unlock()
	sum, err := s.client.sum(l.Salt, password)
	if err == nil && s.memory != nil {
		var raw []byte
		if raw, err = json.Marshal(lock{At: l.At, Why: l.Why, Salt: l.Salt, Sum: sum}); err == nil {
			err = s.memory.Save(lockKey, raw)
		}
	}
	if err != nil {
		s.client.log.Warn("the sign-in lock cannot be kept over a restart", "err", err)
	}
}

// bar is [session.close] for a call that was refused although the sign-in worked.
func (s *session) bar(call *scanner.CallError) {
	password, err := s.secret.Read()
	if err != nil {
		s.trouble(call.Err.Error())
		return
	}
	s.close(call.Err.Error(), password)
}

// unlock forgets the lock.
func (s *session) unlock() {
	s.mu.Lock()
	kept := s.closed != nil || !s.loaded
	s.closed, s.loaded = nil, true
	s.mu.Unlock()
	if kept && s.memory != nil {
		if err := s.memory.Save(lockKey, nil); err != nil {
			s.client.log.Warn("the sign-in lock cannot be forgotten", "err", err)
		}
	}
}
