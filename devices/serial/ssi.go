package serial

import (
	"bytes"
	"encoding/binary"
	"time"

	"usher/devices/report"
)

// The opcodes of the Simple Serial Interface that matter here (Zebra, Simple
// Serial Interface Programmer's Guide, 72E-40451).
const (
	ssiCapabilities = 0xd4
	ssiAck          = 0xd0
	ssiNak          = 0xd1
	ssiDecodeData   = 0xf3
	ssiEvent        = 0xf6
	ssiParameters   = 0xc6
	ssiRevision     = 0xa4
	ssiSegment      = 0x73
	ssiSegmentAck   = 0x74
	ssiBeep         = 0xe6
	ssiLEDOn        = 0xe7
	ssiLEDOff       = 0xe8
)

const (
	// A packet is length, opcode, source, status, data, and two bytes of checksum
	// that the length does not count.
	ssiHeader, ssiChecksum = 4, 2
	// ssiFull is the length of every segment of a code but the last.
	ssiFull = 0xff
	// ssiFromHost is the source that we are, ssiFirst what stands in its place in
	// the first segment of a code.
	ssiFromHost, ssiFirst = 0x04, 0x02
	// ssiAgain is the bit of the status that says: sent before.
	ssiAgain = 0x01
	// ssiGoesOn is the one that says: more of this follows in another packet.
	ssiGoesOn = 0x02
	// ssiResend is the reason of a NAK: send that again.
	ssiResend = 0x01

	// ssiWithin is how long the next segment of a code may take, or a packet that
	// was asked for again.
	ssiWithin = 1500 * time.Millisecond
	// ssiRemember is how long a packet may be sent again because our
	// acknowledgement got lost; scanners wait for it 2 s, or as programmed.
	ssiRemember = 5 * time.Second
)

// ssiPacket makes a packet of the host.
func ssiPacket(opcode byte, data ...byte) []byte {
	packet := append([]byte{byte(ssiHeader + len(data)), opcode, ssiFromHost, 0}, data...)
	return binary.BigEndian.AppendUint16(packet, checksum(packet))
}

// checksum is the two's complement of the sum of all bytes before it.
func checksum(packet []byte) uint16 {
	var sum uint16
	for _, b := range packet {
		sum += uint16(b)
	}
	return -sum
}

// ssi makes codes of SSI packets, in the manner of [report.Framer]: the cuts of
// reads mean nothing. What is no packet is skipped byte by byte, so that noise
// before a packet never costs it.
type ssi struct {
	// gap is the silence after which a packet will not go on.
	gap time.Duration
	// answer is given what the scanner must be told, in order. It must not wait.
	answer func(packet []byte)
	// heard is told that the scanner answered a command of ours. It must not wait.
	heard func()

	kept []byte
	last time.Time
	// bad counts the bytes at the front of kept that belong to a packet that was
	// asked for again already.
	bad int
	// owed: such a packet was a code, or a part of one, and did not come yet.
	owed bool
	// goesOn: the code packet that was accepted last is no whole code.
	goesOn bool
	// since is when owed, goesOn or parts last changed.
	since time.Time
	// before is the code packet that was accepted last, without header and
	// checksum.
	before   []byte
	beforeAt time.Time

	parts parts
}

// parts is a code that comes in segments.
type parts struct {
	// next is the number of the segment that must come; zero: no code is in hand.
	next byte
	// want is how long the code is.
	want int
	data []byte
}

// Push takes the bytes of one read and returns the codes that they complete, in
// order: also one that was cut off, marked so that the gate refuses it.
func (s *ssi) Push(at time.Time, read []byte) []string {
	s.last = at
	s.kept = append(s.kept, read...)
	return s.parse()
}

// Wait tells how long the port must stay silent from at on until Silence has
// something to say; negative: for ever.
func (s *ssi) Wait(at time.Time) time.Duration {
	switch {
	case len(s.kept) > 0:
		return max(0, s.last.Add(s.gap).Sub(at))
	case s.unfinished():
		return max(0, s.since.Add(ssiWithin).Sub(at))
	}
	return -1
}

// Silence gives up what did not go on: a packet is asked for again, a code is
// cut off.
func (s *ssi) Silence() []string {
	if len(s.kept) == 0 {
		return s.giveUp()
	}
	var codes []string
	for len(s.kept) > 0 {
		s.again(len(s.kept))
		s.drop(1)
		codes = append(codes, s.parse()...)
	}
	return codes
}

// unfinished tells that more must come of a code.
func (s *ssi) unfinished() bool { return s.owed || s.goesOn || s.parts.next > 0 }

// giveUp marks a code that is not whole and will not be.
func (s *ssi) giveUp() []string {
	if !s.unfinished() {
		return nil
	}
	code := report.Cut(s.parts.data)
	s.owed, s.goesOn, s.parts, s.before = false, false, parts{}, nil
	return []string{code}
}

