package clock

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// sight is what a process sees of the clocks.
type sight struct {
	Boot string
	// Up is the clock's own, Raw what CLOCK_BOOTTIME says.
	Up, Raw time.Duration
}

func look(t *testing.T) sight {
	t.Helper()
	c, err := New(Kernel)
	if err != nil {
		t.Fatal(err)
	}
	s := c.Now()
	return sight{s.Boot, s.Up, kernel{}.Up()}
}

// inside has a process of another time namespace print what it sees.
const inside = "USHER_CLOCK_INSIDE"

func TestInsideATimeNamespace(t *testing.T) {
	if os.Getenv(inside) == "" {
		t.Skip("this is run by TestATimeNamespaceMovesNothing")
	}
	out, err := json.Marshal(look(t))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%s%s\n", inside, out)
}

// A time namespace moves CLOCK_BOOTTIME and nothing else, so it shows which
// clock is read. The boot id stays the machine's, and so must the clock: two
// daemons of one boot would otherwise take a day's distance for true.
func TestATimeNamespaceMovesNothing(t *testing.T) {
	const day = 86400
	cmd := exec.Command("unshare", "--time", "--boottime", fmt.Sprint(day), os.Args[0], "-test.run=^TestInsideATimeNamespace$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1")
	before := look(t)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Skipf("no time namespace here (it takes root): %v: %s", err, out)
	}
	after := look(t)
	_, line, _ := strings.Cut(string(out), inside)
	line, _, _ = strings.Cut(line, "\n")
	var there sight
	if err := json.Unmarshal([]byte(line), &there); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if there.Boot != before.Boot {
		t.Errorf("boot id %s, outside %s", there.Boot, before.Boot)
	}
	if raw := there.Raw - day*time.Second; raw < before.Raw || raw > after.Raw {
		t.Errorf("CLOCK_BOOTTIME is not what is read: %v inside, %v to %v outside", there.Raw, before.Raw, after.Raw)
	}
	if there.Up < before.Up || there.Up > after.Up {
		t.Errorf("%v inside, %v to %v outside: one boot has two clocks", there.Up, before.Up, after.Up)
	}
}

func TestTheBootTimeClockIsTheUptime(t *testing.T) {
	read := func() time.Duration {
		data, err := os.ReadFile("/proc/uptime")
		if err != nil {
			t.Skip(err)
		}
		var seconds float64
		if _, err := fmt.Sscan(string(data), &seconds); err != nil {
			t.Fatal(err)
		}
		return time.Duration(seconds * float64(time.Second))
	}
	const tick = 10 * time.Millisecond // it is cut to hundredths
	before, up, after := read(), kernel{}.Up(), read()
	if up < before-tick || up > after+2*tick {
		t.Errorf("the clock says %v, the kernel was up between %v and %v", up, before, after)
	}
}

func TestTheKernelsWordComesWithItsTime(t *testing.T) {
	wall, kept, off := kernel{}.NTP()
	if wall.IsZero() {
		t.Skip("adjtimex may not be asked here")
	}
	if apart := time.Since(wall); apart < 0 || apart > time.Minute {
		t.Errorf("adjtimex gives %v, it is %v", wall, time.Now())
	}
	if kept && (off < 0 || off > mostError) {
		t.Errorf("kept, and off by %v", off)
	}
}
