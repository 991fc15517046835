package clock

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
)

type fake struct {
	at     time.Time
	uptime time.Duration
	ntp    bool
	off    time.Duration
	// lag passes while the wall clock is read.
	lag time.Duration
}

func (f *fake) Wall() time.Time                       { f.pass(f.lag); return f.at }
func (f *fake) Up() time.Duration                     { return f.uptime }
func (f *fake) NTP() (time.Time, bool, time.Duration) { f.pass(f.lag); return f.at, f.ntp, f.off }
func (f *fake) pass(d time.Duration)                  { f.at, f.uptime = f.at.Add(d), f.uptime+d }

var dawn = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)

func TestScansBeforeTheFirstAnchorAreCorrected(t *testing.T) {
	k := &fake{at: time.Unix(0, 0), uptime: time.Minute}
	c := On(Kernel, "boot", k)
	scan := c.Now()
	if truth := c.True(scan); truth.Trusted || scan.Trusted {
		t.Fatalf("a clock at 1970 is trusted: %+v", truth)
	}
	k.pass(10 * time.Minute)
	k.at, k.ntp, k.off = dawn, true, 20*time.Millisecond
	c.Now()
	truth := c.True(scan)
	if want := dawn.Add(-10 * time.Minute); !truth.Trusted || truth.At.Sub(want).Abs() > time.Millisecond {
		t.Fatalf("true time %+v, want %v", truth, want)
	}
	if half := truth.Latest.Sub(truth.At); half < 60*time.Millisecond || half > time.Second {
		t.Fatalf("stated error %v does not grow with the distance", half)
	}
}

func TestSteppingTheWallClockChangesNothing(t *testing.T) {
	k := &fake{at: dawn, uptime: time.Hour, ntp: true, off: 10 * time.Millisecond}
	c := On(Kernel, "boot", k)
	c.Now()
	k.pass(time.Minute)
	k.ntp, k.at = false, k.at.Add(5*time.Hour)
	if truth, want := c.True(c.Now()), dawn.Add(time.Minute); truth.At.Sub(want).Abs() > time.Millisecond || !truth.Trusted {
		t.Fatalf("true time %+v, want %v", truth, want)
	}
	if off, known := c.Offset(); !known || (off-5*time.Hour).Abs() > time.Millisecond {
		t.Fatalf("offset %v known %v, want 5h", off, known)
	}
}

func TestAnotherBootEndedBeforeThisOneBegan(t *testing.T) {
	k := &fake{at: dawn, uptime: time.Hour, ntp: true}
	c := On(Kernel, "boot", k)
	c.Now()
	truth := c.True(scanner.Stamp{Wall: time.Unix(9, 0), Boot: "other", Up: time.Second})
	if began := dawn.Add(-time.Hour); truth.Trusted || !truth.Earliest.IsZero() || truth.Latest.Sub(began).Abs() > 3*time.Second || !truth.At.Equal(truth.Latest) {
		t.Fatalf("got %+v: of another boot nothing is known but that it ended before %v", truth, began)
	}
}

func TestARestartRemembersTheBootsAnchor(t *testing.T) {
	k := &fake{at: dawn, uptime: 10 * time.Hour}
	c := On(Kernel, "boot", k)
	then := scanner.Stamp{Wall: dawn.Add(-time.Hour), Boot: "boot", Up: 9 * time.Hour}
	c.Remember(then, around(dawn.Add(-time.Hour), 50*time.Millisecond))
	truth := c.True(c.Now())
	if !truth.Trusted || truth.At.Sub(dawn).Abs() > time.Millisecond || truth.Latest.Sub(truth.At) < 400*time.Millisecond {
		t.Fatalf("got %+v, want %v with an error that has grown for an hour", truth, dawn)
	}
}

func TestAnotherBootsTimeIsAFloor(t *testing.T) {
	k := &fake{at: time.Unix(60, 0), uptime: time.Minute}
	c := On(Kernel, "boot", k)
	c.Remember(scanner.Stamp{Wall: dawn, Boot: "other", Up: time.Hour}, around(dawn, time.Second))
	if truth := c.True(c.Now()); truth.Trusted || truth.Earliest.Sub(dawn.Add(time.Minute-time.Second)).Abs() > 100*time.Millisecond || !truth.Latest.IsZero() {
		t.Fatalf("got %+v", truth)
	}
}

