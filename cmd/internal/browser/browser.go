// Package browser runs a real headless Chromium for the tests of the gate screen's
// page: Debian's package chromium, one process for many tests, a profile of its own
// for each tab. It is never shipped.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	// Chromium speaks its own protocol, thousands of messages of it; this is the
	// client written in Go, generated from the protocol's description.
	"github.com/chromedp/chromedp"
)

const (
	// startTime is how long a browser on a busy machine may take to start, and
	// stopTime to end by itself before it is killed.
	startTime = 60 * time.Second
	stopTime  = 5 * time.Second
)

// ErrNone says that there is no browser on this machine.
var ErrNone = errors.New("chromium is missing: install the Debian package chromium")

// Browser is a running Chromium. It dies with the process that started it.
type Browser struct {
	tab  func() (context.Context, context.CancelFunc)
	stop func() error
}

// Start runs the browser. Errors: ErrNone.
func Start() (*Browser, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, ErrNone
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:], // headless among them
		chromedp.ExecPath(path),
		// Tests run as root in containers; the only pages are our own.
		chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		// As the kiosk's unit starts it: a verdict sounds though nobody ever touched
		// the page.
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
		chromedp.Flag("mute-audio", true),
	)
	allocator, release := chromedp.NewExecAllocator(context.Background(), flags...)
	ctx, cancel := chromedp.NewContext(allocator)
	started := make(chan error, 1)
	go func() { started <- chromedp.Do(ctx) }()
	select {
	case err = <-started:
	case <-time.After(startTime):
		err = fmt.Errorf("it did not start within %s", startTime)
	}
	if err != nil {
		cancel()
		release()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Browser{
		tab: func() (context.Context, context.CancelFunc) {
			return chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
		},
		stop: func() error {
			ended := make(chan error, 1)
			go func() { ended <- chromedp.Cancel(ctx) }()
			var err error
			select {
			case err = <-ended:
			case <-time.After(stopTime):
				err = fmt.Errorf("%s did not end within %s", path, stopTime)
			}
			cancel()
			release() // kills it where it still runs
			return err
		},
	}, nil
}

// Close ends the browser and all its tabs.
func (b *Browser) Close() error { return b.stop() }
