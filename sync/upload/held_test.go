package upload

import (
	"testing"
	"time"

	"usher/scanner"
)

func TestHeldIsTheEarliestAfterOfTheTicket(t *testing.T) {
	var l held
	for _, e := range []struct {
		seq  uint64
		code scanner.Code
		at   int64
	}{{9, "a", 90}, {5, "a", 50}, {7, "a", 40}, {6, "b", 10}, {12, "b", 120}} {
		l.note(e.seq, e.code, time.Unix(e.at, 0))
	}
	for _, tt := range []struct {
		seq  uint64
		code scanner.Code
		want int64
	}{{1, "a", 40}, {5, "a", 40}, {7, "a", 90}, {9, "a", 0}, {1, "b", 10}, {6, "b", 120}, {1, "c", 0}} {
		got, ok := l.after(tt.seq, tt.code)
		if ok != (tt.want > 0) || ok && got.Unix() != tt.want {
			t.Errorf("after %d of %s: %v, %v; want %d", tt.seq, tt.code, got.Unix(), ok, tt.want)
		}
	}
}

func TestHeldIsBounded(t *testing.T) {
	var l held
	for seq := range uint64(mostHeld + 10) {
		l.note(seq, "a", time.Unix(int64(seq), 0))
	}
	if at, ok := l.after(0, "a"); len(l) != mostHeld || !ok || at.Unix() != 10 {
		t.Errorf("%d kept, the oldest %v", len(l), at)
	}
}
