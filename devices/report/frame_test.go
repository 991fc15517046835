package report

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"usher/devices/devicetest"
	"usher/scanner"
)

const testIdle = 80 * time.Millisecond

// replay feeds a recording as the port's owner does: Silence is called when the
// next read comes later than Wait told, and after the last one.
func replay(reads []devicetest.Read) []string {
	return replayWith(Framer{Idle: testIdle}, reads)
}

func replayWith(f Framer, reads []devicetest.Read) []string {
	now := time.Unix(1e9, 0)
	var codes []string
	for _, read := range reads {
		if w := f.Wait(now); w >= 0 && read.After >= w {
			codes = append(codes, f.Silence()...)
		}
		now = now.Add(read.After)
		codes = append(codes, f.Push(now, read.Data)...)
	}
	return append(codes, f.Silence()...)
}

// stream draws bytes that look like a scanner's: codes, terminators, noise, and
// now and then more than fits.
func stream(t *rapid.T) []byte {
	part := rapid.OneOf(
		rapid.SliceOfN(rapid.ByteRange(' ', '~'), 1, 40),
		rapid.SliceOfN(rapid.Byte(), 0, 20),
		rapid.Just([]byte("\r")), rapid.Just([]byte("\r\n")), rapid.Just([]byte("\n")), rapid.Just([]byte("\t")),
		rapid.Just([]byte{0}), rapid.Just([]byte{2}), rapid.Just([]byte{3}), rapid.Just([]byte{0x1D}),
		rapid.Map(rapid.IntRange(scanner.MaxCode-2, 3*MaxKept), func(n int) []byte { return slices.Repeat([]byte("n"), n) }),
	)
	return slices.Concat(rapid.SliceOfN(part, 0, 20).Draw(t, "parts")...)
}

func TestCutsMeanNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := stream(t)
		whole := replay([]devicetest.Read{{Data: all}})
		var reads []devicetest.Read
		for rest := all; len(rest) > 0; {
			n := rapid.IntRange(1, min(len(rest), 4096)).Draw(t, "cut")
			after := rapid.Int64Range(0, int64(testIdle)-1).Draw(t, "after")
			reads = append(reads, devicetest.Read{After: time.Duration(after), Data: rest[:n]})
			rest = rest[n:]
		}
		if diff := cmp.Diff(whole, replay(reads)); diff != "" {
			t.Fatalf("cutting the reads changed the codes (-whole +cut):\n%s", diff)
		}
	})
}

// TestCodesComeThrough gives codes that need nothing dropped and wants exactly
// them, whatever the terminators are.
func TestCodesComeThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.StringMatching(`[ -~][ -~\x1D]{0,60}`)
		want := rapid.SliceOfN(code, 0, 20).Draw(t, "codes")
		var sent []byte
		for _, c := range want {
			sent = append(sent, c...)
			sent = append(sent, rapid.SampledFrom([]string{"\r", "\n", "\r\n", "\t", "\x03", "\x04", "\r\n\r\n"}).Draw(t, "end")...)
		}
		got := replay([]devicetest.Read{{Data: sent}})
		if len(want) == 0 && len(got) == 0 {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("codes (-sent +got):\n%s", diff)
		}
	})
}

