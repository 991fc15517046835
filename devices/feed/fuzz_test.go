package feed

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever comes down a pipe, however it is cut: bounded codes without an end
// inside, the same ones, and none that was not sent.
func FuzzLines(f *testing.F) {
	f.Fuzz(func(t *testing.T, sent []byte, size uint16) {
		whole := all(new(lines), sent)
		if diff := cmp.Diff(whole, all(new(lines), slices.Collect(slices.Chunk(sent, int(size)+1))...)); diff != "" {
			t.Errorf("cutting the reads changed the codes (-whole +cut):\n%s", diff)
		}
		var want []string
		for _, line := range strings.FieldsFunc(string(sent), func(r rune) bool { return strings.ContainsRune("\r\n\t\x03\x04", r) }) {
			if len(line) > maxKept {
				line = "\x00" + line[1:maxKept-1] + "\x00"
			}
			want = append(want, line)
		}
		if diff := cmp.Diff(want, whole); diff != "" {
			t.Errorf("codes (-sent +got):\n%s", diff)
		}
	})
}
