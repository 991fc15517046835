package evdev

import (
	"bytes"
	"path/filepath"
	"sync"
	"testing"

	"usher/devices/devicetest"
)

// TestWhatIsRecordedReplaysTheSame records each recording anew, through the driver.
func TestWhatIsRecordedReplaysTheSame(t *testing.T) {
	for _, name := range []string{"bluetooth", "built-in", "dropped"} {
		t.Run(name, func(t *testing.T) {
			log, err := devicetest.OpenLog(filepath.Join("testdata", name+".log"))
			must(t, err)
			var mu sync.Mutex // guards again
			again := devicetest.Log{Headers: log.Headers}
			want := replayTo(t, log, true, func(raw []byte) {
				mu.Lock()
				defer mu.Unlock()
				again.Reads = append(again.Reads, devicetest.Read{After: 2 * testIdle, Data: bytes.Clone(raw)})
			})
			mu.Lock()
			defer mu.Unlock()
			if !bytes.Equal(again.Bytes(), log.Bytes()) {
				t.Errorf("recorded %x, want %x", again.Bytes(), log.Bytes())
			}
			if got := replay(t, again, true); got != want {
				t.Errorf("replayed %q, want %q", got, want)
			}
		})
	}
}
