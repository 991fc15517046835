package terminal

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
)

const (
	// tick redraws the clock, spaces the bells, and tells a process that stood
	// still that it did.
	tick = 200 * time.Millisecond
	// stoppedTime without a tick means that events may have waited unseen.
	stoppedTime = 2 * time.Second
	// usualHold is how long a verdict stays where the daemon does not say.
	usualHold = 5 * time.Second
)

// Options say where the live view is drawn, and what of.
type Options struct {
	// Out is a terminal. In may be one; what is typed there is discarded.
	In  io.Reader
	Out *os.File
	// Scanner is the only one whose verdicts are shown; empty: all.
	Scanner string
	Now     func() time.Time
	// Zone is the device's, for where the daemon names none.
	Zone *time.Location
}

// Run takes the terminal and draws what the client's daemon tells, until the
// context ends. A daemon that is away is found again.
func Run(ctx context.Context, client *control.Client, o Options) error {
	st := styleOf(o.Out, os.Getenv)
	words, err := screen.WordsIn(language(os.Getenv))
	if err != nil {
		return err
	}
	d, err := newDevice(o.In, o.Out, st)
	if err != nil {
		return err
	}
	l := &live{
		out: o.Out, size: d.size, style: st, now: o.Now, zone: o.Zone,
		view: view{speaker: screen.Speaker{Words: words, Zone: o.Zone}, scanner: o.Scanner},
	}
	return l.run(ctx, client, d)
}

// live is the live view. One goroutine draws.
type live struct {
	out   io.Writer
	size  func() (w, h int)
	style style
	now   func() time.Time
	zone  *time.Location
	view  view
	// drawn is what the terminal shows; nil: unknown.
	drawn []string

	until time.Time // when the verdict's time is over
	last  string    // the ID of the newest event
	// waiting is a conflict, until the verdict shown is over.
	waiting *control.Event
	bells   int
	fresh   bool // a verdict has come that was not drawn yet

	follow bool // the stream of events stands
	answer bool // the daemon answers for its status
	round  int
	// resync ends the present stream: what is in it may have waited too long.
	resync func()
}

// run follows and draws until the context ends.
func (l *live) run(ctx context.Context, client *control.Client, d *device) error {
	// From the first moment on: a stop must not leave a name on the screen.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGWINCH, unix.SIGTSTP, unix.SIGCONT)
	defer signal.Stop(signals)
	defer func() { d.give(len(l.drawn)) }()
	if err := d.take(); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	feed := make(chan news)
	restart := make(chan struct{}, 1)
	l.resync = func() {
		select {
		case restart <- struct{}{}:
		default:
		}
	}
	group.Go(func() error { followNews(ctx, client, feed, restart); return nil })
	group.Go(func() error { statusNews(ctx, client, feed); return nil })
	group.Go(func() error { return l.loop(ctx, feed, signals, d) })
	return group.Wait()
}

// loop takes news and draws.
func (l *live) loop(ctx context.Context, feed <-chan news, signals chan os.Signal, d *device) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	seen := l.now()
	for {
		if err := l.draw(); err != nil {
			return err
		}
		if l.fresh {
			// The first bell comes with the picture, the others with the ticks.
			l.fresh = false
			ticker.Reset(tick)
			if err := l.ring(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case n := <-feed:
			l.stoodStill(&seen)
			l.take(n)
		case <-ticker.C:
			l.stoodStill(&seen)
			l.calm()
			if err := l.ring(); err != nil {
				return err
			}
		case sig := <-signals:
			switch sig {
			case unix.SIGTSTP:
				d.give(len(l.drawn))
				stop(ctx, signals)
				fallthrough
			case unix.SIGCONT:
				// Whoever stopped this process may have changed the terminal's modes.
				if err := d.take(); err != nil {
					return err
				}
				l.forget()
			}
			l.drawn = nil
		}
	}
}

// stopTime is how long a stop may take to begin. Without job control, as on a
// console of its own, none does.
const stopTime = 200 * time.Millisecond

