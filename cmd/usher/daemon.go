package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/google/uuid" // ids that no other device gives
	"golang.org/x/sync/errgroup"

	"usher/cache"
	"usher/cache/manifest"
	"usher/cache/seal"
	"usher/cmd/internal/control"
	"usher/cmd/internal/identity"
	"usher/cmd/internal/screen"
	"usher/configs"
	"usher/devices"
	"usher/devices/host"
	"usher/scanner"
	"usher/scanner/gate"
	"usher/sync/clock"
	"usher/sync/journal"
	"usher/sync/refresh"
)

// usherd is the daemon: every room, wired.
type usherd struct {
	configPath string
	log        *slog.Logger
	level      *slog.LevelVar

	clock    *clock.Clock
	hotplug  *devices.Hotplug
	claims   *devices.Claims
	identity identity.Identity
	journal  *journal.Journal
	tickets  *cache.Store
	events   *cache.Events
	house    *house
	server   *control.Server

	parts     parts
	reloading sync.Mutex // one reload at a time
}

// runDaemon runs usher on the configuration until the context ends or something
// fails that it cannot live with. It returns when everything is stored.
func runDaemon(ctx context.Context, configPath string, stderr io.Writer) (err error) {
	// From the first moment to the last: a SIGHUP must never end the daemon.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	cfg, faults := configs.LoadOrKept(configPath, os.Environ(), checkBlocks)
	if cfg == nil {
		return faults
	}
	d := &usherd{configPath: configPath, level: new(slog.LevelVar), hotplug: devices.NewHotplug(), claims: devices.NewClaims()}
	d.log = newLogger(stderr, cfg.Log, d.level)
	log.SetFlags(0)
	log.SetOutput(libraryLog{d.log})
	for _, f := range faults {
		d.log.Error("configuration not used, running the kept one", "fault", f.String())
	}
	d.house = &house{feed: &control.Feed{}, log: d.log}
	d.server = &control.Server{Path: cfg.Status.Socket, Version: version(), House: d.house, Feed: d.house.feed, Log: d.log.With("room", "control")}
	// The socket first: a second daemon must learn of this one before it touches
	// a store.
	if err := d.server.Listen(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.server.Close()) }()
	if err := d.open(cfg); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	return d.run(ctx, cfg, faults, hangups)
}

// open opens the device's identity and stores: id and key are on the disk before
// either store is made.
func (d *usherd) open(cfg *configs.Config) error {
	var err error
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return fmt.Errorf("state_dir: %w; make the directory and let the service own it", err)
	}
	d.identity, err = identity.Load(identity.Options{
		StateDir: cfg.StateDir, ID: cfg.Device.ID, MAC: cfg.Device.MAC, Serial: cfg.Device.Serial, Model: cfg.Device.Model, Log: d.log,
	})
	if err != nil {
		return err
	}
	key, origin, err := seal.Load(os.Getenv("CREDENTIALS_DIRECTORY"), cfg.StateDir)
	if err != nil {
		return err
	}
	d.house.notes = append(append(d.house.notes, d.identity.Notes...), origin.Warnings...)
	if d.clock, err = clock.New(trustOf(cfg)); err != nil {
		return err
	}
	d.journal, err = journal.Open(journal.Options{
		Dir: cfg.StateDir, Clock: d.clock, Sealer: key, KeyCheck: key.Check(),
		Keep: cfg.History.Keep, ForgetAfter: cfg.Gate.ForgetAfter, Used: d.listedUsed, Log: d.log.With("room", "journal"),
	})
	if err != nil {
		return err
	}
	d.tickets, err = cache.Open(cache.Options{Dir: cfg.StateDir, Key: key, OnDamage: d.listDamaged, Log: d.log.With("room", "cache")})
	if err != nil {
		return errors.Join(err, d.journal.Close())
	}
	d.events = cache.OpenEvents(cfg.StateDir, d.log.With("room", "cache"))
	d.tellOfCopies()
	d.rememberTime()
	return nil
}

