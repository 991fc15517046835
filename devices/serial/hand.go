package serial

import (
	"context"
	"sync/atomic"
	"time"

	"usher/scanner"
)

const (
	// answersKept is how many acknowledgements may wait for the line. Beyond it
	// they are left out, and the scanner sends its packet again.
	answersKept = 16
	// replyWithin is how long a scanner that answers commands may take.
	replyWithin = 250 * time.Millisecond
)

// hand tells the scanner what it must be told, and the hand that holds it the
// verdict. Nothing waits for it.
type hand struct {
	// write puts bytes on the line, in a bounded time.
	write    func([]byte) error
	feedback feedback

	answers chan []byte
	heard   chan struct{}
	newest  atomic.Pointer[scanner.Signal]
	wake    chan struct{}
}

func newHand(f feedback, write func([]byte) error) *hand {
	return &hand{
		write: write, feedback: f,
		answers: make(chan []byte, answersKept), heard: make(chan struct{}, 1), wake: make(chan struct{}, 1),
	}
}

// signal shows a verdict, instead of one that is not shown yet.
func (h *hand) signal(s scanner.Signal) {
	h.newest.Store(&s)
	tell(h.wake)
}

// answer sends an acknowledgement.
func (h *hand) answer(packet []byte) {
	select {
	case h.answers <- packet:
	default:
	}
}

// replied says that the scanner answered a command.
func (h *hand) replied() { tell(h.heard) }

func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run writes until the context ends, and then only what may not be left out.
func (h *hand) run(ctx context.Context) {
	todo := h.feedback.opening
	// now is the step that is being told; waits is for the scanner's reply to it,
	// or for its own time.
	var now step
	var waits <-chan time.Time
	asked := false
	rest := func() {
		asked, waits = false, nil
		if now.hold > 0 {
			waits = time.After(now.hold)
		}
	}
	for {
		for waits == nil && len(todo) > 0 {
			if h.answerAll(ctx); ctx.Err() != nil {
				break
			}
			now, todo = todo[0], todo[1:]
			_ = h.write(now.say) // the verdict is on the screen
			if rest(); h.feedback.replies {
				asked, waits = true, time.After(replyWithin)
			}
		}
		select {
		case <-ctx.Done():
			for _, s := range owed(todo) {
				if h.write(s.say) != nil {
					return
				}
			}
			return
		case packet := <-h.answers:
			h.send(ctx, packet)
		case <-h.heard:
			if asked {
				rest()
			}
		case <-h.wake:
			if s := h.newest.Swap(nil); s != nil {
				todo = append(owed(todo), h.feedback.patterns[*s]...)
				if now.hold = 0; !asked {
					waits = nil
				}
			}
		case <-waits:
			if asked {
				rest() // it does not answer: go on all the same
			} else {
				waits = nil
			}
		}
	}
}

// answerAll sends the acknowledgements that wait: they come before commands.
func (h *hand) answerAll(ctx context.Context) {
	for {
		select {
		case packet := <-h.answers:
			h.send(ctx, packet)
		default:
			return
		}
	}
}

// send writes an acknowledgement, unless the end has come, which must not wait for
// a line that takes nothing. One that does not arrive is asked for by the packet
// that comes again.
func (h *hand) send(ctx context.Context, packet []byte) {
	if ctx.Err() == nil {
		_ = h.write(packet)
	}
}

// owed are the steps that may not be left out when a pattern is cut short.
func owed(steps []step) []step {
	var all []step
	for _, s := range steps {
		if s.always {
			all = append(all, step{say: s.say})
		}
	}
	return all
}
