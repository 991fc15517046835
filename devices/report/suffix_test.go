package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"usher/devices/devicetest"
	"usher/scanner"
)

// pieces are reads that begin after a pause each: "AB|600ms|CD" is a code that is
// held up in its middle.
func pieces(t *testing.T, text string) (reads []devicetest.Read) {
	t.Helper()
	var after time.Duration
	for i, part := range strings.Split(text, "|") {
		if i%2 == 0 {
			reads = append(reads, devicetest.Read{After: after, Data: []byte(part)})
			continue
		}
		var err error
		if after, err = time.ParseDuration(part); err != nil {
			t.Fatal(err)
		}
	}
	return reads
}

// judged gives the codes as the gate takes them: what it refuses as unreadable is
// a question mark.
func judged(codes []string) []string {
	all := []string{}
	for _, code := range codes {
		if scanner.Clean(code).Check() != nil {
			code = "?"
		}
		all = append(all, code)
	}
	return all
}

func TestSuffix(t *testing.T) {
	const kept = MaxKept + 1
	noise := strings.Repeat("N", kept)
	tests := map[string]struct {
		suffix, sent string
		want         []string
	}{
		"held up, as its codes end":       {SuffixAuto, "A1\r|5s|LEFT-|600ms|RIGHT\r", []string{"A1", "LEFT-RIGHT"}},
		"held up again and again":         {SuffixAuto, "A1\r|5s|A|1.9s|B|1.9s|C|1.9s|\r", []string{"A1", "ABC"}},
		"Tab ends codes, too":             {SuffixAuto, "A1\t|5s|LEFT-|600ms|RIGHT\t", []string{"A1", "LEFT-RIGHT"}},
		"held up, nothing known":          {SuffixAuto, "LEFT|600ms|RIGHT\r|1s|A|600ms|1\r", []string{"LEFT", "RIGHT", "A1"}},
		"held up, as is configured":       {SuffixEnter, "LEFT-|600ms|RIGHT\r", []string{"LEFT-RIGHT"}},
		"held up, without a suffix":       {SuffixNone, "A1\r|1s|B1|600ms|C1\r|1s|D1|600ms|E1", []string{"A1", "B1", "C1", "D1", "E1"}},
		"too long":                        {SuffixAuto, "A1\r|5s|LEFT|3s|RIGHT\r|1s|B1\r", []string{"A1", "?", "?", "B1"}},
		"too long, once in each half":     {SuffixAuto, "A1\r|5s|LEFT|3s|MID|3s|RIGHT\r|1s|B1\r", []string{"A1", "?", "?", "?", "B1"}},
		"too long, only the end late":     {SuffixAuto, "A1\r|5s|B1|3s|\r|1s|C1\r", []string{"A1", "?", "C1"}},
		"too long, then all at once":      {SuffixAuto, "A1\r|5s|LEFT|3s|RIGHT\rB1\r", []string{"A1", "?", "?", "B1"}},
		"too long, the rest is lost":      {SuffixAuto, "A1\r|5s|LEFT|9s|B1\r|1s|B1\r", []string{"A1", "?", "?", "B1"}},
		"too long, then CR LF":            {SuffixAuto, "A1\r\n|5s|LEFT|3s|RIGHT\r\n|1s|B1\r\n", []string{"A1", "?", "?", "B1"}},
		"switched off, scanned again":     {SuffixAuto, "A1\r|9s|B1|9s|B1|9s|C1|300ms|D1", []string{"A1", "?", "B1", "C1", "D1"}},
		"switched off, other tickets":     {SuffixAuto, "A1\r|9s|B1|9s|C1|9s|C1|300ms|D1", []string{"A1", "?", "?", "C1", "D1"}},
		"switched off and on":             {SuffixAuto, "A1\r|9s|B1|9s|B1|9s|C1\r|9s|LEFT-|600ms|RIGHT\r", []string{"A1", "?", "B1", "C1", "LEFT-RIGHT"}},
		"switched off, as is configured":  {SuffixEnter, "B1|9s|B1|9s|C1|9s|C1|9s|D1\r|9s|E|600ms|1\r", []string{"?", "B1", "?", "C1", "D1", "E1"}},
		"cut twice, but not in a row":     {SuffixAuto, "A1\r|9s|B1|9s|X\r|9s|B1|9s|X\r|9s|C1|600ms|D\r", []string{"A1", "?", "?", "?", "?", "C1D"}},
		"more than fits":                  {SuffixAuto, "A1\r|9s|" + noise + "|300ms|TAIL\r|1s|B1\r", []string{"A1", "?", "?", "B1"}},
		"more than fits, and no more":     {SuffixAuto, "A1\r|9s|" + noise + "\r|300ms|B1\r", []string{"A1", "?", "B1"}},
		"more than fits tells nothing":    {SuffixAuto, noise + "\r|9s|B1|300ms|C1", []string{"?", "B1", "C1"}},
		"Enter alone tells nothing":       {SuffixAuto, "\r|9s|B1|300ms|C1", []string{"B1", "C1"}},
		"a code that looks like its rest": {SuffixAuto, "A1\r|9s|00|3s|001\r|9s|00001\r", []string{"A1", "?", "?", "00001"}},
	}
	for name, tt := range tests {
		for _, keyboard := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, keyboard %v", name, keyboard), func(t *testing.T) {
				f := Framer{Idle: testIdle, Keyboard: keyboard, Suffix: NewSuffix(tt.suffix)}
				if diff := cmp.Diff(tt.want, judged(replayWith(f, pieces(t, tt.sent)))); diff != "" {
					t.Errorf("%.100q: codes (-want +got):\n%s", tt.sent, diff)
				}
			})
		}
	}
}

