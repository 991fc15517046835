package scanner

// Signal is what a light and a beep can say of a verdict, without words.
type Signal string

// The signals, each with a pattern of its own.
const (
	SignalAdmit  Signal = "admit"
	SignalRefuse Signal = "refuse"
	SignalReview Signal = "review"
	SignalRepeat Signal = "repeat"
)

// Signals lists them.
func Signals() []Signal { return []Signal{SignalAdmit, SignalRefuse, SignalReview, SignalRepeat} }

// Signal is what tells the outcome to the hand.
func (o Outcome) Signal() Signal {
	switch {
	case o.Repeat:
		return SignalRepeat
	case o.Verdict == Admit:
		return SignalAdmit
	case o.Verdict == Refuse:
		return SignalRefuse
	}
	return SignalReview
}

// Signaller is a [Device] that can show a signal itself. Signal may be called
// while Run runs and after it returned, never blocks, and may leave out what a
// newer signal overtakes.
type Signaller interface {
	Signal(Signal)
}

// Adviser is a [Device] that works, and has noticed something that a person
// should change: a layout that is not the scanner's. Advice is in words, empty
// where there is none, and never blocks.
type Adviser interface {
	Advice() string
}
