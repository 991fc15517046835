package serial_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/devices/devicetest"
	"usher/devices/serial"
	"usher/scanner"
)

// ear hears all that a scanner is told. As an SSI scanner it acknowledges commands.
type ear struct {
	mu    sync.Mutex // guards heard
	heard []byte
}

func listen(t *testing.T, pty *devicetest.Pty, acknowledges bool) *ear {
	t.Helper()
	e := &ear{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 256)
		for {
			n, err := pty.Read(buf)
			if errors.Is(err, unix.EIO) { // nobody has opened it yet
				time.Sleep(time.Millisecond)
				continue
			}
			if err != nil {
				return
			}
			e.mu.Lock()
			e.heard = append(e.heard, buf[:n]...)
			e.mu.Unlock()
			if acknowledges && n > 2 && buf[1]&0xf0 == 0xe0 {
				_, _ = pty.Write([]byte("\x04\xd0\x00\x00\xff\x2c"))
			}
		}
	}()
	t.Cleanup(func() {
		_ = pty.Unplug()
		<-ended
	})
	return e
}

func (e *ear) all() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return string(e.heard)
}

func withFeedback(t *testing.T, port, protocol, feedback string) scanner.Device {
	t.Helper()
	cfg := serial.Defaults()
	cfg.Port, cfg.Protocol, cfg.Feedback = port, protocol, feedback
	driver, err := serial.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, driver)
}

const (
	ack       = "\x04\xd0\x04\x00\xff\x28"
	ssiTicket = "\x0d\xf3\x00\x00\x03TICKET-1\xfc\xdb"
)

// TestFeedbackComesAfterTheVerdict: nothing but the protocol's own acknowledgement
// is told before, whatever the scanner.
func TestFeedbackComesAfterTheVerdict(t *testing.T) {
	for _, tt := range []struct {
		feedback, protocol, code string
		before                   string
		after                    map[scanner.Signal]string
	}{
		{"honeywell", "lines", "TICKET-1\r", "", map[scanner.Signal]string{
			scanner.SignalAdmit: "\x1b7,", scanner.SignalRefuse: "\x1b8,\x1b8,",
			scanner.SignalReview: "\x1b6,\x1b4,\x1b6,\x1b4,", scanner.SignalRepeat: "\x1b4,",
		}},
		{"zebra", "ssi", ssiTicket, ack, map[scanner.Signal]string{
			scanner.SignalAdmit:  "\x05\xe6\x04\x00\x01\xff\x10\x05\xe7\x04\x00\x01\xff\x0f",
			scanner.SignalRefuse: "\x05\xe6\x04\x00\x12\xfe\xff\x05\xe7\x04\x00\x02\xff\x0e",
			scanner.SignalReview: "\x05\xe6\x04\x00\x14\xfe\xfd\x05\xe7\x04\x00\x02\xff\x0e",
			scanner.SignalRepeat: "\x05\xe6\x04\x00\x05\xff\x0c",
		}},
		{"datalogic", "lines", "TICKET-1\r", "E", map[scanner.Signal]string{
			scanner.SignalAdmit: "\x01", scanner.SignalRefuse: "FE", scanner.SignalReview: "\x01\x01\x01", scanner.SignalRepeat: "\x01\x01",
		}},
	} {
		for signal, after := range tt.after {
			t.Run(tt.feedback+" "+string(signal), func(t *testing.T) {
				t.Parallel()
				pty := plug(t)
				ear := listen(t, pty, tt.protocol == "ssi")
				device := withFeedback(t, pty.Path(), tt.protocol, tt.feedback)
				codes := read(t, device)
				send(t, pty, tt.code)
				if got := next(t, codes); got != "TICKET-1" {
					t.Errorf("got %q", got)
				}
				waitFor(t, "what is told before", func() bool { return ear.all() == tt.before })
				// Whatever were told between would stand before the verdict's own pattern,
				// and nobody knows yet which one that will be.
				device.(scanner.Signaller).Signal(signal)
				waitFor(t, "feedback", func() bool { return len(ear.all()) >= len(tt.before+after) })
				if got := ear.all(); !strings.HasPrefix(got, tt.before+after) {
					t.Errorf("told %q, want %q first", got, tt.before+after)
				}
			})
		}
	}
}

