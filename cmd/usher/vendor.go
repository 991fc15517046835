package main

import (
	"context"
	"os"

	"golang.org/x/sync/errgroup"

	"usher/cmd/internal/control"
	"usher/cmd/internal/identity"
	"usher/configs"
	"usher/scanner"
	"usher/sync/journal"
	"usher/sync/link"
	"usher/sync/refresh"
	"usher/sync/upload"
	"usher/vendors"
	"usher/vendors/wire"
)

// parley is everything between this device and a vendor that can be asked. Each
// part is nil where the vendor does not offer it.
type parley struct {
	link   *link.Link
	upload *upload.Uploader
	lists  *refresh.Lists
	// elsewhere learns what other gates admitted.
	elsewhere *refresh.Elsewhere
	events    *refresh.Events
}

// vendorDeps is what a vendor gets of the house; without a house (a
// configuration being checked) it gets nothing but the environment.
func (d *usherd) vendorDeps(cfg *configs.Config) vendors.Deps {
	device := vendorDevice(cfg)
	device.ID = d.identity.ID
	return vendors.Deps{
		Event: cfg.Gate.Event, Zone: venueZone(cfg), Device: device, Version: version(), Clock: d.clock, Memory: d.journal.Memory, Environ: os.Environ(),
		Time:    d.clock.CertificateTime,
		Observe: func(o wire.Observation) { d.clock.Observe(o.Date, o.Sent, o.Received) },
		Log:     d.log,
	}
}

// vendorDevice is what a vendor may be told of this device.
func vendorDevice(cfg *configs.Config) vendors.Device {
	d := cfg.Device
	hw := identity.Hardware(identity.Options{StateDir: cfg.StateDir, MAC: d.MAC, Serial: d.Serial, Model: d.Model})
	return vendors.Device{Name: d.Name, GateName: cfg.Gate.Name, MAC: hw.MAC, Serial: hw.Serial, Model: hw.Model}
}

// parley wires link, upload and lists to the vendor.
func (d *usherd) newParley(cfg *configs.Config, v scanner.Vendor) parley {
	var p parley
	if v.Session == nil {
		return p // nothing that could be asked, and so nothing else
	}
	p.link = link.New(link.Options{
		Probe: v.Session.Probe, Patience: cfg.Online.Patience, Normal: v.Normal, Timeout: cfg.Online.Timeout,
		Min: cfg.Online.ProbeMin, Max: cfg.Online.ProbeMax, Clock: d.clock, Log: d.log.With("room", "link"),
		Changed: func(st link.Status) { d.linkChanged(st) },
	})
	if v.Uploader != nil {
		p.upload = upload.New(upload.Options{
			Journal: outbox{d.journal, d.identity.ID}, Vendor: v.Uploader, Probe: v.Session.Probe, Scope: v.Scope, Clock: d.clock,
			Busy: func(id string) bool { return d.house.gate.Busy(id) }, Ready: p.link.Reachable,
			Batch: cfg.Upload.Batch, RetryMin: cfg.Upload.RetryMin, RetryMax: cfg.Upload.RetryMax,
			Log: d.log.With("room", "upload"),
		})
	}
	if v.Lister != nil {
		p.lists = refresh.NewLists(refresh.ListOptions{
			Lister: v.Lister, Changes: v.Changes, Scope: v.Scope, Store: listStore{d.tickets}, Clock: d.clock,
			Online: p.link.Reachable, Every: cfg.Offline.Refresh, Log: d.log.With("room", "refresh"),
		})
	}
	if v.Watcher != nil {
		what := "entries at other gates"
		if v.Finder == nil {
			what = "the event's check-in window"
		}
		p.elsewhere = refresh.NewElsewhere(refresh.ElsewhereOptions{
			Watcher: v.Watcher, What: what, Clock: d.clock, Online: p.link.Reachable, Log: d.log.With("room", "refresh"),
		})
	}
	if v.Events != nil {
		p.events = refresh.NewEvents(refresh.EventOptions{
			Lister: v.Events, Scope: v.Scope, Store: eventStore{d.events}, Clock: d.clock, Online: p.link.Reachable, Log: d.log.With("room", "refresh"),
		})
	}
	return p
}

// linkChanged starts at once what has waited for the link.
func (d *usherd) linkChanged(st link.Status) {
	p := d.house.parley
	if !st.Reachable {
		return
	}
	if p.upload != nil {
		p.upload.Resume()
	}
	if p.lists != nil {
		p.lists.Kick()
	}
	if p.elsewhere != nil {
		p.elsewhere.Kick()
	}
	if p.events != nil {
		p.events.Kick()
	}
}