// TestAPersonTellsNothingOfTheScanner: not with Enter, and not without.
func TestAPersonTellsNothingOfTheScanner(t *testing.T) {
	for name, tt := range map[string]struct {
		sent string
		want []string
	}{
		"Enter is no suffix":       {"4|300ms|7\r|9s|B1|300ms|C1", []string{"47", "B1", "C1"}},
		"one key and Enter":        {"4\r|9s|B1|300ms|C1", []string{"4", "B1", "C1"}},
		"no Enter is no loss":      {"A1\r|9s|4|300ms|7|9s|4|300ms|7|9s|X\r|9s|LEFT-|600ms|RIGHT\r", []string{"A1", "?", "?", "?", "LEFT-RIGHT"}},
		"a key that was touched":   {"A1\r|9s|x|9s|x|9s|X1\r|9s|LEFT-|600ms|RIGHT\r", []string{"A1", "?", "?", "?", "LEFT-RIGHT"}},
		"slowly, with Enter":       {"A1\r|9s|4|1.5s|7|1.5s|1|1.5s|1|1.5s|\r", []string{"A1", "4711"}},
		"slowly, the first unread": {"4|1.5s|7|1.5s|1|1.5s|1|1.5s|\r", []string{"4711"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := Framer{Idle: testIdle, Keyboard: true, Suffix: NewSuffix(SuffixAuto)}
			if diff := cmp.Diff(tt.want, judged(replayWith(f, pieces(t, tt.sent)))); diff != "" {
				t.Errorf("codes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHeldUpCodesComeThrough: once a scanner ended one code, every other comes out as
// it was sent, however its bytes are cut and held up for less than ByHand.
func TestHeldUpCodesComeThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Framer{Idle: testIdle, Keyboard: rapid.Bool().Draw(t, "keyboard"), Suffix: NewSuffix(SuffixAuto)}
		end := rapid.SampledFrom([]string{"\r", "\n", "\r\n", "\t"}).Draw(t, "end")
		codes := rapid.SliceOfN(rapid.StringMatching(`[ -~][ -~\x1D]{0,60}`), 1, 10).Draw(t, "codes")
		reads := []devicetest.Read{{Data: []byte("FIRST-1" + end)}}
		for rest := []byte(strings.Join(codes, end) + end); len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			after := rapid.Int64Range(0, int64(ByHand)-1).Draw(t, "after")
			reads = append(reads, devicetest.Read{After: time.Duration(after), Data: rest[:n]})
			rest = rest[n:]
		}
		if diff := cmp.Diff(append([]string{"FIRST-1"}, codes...), replayWith(f, reads)); diff != "" {
			t.Fatalf("codes (-sent +got):\n%s", diff)
		}
	})
}

// TestNoHalfIsJudged: whatever a scanner that ends its codes is held up for, nothing
// is given to the gate that it did not send.
func TestNoHalfIsJudged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		suffix := rapid.SampledFrom([]string{SuffixAuto, SuffixEnter}).Draw(t, "suffix")
		f := Framer{Idle: testIdle, Keyboard: rapid.Bool().Draw(t, "keyboard"), Suffix: NewSuffix(suffix)}
		reads := []devicetest.Read{{Data: []byte("FIRST-1\r")}}
		sent := map[string]bool{"FIRST-1": true}
		for i := range rapid.IntRange(1, 20).Draw(t, "codes") {
			code := fmt.Sprintf("%03d-%s", i, rapid.StringMatching(`[0-9]{2,20}`).Draw(t, "code"))
			sent[code] = true
			at := rapid.IntRange(1, len(code)).Draw(t, "cut")
			long := time.Duration(rapid.Int64Range(0, int64(10*ByHand)).Draw(t, "held up"))
			reads = append(reads, devicetest.Read{After: time.Second, Data: []byte(code[:at])}, devicetest.Read{After: long, Data: []byte(code[at:] + "\r")})
		}
		for _, code := range replayWith(f, reads) {
			if scanner.Clean(code).Check() == nil && !sent[code] {
				t.Fatalf("the gate would judge %q", code)
			}
		}
	})
}

