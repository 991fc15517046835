// Package clocktest is a world whose true time is known: a device in it has a
// quartz that strays, a wall clock that is set, bent and lost, and a kernel that
// boots and sleeps. It is for tests.
package clocktest

import (
	"fmt"
	"sync"
	"time"

	"usher/sync/clock"
)

// grows is how fast the kernel lets its claimed error grow, and most where it
// stops to call its clock kept: the kernel's MAXFREQ and NTP_PHASE_LIMIT.
const (
	grows = 500e-6
	most  = 16 * time.Second
)

// World is the true time and one device's kernel. It implements [clock.Source]
// and is safe for concurrent use.
type World struct {
	mu   sync.Mutex // guards what follows
	now  time.Time
	life int
	// strays is how much too fast the quartz runs, per elapsed time.
	strays float64
	// up counts through sleep, awake does not.
	up, awake time.Duration
	// wall is what the wall clock shows.
	wall time.Time
	// kept: NTP set the wall clock, at the moment set on the boot-time clock.
	kept bool
	set  time.Duration
}

var _ clock.Source = (*World)(nil)

// New makes a world at the true time, with a device that has been up for a minute
// and shows the true time, kept by nobody.
func New(now time.Time) *World {
	return &World{now: now, wall: now, up: time.Minute, awake: time.Minute}
}

// Now is the true time.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// BootID is of the present life.
func (w *World) BootID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("life-%d", w.life)
}

// Strays sets how much too fast the quartz runs, per elapsed time: 100e-6 gains
// 8.6 s a day.
func (w *World) Strays(by float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.strays = by
}

// Pass lets time pass.
func (w *World) Pass(d time.Duration) { w.pass(d, true) }

// Sleep suspends the device for so long.
func (w *World) Sleep(d time.Duration) { w.pass(d, false) }

func (w *World) pass(d time.Duration, awake bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ticks := d + time.Duration(float64(d)*w.strays)
	w.now, w.wall, w.up = w.now.Add(d), w.wall.Add(ticks), w.up+ticks
	if awake {
		w.awake += ticks
	}
}

// Step moves the wall clock as settimeofday does: the kernel then knows that
// nobody keeps it.
func (w *World) Step(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wall, w.kept = w.wall.Add(by), false
}

// Set sets the wall clock to a time, like Step.
func (w *World) Set(wall time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wall, w.kept = wall, false
}

// Keep has NTP set the wall clock, that far off, and tell the kernel that it is
// right, as systemd-timesyncd does.
func (w *World) Keep(off time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wall, w.kept, w.set = w.now.Add(off), true, w.up
}

// Reboot begins another life, after the device was off for so long, with a wall
// clock that shows the given time.
func (w *World) Reboot(off time.Duration, wall time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(off)
	w.life++
	w.wall, w.kept, w.up, w.awake = wall, false, 2*time.Second, 2*time.Second
}

// Wall is the wall clock.
func (w *World) Wall() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wall
}

// Up is the boot-time clock, sleep included.
func (w *World) Up() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.up
}

// Awake is the monotonic clock, which stands still in sleep.
func (w *World) Awake() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.awake
}

// NTP is the kernel's word on the wall clock. Right after it was set it claims to
// be off by nothing, as timesyncd has it do.
func (w *World) NTP() (time.Time, bool, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	off := time.Duration(grows * float64(w.up-w.set))
	if !w.kept || off >= most {
		return w.wall, false, most
	}
	return w.wall, true, off
}