// run runs what there is of it.
func (p parley) run(ctx context.Context, group *errgroup.Group) {
	if p.link != nil {
		group.Go(func() error { return p.link.Run(ctx) })
	}
	if p.upload != nil {
		group.Go(func() error { return p.upload.Run(ctx) })
	}
	if p.lists != nil {
		group.Go(func() error { return p.lists.Run(ctx) })
	}
	if p.elsewhere != nil {
		group.Go(func() error { return p.elsewhere.Run(ctx) })
	}
	if p.events != nil {
		group.Go(func() error { return p.events.Run(ctx) })
	}
}

// gateLink is the link as the gate sees it: none, where nobody is asked.
func (p parley) gateLink() scanner.Link {
	if p.link == nil {
		return nil
	}
	return p.link
}

// outbox is the journal as the upload sees it, on a card that may be a copy.
type outbox struct {
	*journal.Journal
	// device is this device's id.
	device string
}

func (o outbox) Pending(mine func(scanner.Scope) bool, after uint64, limit int) ([]scanner.Recorded, error) {
	entries, err := o.Journal.Pending(mine, after, limit)
	for i := range entries {
		if e := &entries[i]; e.Origin.Device != o.device {
			// This card is a copy, and the device that made the movement may have
			// uploaded it as well: "already scanned" is then no other entry.
			e.Sent = max(e.Sent, 1)
		}
	}
	return entries, err
}

// linkStatus says whether the vendor is asked now.
func (h *house) linkStatus() control.LinkStatus {
	if h.parley.link == nil {
		return control.LinkStatus{State: control.LinkOffline, Reason: "this vendor is never asked: the list decides"}
	}
	st := h.parley.link.Status()
	out := control.LinkStatus{State: control.LinkOffline, Reason: st.Reason, Since: control.At(h.clock.True(st.Since).At)}
	if st.Online {
		out.State = control.LinkOnline
	}
	if st.NextProbeAt != (scanner.Stamp{}) {
		out.NextProbeAt = control.At(h.clock.True(st.NextProbeAt).At)
	}
	return out
}

// vendorStatus says how the device stands with the vendor.
func (h *house) vendorStatus(live *setup) control.VendorStatus {
	out := control.VendorStatus{Name: live.cfg.Vendor.Name}
	if live.vendor.Events != nil {
		out.EventsAt = control.At(h.events.List(live.vendor.Scope).At)
	}
	if live.vendor.Session != nil {
		st := live.vendor.Session.Status()
		out.SessionExpiresAt, out.PasswordExpiresAt = control.At(st.SessionExpiresAt), control.At(st.PasswordExpiresAt)
	}
	return out
}

// vendorProblems are what a person should do about the vendor.
func (h *house) vendorProblems(live *setup) []string {
	var problems []string
	if live.vendor.Session != nil {
		if problem := live.vendor.Session.Status().Problem; problem != "" {
			problems = append(problems, problem)
		}
	}
	if u := h.parley.upload; u != nil {
		st := u.Status()
		if st.Warning != "" {
			problems = append(problems, st.Warning)
		}
		// While the vendor cannot be reached, that is the link's to tell.
		if st.Problem != "" && h.parley.link.Reachable() {
			problems = append(problems, "not uploaded: "+st.Problem)
		}
	}
	if e := h.parley.elsewhere; e != nil && h.parley.link.Reachable() {
		if problem := e.Problem(); problem != "" {
			problems = append(problems, problem)
		}
	}
	return problems
}

// sync does with the vendor now what is otherwise done in its time.
func (h *house) syncVendor(ctx context.Context, live *setup, what control.SyncRequest, result *control.SyncResult) {
	note := func(err error) {
		if err != nil {
			result.Problems = append(result.Problems, err.Error())
		}
	}
	if s := live.vendor.Session; s != nil {
		note(s.SignIn(ctx))
	}
	if h.parley.link != nil {
		h.parley.link.Kick()
	}
	if h.parley.upload != nil {
		counts, err := h.parley.upload.Now(ctx)
		result.Uploaded = counts.Taken
		note(err)
	}
	switch lists := h.parley.lists; {
	case lists == nil:
	case what.Whole:
		note(lists.Whole(ctx, nil))
	default:
		note(lists.Now(ctx, nil))
	}
	if h.parley.elsewhere != nil {
		note(h.parley.elsewhere.Now(ctx))
	}
	if h.parley.events != nil {
		h.parley.events.Kick()
	}
}
