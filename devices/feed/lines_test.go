package feed

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"usher/scanner"
)

func all(l *lines, reads ...[]byte) []string {
	var codes []string
	for _, read := range reads {
		codes = append(codes, l.push(read)...)
	}
	return append(codes, l.end()...)
}

func TestLines(t *testing.T) {
	overlong := "\x00" + strings.Repeat("x", maxKept-2) + "\x00"
	tests := map[string]struct {
		sent string
		want []string
	}{
		"nothing":                {"", nil},
		"LF":                     {"A1\nB2\n", []string{"A1", "B2"}},
		"CR LF, no empty second": {"A1\r\nB2\r\n", []string{"A1", "B2"}},
		"TAB, ETX, EOT":          {"A1\tB2\x03C3\x04", []string{"A1", "B2", "C3"}},
		"GS is data":             {"01\x1d21\n", []string{"01\x1d21"}},
		"the last line counts":   {"A1\nB2", []string{"A1", "B2"}},
		"empty lines are none":   {"\n\n\r\nA1\n\n", []string{"A1"}},
		"blanks are the gate's":  {" A1 \n", []string{" A1 "}},
		"64 KiB is one code":     {strings.Repeat("x", 64<<10) + "\nA1\n", []string{overlong, "A1"}},
		"64 KiB without an end":  {strings.Repeat("x", 64<<10), []string{overlong}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, all(new(lines), []byte(tt.sent))); diff != "" {
				t.Errorf("codes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoShorterCodeInsideTheCut(t *testing.T) {
	for _, sent := range []string{
		"TICKET-1" + strings.Repeat(" ", maxKept) + "X\n",
		strings.Repeat(" ", maxKept-4) + "TICKET-1\n",
	} {
		for _, code := range all(new(lines), []byte(sent)) {
			if scanner.Clean(code).Check() == nil {
				t.Errorf("the gate would judge %.20q of %d bytes sent", scanner.Clean(code), len(sent))
			}
		}
	}
}

func TestCutsMeanNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.OneOf(
			rapid.SliceOfN(rapid.Byte(), 0, 30),
			rapid.SampledFrom([][]byte{[]byte("\n"), []byte("\r\n"), slices.Repeat([]byte("n"), maxKept)}),
		)
		sent := slices.Concat(rapid.SliceOfN(part, 0, 20).Draw(t, "sent")...)
		size := rapid.IntRange(1, 5000).Draw(t, "size")
		whole := all(new(lines), sent)
		if diff := cmp.Diff(whole, all(new(lines), slices.Collect(slices.Chunk(sent, size))...)); diff != "" {
			t.Fatalf("cutting the reads changed the codes (-whole +cut):\n%s", diff)
		}
	})
}
