package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"usher/cmd/internal/control"
	"usher/scanner"
)

const (
	// holdTime is how long a verdict stays on the screen.
	holdTime = 5 * time.Second
	// askEvery and askTime keep the news of a lost daemon under a second.
	askEvery = 400 * time.Millisecond
	askTime  = 500 * time.Millisecond
	// againTime is between two attempts to follow.
	againTime = 250 * time.Millisecond
	// tick redraws the clock, spaces the bells, and tells a process that was
	// stopped that it was.
	tick = 200 * time.Millisecond
	// stoppedTime without a tick means that events may have waited unseen.
	stoppedTime = 2 * time.Second
)

func (a *app) watchCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Show verdicts live: the gate screen in a terminal",
		Long: `Show verdicts live: the gate screen in a terminal. It finds the daemon again by
itself, and says so while it has none. Bells: one for admit, two for review,
three for refuse, none for the same ticket again.

Where the output is no terminal, or a dumb one, each event is a line; after a
lost connection the missed ones follow first. NO_COLOR is honoured.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client := a.client()
			defer client.Close()
			if a.json || !isTerminal(a.stdout) || os.Getenv("TERM") == "dumb" {
				return a.watchLines(cmd.Context(), client, name)
			}
			return a.watchScreen(cmd.Context(), client, name)
		},
	}
	cmd.Flags().StringVar(&name, "scanner", "", "show this scanner only")
	return cmd
}

// watchLines writes a line for each event until the context ends. No event is
// missed or told twice over a lost connection.
func (a *app) watchLines(ctx context.Context, client *control.Client, name string) error {
	notes := a.stdout
	if a.json {
		notes = a.stderr
	}
	note := func(text string) {
		fmt.Fprintf(notes, "%s  %s\n", clockTime(a.now(), a.now(), a.zone), clean(text))
	}
	bells := !a.json && isTerminal(a.stdout)
	var last uint64
	begun, lost := false, false
	unknown := ""
	for ctx.Err() == nil {
		err := a.followLines(ctx, client, &last, &begun, func() {
			if lost {
				note("connected again")
			}
			lost = false
			// After a restart the scanners may have other names.
			was := unknown
			if unknown = askScanner(ctx, client, name); unknown != "" && unknown != was {
				note("NO SCANNER: " + unknown)
			}
		}, func(e control.Event) error {
			if name != "" && e.Scanner != name {
				return nil
			}
			if a.json {
				return a.writeJSONLine(e)
			}
			text := eventLine(e, a.now(), a.zone, false)
			if bells {
				text += strings.Repeat("\a", bellsFor(e))
			}
			_, err := fmt.Fprintln(a.stdout, text)
			return err
		})
		var broken *outputError
		if errors.As(err, &broken) {
			return broken.err
		}
		if !lost && ctx.Err() == nil {
			lost = true
			note("NO CONNECTION: " + lossText(err))
		}
		pause(ctx, againTime)
	}
	return nil
}

// askScanner is unknownScanner of the daemon that answers.
func askScanner(ctx context.Context, client *control.Client, name string) string {
	if name == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	status, err := client.Status(ctx)
	if err != nil {
		return ""
	}
	return unknownScanner(status, name)
}

// outputError says that our own output is gone, not the daemon.
type outputError struct{ err error }

func (e *outputError) Error() string { return e.err.Error() }

// followLines follows from the last event told until something fails.
func (a *app) followLines(ctx context.Context, client *control.Client, last *uint64, begun *bool, up func(), tell func(control.Event) error) error {
	if !*begun {
		newest, err := client.Newest(ctx, 1, 0)
		if err != nil {
			return err
		}
		if len(newest) > 0 {
			*last = newest[0].Seq
		}
		*begun = true
	}
	stream, err := client.FollowFrom(ctx, *last)
	if err != nil {
		return err
	}
	defer stream.Close()
	up()
	for {
		e, err := stream.Next()
		if err != nil {
			return err
		}
		*last = max(*last, e.Seq)
		if err := tell(e); err != nil {
			return &outputError{err}
		}
	}
}

// lossText says why there is no connection.
func lossText(err error) string {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the daemon stopped"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "the daemon does not answer"
	}
	return err.Error()
}

// pause waits, or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// bellsFor is the sound of an event: verdicts are told apart by their number.
func bellsFor(e control.Event) int {
	switch {
	case e.Repeat, e.Kind == scanner.KindUndo, e.Kind.Clerical():
		return 0
	case e.Verdict == scanner.Admit:
		return 1
	case e.Verdict == scanner.Refuse:
		return 3
	}
	return 2
}

// news is what reaches the screen's loop.
type news struct {
	// following is set where the stream's state changed; round tells one stream
	// from the next.
	following *bool
	round     int
	event     *control.Event
	status    *control.Status
	err       error
}

// screen is the live view on a terminal. One goroutine draws.
type screen struct {
	out    io.Writer
	size   func() (w, h int)
	style  watchStyle
	now    func() time.Time
	view   watchView
	drawn  []string
	until  time.Time
	bells  int
	fresh  bool // a verdict has come that was not drawn yet
	follow bool // the stream of events stands
	answer bool // the daemon answers for its status
	round  int
	// resync ends the present stream: what is in it may have waited too long.
	resync context.CancelFunc
}

func (a *app) watchScreen(ctx context.Context, client *control.Client, name string) error {
	terminal, err := openTerminal(a.stdin, a.stdout)
	if err != nil {
		return err
	}
	defer terminal.restore()
	client.OnVersion = nil // its words would break the picture
	fd := int(a.stdout.(*os.File).Fd())
	s := &screen{
		out: a.stdout,
		size: func() (int, int) {
			w, h, err := term.GetSize(fd)
			if err != nil || w <= 0 || h <= 0 {
				return 80, 24
			}
			return w, h
		},
		style: watchStyle{colour: colourful(a.stdout), unicode: speaksUnicode()},
		now:   a.now,
		view:  watchView{zone: a.zone, scanner: name},
	}
	return s.run(ctx, client)
}

// run follows and draws until the context ends.
func (s *screen) run(ctx context.Context, client *control.Client) error {
	group, ctx := errgroup.WithContext(ctx)
	feed := make(chan news)
	restart := make(chan struct{}, 1)
	s.resync = func() {
		select {
		case restart <- struct{}{}:
		default:
		}
	}
	group.Go(func() error { followNews(ctx, client, feed, restart); return nil })
	group.Go(func() error { statusNews(ctx, client, feed); return nil })
	group.Go(func() error { return s.loop(ctx, feed) })
	return group.Wait()
}

// loop takes news and draws.
func (s *screen) loop(ctx context.Context, feed <-chan news) error {
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	seen := s.now()
	for {
		if err := s.draw(); err != nil {
			return err
		}
		if s.fresh {
			// The first bell comes with the picture, the others with the ticks.
			s.fresh = false
			ticker.Reset(tick)
			if err := s.ring(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case n := <-feed:
			s.stopped(&seen)
			s.take(n)
		case <-ticker.C:
			s.stopped(&seen)
			s.calm()
			if err := s.ring(); err != nil {
				return err
			}
		case <-resized:
			s.drawn = nil
		}
	}
}

// stopped notices that this process stood still (a stopped job, a suspended
// device): events may have waited since, and the newest may be old.
func (s *screen) stopped(seen *time.Time) {
	now := s.now()
	gap := now.Round(0).Sub(seen.Round(0))
	*seen = now
	if gap < 0 || gap > stoppedTime {
		s.view.shown = nil
		s.bells = 0
		s.drawn = nil
		s.round++
		s.resync()
	}
}

func (s *screen) take(n news) {
	switch {
	case n.following != nil:
		s.follow = *n.following
		if s.follow {
			s.round = n.round
		}
	case n.event != nil:
		// Of a stream that was given up nothing is shown.
		if n.round == s.round && s.follow {
			s.show(*n.event)
		}
	case n.status != nil:
		s.answer = true
		s.view.status = n.status
	case n.err != nil:
		s.answer = false
	}
	if n.err != nil {
		s.view.lost = lossText(n.err)
	}
	s.view.connected = s.follow && s.answer
	if !s.view.connected {
		s.view.shown, s.bells = nil, 0
	}
}

func (s *screen) show(e control.Event) {
	if e.Kind.Clerical() {
		return // nobody at the gate waits for it
	}
	if s.view.scanner != "" && e.Scanner != s.view.scanner {
		return
	}
	s.view.shown = &e
	s.until = s.now().Add(holdTime)
	s.bells, s.fresh = bellsFor(e), true
}

// calm takes a verdict away whose time is over.
func (s *screen) calm() {
	if s.view.shown != nil && !s.now().Before(s.until) {
		s.view.shown = nil
	}
}

func (s *screen) ring() error {
	if s.bells == 0 {
		return nil
	}
	s.bells--
	_, err := io.WriteString(s.out, "\a")
	return err
}

// draw writes the lines that changed, in one piece.
func (s *screen) draw() error {
	s.view.now = s.now()
	w, h := s.size()
	lines := s.view.render(w, h, s.style)
	var out strings.Builder
	if len(s.drawn) != len(lines) {
		s.drawn = make([]string, len(lines))
		out.WriteString("\x1b[0m\x1b[2J")
	}
	for y, line := range lines {
		if line != s.drawn[y] {
			fmt.Fprintf(&out, "\x1b[%d;1H\x1b[0m\x1b[K%s", y+1, line)
		}
	}
	s.drawn = lines
	if out.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(s.out, out.String())
	return err
}

// followNews follows the daemon's events and begins anew when the stream ends or
// is given up.
func followNews(ctx context.Context, client *control.Client, feed chan<- news, restart <-chan struct{}) {
	tell := func(n news) {
		select {
		case feed <- n:
		case <-ctx.Done():
		}
	}
	yes, no := true, false
	for round := 1; ctx.Err() == nil; round++ {
		err := followOnce(ctx, client, restart, func() { tell(news{following: &yes, round: round}) },
			func(e control.Event) { tell(news{event: &e, round: round}) })
		tell(news{following: &no, err: err})
		pause(ctx, againTime)
	}
}

// followOnce follows until the stream ends or is given up.
func followOnce(ctx context.Context, client *control.Client, restart <-chan struct{}, up func(), tell func(control.Event)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-restart:
			cancel()
		case <-ended:
		}
	}()
	stream, err := client.Follow(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	up()
	for {
		e, err := stream.Next()
		if err != nil {
			return err
		}
		tell(e)
	}
}

// statusNews asks for the status again and again.
func statusNews(ctx context.Context, client *control.Client, feed chan<- news) {
	for ctx.Err() == nil {
		asked, cancel := context.WithTimeout(ctx, askTime)
		status, err := client.Status(asked)
		cancel()
		n := news{status: &status}
		if err != nil {
			n = news{err: err}
		}
		select {
		case feed <- n:
		case <-ctx.Done():
		}
		pause(ctx, askEvery)
	}
}
