package serial

import (
	"time"

	"usher/scanner"
)

// The values of Config.Feedback.
const (
	honeywell = "honeywell"
	zebra     = "zebra"
	datalogic = "datalogic"
)

// feedback is how one family of scanners is told a verdict.
type feedback struct {
	patterns map[scanner.Signal][]step
	// opening is told to a scanner whose port was just opened.
	opening []step
	// replies: the scanner answers each command, and takes no other before.
	replies bool
}

// step is one thing to tell the scanner, and how long to leave it so.
type step struct {
	say  []byte
	hold time.Duration
	// always: not left out when another verdict cuts the pattern short.
	always bool
}

// lit is how long a verdict's light stays.
const lit = time.Second

// feedbacks knows the families.
func feedbacks() map[string]feedback {
	return map[string]feedback{
		honeywell: {patterns: map[scanner.Signal][]step{
			scanner.SignalAdmit:  {{say: []byte("\x1b7,")}},
			scanner.SignalRefuse: {{say: []byte("\x1b8,\x1b8,")}},
			scanner.SignalReview: {{say: []byte("\x1b6,\x1b4,\x1b6,\x1b4,")}},
			scanner.SignalRepeat: {{say: []byte("\x1b4,")}},
		}},
		zebra: {replies: true, patterns: map[scanner.Signal][]step{
			scanner.SignalAdmit:  zebraPattern(0x01, 0x01),          // two short high beeps, green
			scanner.SignalRefuse: zebraPattern(0x12, 0x02),          // four long low beeps, red
			scanner.SignalReview: zebraPattern(0x14, 0x02),          // a fast warble, red
			scanner.SignalRepeat: {{say: ssiPacket(ssiBeep, 0x05)}}, // one short low beep
		}},
		datalogic: {opening: datalogicEnable(), patterns: map[scanner.Signal][]step{
			scanner.SignalAdmit:  datalogicTones(1),
			scanner.SignalRefuse: append([]step{{say: []byte("F"), hold: lit}}, datalogicEnable()...),
			scanner.SignalReview: datalogicTones(3),
			scanner.SignalRepeat: datalogicTones(2),
		}},
	}
}

func zebraPattern(beep, led byte) []step {
	return []step{
		{say: ssiPacket(ssiBeep, beep)},
		{say: ssiPacket(ssiLEDOn, led), hold: lit},
		{say: ssiPacket(ssiLEDOff, led), always: true},
	}
}

// datalogicTones sounds the good tone, which the first byte forces though the
// scanner's own good-read beep is switched off.
func datalogicTones(n int) []step {
	const apart = 250 * time.Millisecond
	var steps []step
	for range n {
		steps = append(steps, step{say: []byte{0x01}, hold: apart})
	}
	return steps
}

// datalogicEnable lets the scanner read again: some stop at F.
func datalogicEnable() []step { return []step{{say: []byte("E"), always: true}} }
