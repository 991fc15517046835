package control

import (
	"errors"
	"sync"
)

// followerBuffer is how many events a follower may be behind before it is
// dropped. At hundreds of scans an hour it is minutes; a replay fits in between.
const followerBuffer = 256

// maxFollowers bounds what a gone-wild client can hold.
const maxFollowers = 64

// ErrTooManyFollowers is returned when the feed is followed too often already.
var ErrTooManyFollowers = errors.New("too many followers: close some first")

// Feed hands events to whoever follows. The zero value is ready. Publishing
// never waits: a follower that does not keep up is dropped and must follow anew.
type Feed struct {
	// mu guards followers; it is held across no I/O.
	mu        sync.Mutex
	followers map[*Follower]struct{}
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
	for follower := range f.followers {
		select {
		case follower.events <- e:
		default:
			delete(f.followers, follower)
			close(follower.events)
		}
	}
}

// Follow begins to receive. The caller must Close the follower.
func (f *Feed) Follow() (*Follower, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.followers) >= maxFollowers {
		return nil, ErrTooManyFollowers
	}
	if f.followers == nil {
		f.followers = make(map[*Follower]struct{})
	}
	follower := &Follower{feed: f, events: make(chan Event, followerBuffer)}
	f.followers[follower] = struct{}{}
	return follower, nil
}

// Events is closed when the follower was too slow or is closed itself.
func (f *Follower) Events() <-chan Event { return f.events }

// Close ends the following. It may be called more than once.
func (f *Follower) Close() {
	f.feed.mu.Lock()
	defer f.feed.mu.Unlock()
	if _, ok := f.feed.followers[f]; ok {
		delete(f.feed.followers, f)
		close(f.events)
	}
}
