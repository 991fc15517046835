package configs

import (
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// longestSocket is the longest path of a unix socket: sun_path has 108 bytes and
// ends in a zero.
const longestSocket = 107

// Validate finds every fault of the values. What it cannot know, such as which
// drivers exist, is left to [Check].
func (c *Config) Validate() Faults {
	var f Faults
	absolute(&f, "state_dir", c.StateDir)
	if filepath.Clean(c.StateDir) == "/" {
		f.Add("state_dir", "must be a directory of its own, such as %s", defaultStateDir)
	}
	c.Device.validate(&f)
	c.Gate.validate(&f)
	c.validateScanners(&f)
	if c.Vendor.Name == "" {
		f.Add("vendor.name", "must name the ticketing vendor (manifest: a ticket list in a file)")
	}
	c.Online.validate(&f)
	c.Upload.validate(&f)
	c.Signals.validate(&f)
	if c.Offline.Refresh != 0 {
		within(&f, "offline.refresh", c.Offline.Refresh, time.Minute, 24*time.Hour)
	}
	switch stale := c.Offline.StaleAfter; {
	case stale != 0 && stale < time.Minute:
		f.Add("offline.stale_after", "%s: must be at least 1m: the manifest is looked at every 30s", short(stale))
	case stale != 0:
		within(&f, "offline.stale_after", stale, time.Minute, year)
	}
	oneOf(&f, "offline.unknown", c.Offline.Unknown, "refuse", "review", "admit")
	if c.Offline.Manifest != "" {
		absolute(&f, "offline.manifest", c.Offline.Manifest)
	}
	within(&f, "history.keep", c.History.Keep, time.Hour, 10*year)
	absolute(&f, "status.socket", c.Status.Socket)
	if len(c.Status.Socket) > longestSocket {
		f.Add("status.socket", "has %d bytes: a socket's path has at most %d", len(c.Status.Socket), longestSocket)
	}
	oneOf(&f, "clock.trust", c.Clock.Trust, "kernel", "wall")
	loopback(&f, "status.screen", c.Status.Screen)
	oneOf(&f, "screen.language", c.Screen.Language, "en", "es", "fr", "de")
	within(&f, "screen.hold", c.Screen.Hold, time.Second, time.Minute)
	oneOf(&f, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(&f, "log.format", c.Log.Format, "json", "text")
	f.Sort()
	return f
}

func (o Online) validate(f *Faults) {
	within(f, "online.patience", o.Patience, 100*time.Millisecond, 30*time.Second)
	within(f, "online.timeout", o.Timeout, 100*time.Millisecond, time.Minute)
	if o.Timeout < o.Patience {
		f.Add("online.timeout", "%s: must not be shorter than online.patience (%s)", short(o.Timeout), short(o.Patience))
	}
	within(f, "online.probe_min", o.ProbeMin, 100*time.Millisecond, time.Hour)
	within(f, "online.probe_max", o.ProbeMax, o.ProbeMin, time.Hour)
	oneOf(f, "online.in_doubt", o.InDoubt, "admit", "review")
}

func (u Upload) validate(f *Faults) {
	if u.Batch < 1 || u.Batch > 1000 {
		f.Add("upload.batch", "%d: must be from 1 to 1000", u.Batch)
	}
	within(f, "upload.retry_min", u.RetryMin, 100*time.Millisecond, time.Hour)
	within(f, "upload.retry_max", u.RetryMax, u.RetryMin, 24*time.Hour)
}

const year = 366 * 24 * time.Hour

func (d Device) validate(f *Faults) {
	words(f, "device.id", d.ID)
	if d.ID != "" && !plainName(d.ID) {
		f.Add("device.id", "%s: may hold letters, digits and . _ - only, 64 at most", quote(d.ID))
	}
	words(f, "device.name", d.Name)
	words(f, "device.serial", d.Serial)
	words(f, "device.model", d.Model)
	if d.MAC == "" {
		return
	}
	if hw, err := net.ParseMAC(d.MAC); err != nil || len(hw) != 6 {
		f.Add("device.mac", "%s: must be a hardware address such as 00:11:22:33:44:55", quote(d.MAC))
	}
}

func (g Gate) validate(f *Faults) {
	words(f, "gate.name", g.Name)
	words(f, "gate.event", g.Event)
	words(f, "gate.series", g.Series)
	for i, s := range g.Sections {
		if strings.TrimSpace(s) == "" {
			f.Add("gate.sections", "entry %d is empty: remove it", i+1)
		}
		words(f, "gate.sections", s)
	}
	oneOf(f, "gate.direction", g.Direction, "entry", "exit")
	oneOf(f, "gate.rule", g.Rule, "external", "internal")
	oneOf(f, "gate.reentry", g.Reentry, "allow", "refuse")
	oneOf(f, "gate.exit_unknown", g.ExitUnknown, "refuse", "review", "admit")
	within(f, "gate.forget_after", g.ForgetAfter, time.Minute, year)
	if _, err := g.Location(); err != nil {
		f.Add("gate.timezone", "%s: not known on this device: write a name such as Europe/Zurich, or install tzdata", quote(g.Timezone))
	}
}

func (c *Config) validateScanners(f *Faults) {
	first := map[string]int{}
	for i, s := range c.Scanners {
		path := c.ScannerPath(i)
		earlier, taken := first[s.Name]
		switch {
		case s.Name == "":
			f.Add(path+".name", "must not be empty: name the lane or the scanner")
		case s.Name == Manual:
			f.Add(path+".name", "%q stands for codes typed by hand: choose another", s.Name)
		case taken:
			f.Add(path+".name", "%s is scanners[%d] already: each needs its own", quote(s.Name), earlier)
		default:
			words(f, path+".name", s.Name)
			first[s.Name] = i
		}
		if s.Driver == "" {
			f.Add(path+".driver", "must name how the scanner is read, such as serial")
		}
		if s.Direction != "" {
			oneOf(f, path+".direction", s.Direction, "entry", "exit")
		}
	}
}

func (s Signals) validate(f *Faults) {
	for _, led := range []struct{ path, name string }{
		{"signals.admit_led", s.AdmitLED}, {"signals.refuse_led", s.RefuseLED}, {"signals.review_led", s.ReviewLED},
	} {
		words(f, led.path, led.name)
		if strings.Contains(led.name, "/") || led.name == "." || led.name == ".." {
			f.Add(led.path, "%s: must be a name that ls /sys/class/leds shows", quote(led.name))
		}
	}
	if s.Beeper != "" {
		absolute(f, "signals.beeper", s.Beeper)
	}
}

// Warnings are things that work and are probably not meant.
func (c *Config) Warnings() Faults {
	var f Faults
	if len(c.Scanners) == 0 {
		f.Add("scanners", "none: only codes typed by hand are judged; usher devices lists what is plugged in")
	}
	if c.Vendor.Name == "manifest" && c.Offline.Manifest == "" {
		f.Add("offline.manifest", "none: every scan waits for a list from `usher tickets import FILE`")
	}
	if c.Offline.Unknown == "admit" {
		f.Add("offline.unknown", "admit: offline, any code at all is admitted")
	}
	if c.Gate.ExitRequired && c.Gate.Rule != "internal" {
		f.Add("gate.exit_required", "has no effect at an external gate: see gate.reentry")
	}
	if c.Device.Name == "" || c.Device.Name == "localhost" {
		f.Add("device.name", "the host has no name of its own: set device.name or the host name, so that devices can be told apart")
	}
	f.Sort()
	return f
}

func oneOf(f *Faults, path, value string, allowed ...string) {
	if slices.Contains(allowed, value) {
		return
	}
	last := len(allowed) - 1
	f.Add(path, "%s: must be %s or %s", quote(value), strings.Join(allowed[:last], ", "), allowed[last])
}

func within(f *Faults, path string, value, least, most time.Duration) {
	if value < least || value > most {
		f.Add(path, "%s: must be from %s to %s", short(value), short(least), short(most))
	}
}

// short writes a duration as a person would: 24h, not 24h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// unseen tells characters that a terminal obeys or that change how a line reads:
// control characters, direction marks, zero widths. Two joiners are spelling in
// some languages.
func unseen(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) && r != nonJoiner && r != joiner || r == unicode.ReplacementChar
}

func absolute(f *Faults, path, value string) {
	if !filepath.IsAbs(value) {
		f.Add(path, "%s: must be a whole path, beginning with /", quote(value))
	} else if strings.ContainsFunc(value, unseen) {
		f.Add(path, "%s: must not hold control characters or others that nobody sees", quote(value))
	}
}

// loopback refuses an address that others than this device could reach, or that
// nothing can listen on.
func loopback(f *Faults, path, value string) {
	if value == ScreenOff {
		return
	}
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		f.Add(path, "%s: write an address and a port, such as 127.0.0.1:8680, or off", quote(value))
		return
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		f.Add(path, "%s: the screen shows names to whoever can reach it; use a loopback address, 127.0.0.1 or [::1], or off", quote(value))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		f.Add(path, "%s: the port must be a number from 1 to 65535", quote(value))
	}
}

// words refuses what cannot stand in one line on a screen.
func words(f *Faults, path, value string) {
	const longest = 200
	switch {
	case strings.ContainsFunc(value, unicode.IsControl):
		f.Add(path, "%s: must be one line of text", quote(value))
	case strings.ContainsFunc(value, unseen):
		f.Add(path, "%s: holds a character that nobody sees: type it anew", quote(value))
	case len(value) > longest:
		f.Add(path, "has %d bytes: %d at most", len(value), longest)
	case value != strings.TrimSpace(value):
		f.Add(path, "%s: remove the blanks around it", quote(value))
	}
}
