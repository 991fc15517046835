package main

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup" // one place where every part's first error ends the rest
)

// part is a long-running piece of the house that a reload may replace: a
// scanner, the watch on the list's source.
type part struct {
	name string
	// print tells whether a running part is still the one that is wanted.
	print string
	run   func(context.Context) error
}

// parts keeps the wanted pieces running.
type parts struct {
	mu   sync.Mutex // guards live; held while parts are exchanged
	live map[string]livePart
}

type livePart struct {
	print string
	stop  context.CancelFunc
	done  <-chan struct{}
}

// apply stops what is not wanted any more, waits until it has let go of its
// scanner or file, and starts what is new. A part's error ends the group.
func (p *parts) apply(ctx context.Context, group *errgroup.Group, wanted []part) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live == nil {
		p.live = map[string]livePart{}
	}
	keep := map[string]string{}
	for _, w := range wanted {
		keep[w.name] = w.print
	}
	var ended []livePart
	for name, l := range p.live {
		if print, ok := keep[name]; !ok || print != l.print {
			l.stop()
			ended = append(ended, l)
			delete(p.live, name)
		}
	}
	for _, l := range ended {
		<-l.done
	}
	for _, w := range wanted {
		if _, runs := p.live[w.name]; runs {
			continue
		}
		own, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		p.live[w.name] = livePart{print: w.print, stop: stop, done: done}
		group.Go(func() error {
			defer close(done)
			defer stop()
			if err := w.run(own); err != nil && own.Err() == nil {
				return err
			}
			return nil
		})
	}
}