// stop stops this process as Ctrl-Z does one that catches no signal, and returns
// when it goes on.
func stop(ctx context.Context, signals chan os.Signal) {
	signal.Reset(unix.SIGTSTP)
	defer signal.Notify(signals, unix.SIGTSTP)
	if unix.Kill(unix.Getpid(), unix.SIGTSTP) != nil {
		return
	}
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	for {
		select {
		case sig := <-signals:
			if sig == unix.SIGCONT {
				return
			}
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// stoodStill notices that this process did (a job stopped from outside, a suspended
// device): events may have waited since, and the newest may be old.
func (l *live) stoodStill(seen *time.Time) {
	now := l.now()
	gap := now.Round(0).Sub(seen.Round(0))
	*seen = now
	if gap < 0 || gap > stoppedTime {
		l.drawn = nil
		l.forget()
	}
}

// forget takes the verdict away, and what waits in the stream with it.
func (l *live) forget() {
	l.view.shown, l.waiting, l.bells = nil, nil, 0
	l.round++
	l.resync()
}

func (l *live) take(n news) {
	switch {
	case n.following != nil:
		l.follow = *n.following
		if l.follow {
			l.round = n.round
		}
	case n.event != nil:
		// Of a stream that was given up nothing is shown.
		if n.round == l.round && l.follow {
			l.show(*n.event)
		}
	case n.status != nil:
		l.answer = true
		l.learn(n.status)
	case n.err != nil:
		l.answer = false
	}
	if n.err != nil {
		l.view.lost = Loss(n.err)
	}
	l.view.connected = l.follow && l.answer
	if l.view.connected {
		l.view.lost = ""
	} else {
		l.view.shown, l.waiting, l.bells = nil, nil, 0
	}
}

// learn takes a status, and speaks from now on as it says.
func (l *live) learn(s *control.Status) {
	before := l.view.status
	l.view.status = s
	if before != nil && before.Screen == s.Screen {
		return
	}
	// A newer daemon may speak a language that is not known here.
	if words, err := screen.WordsIn(s.Screen.Language); err == nil {
		l.view.speaker.Words = words
	}
	l.view.speaker.Zone = l.zone
	if name := s.Screen.Timezone; name != "" {
		if zone, err := time.LoadLocation(name); err == nil {
			l.view.speaker.Zone = zone
		}
	}
}

func (l *live) show(e control.Event) {
	if !screen.Shown(e) || l.view.scanner != "" && e.Scanner != l.view.scanner {
		return
	}
	if e.ID != "" && e.ID == l.last && !e.Repeat {
		return // told twice
	}
	if was := l.view.shown; was != nil && screen.KindOf(e) == screen.Conflict && screen.KindOf(*was) != screen.Conflict {
		// It is about somebody who went in long ago, not about who stands here now.
		l.waiting = &e
		return
	}
	hold := usualHold
	if s := l.view.status; s != nil && s.Screen.HoldMS > 0 {
		hold = time.Duration(s.Screen.HoldMS) * time.Millisecond
	}
	l.view.shown, l.last = &e, e.ID
	l.until = l.now().Add(hold)
	l.bells, l.fresh = Bells(e), true
}

// calm takes a verdict away whose time is over.
func (l *live) calm() {
	if l.view.shown == nil || l.now().Before(l.until) {
		return
	}
	l.view.shown = nil
	if next := l.waiting; next != nil {
		l.waiting = nil
		l.show(*next)
	}
}

func (l *live) ring() error {
	if l.bells == 0 {
		return nil
	}
	l.bells--
	_, err := io.WriteString(l.out, "\a")
	return err
}

// draw writes the lines that changed, in one piece.
func (l *live) draw() error {
	l.view.now = l.now()
	w, h := l.size()
	lines := l.view.render(w, h, l.style)
	if len(l.drawn) != len(lines) {
		l.drawn = nil
	}
	var out strings.Builder
	for y, line := range lines {
		if l.drawn == nil || line != l.drawn[y] {
			fmt.Fprintf(&out, "\x1b[%d;1H%s\x1b[K%s", y+1, inkOff, line)
		}
	}
	l.drawn = lines
	if out.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(l.out, out.String())
	return err
}
