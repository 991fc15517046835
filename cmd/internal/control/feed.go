package control

import (
	"slices"
	"sync"
)

// followerBuffer is how many events a follower may be behind before it is
// dropped. At hundreds of scans an hour it is minutes; a replay fits in between.
const followerBuffer = 256

// maxFollowers bounds what a gone-wild client can hold.
const maxFollowers = 64

// Feed hands events to whoever follows. The zero value is ready. Publishing
// never waits: a follower that does not keep up is dropped and must follow anew.
type Feed struct {
	// mu guards what follows; it is held across no I/O.
	mu        sync.Mutex
	followers []*Follower // oldest first
	crowded   bool
}

// Follower receives the events published since it began to follow.
type Follower struct {
	feed   *Feed
	events chan Event
}

// Publish gives the event to every follower. Call it after the event's commit,
// and for one event only once.
func (f *Feed) Publish(e Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.followers = slices.DeleteFunc(f.followers, func(follower *Follower) bool {
		select {
		case follower.events <- e:
			return false
		default:
			close(follower.events)
			return true
		}
	})
}

// Follow begins to receive. The caller must Close the follower. Where there are
// too many, the one that has followed longest is dropped: a program that leaks
// followers must not lock the gate's screen out, which follows anew by itself.
// Crowded is true the first time that happens, until most of them are gone.
func (f *Feed) Follow() (follower *Follower, crowded bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch n := len(f.followers); {
	case n >= maxFollowers:
		close(f.followers[0].events)
		f.followers = slices.Delete(f.followers, 0, 1)
		crowded, f.crowded = !f.crowded, true
	case n < maxFollowers/2:
		f.crowded = false
	}
	follower = &Follower{feed: f, events: make(chan Event, followerBuffer)}
	f.followers = append(f.followers, follower)
	return follower, crowded
}

// Events is closed when the follower was too slow, gave way to a newer one, or
// is closed itself.
func (f *Follower) Events() <-chan Event { return f.events }

// Close ends the following. It may be called more than once.
func (f *Follower) Close() {
	f.feed.mu.Lock()
	defer f.feed.mu.Unlock()
	if i := slices.Index(f.feed.followers, f); i >= 0 {
		f.feed.followers = slices.Delete(f.feed.followers, i, i+1)
		close(f.events)
	}
}