func TestMissing(t *testing.T) {
	for sent, want := range map[string]bool{
		"A1\r|9s|B1": false, "A1\r|9s|B1|9s|B1": true, "A1\r|9s|B1|9s|C1": true, "A1\r|9s|B1|9s|C1|9s|D1": true, "A1\r|9s|B1|9s|B1|9s|C1\r": false, "A1|9s|B1|9s|C1": false,
		// Two scanners of one base, of which only one ends its codes.
		"A1\r|9s|B1|9s|A2\r|9s|B2|9s|A3\r|9s|B3": true,
		"A1\r|9s|B1|9s|A2\rA3\rA4\rA5\r|9s|B2":   false,
	} {
		s := NewSuffix(SuffixAuto)
		replayWith(Framer{Idle: testIdle, Suffix: s}, pieces(t, sent))
		if s.Missing() != want {
			t.Errorf("%q: missing %v", sent, s.Missing())
		}
	}
	var none *Suffix
	if none.Missing() {
		t.Error("missing what nobody waits for")
	}
}

// TestWhatWasLearntOutlivesTheFramer: a scanner that is plugged in again, or wakes
// up, is the one it was.
func TestWhatWasLearntOutlivesTheFramer(t *testing.T) {
	s := NewSuffix(SuffixAuto)
	replayWith(Framer{Idle: testIdle, Suffix: s}, pieces(t, "A1\r"))
	got := replayWith(Framer{Idle: testIdle, Suffix: s}, pieces(t, "LEFT-|600ms|RIGHT\r"))
	if diff := cmp.Diff([]string{"LEFT-RIGHT"}, got); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

func TestCheckSuffix(t *testing.T) {
	for _, value := range []string{SuffixAuto, SuffixEnter, SuffixNone} {
		if err := CheckSuffix(value); err != nil {
			t.Error(err)
		}
	}
	for _, value := range []string{"", "Enter", "cr"} {
		if err := CheckSuffix(value); fmt.Sprint(err) != fmt.Sprintf("suffix: %q is none of auto, enter, none", value) {
			t.Errorf("%q: %v", value, err)
		}
	}
}
