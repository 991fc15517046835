package host_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/devices/host"
	"usher/scanner"
)

const patience = 10 * time.Second

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// tree makes lights under a root.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		dir := filepath.Join(root, "sys/class/leds", name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"brightness": "0", "max_brightness": "255\n"} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

// lit tells which of the lights are, in order.
func lit(t *testing.T, root string) string {
	t.Helper()
	var on []string
	for _, name := range []string{"green", "red", "amber"} {
		raw, err := os.ReadFile(filepath.Join(root, "sys/class/leds", name, "brightness"))
		if err != nil {
			continue
		}
		// A plain file keeps the end of what was longer: the kernel does not.
		if strings.HasPrefix(string(raw), "255") {
			on = append(on, name)
		}
	}
	return strings.Join(on, " ")
}

// beeper is a FIFO that stands for the device; it gives the tones that were asked
// for.
func beeper(t *testing.T, root string) func() []uint32 {
	t.Helper()
	path := filepath.Join(root, "beeper")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var tones []uint32
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		event := make([]byte, 24)
		for {
			if _, err := io.ReadFull(fifo, event); err != nil {
				return
			}
			if binary.NativeEndian.Uint32(event[16:]) != binary.NativeEndian.Uint32([]byte{0x12, 0, 2, 0}) {
				t.Errorf("not a tone: % x", event)
			}
			mu.Lock()
			tones = append(tones, binary.NativeEndian.Uint32(event[20:]))
			mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		fifo.Close()
		<-ended
	})
	return func() []uint32 {
		mu.Lock()
		defer mu.Unlock()
		return append([]uint32(nil), tones...)
	}
}

func start(t *testing.T, cfg host.Config, root string, log *slog.Logger) (h *host.Host, stop func()) {
	t.Helper()
	h = host.New(cfg, root, log)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("Run returned %v", err)
				}
			case <-time.After(patience):
				t.Fatal("Run does not end")
			}
		})
	}
	t.Cleanup(stop)
	return h, stop
}

var quiet = slog.New(slog.DiscardHandler)

func all() host.Config {
	return host.Config{AdmitLED: "green", RefuseLED: "red", ReviewLED: "amber", Beeper: "/beeper"}
}

// TestEverySignalHasItsOwnPattern, in light and in sound; the last thing is always
// dark and silent.
func TestEverySignalHasItsOwnPattern(t *testing.T) {
	seen := map[string]scanner.Signal{}
	for signal, light := range map[scanner.Signal]string{
		scanner.SignalAdmit: "green", scanner.SignalRefuse: "red", scanner.SignalReview: "amber", scanner.SignalRepeat: "amber",
	} {
		root := tree(t, "green", "red", "amber")
		tones := beeper(t, root)
		h, stop := start(t, all(), root, quiet)
		h.Show(signal)
		waitFor(t, string(signal)+" in light", func() bool { return lit(t, root) == light })
		waitFor(t, string(signal)+" in sound", func() bool { return len(tones()) > 1 && tones()[1] > 0 })
		waitFor(t, "the end of "+string(signal), func() bool {
			got := tones()
			// The pattern's own pauses are shorter than this.
			before := len(got)
			time.Sleep(200 * time.Millisecond)
			return lit(t, root) == "" && got[before-1] == 0 && len(tones()) == before
		})
		stop()
		pattern := fmt.Sprint(tones())
		if other, same := seen[pattern]; same {
			t.Errorf("%s sounds like %s: %s", signal, other, pattern)
		}
		seen[pattern] = signal
	}
}

// TestWhatACrashLeftIsPutOut before any signal: it would be taken for a verdict.
func TestWhatACrashLeftIsPutOut(t *testing.T) {
	root := tree(t, "green", "red", "amber")
	if err := os.WriteFile(filepath.Join(root, "sys/class/leds/green/brightness"), []byte("255"), 0o644); err != nil {
		t.Fatal(err)
	}
	tones := beeper(t, root)
	start(t, all(), root, quiet)
	waitFor(t, "the dark", func() bool { return lit(t, root) == "" })
	waitFor(t, "silence", func() bool { return len(tones()) > 0 && tones()[0] == 0 })
}

