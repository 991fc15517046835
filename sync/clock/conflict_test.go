package clock

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"usher/scanner"
)

// said is a Date as an anchor: that far from the true time of a boot that began
// at dawn.
func said(up, ahead time.Duration) anchor {
	return anchor{Up: up, At: dawn.Add(up + ahead), Off: 600 * time.Millisecond}
}

func (a anchor) byNTP() anchor { a.NTP = true; return a }

func TestWhoIsBelieved(t *testing.T) {
	const h = time.Hour
	for _, tt := range []struct {
		name    string
		heard   []anchor
		ahead   time.Duration
		problem string
	}{
		{"a vendor that is wrong, after NTP", []anchor{said(h, 0).byNTP(), said(2*h, 3*h), said(3*h, 3*h), said(4*h, 3*h), said(5*h, 3*h)}, 0, "ahead of NTP"},
		{"a vendor that was wrong, before NTP", []anchor{said(h, -3*h), said(2*h, -3*h), said(3*h, 0).byNTP()}, 0, "behind NTP"},
		{"a vendor that came right", []anchor{said(h, 0).byNTP(), said(2*h, 3*h), said(3*h, 0)}, 0, ""},
		{"NTP that came right", []anchor{said(h, 5*h).byNTP(), said(2*h, 0).byNTP()}, 0, ""},
		{"one odd Date", []anchor{said(h, 0), said(2*h, 3*h)}, 0, "ahead of what it said"},
		{"one odd Date, and back", []anchor{said(h, 0), said(2*h, 3*h), said(3*h, 0)}, 0, ""},
		{"three Dates that do not agree with each other", []anchor{said(h, 0), said(2*h, 3*h), said(3*h, 2*h), said(4*h, h)}, 0, "ahead of what it said"},
		{"three Dates that do", []anchor{said(h, 0), said(2*h, 3*h), said(3*h, 3*h), said(4*h, 3*h)}, 3 * h, ""},
		{"a quartz that is slow is no contradiction", []anchor{said(h, 0), said(20*h, -20*time.Second)}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := On(Kernel, "boot", &fake{at: dawn, uptime: time.Minute})
			for _, a := range tt.heard {
				c.learn(a)
			}
			at := c.True(scanner.Stamp{Boot: "boot", Up: 90 * time.Minute}).At
			if off := at.Sub(dawn.Add(90*time.Minute + tt.ahead)); off.Abs() > 30*time.Second {
				t.Errorf("believed %v, %v off", at, off)
			}
			if got := c.Problem(); tt.problem == "" && got != "" || !strings.Contains(got, tt.problem) {
				t.Errorf("problem %q, want %q", got, tt.problem)
			}
		})
	}
}

