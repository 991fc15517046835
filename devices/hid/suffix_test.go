package hid

import (
	"errors"
	"testing"
	"time"

	"usher/devices/report"
	"usher/scanner"
)

// TestASuffixOutlivesThePlug: a scanner that is plugged in again is known to end its
// codes, so that its first one is waited for.
func TestASuffixOutlivesThePlug(t *testing.T) {
	for name, tt := range map[string]struct {
		suffix string
		want   []string
	}{
		"learnt":        {report.SuffixAuto, []string{"WHOLE-1", "LEFT-RIGHT"}},
		"never learnt":  {report.SuffixNone, []string{"WHOLE-1", "LEFT-", "RIGHT"}},
		"as configured": {report.SuffixEnter, []string{"WHOLE-1", "LEFT-RIGHT"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bus) {
				d := zebra("1-1", 5, "A")
				b.plug(d)
				driver := b.driverOf(config(0x05e0, 0x1200, func(c *Config) { c.Suffix = tt.suffix }))
				var got []string
				for _, sent := range [][]string{{"WHOLE-1\r"}, {"LEFT-", "RIGHT\r"}} {
					device, err := driver.Open(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					o := &opened{t: t, bus: b, device: device, handle: b.last(), ended: make(chan error, 1)}
					go func() { o.ended <- device.Run(t.Context(), func(raw string) { got = append(got, raw) }) }()
					<-o.handle.asked
					for _, text := range sent {
						o.typeKeys(text)
						time.Sleep(600 * time.Millisecond)
					}
					b.unplug(d)
					if err := <-o.ended; !errors.Is(err, scanner.ErrUnplugged) {
						t.Fatal(err)
					}
					b.plug(d)
				}
				want(t, got, tt.want...)
			})
		})
	}
}

// TestAMissingSuffixIsAdvice, until a code comes with it.
func TestAMissingSuffixIsAdvice(t *testing.T) {
	bubble(t, func(t *testing.T, b *bus) {
		o := b.read(config(0x05e0, 0x1200, func(c *Config) { c.Suffix = report.SuffixEnter }), zebra("1-1", 5, "A"), nil, nil)
		<-o.handle.asked
		for i, s := range []struct{ sent, advice string }{
			{"A1", ""}, {"B1", report.NoSuffix}, {"B1", report.NoSuffix}, {"X1\r", ""}, {"C1\r", ""},
		} {
			o.typeKeys(s.sent)
			time.Sleep(3 * time.Second)
			if got := o.device.(scanner.Adviser).Advice(); got != s.advice {
				t.Errorf("code %d: advice %q, want %q", i, got, s.advice)
			}
		}
		want(t, o.stop(), "\x00\x00", "\x00\x00", "B1", "X1", "C1")
	})
}

func TestSuffixIsOneOfThree(t *testing.T) {
	_, err := New(config(0x05e0, 0x1200, func(c *Config) { c.Suffix = "cr" }))
	if err == nil || err.Error() != `suffix: "cr" is none of auto, enter, none` {
		t.Errorf("error %v", err)
	}
}