func TestTheNewestSignalWins(t *testing.T) {
	root := tree(t, "green", "red", "amber")
	h, stop := start(t, all(), root, quiet) // without a beeper: the lights do not mind
	h.Show(scanner.SignalRefuse)
	waitFor(t, "red", func() bool { return lit(t, root) == "red" })
	h.Show(scanner.SignalReview)
	h.Show(scanner.SignalAdmit)
	began := time.Now()
	waitFor(t, "green", func() bool { return lit(t, root) == "green" })
	if took := time.Since(began); took > time.Second {
		t.Errorf("green came after %v: the patterns before it were played to their end", took)
	}
	stop()
	if got := lit(t, root); got != "" {
		t.Errorf("%s is lit after the end", got)
	}
}

// TestShowNeverWaits, though nobody plays what is shown.
func TestShowNeverWaits(t *testing.T) {
	h := host.New(all(), t.TempDir(), quiet)
	for range 1000 {
		h.Show(scanner.SignalAdmit)
	}
}

// TestABeeperThatTakesNothing: a full pipe holds up neither the lights nor the end.
func TestABeeperThatTakesNothing(t *testing.T) {
	root := tree(t, "green", "red", "amber")
	path := filepath.Join(root, "beeper")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer fifo.Close()
	for full := false; !full; {
		if err := fifo.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, err := fifo.Write(make([]byte, 4096))
		full = err != nil
	}
	h, stop := start(t, all(), root, quiet)
	h.Show(scanner.SignalAdmit)
	waitFor(t, "green", func() bool { return lit(t, root) == "green" })
	began := time.Now()
	stop()
	if took := time.Since(began); took > time.Second {
		t.Errorf("Run took %v to end", took)
	}
}

func TestAMissingLightIsToldOnce(t *testing.T) {
	root := tree(t, "red", "amber")
	var mu sync.Mutex
	var log bytes.Buffer
	logged := func() string {
		mu.Lock()
		defer mu.Unlock()
		return log.String()
	}
	h, stop := start(t, host.Config{AdmitLED: "green", RefuseLED: "red", ReviewLED: "amber"}, root, slog.New(slog.NewTextHandler(writer(func(p []byte) {
		mu.Lock()
		defer mu.Unlock()
		log.Write(p)
	}), nil)))
	for range 3 {
		h.Show(scanner.SignalAdmit)
		waitFor(t, "a complaint", func() bool { return logged() != "" })
		h.Show(scanner.SignalRefuse)
		waitFor(t, "red", func() bool { return lit(t, root) == "red" })
	}
	stop()
	if n := strings.Count(logged(), "there is no light green"); n != 1 || strings.Count(logged(), "\n") != 1 {
		t.Errorf("logged %d times:\n%s", n, logged())
	}
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

func TestCheckSaysWhatToDo(t *testing.T) {
	root := tree(t, "green", "red")
	if err := unix.Mkfifo(filepath.Join(root, "beeper"), 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(filepath.Join(root, "beeper"), os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer fifo.Close()
	for _, tt := range []struct {
		cfg  host.Config
		want string
	}{
		{host.Config{}, ""},
		{host.Config{AdmitLED: "green", RefuseLED: "red"}, ""},
		{host.Config{ReviewLED: "amber"}, "review_led: there is no light amber; ls /sys/class/leds lists them\n"},
		{host.Config{Beeper: "/none"}, "beeper: " + root + "/none is not there; name a device of /dev/input that makes sounds\n"},
		{host.Config{Beeper: "/beeper"}, "beeper: " + root + "/beeper makes no tones; name a device of /dev/input that does\n"},
	} {
		var got strings.Builder
		for _, fault := range host.New(tt.cfg, root, quiet).Check() {
			fmt.Fprintf(&got, "%s: %v\n", fault.Key, fault.Err)
		}
		if got.String() != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.cfg, got.String(), tt.want)
		}
	}
	if got := lit(t, root); got != "" {
		t.Errorf("checking lit %s", got)
	}
}
