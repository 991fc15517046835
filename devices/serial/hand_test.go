package serial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
)

// line records what is written and when, since the test began.
type line struct {
	began time.Time
	said  []string
}

func (l *line) write(b []byte) error {
	l.said = append(l.said, fmt.Sprintf("%v %x", time.Since(l.began).Round(time.Millisecond), b))
	return nil
}

// talk runs a hand of the family while the test does something.
func talk(t *testing.T, family string, do func(*hand)) []string {
	t.Helper()
	var l line
	synctest.Test(t, func(t *testing.T) {
		l.began = time.Now()
		h := newHand(feedbacks()[family], l.write)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.run(ctx)
		}()
		synctest.Wait()
		do(h)
		cancel()
		<-ended
	})
	return l.said
}

func at(d time.Duration, packet []byte) string { return fmt.Sprintf("%v %x", d, packet) }

func TestZebraIsToldStepByStep(t *testing.T) {
	admit := []string{
		at(0, ssiPacket(ssiBeep, 1)), at(10*time.Millisecond, ssiPacket(ssiLEDOn, 1)), at(1020*time.Millisecond, ssiPacket(ssiLEDOff, 1)),
	}
	got := talk(t, zebra, func(h *hand) {
		h.signal(scanner.SignalAdmit)
		for _, after := range []time.Duration{10 * time.Millisecond, 10 * time.Millisecond, 1010 * time.Millisecond} {
			time.Sleep(after)
			h.replied()
		}
		time.Sleep(2 * time.Second)
	})
	if diff := cmp.Diff(admit, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestAScannerThatDoesNotReply is told everything all the same.
func TestAScannerThatDoesNotReply(t *testing.T) {
	got := talk(t, zebra, func(h *hand) {
		h.signal(scanner.SignalRefuse)
		time.Sleep(time.Minute)
	})
	want := []string{
		at(0, ssiPacket(ssiBeep, 0x12)), at(replyWithin, ssiPacket(ssiLEDOn, 2)), at(2*replyWithin+lit, ssiPacket(ssiLEDOff, 2)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestTheNewestVerdictWins: what is overtaken is left out, but never the light put
// out, nor the scanner enabled.
func TestTheNewestVerdictWins(t *testing.T) {
	got := talk(t, datalogic, func(h *hand) {
		h.signal(scanner.SignalReview)
		time.Sleep(100 * time.Millisecond)
		h.signal(scanner.SignalRepeat)
		h.signal(scanner.SignalRefuse)
		time.Sleep(100 * time.Millisecond)
		h.signal(scanner.SignalAdmit)
		time.Sleep(time.Minute)
	})
	want := []string{"0s 45", "0s 01", "100ms 46", "200ms 45", "200ms 01"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestTheEndEnablesTheScanner(t *testing.T) {
	got := talk(t, datalogic, func(h *hand) {
		h.signal(scanner.SignalRefuse)
		time.Sleep(100 * time.Millisecond)
	})
	if diff := cmp.Diff([]string{"0s 45", "0s 46", "100ms 45"}, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestAcknowledgementsComeFirst, and a flood of them never waits for the line.
func TestAcknowledgementsComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := line{began: time.Now()}
		h := newHand(feedbacks()[zebra], l.write)
		for range 10 * answersKept {
			h.answer(ssiPacket(ssiAck))
		}
		h.signal(scanner.SignalRepeat)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.run(ctx)
		}()
		synctest.Wait()
		cancel()
		<-ended
		want := append(slices.Repeat([]string{at(0, ssiPacket(ssiAck))}, answersKept), at(0, ssiPacket(ssiBeep, 5)))
		if diff := cmp.Diff(want, l.said); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// TestTheEndDoesNotWaitForAcknowledgements that a line takes slowly.
func TestTheEndDoesNotWaitForAcknowledgements(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			h := newHand(feedbacks()[zebra], func([]byte) error {
				time.Sleep(writeWithin)
				return errors.New("full")
			})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				h.run(ctx)
			}()
			h.signal(scanner.SignalAdmit)
			for range answersKept {
				h.answer(ssiPacket(ssiAck))
			}
			synctest.Wait()
			began := time.Now()
			cancel()
			<-ended
			if took := time.Since(began); took > 2*writeWithin {
				t.Errorf("the end took %v", took)
			}
		})
	}
}

// TestEveryFamilyTellsVerdictsApart keeps the table of the package comment complete.
func TestEveryFamilyTellsVerdictsApart(t *testing.T) {
	for name, f := range feedbacks() {
		seen := map[string]scanner.Signal{}
		for _, s := range scanner.Signals() {
			var all strings.Builder
			for _, step := range f.patterns[s] {
				fmt.Fprintf(&all, "%x %v|", step.say, step.hold)
			}
			if other, same := seen[all.String()]; same || all.Len() == 0 {
				t.Errorf("%s: %s is told like %s", name, s, other)
			}
			seen[all.String()] = s
		}
	}
}
