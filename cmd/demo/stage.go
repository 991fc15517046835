package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/scanner"
)

// stage plays the story and holds every verdict against what it should be.
type stage struct {
	rig    *rig.Rig
	out    io.Writer
	colour bool
	events <-chan control.Event
	green  []control.Event
}

// The story's scanners.
const (
	lane1 = "lane-1"
	lane2 = "lane-2"
)

func (s *stage) play(ctx context.Context) error {
	s.say("usher at Gate 7: two serial scanners, a list of five tickets, no network at all.")
	if err := s.start(ctx); err != nil {
		return err
	}
	steps := []func(context.Context) error{
		s.entries, s.refusals, s.supervisor, s.undo, s.death, s.accounts,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	s.say("")
	s.say("The story went as it should.")
	return nil
}

// start runs the daemon, waits for its list and scanners, and follows it.
func (s *stage) start(ctx context.Context) error {
	return s.startUntil(ctx, func(st control.Status) bool { return st.State == control.Ready })
}

func (s *stage) startUntil(ctx context.Context, ok func(control.Status) bool) error {
	if err := s.rig.Start(ctx, ok); err != nil {
		return err
	}
	stream, err := s.rig.Client.Follow(ctx)
	if err != nil {
		return err
	}
	events := make(chan control.Event, 64)
	s.events = events
	go func() {
		defer close(events)
		defer stream.Close()
		for {
			event, err := stream.Next()
			if err != nil {
				return
			}
			events <- event
		}
	}()
	return nil
}

func (s *stage) entries(ctx context.Context) error {
	s.chapter("Ada arrives. Her ticket is read at lane 1.")
	if err := s.scan(ctx, lane1, "ADA-1815-LOVELACE", scanner.Admit, scanner.OK); err != nil {
		return err
	}
	s.chapter("Her hand shakes: the scanner fires twice. It is the same scan, not a second one.")
	if err := s.rig.Scan(lane1, "ADA-1815-LOVELACE"); err != nil {
		return err
	}
	again, err := s.next(ctx)
	if err != nil {
		return err
	}
	s.show(again)
	if !again.Repeat || again.Seq != s.green[0].Seq {
		return fmt.Errorf("a repeat was expected, got %+v", again)
	}
	s.chapter("A friend tries a copy of her ticket at lane 2.")
	return s.scan(ctx, lane2, "ADA-1815-LOVELACE", scanner.Refuse, scanner.AlreadyEntered)
}

func (s *stage) refusals(ctx context.Context) error {
	s.chapter("Vera's order was cancelled.")
	if err := s.scan(ctx, lane1, "VERA-1928-RUBIN", scanner.Refuse, scanner.Voided); err != nil {
		return err
	}
	s.chapter("Tim's ticket is for tomorrow.")
	if err := s.scan(ctx, lane1, "TIM-1955-LEE", scanner.Refuse, scanner.TooEarly); err != nil {
		return err
	}
	s.chapter("A code that nobody sold.")
	return s.scan(ctx, lane2, "NOT-A-TICKET-0000", scanner.Refuse, scanner.NotFound)
}

func (s *stage) supervisor(ctx context.Context) error {
	s.chapter("Tim's ticket was sold for the wrong day; a supervisor lets him in, by name.")
	if err := s.scan(ctx, lane2, "TIM-1955-LEE", scanner.Refuse, scanner.TooEarly); err != nil {
		return err
	}
	newest, err := s.rig.Client.Newest(ctx, 1, 0)
	if err != nil {
		return err
	}
	event, err := s.rig.Client.Admit(ctx, newest[0].Seq, "Eve Supervisor")
	if err != nil {
		return err
	}
	return s.expect(ctx, scanner.Admit, scanner.OK, func(shown control.Event) bool {
		return shown.Seq == event.Seq && shown.Overridden && shown.By == "Eve Supervisor"
	})
}

func (s *stage) undo(ctx context.Context) error {
	s.chapter("Alan is admitted, then turns back for his coat: the entry is undone.")
	if err := s.scan(ctx, lane1, "ALAN-1912-TURING", scanner.Admit, scanner.OK); err != nil {
		return err
	}
	last := s.green[len(s.green)-1]
	if _, err := s.rig.Client.Undo(ctx, last.Seq, "Eve Supervisor"); err != nil {
		return err
	}
	undone, err := s.next(ctx)
	if err != nil {
		return err
	}
	s.show(undone)
	if undone.Kind != scanner.KindUndo || undone.Of != last.Seq {
		return fmt.Errorf("an undo was expected, got %+v", undone)
	}
	s.chapter("He comes back with his coat.")
	return s.scan(ctx, lane1, "ALAN-1912-TURING", scanner.Admit, scanner.OK)
}

func (s *stage) death(ctx context.Context) error {
	s.chapter("Grace sees green, and in that moment the daemon is killed (SIGKILL).")
	if err := s.scan(ctx, lane1, "GRACE-1906-HOPPER", scanner.Admit, scanner.OK); err != nil {
		return err
	}
	if err := s.rig.Kill(); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	s.say("  ... it is back.")
	s.chapter("Somebody shows a copy of Grace's ticket at lane 2: the green light was on the disk.")
	return s.scan(ctx, lane2, "GRACE-1906-HOPPER", scanner.Refuse, scanner.AlreadyEntered)
}

// accounts holds the journal against every green light that was seen.
func (s *stage) accounts(ctx context.Context) error {
	s.chapter("The books: every green light, exactly once.")
	stored, err := s.rig.Client.Newest(ctx, 1000, 0)
	if err != nil {
		return err
	}
	times := map[string]int{}
	for _, e := range stored {
		if e.Verdict == scanner.Admit {
			times[e.ID]++
		}
	}
	for _, e := range s.green {
		if times[e.ID] != 1 {
			return fmt.Errorf("the green light of seq %d is in the journal %d times", e.Seq, times[e.ID])
		}
		delete(times, e.ID)
	}
	if len(times) > 0 {
		return fmt.Errorf("%d admissions in the journal that nobody saw", len(times))
	}
	s.say("  %d green lights seen, %d in the journal.", len(s.green), len(s.green))
	return nil
}

// scan reads a code at a lane and expects the verdict.
func (s *stage) scan(ctx context.Context, lane, code string, v scanner.Verdict, r scanner.Reason) error {
	if err := s.rig.Scan(lane, code); err != nil {
		return err
	}
	return s.expect(ctx, v, r, func(e control.Event) bool { return e.Scanner == lane && !e.Repeat })
}

func (s *stage) expect(ctx context.Context, v scanner.Verdict, r scanner.Reason, more func(control.Event) bool) error {
	e, err := s.next(ctx)
	if err != nil {
		return err
	}
	s.show(e)
	if e.Verdict != v || e.Reason != r || !more(e) {
		return errors.New("the story wanted " + string(v) + "/" + string(r))
	}
	if e.Verdict == scanner.Admit {
		s.green = append(s.green, e)
	}
	return nil
}

func (s *stage) chapter(text string) { s.say("\n%s", text) }

func (s *stage) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// show prints a verdict as the gate would see it.
func (s *stage) show(e control.Event) {
	sign, colour := "[?] REVIEW", "33"
	switch {
	case e.Repeat:
		sign, colour = "[=] SAME TICKET", "37"
	case e.Kind == scanner.KindUndo:
		sign, colour = "[-] UNDONE", "37"
	case e.Verdict == scanner.Admit:
		sign, colour = "[+] ADMIT", "32"
	case e.Verdict == scanner.Refuse:
		sign, colour = "[x] REFUSE", "31"
	}
	line := fmt.Sprintf("%-16s", sign)
	if s.colour {
		line = "\x1b[1;" + colour + "m" + line + "\x1b[0m"
	}
	seat := ""
	if e.Ticket != nil {
		seat = fmt.Sprintf("%s, %s %s. ", e.Ticket.Name, e.Ticket.Section, e.Ticket.Seat)
	}
	s.say("  %s %s%s  (%s, %s, %.1f ms)", line, seat, e.Message, e.Scanner, e.Code, e.TookMS)
}