func TestOverlong(t *testing.T) {
	blank := strings.Repeat(" ", MaxKept)
	tests := map[string]struct {
		sent string
		want []int // lengths
	}{
		"the longest code that is judged": {strings.Repeat("x", scanner.MaxCode) + "\r", []int{scanner.MaxCode}},
		"one byte more":                   {strings.Repeat("x", scanner.MaxCode+1) + "\r", []int{scanner.MaxCode + 1}},
		"all that is kept":                {strings.Repeat("x", MaxKept) + "\r", []int{MaxKept}},
		"one more than is kept":           {strings.Repeat("x", MaxKept+1) + "\r", []int{MaxKept}},
		"64 KiB, then a code":             {strings.Repeat("x", 64<<10) + "\rOK\r", []int{MaxKept, 2}},
		"64 KiB twice":                    {strings.Repeat(strings.Repeat("x", 64<<10)+"\n", 2), []int{MaxKept, MaxKept}},
		"a code behind blanks":            {blank[:MaxKept-6] + "TICKET-1\r", []int{MaxKept}},
		"a code before blanks":            {"TICKET" + blank + "X\r", []int{MaxKept}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			codes := replay([]devicetest.Read{{Data: []byte(tt.sent)}})
			var got []int
			for _, code := range codes {
				got = append(got, len(code))
				if err := scanner.Clean(code).Check(); (len(code) > scanner.MaxCode) != (err != nil) {
					t.Errorf("a code of %d bytes: the gate says %v", len(code), err)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("codes of %v bytes, want %v", got, tt.want)
			}
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	f := Framer{Idle: testIdle}
	for range 1000 {
		f.Push(time.Unix(0, 0), slices.Repeat([]byte("n"), 4096))
	}
	if cap(f.kept) > 2*MaxKept {
		t.Errorf("4 MB of noise made the buffer %d bytes", cap(f.kept))
	}
}

func TestWait(t *testing.T) {
	f := Framer{Idle: testIdle}
	at := time.Unix(1e9, 0)
	check := func(after, want time.Duration) {
		t.Helper()
		if got := f.Wait(at.Add(after)); got != want {
			t.Errorf("wait %v after the read: %v, want %v", after, got, want)
		}
	}
	check(0, -1)
	f.Push(at, []byte("half a co"))
	check(0, testIdle)
	check(30*time.Millisecond, 50*time.Millisecond)
	check(time.Hour, 0)
	f.Push(at, []byte("de\r"))
	check(0, -1)
	f.Push(at, slices.Repeat([]byte("n"), MaxKept+1))
	check(0, testIdle)
	f.Silence()
	check(0, -1)
}

// TestAPersonTypes: a keyboard that is a real one gives whole codes, not letters.
func TestATouchPutsOffTheSilence(t *testing.T) {
	f := Framer{Idle: 100 * time.Millisecond, Keyboard: true}
	now := time.Unix(1e9, 0)
	f.Touch(now)
	if w := f.Wait(now); w >= 0 {
		t.Errorf("no code is in hand, and Wait is %v", w)
	}
	f.Push(now, []byte("AB"))
	f.Touch(now.Add(80 * time.Millisecond))
	if w := f.Wait(now.Add(90 * time.Millisecond)); w != 90*time.Millisecond {
		t.Errorf("Wait is %v", w)
	}
}

func TestAPersonTypes(t *testing.T) {
	keys := func(text string, gap time.Duration) (reads []devicetest.Read) {
		for i := range text {
			reads = append(reads, devicetest.Read{After: gap, Data: []byte(text[i : i+1])})
		}
		return reads
	}
	tests := map[string]struct {
		keyboard bool
		reads    []devicetest.Read
		want     []string
	}{
		"by hand, with Enter":         {true, keys("TICKET-1\r", 300*time.Millisecond), []string{"TICKET-1"}},
		"by hand, without":            {true, keys("TICKET-1", 300*time.Millisecond), []string{"TICKET-1"}},
		"a scanner, without a suffix": {true, append(keys("TICKET-1", 5*time.Millisecond), devicetest.Read{After: time.Second, Data: []byte("A2")}), []string{"TICKET-1", "A2"}},
		"a scanner after a person":    {true, append(keys("1\r", time.Second), append(keys("AB", 5*time.Millisecond), devicetest.Read{After: time.Second, Data: []byte("CD")})...), []string{"1", "AB", "CD"}},
		"no keyboard":                 {false, keys("AB", 300*time.Millisecond), []string{"A", "B"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, replayWith(Framer{Idle: testIdle, Keyboard: tt.keyboard}, tt.reads)); diff != "" {
				t.Errorf("codes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhatFramesAKeyboardsCodes: a control character that a key typed was in the
// code, and must not be cut off or cut at.
func TestWhatFramesAKeyboardsCodes(t *testing.T) {
	for sent, want := range map[string][]string{
		"AB\x03CD\r":   {"AB\x03CD"},
		"AB\x04\r":     {"AB\x04"},
		"\x02AB\r":     {"\x02AB"},
		"\x00AB\x00\r": {"\x00AB\x00"},
		"AB\rCD\nEF\t": {"AB", "CD", "EF"},
	} {
		reads := []devicetest.Read{{Data: []byte(sent)}}
		if diff := cmp.Diff(want, replayWith(Framer{Idle: testIdle, Keyboard: true}, reads)); diff != "" {
			t.Errorf("%q: codes (-want +got):\n%s", sent, diff)
		}
	}
}

func FuzzFramer(f *testing.F) {
	logs, err := filepath.Glob("../serial/testdata/*.log")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range logs {
		log, err := devicetest.OpenLog(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(log.Bytes(), uint8(7))
	}
	f.Fuzz(func(t *testing.T, sent []byte, size uint8) {
		whole := replay([]devicetest.Read{{Data: sent}})
		var cut []devicetest.Read
		for chunk := range slices.Chunk(sent, int(size)+1) {
			cut = append(cut, devicetest.Read{Data: chunk})
		}
		if diff := cmp.Diff(whole, replay(cut)); diff != "" {
			t.Errorf("cutting the reads changed the codes (-whole +cut):\n%s", diff)
		}
		for _, code := range whole {
			if code == "" || len(code) > MaxKept || strings.ContainsAny(code, "\r\n\t\x03\x04") {
				t.Errorf("not a code: %q", code)
			}
		}
	})
}
