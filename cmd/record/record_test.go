package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/devices/devicetest"
	"usher/devices/serial"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// said is what the recorder tells, write by write.
type said chan string

func (s said) Write(b []byte) (int, error) { s <- string(b); return len(b), nil }

// hears waits until a text is told, and gives all up to it.
func (s said) hears(t *testing.T, text string) (all string) {
	t.Helper()
	for late := time.After(patience); !strings.Contains(all, text); {
		select {
		case more := <-s:
			all += more
		case <-late:
			t.Fatalf("no %q in:\n%s", text, all)
		}
	}
	return all
}

func plug(t *testing.T) *devicetest.Pty {
	t.Helper()
	pty, err := devicetest.NewPty(filepath.Join(t.TempDir(), "usb-scanner-if00"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pty.Close() }) // some tests have unplugged it
	return pty
}

func send(t *testing.T, pty *devicetest.Pty, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := pty.WriteChunks([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
}

// start begins to record a pty.
func start(t *testing.T, pty *devicetest.Pty, args ...string) (o options, told said, stop func(), ended chan error) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "new.log")
	o, err := parse(append([]string{"--driver", "serial", "--port", pty.Path(), "--device", "Test 1\n000", "--note", "suffix CR", "--out", out}, args...), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	told, ended = make(said, 100), make(chan error, 1)
	go func() { ended <- run(ctx, o, told) }()
	return o, told, cancel, ended
}

// replay plays a log to the real driver and gives as many codes as wanted.
func replay(t *testing.T, log devicetest.Log, n int) (codes []string) {
	t.Helper()
	pty := plug(t)
	cfg := serial.Defaults()
	cfg.Port = pty.Path()
	driver, err := serial.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	device, err := driver.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := pty.WriteChunks(log.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := device.Run(ctx, func(raw string) {
		if codes = append(codes, raw); len(codes) == n {
			cancel()
		}
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
	return codes
}

func TestARecordingGivesTheSameCodes(t *testing.T) {
	pty := plug(t)
	o, told, stop, ended := start(t, pty)
	before := told.hears(t, "Recording ")
	if !strings.Contains(before, "WHOLE CODES") || !strings.Contains(before, "TEST BARCODES only") {
		t.Errorf("no warning before it begins:\n%s", before)
	}
	send(t, pty, "\x02TEST-1\r", "TES")
	heard := told.hears(t, "code 1: 6 characters")
	send(t, pty, "T-22\rTHE-3\r")
	heard += told.hears(t, "code 3: 5 characters")
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	heard += told.hears(t, "-update")
	if strings.Contains(before+heard, "TEST-1") {
		t.Errorf("a code is told:\n%s", heard)
	}
	log, err := devicetest.OpenLog(o.out)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"Device": "Test 1 000", "Notes": "suffix CR", "Transport": "serial at 9600 bit/s, recorded", "Protocol": "lines", "Idle": "80ms",
	}
	if diff := cmp.Diff(want, log.Headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if got, want := string(log.Bytes()), "\x02TEST-1\rTEST-22\rTHE-3\r"; got != want {
		t.Errorf("recorded %q, want %q", got, want)
	}
	if len(log.Reads) < 2 {
		t.Errorf("%d reads of writes that were apart", len(log.Reads))
	}
	if diff := cmp.Diff([]string{"TEST-1", "TEST-22", "THE-3"}, replay(t, log, 3)); diff != "" {
		t.Errorf("replayed (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(o.out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	if err := run(t.Context(), o, io.Discard); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second recording into the same file: %v", err)
	}
}

func TestUnpluggingIsPartOfTheStory(t *testing.T) {
	pty := plug(t)
	o, told, _, ended := start(t, pty)
	told.hears(t, "Recording ")
	send(t, pty, "TEST-1\r")
	told.hears(t, "code 1: ")
	if err := pty.Unplug(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	log, err := devicetest.OpenLog(o.out)
	if err != nil || log.Headers["Ends"] != "unplugged" || string(log.Bytes()) != "TEST-1\r" {
		t.Errorf("recorded %+v, %v", log, err)
	}
}

func TestNothingLeavesNoFile(t *testing.T) {
	o, _, _, ended := start(t, plug(t), "--for", "20ms", "--baud", "57600")
	if err := <-ended; err == nil || !strings.HasPrefix(err.Error(), "nothing came") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(o.out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file: %v", err)
	}
	o.keys = map[string]any{"port": o.out + "-none"}
	if err := run(t.Context(), o, io.Discard); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), o.out+"-none") {
		t.Errorf("not plugged in: %v", err)
	}
	if _, err := os.Stat(o.out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file: %v", err)
	}
}

// TestEveryDriverIsRecordable: each takes the options that name its device.
func TestEveryDriverIsRecordable(t *testing.T) {
	for _, args := range []string{
		"--driver serial --port /dev/ttyUSB0 --baud 115200 --protocol ssi",
		"--driver hid --vendor-id 0x0c2e --product-id 0x0b61 --serial 17 --interface 0 --mode pos --layout de",
		"--driver evdev --path /dev/input/by-id/x --layout fr",
		"--driver evdev --match *Scanner*",
	} {
		o, err := parse(append(strings.Fields(args), "--device", "d", "--out", "x.log"), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		opener, err := o.opener()
		if err != nil {
			t.Errorf("%s: %v", args, err)
			continue
		}
		if _, ok := opener.(recordable); !ok {
			t.Errorf("%s: a driver that cannot be recorded", args)
		}
	}
}

func TestOptionsSayWhatIsWrong(t *testing.T) {
	for args, want := range map[string]string{
		"":                                     "--driver: \"\" is none of serial, hid, evdev\n--device: missing; say make and model\n--out: \"\" does not end in .log",
		"--driver feed --device d --out x.log": "\"feed\" is none of",
		"--driver hid --device d --out x.log extra":             "\"extra\" is no option",
		"--driver hid --device d --out x.log --for -1s":         "-1s is less than nothing",
		"--driver hid --device d --out x.log --vendor-id 0c2e!": "vendor-id",
	} {
		var told strings.Builder
		if _, err := parse(strings.Fields(args), &told); err == nil || !strings.Contains(told.String(), want) {
			t.Errorf("%s: %v, told:\n%s", args, err, &told)
		}
	}
	for args, want := range map[string]string{
		"--driver hid": "vendor_id: missing",
		"--driver evdev --path /dev/x --baud 300": "baud: unknown key",
	} {
		o, err := parse(append(strings.Fields(args), "--device", "d", "--out", filepath.Join(t.TempDir(), "x.log")), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := run(t.Context(), o, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// TestWhatToDoNext: each kind's tests are named, with the file they write.
func TestWhatToDoNext(t *testing.T) {
	for _, tt := range []struct{ driver, protocol, want string }{
		{"serial", "lines", "go test ./devices/serial -run Recordings -update"},
		{"serial", "ssi", "go test ./devices/serial -run SSILogs -update"},
		{"hid", "", "go test ./devices/hid -run Recordings -update"},
		{"evdev", "", "go test ./devices/evdev -run Recordings -update"},
	} {
		text := options{driver: tt.driver, out: "/tmp/new.log"}.next(devicetest.Log{Headers: map[string]string{"Protocol": tt.protocol}})
		if !strings.Contains(text, tt.want) || !strings.Contains(text, "testdata/new.want") {
			t.Errorf("%s %s:\n%s", tt.driver, tt.protocol, text)
		}
	}
}