// parse takes every whole packet out of kept, and skips what is none.
func (s *ssi) parse() []string {
	var codes []string
	for len(s.kept) > 0 {
		n, plausible := ssiSize(s.kept)
		switch {
		case !plausible:
			s.drop(1)
		case len(s.kept) < n:
			return codes
		case binary.BigEndian.Uint16(s.kept[n-ssiChecksum:]) != checksum(s.kept[:n-ssiChecksum]):
			s.again(n)
			s.drop(1)
		default:
			codes = append(codes, s.packet(s.kept[:n])...)
			s.bad = 0
			s.drop(n)
		}
	}
	return codes
}

// drop forgets the first bytes of kept.
func (s *ssi) drop(n int) {
	s.kept = append(s.kept[:0], s.kept[n:]...)
	s.bad = max(0, s.bad-n)
}

// again asks for the packet of n bytes at the front, unless it lies in one that
// was asked for.
func (s *ssi) again(n int) {
	if s.bad > 0 {
		return
	}
	s.bad = n
	if len(s.kept) > 1 {
		if op := s.kept[1]; op == ssiDecodeData || op == ssiSegment {
			s.owed, s.since = true, s.last
			s.before = nil // what comes again was not read yet
		}
	}
	s.answer(ssiPacket(ssiNak, ssiResend))
}

// ssiSize tells how long the packet is that may begin here, its checksum
// included; false: none does. Only what comes from a scanner is one.
func ssiSize(kept []byte) (int, bool) {
	if kept[0] < ssiHeader {
		return 0, false
	}
	if len(kept) > 1 {
		least := ssiHeader
		switch kept[1] {
		case ssiAck, ssiNak, ssiEvent, ssiParameters, ssiRevision, ssiCapabilities:
		case ssiDecodeData:
			least = ssiHeader + 2 // the symbology and one character
		case ssiSegment:
			least = ssiHeader + 2 // the number and one character
		default:
			return 0, false
		}
		if int(kept[0]) < least {
			return 0, false
		}
	}
	if len(kept) > 2 && kept[2] != 0 && (kept[1] != ssiSegment || kept[2] != ssiFirst) {
		return 0, false
	}
	return int(kept[0]) + ssiChecksum, true
}

// packet takes one good packet, acknowledges it, and gives the codes that it
// completes or ends.
func (s *ssi) packet(raw []byte) []string {
	data := raw[ssiHeader : len(raw)-ssiChecksum]
	switch raw[1] {
	case ssiAck, ssiNak:
		s.heard()
		return nil
	case ssiDecodeData:
		s.answer(ssiPacket(ssiAck))
		s.owed = false
		if s.sentBefore(raw[3], data) {
			return nil
		}
		if raw[3]&ssiGoesOn != 0 {
			s.goesOn, s.since = true, s.last
			s.remember(data)
			return nil
		}
		end := s.goesOn
		codes := s.giveUp()
		s.remember(data)
		if end {
			return codes
		}
		return append(codes, ssiCode(data))
	case ssiSegment:
		s.answer(ssiPacket(ssiSegmentAck))
		s.owed = false
		// Segments are numbered: the same one again is never another reading.
		if s.sentBefore(ssiAgain, data) {
			return nil
		}
		codes := s.segment(data, raw[0] != ssiFull)
		s.remember(data)
		return codes
	}
	s.answer(ssiPacket(ssiAck))
	return nil
}

// sentBefore tells a packet that was read already and comes again because our
// acknowledgement got lost. Without the bit in the status it is another reading
// of the same code.
func (s *ssi) sentBefore(status byte, data []byte) bool {
	return status&ssiAgain != 0 && s.before != nil && bytes.Equal(data, s.before) && s.last.Sub(s.beforeAt) < ssiRemember
}

func (s *ssi) remember(data []byte) { s.before, s.beforeAt = bytes.Clone(data), s.last }

// ssiCode gives the code of a DECODE_DATA packet: after the symbology, or, as
// newer scanners send it, after the symbology, a byte, and the code's length in
// two.
func ssiCode(data []byte) string {
	const head = 4
	if len(data) > head && data[1] <= 1 && int(binary.BigEndian.Uint16(data[2:])) == len(data)-head {
		return string(data[head:])
	}
	return string(data[1:])
}

// segment takes one part of a code. The first one holds, after its number, the
// header of the packet that was too long: opcode, source, status, length (2),
// symbology, a byte, and the code's length (2).
func (s *ssi) segment(data []byte, last bool) []string {
	const head = 9
	number, body := data[0], data[1:]
	var codes []string
	switch {
	case number == 0:
		codes = s.giveUp()
		if len(body) <= head || body[0] != ssiDecodeData {
			return codes // a picture, or parameters: none of ours
		}
		want := int(binary.BigEndian.Uint16(body[head-2:]))
		if want > report.MaxKept {
			return append(codes, report.Cut(nil))
		}
		s.parts, body = parts{want: want}, body[head:]
	case s.parts.next == 0:
		return nil // the rest of a code that was given up
	case number != s.parts.next:
		return s.giveUp()
	}
	p := &s.parts
	p.data = append(p.data, body...)
	p.next, s.since = number+1, s.last
	switch {
	case len(p.data) == p.want:
		codes = append(codes, string(p.data))
		s.parts = parts{}
	case last || len(p.data) > p.want || p.next == 0:
		p.next = 1 // it was in hand, whatever its number
		codes = append(codes, s.giveUp()...)
	}
	return codes
}