// tellOfCopies says what becomes of the outbox on a copied card. Its movements keep
// the name of the device that made them and their time, and both devices upload
// them: nobody knows which of the two will live, and a scan too many can be told from
// its time, one too few cannot be had back.
func (d *usherd) tellOfCopies() {
	n := d.journal.Status().Pending
	if !d.identity.Cloned || n == 0 {
		return
	}
	note := fmt.Sprintf("this copy holds %s that the device it was copied from had not uploaded: both devices upload them, "+
		"with their own time and under that device's id, so that none is lost whichever device lives on; a vendor that does not know them again shows them twice, at the same time",
		plural(n, "movement", "movements"))
	d.log.Warn(note)
	d.house.notes = append(d.house.notes, note)
}

// clockMemory is where the clock keeps its anchors.
const clockMemory = "clock/"

// timeTail is how many of the newest records are asked for a trusted time.
const timeTail = 200

// rememberTime tells the clock what the journal knows of the time: NTP may have
// been gone since the morning.
func (d *usherd) rememberTime() {
	if err := d.clock.Restore(d.journal.Memory(clockMemory)); err != nil {
		d.log.Warn("earlier times are not remembered", "err", err)
	}
	newest, err := d.journal.Scans(0, timeTail)
	if err != nil {
		// A journal that the disk keeps from being opened; its Status says so.
		d.log.Warn("the time of earlier scans is not remembered", "err", err)
	}
	for _, e := range newest {
		if e.True.Trusted {
			d.clock.Remember(e.At, e.True)
			break
		}
	}
}

// listDamaged asks for the list anew, a record of which cannot be read. A manifest
// is looked at every half minute anyway.
func (d *usherd) listDamaged() {
	if lists := d.house.parley.lists; lists != nil {
		lists.Kick()
	}
}

// listedUsed tells whether the list shows the ticket as used.
func (d *usherd) listedUsed(scope scanner.Scope, code scanner.Code) bool {
	live := d.house.live.Load()
	if live == nil || live.vendor.Scope != scope {
		return false
	}
	ticket, found := d.tickets.Lookup(live.lists, code)
	return found == scanner.Listed && ticket.Status == scanner.StatusUsed
}

func (d *usherd) close() error { return errors.Join(d.journal.Close(), d.tickets.Close()) }

// run starts every long-running part and waits for the first that fails, or for
// the end.
func (d *usherd) run(ctx context.Context, cfg *configs.Config, faults configs.Faults, hangups <-chan os.Signal) error {
	first, err := d.build(cfg, nil)
	if err != nil {
		return err
	}
	h := d.house
	h.clock, h.tickets, h.events, h.journal = d.clock, d.tickets, d.events, d.journal
	h.parley = d.newParley(cfg, first.vendor)
	h.gate = gate.New(first.gate, gate.Deps{
		Clock: d.clock, Tickets: d.tickets, Journal: d.journal, Link: h.parley.gateLink(), NewID: newID,
		Show: h.show, Ended: h.wakeUpload,
		Log: d.log.With("room", "gate"),
	})
	d.superviseLanes(first, nil)
	h.live.Store(first)
	h.faults.Store(&faults)

	group, ctx := errgroup.WithContext(ctx)
	h.reload = func(context.Context) (control.Reloaded, error) { return d.reload(ctx, group) }
	group.Go(func() error { return d.journal.Run(ctx) })
	group.Go(func() error { return d.clock.Run(ctx, d.journal.Memory(clockMemory)) })
	group.Go(func() error { return d.server.Run(ctx) })
	group.Go(func() error {
		if err := d.hotplug.Run(ctx); err != nil {
			d.log.Warn("devices that come and go are not told", "err", err)
		}
		return nil
	})
	group.Go(func() error { return watch(ctx, h.gate, d.log) })
	group.Go(func() error { return d.reloadOnHangup(ctx, group, hangups) })
	if first.gate.Seen {
		group.Go(func() error { return d.recallSeen() })
	}
	h.parley.run(ctx, group)
	d.parts.apply(ctx, group, partsOf(first))

	if len(faults) == 0 {
		h.keep(cfg)
	}
	d.log.Info("usher runs", "version", version(), "config", cfg, "device", d.identity.ID)
	notify(daemon.SdNotifyReady, d.log)
	<-ctx.Done()
	notify(daemon.SdNotifyStopping, d.log)
	err = group.Wait()
	h.gate.Drain()
	d.signOut(first.vendor)
	return err
}