// TestALineThatTakesNothing holds up neither reading nor the end.
func TestALineThatTakesNothing(t *testing.T) {
	for _, tt := range []struct{ protocol, feedback, code string }{
		{"lines", "honeywell", "TICKET-1\r"}, {"ssi", "zebra", ssiTicket},
	} {
		t.Run(tt.feedback, func(t *testing.T) {
			pty := plug(t)
			other, err := unix.Open(pty.Path(), unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(other)
			device := withFeedback(t, pty.Path(), tt.protocol, tt.feedback)
			stop(t, other)
			ctx, cancel := context.WithCancel(t.Context())
			codes, ended := make(chan string, 1024), make(chan error, 1)
			go func() { ended <- device.Run(ctx, func(raw string) { codes <- raw }) }()
			began := time.Now()
			for range 50 {
				send(t, pty, tt.code)
				next(t, codes)
				device.(scanner.Signaller).Signal(scanner.SignalAdmit)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("50 codes took %v", took)
			}
			began = time.Now()
			cancel()
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatal("Run does not end")
			}
			// The kernel's own close would wait for 30 s.
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("Run took %v to end", took)
			}
			device.(scanner.Signaller).Signal(scanner.SignalAdmit) // after the end: nobody is told
		})
	}
}

// stop keeps the terminal from taking output, as a scanner does that is busy for
// ever.
func stop(t *testing.T, line int) {
	t.Helper()
	const tcooff = 0
	if err := unix.IoctlSetInt(line, unix.TCXONC, tcooff); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Write(line, []byte("x")); n > 0 || !errors.Is(err, unix.EAGAIN) {
		t.Fatalf("a stopped line took %d bytes (%v): the test proves nothing", n, err)
	}
}

// TestAScannerWithoutFeedbackIsToldNothing.
func TestAScannerWithoutFeedbackIsToldNothing(t *testing.T) {
	pty := plug(t)
	ear := listen(t, pty, false)
	device := withFeedback(t, pty.Path(), "lines", "")
	codes := read(t, device)
	for range 2 {
		send(t, pty, "TICKET-1\r")
		next(t, codes)
		device.(scanner.Signaller).Signal(scanner.SignalAdmit)
	}
	if got := ear.all(); got != "" {
		t.Errorf("told %q", got)
	}
}

// TestSSIOverTheLine sends a recording as its scanner did, and looks at the bytes
// that go back.
func TestSSIOverTheLine(t *testing.T) {
	for name, want := range map[string]string{
		"ssi-multipacket": strings.Repeat("\x04\x74\x04\x00\xff\x84", 3) + ack,
		"ssi-resend":      "\x05\xd1\x04\x00\x01\xff\x25" + ack + ack,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, err := devicetest.OpenLog("testdata/" + name + ".log")
			if err != nil {
				t.Fatal(err)
			}
			golden, err := os.ReadFile("testdata/" + name + ".want")
			if err != nil {
				t.Fatal(err)
			}
			pty := plug(t)
			ear := listen(t, pty, false)
			codes := read(t, withFeedback(t, pty.Path(), "ssi", ""))
			for _, r := range log.Reads {
				time.Sleep(r.After)
				send(t, pty, string(r.Data))
			}
			var got []string
			for range bytes.Count(golden, []byte("\n")) {
				got = append(got, next(t, codes))
			}
			if devicetest.Codes(got) != string(golden) {
				t.Errorf("got %q", got)
			}
			waitFor(t, "acknowledgements", func() bool { return ear.all() == want })
		})
	}
}

func TestSSIContract(t *testing.T) {
	multi, err := devicetest.OpenLog("testdata/ssi-multipacket.log")
	if err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile("testdata/ssi-multipacket.want")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Trim(strings.Split(string(golden), "\n")[0], `"`)
	devicetest.Contract(t, func(t *testing.T) devicetest.Rig {
		pty := plug(t)
		cfg := serial.Defaults()
		cfg.Port, cfg.Protocol, cfg.Feedback = pty.Path(), "ssi", "zebra"
		driver, err := serial.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return devicetest.Rig{Opener: driver, Write: func(b []byte) error { return pty.WriteChunks(b) }, Unplug: pty.Unplug}
	}, multi.Bytes(), []string{long, "TICKET-1"})
}