func TestClocksReadAroundASuspendMakeNoAnchor(t *testing.T) {
	k := &fake{at: dawn, uptime: time.Hour, ntp: true, lag: 8 * time.Hour}
	c := On(Kernel, "boot", k)
	c.Now()
	k.lag = 0
	if anchors := c.boots.of("boot").Anchors; len(anchors) > 0 {
		t.Fatalf("anchored on %+v", anchors)
	}
}

func TestTheSiteMayVouchForTheClock(t *testing.T) {
	k := &fake{at: dawn, uptime: time.Hour}
	c := On(Wall, "boot", k)
	if truth := c.True(c.Now()); !truth.Trusted || !truth.At.Equal(dawn) {
		t.Fatalf("got %+v", truth)
	}
	c.SetTrust(Kernel)
	if c.Now().Trusted {
		t.Fatal("trusted after the site took its word back")
	}
}

func TestKernelClock(t *testing.T) {
	c, err := New(Kernel)
	if err != nil {
		t.Fatal(err)
	}
	a, b := c.Now(), c.Now()
	passed, ok := b.Since(a)
	if !ok || passed < 0 || passed > time.Minute || a.Up <= 0 || a.Boot == "" {
		t.Fatalf("stamps %+v %+v", a, b)
	}
}

func TestTheVendorsDateIsAnAnchor(t *testing.T) {
	k := &fake{at: time.Unix(0, 0), uptime: time.Hour}
	c := On(Kernel, "boot", k)
	scan := c.Now()
	k.pass(10 * time.Minute)
	sent := c.Now()
	k.pass(200 * time.Millisecond)
	received := c.Now()
	c.Observe(dawn, sent, received) // cut to the second: it is between dawn and dawn+1s
	truth := c.True(scan)
	want := dawn.Add(500*time.Millisecond - 100*time.Millisecond - 10*time.Minute)
	if !truth.Trusted || truth.At.Sub(want).Abs() > time.Millisecond {
		t.Fatalf("got %+v, want %v", truth, want)
	}
	// Half the round trip, half a second, and 100 ppm of ten minutes.
	if half, want := truth.Latest.Sub(truth.At), 660*time.Millisecond; (half - want).Abs() > 5*time.Millisecond {
		t.Fatalf("error %v, want %v", half, want)
	}
	c.Observe(dawn.Add(time.Hour), scan, received) // a round trip of ten minutes says nothing
	if again := c.True(scan); !again.At.Equal(truth.At) {
		t.Fatalf("a slow answer moved the time to %v", again.At)
	}
}

type shelf map[string][]byte

func (s shelf) Load(key string) ([]byte, error) { return s[key], nil }
func (s shelf) Save(key string, value []byte) error {
	s[key] = value
	return nil
}

func TestAnchorsOutliveAReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := shelf{}
		first := &fake{at: time.Unix(0, 0), uptime: time.Minute}
		c := On(Kernel, "first", first)
		scan := c.Now()
		ctx, stop := context.WithCancel(t.Context())
		go c.Run(ctx, mem)
		first.pass(time.Minute)
		c.Observe(dawn, c.Now(), c.Now())
		synctest.Wait()
		stop()
		synctest.Wait()

		second := On(Kernel, "second", &fake{at: time.Unix(30, 0), uptime: 30 * time.Second})
		unanchored := second.Now()
		if err := second.Restore(mem); err != nil {
			t.Fatal(err)
		}
		if truth, want := second.True(scan), dawn.Add(-time.Minute); !truth.Trusted || truth.At.Sub(want).Abs() > time.Second {
			t.Errorf("the first boot's scan: %+v, want %v", truth, want)
		}
		bounded := second.True(unanchored)
		if bounded.Trusted || bounded.Earliest.Before(dawn.Add(-time.Second)) || bounded.At.Before(bounded.Earliest) {
			t.Errorf("a scan of the boot without an anchor: %+v", bounded)
		}
	})
}

func TestManyAnchorsStayFew(t *testing.T) {
	var b boot
	for i := range 10000 {
		b.add(anchor{Up: time.Duration(i) * time.Hour, At: dawn.Add(time.Duration(i) * time.Hour), Off: 600 * time.Millisecond}, quartz)
	}
	if len(b.Anchors) > mostAnchors || b.Anchors[0].Up != 0 || b.Anchors[len(b.Anchors)-1].Up < 9000*time.Hour {
		t.Errorf("%d anchors, from %v", len(b.Anchors), b.Anchors[0].Up)
	}
}