// shelved gives a new life what an earlier one saved.
func shelved(t *testing.T, id string, saved boots) *Clock {
	t.Helper()
	data, err := json.Marshal(saved)
	if err != nil {
		t.Fatal(err)
	}
	c := On(Kernel, id, &fake{at: dawn, uptime: time.Minute})
	if err := c.Restore(shelf{memoryKey: data}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPoisonedAnchorsOfEarlierLives(t *testing.T) {
	ahead := said(time.Hour, 8760*time.Hour)
	t.Run("a floor a year ahead goes when the present is known", func(t *testing.T) {
		c := shelved(t, "now", boots{{ID: "then", Anchors: []anchor{ahead}, Last: ahead}})
		scan := scanner.Stamp{Wall: dawn, Boot: "now", Up: time.Minute}
		for range enough - 1 {
			c.learn(said(time.Minute, 0))
			if c.True(scan).Trusted {
				t.Fatal("one Date outweighs a life")
			}
		}
		c.learn(said(time.Minute, 0))
		if truth := c.True(scan); !truth.Trusted || truth.At.Sub(dawn.Add(time.Minute)).Abs() > time.Second {
			t.Errorf("got %+v", truth)
		}
		if truth := c.True(scanner.Stamp{Wall: dawn.Add(8760 * time.Hour), Boot: "then", Up: time.Hour}); truth.Trusted || truth.At.After(dawn.Add(time.Second)) {
			t.Errorf("the earlier life is still after this one: %+v", truth)
		}
	})
	t.Run("NTP needs no second word", func(t *testing.T) {
		c := shelved(t, "now", boots{{ID: "then", Anchors: []anchor{ahead}}})
		c.learn(said(time.Minute, 0).byNTP())
		if truth := c.True(scanner.Stamp{Boot: "now", Up: time.Minute}); !truth.Trusted || c.Problem() != "" {
			t.Errorf("got %+v, %q", truth, c.Problem())
		}
	})
	t.Run("what no clock can have made", func(t *testing.T) {
		bad := []anchor{
			{Up: -1, At: dawn, Off: 1}, {Up: 1, At: dawn, Off: -time.Hour}, {Up: 1, Off: 1},
			{Up: 1, At: dawn.Add(200 * 8760 * time.Hour), Off: 1}, {Up: 1 << 62, At: dawn, Off: 1}, {Up: 1, At: dawn, Off: 9 * time.Hour},
		}
		c := shelved(t, "now", boots{{ID: "then", Anchors: bad, Last: bad[1]}, {ID: "now", Anchors: bad}, {Anchors: []anchor{ahead}}})
		if truth := c.True(scanner.Stamp{Wall: dawn, Boot: "now", Up: 1}); truth.Trusted || !truth.Earliest.IsZero() {
			t.Errorf("got %+v", truth)
		}
	})
	t.Run("not JSON", func(t *testing.T) {
		c := On(Kernel, "now", &fake{at: dawn, uptime: time.Minute})
		if err := c.Restore(shelf{memoryKey: []byte("{")}); err == nil || c.Now().Trusted {
			t.Errorf("err %v", err)
		}
	})
}

// The journal may know of a life that never got to save itself; lives after it
// did. What it knows bounds the present and no other.
func TestALifeWhosePlaceIsNotKnown(t *testing.T) {
	c := shelved(t, "now", boots{{ID: "first", Anchors: []anchor{said(time.Hour, 0)}}, {ID: "third"}})
	c.Remember(scanner.Stamp{Boot: "second", Up: time.Hour}, around(dawn.Add(5*time.Hour), time.Second))
	third := c.True(scanner.Stamp{Wall: dawn.Add(9 * time.Hour), Boot: "third", Up: time.Minute})
	if !third.Latest.IsZero() || !third.At.Equal(dawn.Add(9*time.Hour)) || third.Earliest.After(dawn.Add(2*time.Hour)) {
		t.Errorf("the third life: %+v", third)
	}
	if now := c.True(scanner.Stamp{Wall: dawn, Boot: "now", Up: time.Minute}); now.Earliest.Before(dawn.Add(5 * time.Hour)) {
		t.Errorf("the present: %+v", now)
	}
}

func TestTheNewestKnownMomentIsTheFloor(t *testing.T) {
	c := On(Kernel, "then", &fake{at: dawn, uptime: time.Minute})
	c.learn(said(time.Hour, 0))
	vague := said(70*time.Minute, 0)
	vague.Off = 2 * time.Second // tells nothing new of the time
	c.learn(vague)
	next := shelved(t, "now", c.boots)
	if truth := next.True(scanner.Stamp{Boot: "now", Up: time.Second}); truth.Earliest.Before(dawn.Add(70*time.Minute - 2*time.Second)) {
		t.Errorf("the next life began after %v: %+v", dawn.Add(70*time.Minute), truth)
	}
}

func TestAStepIsNoticedAtOnce(t *testing.T) {
	k := &fake{at: dawn, uptime: time.Hour, ntp: true}
	c := On(Kernel, "boot", k)
	if !c.Now().Trusted {
		t.Fatal("NTP is not believed")
	}
	k.pass(time.Millisecond)
	k.at, k.ntp = k.at.Add(-48*time.Hour), false // as settimeofday does
	if s := c.Now(); s.Trusted {
		t.Errorf("two days behind and trusted: %+v", s)
	}
}

// The wall clock is wrong, and NTP sets it between two reads of it.
func TestASetBetweenTwoReadsMakesNoAnchor(t *testing.T) {
	k := &setting{fake: fake{at: dawn.Add(-5 * time.Hour), uptime: time.Hour}}
	c := On(Kernel, "boot", k)
	s := c.Now()
	if truth := c.True(s); truth.At.Sub(dawn).Abs() > time.Second {
		t.Errorf("anchored at %v, it is %v", truth.At, dawn)
	}
}

// setting is a kernel whose clock is set before its NTP state is read.
type setting struct{ fake }

func (s *setting) NTP() (time.Time, bool, time.Duration) {
	s.at, s.ntp = dawn, true
	return s.fake.NTP()
}

func TestNTPThatClaimsNoError(t *testing.T) {
	c := On(Kernel, "boot", &fake{at: dawn, uptime: time.Hour, ntp: true})
	truth := c.True(c.Now())
	if half := truth.Latest.Sub(truth.At); half < leastError {
		t.Errorf("stated error %v: timesyncd says 0 while it bends the clock by 0.4 s", half)
	}
	c = On(Kernel, "boot", &fake{at: dawn, uptime: time.Hour, ntp: true, off: time.Minute})
	if c.Now().Trusted {
		t.Error("a clock that may be a minute off is kept by nobody")
	}
}
