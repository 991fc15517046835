package devicetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp" // readable differences
	"go.uber.org/goleak"           // nothing may be left running

	"usher/scanner"
)

// limit is how long a test waits for what must come, on a slow machine.
const limit = 10 * time.Second

// Rig is one fresh scanner for one test of the contract.
type Rig struct {
	// Opener is the driver, configured for the scanner.
	Opener interface {
		Open(context.Context) (scanner.Device, error)
	}
	// Write sends bytes as the scanner does.
	Write func([]byte) error
	// Unplug takes the scanner away.
	Unplug func() error
}

// Contract runs what every driver must pass. Fresh plugs in a new scanner; the
// codes are what the driver makes of the stream, whose last code must end by
// itself.
func Contract(t *testing.T, fresh func(*testing.T) Rig, stream []byte, codes []string) {
	chunkings := map[string]func([]byte) [][]byte{
		"whole":        func(b []byte) [][]byte { return [][]byte{b} },
		"byte by byte": func(b []byte) [][]byte { return slices.Collect(slices.Chunk(b, 1)) },
		"random cuts":  cut,
	}
	for name, chunks := range chunkings {
		t.Run("replay "+name, func(t *testing.T) {
			run := start(t, fresh(t))
			for _, chunk := range chunks(stream) {
				if err := run.rig.Write(chunk); err != nil {
					t.Fatal(err)
				}
			}
			run.want(codes)
			run.stop()
		})
	}
	t.Run("slow emit loses nothing", func(t *testing.T) {
		run := start(t, fresh(t))
		run.held.Lock()
		for range 3 {
			if err := run.rig.Write(stream); err != nil {
				t.Fatal(err)
			}
		}
		run.held.Unlock()
		run.want(slices.Concat(codes, codes, codes))
		run.stop()
	})
	t.Run("unplugging ends Run with ErrUnplugged", func(t *testing.T) {
		run := start(t, fresh(t))
		if err := run.rig.Unplug(); err != nil {
			t.Fatal(err)
		}
		if err := run.end(); !errors.Is(err, scanner.ErrUnplugged) {
			t.Errorf("Run returned %v, want ErrUnplugged", err)
		}
		if device, err := run.rig.Opener.Open(t.Context()); err == nil {
			t.Error("Open found an unplugged scanner")
			release(device)
		}
	})
	t.Run("the context ends Run", func(t *testing.T) {
		run := start(t, fresh(t))
		run.cancel()
		if err := run.end(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v, want the context's error", err)
		}
	})
	t.Run("Run gives the scanner back", func(t *testing.T) {
		rig := fresh(t)
		for range 3 {
			run := start(t, rig)
			run.stop()
		}
	})
	t.Run("Run with an ended context only gives the scanner back", func(t *testing.T) {
		rig := fresh(t)
		device, err := rig.Opener.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		release(device)
		run := start(t, rig)
		run.stop()
	})
}

// run is a device being read.
type run struct {
	t      *testing.T
	rig    Rig
	cancel context.CancelFunc
	codes  chan string
	held   sync.Mutex // while held, emit waits
	ended  chan error
}

// start opens the device and reads it until the test ends, and lets the test
// fail when anything is left running then.
func start(t *testing.T, rig Rig) *run {
	t.Helper()
	before := goleak.IgnoreCurrent()
	device, err := rig.Opener.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &run{
		t: t, rig: rig, cancel: cancel,
		codes: make(chan string, 1024), ended: make(chan error, 1),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.ended <- device.Run(ctx, func(raw string) {
			r.held.Lock()
			defer r.held.Unlock()
			r.codes <- raw
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		goleak.VerifyNone(t, before)
	})
	return r
}

// want waits for exactly these codes.
func (r *run) want(codes []string) {
	r.t.Helper()
	var got []string
	timeout := time.After(limit)
	for len(got) < len(codes) {
		select {
		case code := <-r.codes:
			got = append(got, code)
		case err := <-r.ended:
			r.t.Fatalf("Run ended with %v after %q, want %q", err, got, codes)
		case <-timeout:
			r.t.Fatalf("got %q, want %q", got, codes)
		}
	}
	if diff := cmp.Diff(codes, got); diff != "" {
		r.t.Fatalf("codes (-want +got):\n%s", diff)
	}
}

// stop ends the device and makes sure that it emitted nothing else.
func (r *run) stop() {
	r.t.Helper()
	r.cancel()
	if err := r.end(); !errors.Is(err, context.Canceled) {
		r.t.Errorf("Run returned %v, want the context's error", err)
	}
	select {
	case code := <-r.codes:
		r.t.Errorf("emitted %q that nobody sent", code)
	default:
	}
}

// end waits for Run's return.
func (r *run) end() error {
	r.t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(limit):
		r.t.Fatal("Run did not return")
		return nil
	}
}

// release gives a device back that nobody reads.
func release(device scanner.Device) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = device.Run(ctx, func(string) {})
}

// cut splits at random places.
func cut(b []byte) [][]byte {
	var chunks [][]byte
	for len(b) > 0 {
		n := 1 + rand.IntN(min(len(b), 9))
		chunks = append(chunks, b[:n])
		b = b[n:]
	}
	return chunks
}
