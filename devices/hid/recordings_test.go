package hid

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/devices/devicetest"
	"usher/scanner"
)

var update = flag.Bool("update", false, "write the golden files of the recordings anew")

// meaning is a pause that may end a code; shorter ones mean nothing.
const meaning = 100 * time.Millisecond

// TestRecordings replays each recording through the driver: as it was, as fast as
// the library can take it, and with other pauses between the reports.
func TestRecordings(t *testing.T) {
	logs, err := filepath.Glob("testdata/*.log")
	if err != nil || len(logs) < 25 {
		t.Fatalf("recordings: %d, %v", len(logs), err)
	}
	timings := map[string]func(time.Duration) time.Duration{
		"as it was":    func(gap time.Duration) time.Duration { return gap },
		"whole":        func(time.Duration) time.Duration { return 0 },
		"other pauses": func(time.Duration) time.Duration { return rand.N(15 * time.Millisecond) },
	}
	for _, path := range logs {
		log, err := devicetest.OpenLog(path)
		if err != nil {
			t.Fatal(err)
		}
		golden := strings.TrimSuffix(path, ".log") + ".want"
		for timing, other := range timings {
			if *update && timing != "as it was" {
				continue
			}
			t.Run(strings.TrimSuffix(filepath.Base(path), ".log")+" "+timing, func(t *testing.T) {
				got := replay(t, log, func(gap time.Duration) time.Duration {
					if gap >= meaning {
						return gap
					}
					return other(gap)
				})
				if *update {
					if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("what came of it (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// replay gives the codes of a recording, the advice at its end and how it ended.
func replay(t *testing.T, log devicetest.Log, timing func(time.Duration) time.Duration) (text string) {
	t.Helper()
	cfg := config(0x05e0, 0x1200, mode(log.Headers["Mode"]))
	if layout := log.Headers["Layout"]; layout != "" {
		cfg.Layout = layout
	}
	if suffix := log.Headers["Suffix"]; suffix != "" {
		cfg.Suffix = suffix
	}
	d := usb{port: "1-1", vendor: 0x05e0, product: 0x1200, num: 5, interfaces: []face{{log.Headers["Interface"], log.Headers["Descriptor"]}}}
	bubble(t, func(t *testing.T, b *bus) {
		o := b.read(cfg, d, nil, nil)
		<-o.handle.asked
		for _, r := range log.Reads {
			if gap := timing(r.After); gap > 0 {
				time.Sleep(gap)
			}
			o.handle.pace(r.Data)
		}
		if log.Headers["Ends"] == "unplugged" {
			b.unplug(d)
			err := <-o.ended
			if !errors.Is(err, scanner.ErrUnplugged) {
				t.Errorf("Run returned %v", err)
			}
			o.isClosed()
			text = devicetest.Codes(o.codes) + "unplugged\n"
			return
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		advice := o.device.(scanner.Adviser).Advice()
		text = devicetest.Codes(o.stop())
		if advice != "" {
			text += fmt.Sprintf("advice: %s\n", advice)
		}
	})
	return text
}
