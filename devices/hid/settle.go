package hid

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"usher/devices/report"
	"usher/scanner"
)

// settled is how long an interface must stay without a description until it is
// taken as it is. The kernel needs some tens of milliseconds to give one its driver.
const settled = time.Second

// settling tells whether the kernel may still be setting up what was found, which
// it does interface by interface: one that is not described yet may be the one
// that is meant. Without a driver for longer, a crash left it so.
func (d *Driver) settling(plugged []usbDevice, known map[string]usbInterface) error {
	now, open := time.Now(), map[string]time.Time{}
	wait := false
	for _, plugIn := range d.undescribed(plugged, known) {
		since, before := d.blank[plugIn]
		if !before {
			since = now
		}
		open[plugIn] = since
		wait = wait || now.Sub(since) < settled
	}
	d.blank = open
	if wait {
		return scanner.ErrSettling
	}
	return nil
}

// undescribed lists what may be meant and is not described, each by its plug-in and
// interface.
func (d *Driver) undescribed(plugged []usbDevice, known map[string]usbInterface) []string {
	var found []string
	for _, u := range plugged {
		port, shown, chosen := filepath.Base(u.dir), 0, false
		for path, i := range known {
			if !strings.HasPrefix(path, port+":") {
				continue
			}
			shown++
			if d.cfg.Interface >= 0 && i.number != d.cfg.Interface {
				continue
			}
			chosen = d.cfg.Interface >= 0
			if i.hid && !i.mouse && i.raw == nil {
				found = append(found, u.node+" "+path)
			}
		}
		// Interfaces come into view one after the other.
		all, err := strconv.Atoi(report.Attribute(u.dir, "bNumInterfaces"))
		if err == nil && shown < all && !chosen {
			found = append(found, u.node)
		}
	}
	return found
}
