package upload

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestReportedIsTheLatestBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r reported
		all := map[uint64]time.Time{}
		oldest := uint64(0)
		for range rapid.IntRange(0, 40).Draw(t, "entries") {
			seq := oldest + rapid.Uint64Range(0, 30).Draw(t, "seq")
			at := time.Unix(rapid.Int64Range(1, 20).Draw(t, "at"), 0)
			if at.After(all[seq]) {
				all[seq] = at
			}
			r.note(seq, at)
			if rapid.IntRange(0, 5).Draw(t, "forget") == 0 {
				oldest += rapid.Uint64Range(0, 10).Draw(t, "on")
				r.forget(oldest)
			}
		}
		for seq := oldest; seq < oldest+40; seq++ {
			var want time.Time
			for of, at := range all {
				if of < seq && at.After(want) {
					want = at
				}
			}
			if got := r.before(seq); !got.Equal(want) {
				t.Fatalf("before %d: %v, want %v", seq, got, want)
			}
		}
		if len(r) > len(all) {
			t.Errorf("%d kept of %d", len(r), len(all))
		}
	})
}
