package hid

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/devices/devicetest"
	"usher/scanner"
)

// TestWhatIsRecordedReplaysTheSame records each recording anew, through the driver.
func TestWhatIsRecordedReplaysTheSame(t *testing.T) {
	for _, name := range []string{"kbd-azerty", "kbd-alt", "kbd-held-1", "pos-boarding", "pos-menu", "pos-undescribed"} {
		t.Run(name, func(t *testing.T) {
			log, err := devicetest.OpenLog(filepath.Join("testdata", name+".log"))
			if err != nil {
				t.Fatal(err)
			}
			again := devicetest.Log{Headers: map[string]string{}}
			cfg := config(0x05e0, 0x1200, mode(log.Headers["Mode"]))
			if layout := log.Headers["Layout"]; layout != "" {
				cfg.Layout = layout
			}
			if suffix := log.Headers["Suffix"]; suffix != "" {
				cfg.Suffix = suffix
			}
			d := usb{port: "1-1", vendor: 0x05e0, product: 0x1200, num: 5, interfaces: []face{{log.Headers["Interface"], log.Headers["Descriptor"]}}}
			bubble(t, func(t *testing.T, b *bus) {
				b.plug(d)
				driver := b.driverOf(cfg)
				var last time.Time
				driver.Record(
					func(key, value string) { again.Headers[key] = value },
					func(raw []byte) {
						again.Reads = append(again.Reads, devicetest.Read{After: time.Since(last), Data: bytes.Clone(raw)})
						last = time.Now()
					})
				device, err := openSettled(t, driver)
				if err != nil {
					t.Fatal(err)
				}
				h, ended := b.last(), make(chan error, 1)
				h.send(log.Reads[0].Data) // from before anybody read: no part of it
				last = time.Now()
				go func() { ended <- device.Run(t.Context(), func(string) {}) }()
				<-h.asked
				for _, r := range log.Reads {
					time.Sleep(r.After)
					h.pace(r.Data)
				}
				synctest.Wait()
				b.unplug(d)
				if err := <-ended; !errors.Is(err, scanner.ErrUnplugged) {
					t.Errorf("Run returned %v", err)
				}
			})
			if got, want := again.Bytes(), log.Bytes(); !bytes.Equal(got, want) || len(again.Reads) != len(log.Reads) {
				t.Errorf("recorded %d reads, %x; want %d, %x", len(again.Reads), got, len(log.Reads), want)
			}
			want := map[string]string{
				"Transport": "USB HID 05e0:1200, recorded", "Interface": log.Headers["Interface"], "Layout": cfg.Layout,
			}
			for _, key := range []string{"Descriptor", "Mode", "Suffix"} {
				if text := log.Headers[key]; text != "" {
					want[key] = strings.ReplaceAll(text, " ", "")
				}
			}
			if diff := cmp.Diff(want, again.Headers); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			was := func(gap time.Duration) time.Duration { return gap }
			if got, want := replay(t, again, was), replay(t, log, was); got != want {
				t.Errorf("replayed %q, want %q", got, want)
			}
		})
	}
}
