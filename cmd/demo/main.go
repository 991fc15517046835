// Demo plays usher's main job on this machine: a real daemon, a manifest, and
// pseudo-terminals as its scanners. It is what scripts/demo runs.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term" // whether somebody is there to read and to type

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
)

func main() {
	bin := flag.String("usher", "", "the usher binary to run")
	sim := flag.String("vendorsim", "", "the vendor's simulator to run")
	story := flag.Bool("story", false, "play the story and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *sim, *story); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, sim string, storyOnly bool) error {
	if err := onDevice(func(dir string, log *os.File) error { return offlineNight(ctx, dir, bin, log) }); err != nil {
		return err
	}
	return onDevice(func(dir string, log *os.File) error { return vendorNight(ctx, dir, bin, sim, log, storyOnly) })
}

// onDevice plays in a directory of its own; where it fails, the daemon's log
// says more.
func onDevice(play func(dir string, log *os.File) error) (err error) {
	dir, err := os.MkdirTemp("", "usher-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	log, err := os.Create(dir + "/usher.log")
	if err != nil {
		return err
	}
	defer log.Close()
	if err := play(dir, log); err != nil && !errors.Is(err, context.Canceled) {
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w\n--- the daemon's log ---\n%s", err, text)
	}
	return nil
}

// vendorNight plays with a vendor, and then lets a person type.
func vendorNight(ctx context.Context, dir, bin, sim string, log *os.File, storyOnly bool) (err error) {
	v, err := rig.StartVendor(ctx, sim, 200)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Stop()) }()
	options, err := v.Options(dir, bin, lane1, lane2)
	if err != nil {
		return err
	}
	options.Log = log
	if !storyOnly {
		if options.Screen, err = freeAddress(); err != nil {
			return err
		}
	}
	r, err := rig.New(options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	s := newStage(r)
	if err := s.playVendor(ctx, v); err != nil || storyOnly {
		return err
	}
	return s.typing(ctx, os.Stdin, v, options.Screen)
}

// freeAddress is a loopback address that nothing listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func newStage(r *rig.Rig) *stage {
	return &stage{rig: r, out: os.Stdout, colour: term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == ""}
}

// offlineNight plays with nothing but a list.
func offlineNight(ctx context.Context, dir, bin string, log *os.File) (err error) {
	r, err := rig.New(rig.Options{Dir: dir, Bin: bin, Lanes: []string{"lane-1", "lane-2"}, Log: log, Extra: settings(dir)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := os.WriteFile(r.Manifest(), []byte(list(time.Now())), 0o600); err != nil {
		return err
	}
	return newStage(r).play(ctx)
}

// settings are the demo's gate. The site vouches for the clock here, since a
// demo machine may have no NTP and the story has a ticket that comes too early.
func settings(dir string) string {
	return fmt.Sprintf(`gate: { name: "Gate 7", direction: entry }
offline: { manifest: %s/tickets.csv }
clock: { trust: wall }
log: { level: info, format: text }
`, dir)
}

// list is the demo's tickets: one who may enter, one who was cancelled, one who
// comes on the wrong day.
func list(now time.Time) string {
	tomorrow := now.Add(24 * time.Hour).Format(time.RFC3339)
	rows := []string{
		"code,name,order,section,seat,event,status,valid_from",
		"ADA-1815-LOVELACE,Ada Lovelace,1001,Stalls,A 1,Gala Night,valid,",
		"ALAN-1912-TURING,Alan Turing,1002,Stalls,A 2,Gala Night,valid,",
		"GRACE-1906-HOPPER,Grace Hopper,1003,Circle,C 7,Gala Night,valid,",
		"VERA-1928-RUBIN,Vera Rubin,1004,Circle,C 8,Gala Night,voided,",
		"TIM-1955-LEE,Tim Lee,1005,Circle,C 9,Gala Night,valid," + tomorrow,
	}
	return strings.Join(rows, "\n") + "\n"
}

// typing lets a person scan by hand, and look at the gate screen's page.
func (s *stage) typing(ctx context.Context, in io.Reader, v *rig.Vendorsim, screen string) error {
	s.say("")
	s.say("Now you: type a code and press Enter (an empty line ends). These are in the list:")
	s.say("  aj00ymskl  k2vvoided  k2scanned  g49182x0000010  g49182x0000011 ...")
	s.say("See the verdicts as gate staff do, in a browser on this machine or in another terminal:")
	s.say("  http://%s/      %s --socket %s watch", screen, s.rig.Bin, s.rig.Client.Path)
	s.say("Take the vendor's network away, and give it back:")
	s.say("  curl -X POST '%sfaults?kind=blackhole'      curl -X DELETE '%sfaults'", v.Control, v.Control)
	s.say("Look inside from another terminal:")
	s.say("  %s --socket %s status", s.rig.Bin, s.rig.Client.Path)
	lines := make(chan string)
	go func() {
		defer close(lines)
		text := bufio.NewScanner(in)
		for text.Scan() {
			lines <- text.Text()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, ok := <-s.events: // typed or decided on the page
			if !ok {
				return errors.New("the daemon's event stream ended")
			}
			s.show(event)
		case line, ok := <-lines:
			if !ok || strings.TrimSpace(line) == "" {
				return nil
			}
			if err := s.rig.Scan("lane-1", line); err != nil {
				return err
			}
			event, err := s.next(ctx)
			if err != nil {
				return err
			}
			s.show(event)
		}
	}
}

// next waits for the next event of any scanner.
func (s *stage) next(ctx context.Context) (control.Event, error) {
	select {
	case event, ok := <-s.events:
		if !ok {
			return control.Event{}, errors.New("the daemon's event stream ended")
		}
		return event, nil
	case <-ctx.Done():
		return control.Event{}, ctx.Err()
	case <-time.After(10 * time.Second):
		return control.Event{}, errors.New("no verdict within 10 s")
	}
}