// recalled is how many records the gate reads again after a start.
const recalled = 5000

// recallSeen lets the gate know what the vendor last told of tickets. It takes its
// time beside the scans.
func (d *usherd) recallSeen() error {
	list, err := d.journal.Scans(0, recalled)
	if err != nil {
		d.log.Warn("what the vendor told of tickets before is not known", "err", err)
		return nil
	}
	slices.Reverse(list)
	d.house.gate.Recall(list)
	return nil
}

// signOutTime is how long the vendor may take to hear that the daemon stops.
const signOutTime = 2 * time.Second

func (d *usherd) signOut(v scanner.Vendor) {
	if v.Session == nil || !d.house.parley.link.Online() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), signOutTime)
	defer cancel()
	if err := v.Session.SignOut(ctx); err != nil {
		d.log.Warn("not signed out", "err", err)
	}
}

// build makes a configuration concrete. What of the old setup still fits is
// taken over, so that a reload leaves running parts alone.
func (d *usherd) build(cfg *configs.Config, old *setup) (s *setup, err error) {
	vendor := scanner.Vendor{}
	if old != nil {
		// What speaks with the vendor stays as it is: its configuration cannot
		// change while usher runs.
		vendor = old.vendor
	} else if vendor, err = openVendor(cfg, d.vendorDeps(cfg)); err != nil {
		return nil, err
	}
	if vendor.Lister == nil {
		if vendor.Scope.Event, err = eventScope(cfg); err != nil {
			return nil, err
		}
	}
	s = &setup{
		cfg:    cfg,
		vendor: vendor,
		lists:  listScope(vendor),
		origin: scanner.Origin{Device: d.identity.ID, Name: cfg.Device.Name, Gate: cfg.Gate.Name},
	}
	if s.gate, err = gateConfig(cfg, vendor, s.origin); err != nil {
		return nil, err
	}
	if s.scanners, err = openScanners(cfg); err != nil {
		return nil, err
	}
	if old != nil && old.refreshPrint() == s.refreshPrint() {
		s.refresh = old.refresh
	} else {
		s.refresh = refresh.New(refresh.Options{
			Scope: s.lists, Manifest: cfg.Offline.Manifest, Read: manifest.Read,
			Store: listStore{d.tickets}, Clock: d.clock, Log: d.log.With("room", "refresh"),
		})
	}
	if old != nil && old.signalsPrint() == s.signalsPrint() {
		s.host = old.host
	} else {
		s.host = host.New(hostConfig(cfg), "/", d.log.With("room", "host"))
	}
	switch {
	case cfg.Status.Screen == configs.ScreenOff:
	case old != nil && old.pagePrint() == s.pagePrint():
		s.page = old.page
	default:
		s.page = &screen.Server{
			Addr: cfg.Status.Screen, House: d.house, Feed: d.house.feed, Log: d.log.With("room", "screen"),
			Zone: s.gate.Venue, Language: cfg.Screen.Language, Hold: cfg.Screen.Hold,
		}
	}
	return s, nil
}

// listStore is the ticket store as the refresher describes lists to it.
type listStore struct{ *cache.Store }

func (s listStore) Build(ctx context.Context, meta *refresh.Meta, feed func(func(scanner.Ticket, string) error) error, progress func(int)) error {
	return s.Store.Build(ctx, (*cache.Meta)(meta), feed, progress)
}

func (s listStore) Amend(ctx context.Context, cursor []byte, meta *refresh.Meta, feed func(func(scanner.Ticket, string) error) error, progress func(int)) error {
	return s.Store.Amend(ctx, cursor, (*cache.Meta)(meta), feed, progress)
}

func (s *setup) refreshPrint() string { return s.lists.Key() + "|" + s.cfg.Offline.Manifest }

