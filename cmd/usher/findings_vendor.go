package main

import (
	"context"
	"os"
	"strings"
	"time"

	"usher/cmd/internal/control"
	"usher/configs"
	"usher/scanner"
	"usher/sync/clock"
	"usher/vendors"
	"usher/vendors/wire"
)

// inspectAdvice says what the vendor's own configuration leaves open.
func inspectAdvice(f *findings, cfg *configs.Config) {
	vendor, err := openVendor(cfg, vendors.Deps{Event: cfg.Gate.Event, Device: vendorDevice(cfg), Environ: os.Environ()})
	if err != nil {
		return // a fault of the configuration, told already
	}
	for _, advice := range vendor.Advice {
		path, text, _ := strings.Cut(advice, ": ")
		f.add(path, gradeWarn, "%s", text)
	}
	if vendor.Normal > cfg.Online.Patience {
		f.add("online.patience", gradeWarn, "%s, and %s normally takes up to %s to answer: scans would be decided without it; set %s",
			cfg.Online.Patience, cfg.Vendor.Name, vendor.Normal, vendor.Normal+vendor.Normal/4)
	}
	if vendor.Watcher != nil && cfg.Gate.Timezone == "" {
		f.add("gate.timezone", gradeWarn, "missing, and %s tells in the venue's time when tickets entered elsewhere: write it, such as America/New_York", cfg.Vendor.Name)
	}
}

// signInTime bounds a sign-in: a vendor that takes longer is no use at a gate.
const signInTime = 15 * time.Second

// inspectVendor signs in as the daemon does, and compares clocks by the answer.
func inspectVendor(ctx context.Context, f *findings, cfg *configs.Config, running *control.Status) {
	if running != nil {
		// The daemon has signed in, or knows why not: another try may lock the
		// account.
		g := gradeOK
		if running.Link.State != control.LinkOnline && running.Link.Reason != "" {
			g = gradeWarn
		}
		f.add("vendor", g, "%s: the daemon is %s %s", cfg.Vendor.Name, running.Link.State, running.Link.Reason)
		return
	}
	c, err := clock.New(trustOf(cfg))
	if err != nil {
		f.add("vendor", gradeFail, "%v", err)
		return
	}
	var off time.Duration
	var seen bool
	vendor, err := openVendor(cfg, vendors.Deps{
		Event: cfg.Gate.Event, Device: vendorDevice(cfg), Version: version(), Zone: venueZone(cfg), Clock: c, Time: c.CertificateTime, Environ: os.Environ(),
		Observe: func(o wire.Observation) {
			trip, _ := o.Received.Since(o.Sent)
			off, seen = o.Received.Wall.Sub(o.Date.Add(time.Second/2+trip/2)), true
		},
	})
	if err != nil {
		f.add("vendor", gradeFail, "%v", err)
		return
	}
	if vendor.Session == nil {
		f.add("vendor", gradeOK, "%s: never asked", cfg.Vendor.Name)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, signInTime)
	defer cancel()
	begun := time.Now()
	if err := vendor.Session.SignIn(ctx); err != nil {
		f.add("vendor", gradeFail, "%s: %v%s", cfg.Vendor.Name, err, hint(vendor.Session.Status().Problem))
		return
	}
	took := time.Since(begun)
	if took > cfg.Online.Patience {
		f.add("vendor", gradeWarn, "%s: signed in, but it took %s: longer than online.patience, scans would be decided offline", cfg.Vendor.Name, took.Round(time.Millisecond))
	} else {
		f.add("vendor", gradeOK, "%s: signed in, %s", cfg.Vendor.Name, took.Round(time.Millisecond))
	}
	inspectSections(ctx, f, cfg, vendor)
	inspectWindow(ctx, f, cfg, vendor)
	if expires := vendor.Session.Status().PasswordExpiresAt; !expires.IsZero() && time.Until(expires) < passwordWarning {
		f.add("vendor", gradeWarn, "the password expires on %s: change it before", expires.Format("2 Jan 2006"))
	}
	if seen && off.Abs() > clockWarning {
		f.add("clock", gradeWarn, "%s away from the vendor's clock: scans are uploaded with corrected times, but turn NTP on (timedatectl set-ntp true)", off.Round(time.Second))
	}
	if err := vendor.Session.SignOut(ctx); err != nil {
		f.add("vendor", gradeWarn, "not signed out: %v", err)
	}
}

// inspectWindow says when the vendor lets the configured event's tickets in: the
// wrong event is found here, and not when the gate has opened.
func inspectWindow(ctx context.Context, f *findings, cfg *configs.Config, vendor scanner.Vendor) {
	if vendor.Window == nil {
		return
	}
	const what = "check-in window"
	if vendor.Watcher != nil {
		if err := vendor.Watcher.Watch(ctx); err != nil {
			f.add(what, gradeWarn, "%v", err)
			return
		}
	}
	window, known := vendor.Window()
	zone := venueZone(cfg)
	switch {
	case !known:
		f.add(what, gradeWarn, "the vendor does not tell it")
	case window.Blocked:
		f.add(what, gradeWarn, "%s", window.Detail)
	default:
		f.add(what, gradeOK, "event %s: %s to %s", window.Event, edgeText(window.OpensAt, zone), edgeText(window.ClosesAt, zone))
	}
}

func edgeText(at time.Time, zone *time.Location) string {
	if at.IsZero() {
		return "open"
	}
	return at.In(zone).Format("2 Jan 2006 15:04 MST")
}

const (
	// passwordWarning is how long before its end a password is worth a word.
	passwordWarning = 7 * 24 * time.Hour
	// clockWarning is how far a clock may be off before it is.
	clockWarning = 5 * time.Second
)

func hint(problem string) string {
	if problem == "" {
		return ""
	}
	return "; " + problem
}
