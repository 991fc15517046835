package clock

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix" // clock_gettime(CLOCK_BOOTTIME) and adjtimex, which the standard library lacks
)

// kernel reads this machine's clocks.
type kernel struct {
	// shift is how far a time namespace moves the boot-time clock ahead of the
	// machine's own. The boot id is the machine's, so the time must be too: a
	// daemon that runs now in a container and now outside it would otherwise take
	// two clocks for one.
	shift time.Duration
}

func (kernel) Wall() time.Time { return time.Now() }

func (k kernel) Up() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0 // Linux has had this clock since 2.6.39: it cannot fail
	}
	return time.Duration(ts.Nano()) - k.shift
}

// NTP asks adjtimex, which may be forbidden (a sandbox, systemd's ProtectClock):
// then nobody is known to keep the clock.
func (kernel) NTP() (time.Time, bool, time.Duration) {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	if err != nil {
		return time.Time{}, false, 0
	}
	seconds, fraction := tx.Time.Unix()
	if tx.Status&unix.STA_NANO != 0 {
		// These were nanoseconds, and Unix took them for microseconds.
		fraction /= int64(time.Microsecond)
	}
	kept := state != unix.TIME_ERROR && tx.Status&unix.STA_UNSYNC == 0
	return time.Unix(seconds, fraction), kept, time.Duration(tx.Maxerror) * time.Microsecond
}

// namespaceShift reads how far this process's time namespace moves the boot-time
// clock (time_namespaces(7)); kernels without them move nothing.
func namespaceShift() time.Duration {
	data, err := os.ReadFile("/proc/self/timens_offsets")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		// "boottime 86400 0": seconds and nanoseconds.
		f := strings.Fields(line)
		if len(f) != 3 || f[0] != "boottime" {
			continue
		}
		seconds, err := strconv.ParseInt(f[1], 10, 64)
		nanos, err2 := strconv.ParseInt(f[2], 10, 64)
		if err == nil && err2 == nil {
			return time.Duration(seconds)*time.Second + time.Duration(nanos)
		}
	}
	return 0
}