// superviseLanes gives every scanner its supervisor, the running one where its
// configuration did not change.
func (d *usherd) superviseLanes(s, old *setup) {
	running := map[string]*devices.Supervisor{}
	if old != nil {
		for i, sup := range old.lanes {
			running[lanePrint(old.cfg, i)] = sup
		}
	}
	// A scan that was begun is ended, also while the daemon stops.
	judge := func(ctx context.Context, r scanner.Reading) (scanner.Outcome, bool) {
		return d.house.gate.Judge(context.WithoutCancel(ctx), r)
	}
	for i, sc := range s.scanners {
		sup := running[lanePrint(s.cfg, i)]
		if sup == nil {
			sup = devices.NewSupervisor(sc, d.clock, judge, d.hotplug, d.claims, d.log.With("room", "devices"))
		}
		s.lanes = append(s.lanes, sup)
	}
}

func partsOf(s *setup) []part {
	wanted := []part{
		{name: "refresh", print: s.refreshPrint(), run: s.refresh.Run},
		{name: "signals", print: s.signalsPrint(), run: s.host.Run},
	}
	if s.page != nil {
		wanted = append(wanted, part{name: "screen", print: s.pagePrint(), run: s.page.Run})
	}
	for i, sup := range s.lanes {
		wanted = append(wanted, part{name: "scanner " + s.cfg.Scanners[i].Name, print: lanePrint(s.cfg, i), run: sup.Run})
	}
	return wanted
}

// reload validates the file and swaps it in; a file with faults changes nothing.
func (d *usherd) reload(ctx context.Context, group *errgroup.Group) (control.Reloaded, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	old := d.house.live.Load()
	cfg, err := configs.Load(d.configPath, os.Environ(), checkBlocks, func(now *configs.Config) configs.Faults { return fixed(old.cfg, now) })
	if err != nil {
		var faults configs.Faults
		if errors.As(err, &faults) {
			d.house.faults.Store(&faults)
			return control.Reloaded{}, control.Faults(faults.Strings())
		}
		return control.Reloaded{}, err
	}
	next, err := d.build(cfg, old)
	if err != nil {
		return control.Reloaded{}, err
	}
	d.superviseLanes(next, old)
	d.level.Set(levelOf(cfg.Log))
	d.clock.SetTrust(trustOf(cfg))
	d.journal.Configure(cfg.History.Keep, cfg.Gate.ForgetAfter)
	d.house.gate.Configure(next.gate)
	d.house.live.Store(next)
	d.house.faults.Store(&configs.Faults{})
	d.parts.apply(ctx, group, partsOf(next))
	d.house.keep(cfg)
	d.log.Info("configuration reloaded", "config", cfg)
	result := control.Reloaded{Changed: string(old.cfg.Source()) != string(cfg.Source()), Notes: []string{}}
	if old.vendor.Scope != next.vendor.Scope {
		note := "scans are judged for another vendor, account or event from now on: tickets that entered before count as new"
		d.log.Warn(note)
		result.Notes = append(result.Notes, note)
	}
	if old.vendor.Events != nil && old.cfg.Gate.Timezone != cfg.Gate.Timezone {
		result.Notes = append(result.Notes, "gate.timezone takes effect on the vendor's own times at the next start")
	}
	if old.cfg.Log.Format != cfg.Log.Format {
		result.Notes = append(result.Notes, "log.format takes effect at the next start")
	}
	return result, nil
}

// reloadOnHangup reloads on SIGHUP. A faulty file is logged, listed in the
// status, and what ran goes on.
func (d *usherd) reloadOnHangup(ctx context.Context, group *errgroup.Group, hangups <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangups:
			if _, err := d.reload(ctx, group); err != nil {
				d.log.Error("configuration not reloaded", "err", err)
			}
		}
	}
}

func newID() string {
	if id, err := uuid.NewV7(); err == nil {
		return id.String()
	}
	return uuid.NewString()
}

func newLogger(w io.Writer, c configs.Log, level *slog.LevelVar) *slog.Logger {
	level.Set(levelOf(c))
	opts := &slog.HandlerOptions{Level: level}
	if c.Format == "text" {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(plainLines{w}, opts))
}

// levelOf reads a level that the configuration's own checks have passed.
func levelOf(c configs.Log) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return slog.LevelInfo
	}
	return level
}
