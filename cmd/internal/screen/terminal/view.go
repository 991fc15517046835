package terminal

import (
	"slices"
	"strings"
	"time"

	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
)

// view is all that is shown, so that drawing is a pure function of it.
type view struct {
	now     time.Time
	speaker screen.Speaker
	// shown is the verdict on the screen; nil: calm.
	shown *control.Event
	// status is the newest one; nil before the first.
	status *control.Status
	// connected: the daemon answers, and its events come. Otherwise lost says why
	// not; empty: that is still being tried.
	connected bool
	lost      string
	// scanner is the only one shown; "": all.
	scanner string
}

// surface is what fills the screen above the bar.
type surface struct {
	tone  tone
	shape screen.Shape
	word  string
	// text must be read; more is for where there is room.
	text []paragraph
	more []paragraph
}

// surface decides what the screen says. Without a connection it says so, and
// nothing else: what was there may be old.
func (v view) surface() surface {
	switch {
	case !v.connected && v.lost != "":
		return stateSurface(v.speaker.LostState(v.lost))
	case !v.connected, v.status == nil:
		return surface{text: []paragraph{{v.speaker.Words.Connecting}}}
	}
	if v.shown != nil {
		e := v.speaker.Event(*v.shown)
		s := eventSurface(e)
		if v.scanner == "" && len(v.status.Scanners) > 1 {
			// Nobody must take the next lane's green for their own.
			s.text = slices.Insert(s.text, 0, paragraph{e.Scanner})
			s.more = []paragraph{{e.At, e.Code}, {e.Event}}
		}
		return s
	}
	state := v.speaker.State(*v.status, v.scanner)
	s := stateSurface(state)
	if state.Kind == screen.Calm {
		s.text = append([]paragraph{{state.Title}, {state.Scanner}}, s.text...)
		s.more = []paragraph{{state.Event}, {}, labelled(state.Counts)}
		if len(state.Problems) > 0 {
			// For support, who is perhaps on the phone.
			s.more = append(s.more, paragraph{}, paragraph{v.speaker.Words.Problems + ":"})
		}
		for _, problem := range state.Problems {
			s.more = append(s.more, paragraph{problem})
		}
	}
	return s
}

func stateSurface(s screen.State) surface {
	text := []paragraph{{s.Why}, {s.Do}}
	if s.Kind == screen.Blind {
		// What to do is short, and why is the daemon's own English.
		text = []paragraph{{s.Do}, {s.Why}}
	}
	return surface{tone: toneOf(s.Kind), shape: s.Shape, word: s.Word, text: text}
}

func eventSurface(e screen.View) surface {
	return surface{
		tone: toneOf(e.Kind), shape: e.Shape, word: e.Word,
		text: []paragraph{{e.Why}, {e.Do}, labelled(e.Ticket), {strings.Join(e.Marks, ", ")}},
		more: []paragraph{{e.At, e.Scanner, e.Code}, {e.Event}},
	}
}

func labelled(labels []screen.Label) paragraph {
	var p paragraph
	for _, l := range labels {
		p = append(p, l.Label+" "+l.Value)
	}
	return p
}

// bar is what must always be seen. Of a lost daemon only the gate is still sure.
func (v view) bar() []screen.Part {
	if v.status == nil {
		return []screen.Part{v.speaker.Clock(control.ClockStatus{}, v.now)}
	}
	bar := v.speaker.State(*v.status, v.scanner).Bar
	if !v.connected && len(bar) > 1 {
		bar = bar[:1]
	}
	return append(bar, v.speaker.Clock(v.status.Clock, v.now))
}

// Bells is the sound of an event: verdicts are told apart by the number of bells. The
// same ticket again has none: one more bell would be one more admission.
func Bells(e control.Event) int {
	if !screen.Shown(e) {
		return 0
	}
	switch screen.KindOf(e) {
	case screen.Admitted, screen.Exited:
		return 1
	case screen.Reviewed, screen.Conflict:
		return 2
	case screen.Refused:
		return 3
	}
	return 0
}
