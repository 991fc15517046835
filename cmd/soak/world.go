package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix" // mounts a small file system for the stores

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/vendors/audienceview/audienceviewsim"
	"usher/vendors/vendortest/faults"
)

// How long the gate waits for the vendor. Patience is shorter than a site's, so
// that more happens in a minute.
const (
	patience = time.Second
	timeout  = 2 * time.Second
)

const (
	user = "gate7@example.org"
	// goodsPerSecond is more than four lanes ever use up.
	goodsPerSecond = 14
	// diskSize is the small disk's: enough for two lists and the journal.
	diskSize = 96 << 20
)

type options struct {
	usher string
	lasts time.Duration
	seed  uint64
	dir   string
	keep  bool
}

// world is the venue: the device, its people, the vendor, and what goes wrong.
type world struct {
	options
	born   time.Time
	stderr io.Writer

	sim    *audienceviewsim.Sim
	vendor *recorder
	wire   *faults.Server
	office *office
	ledger *ledger
	rig    *rig.Rig
	keeper *keeper
	gauges *gauges
	log    *os.File
	// secrets are what must not be in the log, beside tokens.
	secrets []string
	lanes   []string
	// config is the good configuration.
	config []byte
	// mounted: the stores lie on a small disk that can be filled.
	mounted bool

	again comeback
}

func newWorld(o options, stderr io.Writer) (*world, error) {
	w := &world{options: o, born: time.Now(), stderr: stderr, ledger: newLedger(), lanes: []string{"lane-1", "lane-2", "lane-3", "lane-4"}}
	if w.dir == "" {
		dir, err := os.MkdirTemp("", "soak-")
		if err != nil {
			return nil, err
		}
		w.dir = dir
	}
	if err := w.mount(); err != nil {
		fmt.Fprintf(stderr, "soak: A FULL DISK IS NOT COVERED in this run: no small file system can be mounted (%v); run as root\n", err)
	}
	if err := w.build(); err != nil {
		return nil, errors.Join(err, w.close(true))
	}
	return w, nil
}

func (w *world) build() error {
	random := w.random("office")
	password := fmt.Sprintf("secret-%08x", random.Uint32())
	w.secrets = []string{password, patron, audienceviewsim.PrivateMail, audienceviewsim.PrivatePhone}
	w.sim = audienceviewsim.New(nil)
	start := time.Now().Add(time.Hour)
	w.sim.AddUser(audienceviewsim.User{Name: user, Password: password, Clients: []int64{client}, Patrons: true})
	w.sim.AddClient(audienceviewsim.Client{ID: client, Name: "House", Productions: []audienceviewsim.Production{{
		ID: series, Name: "Play", Performances: []audienceviewsim.Performance{{ID: show, Start: start}, {ID: matinee, Start: start}},
	}}})
	w.office = newOffice(w.sim, int(w.lasts.Seconds())*goodsPerSecond, random)
	w.vendor = &recorder{sim: w.sim}
	var err error
	if w.wire, err = faults.Listen("127.0.0.1:0", w.vendor, audienceviewsim.CallName); err != nil {
		return err
	}
	if err := os.WriteFile(w.path("password"), []byte(password+"\n"), 0o600); err != nil {
		return err
	}
	if w.log, err = os.Create(w.path("log")); err != nil {
		return err
	}
	w.rig, err = rig.New(rig.Options{
		Dir: w.dir, Bin: w.usher, Lanes: w.lanes, Log: w.log,
		Vendor: fmt.Sprintf("{ name: audienceview, base_url: %q, username: %s, password_file: %s, client_id: %d, performance_id: %d }",
			w.wire.URL()+"/public", user, w.path("password"), client, show),
		Extra: fmt.Sprintf("gate: { name: Gate 7 }\nonline: { patience: %s, timeout: %s, probe_min: 100ms, probe_max: 400ms }\n", patience, timeout) +
			"upload: { batch: 20, retry_min: 100ms, retry_max: 500ms }\nlog: { level: debug, format: text }\n",
	})
	if err != nil {
		return err
	}
	if w.config, err = os.ReadFile(w.rig.Config()); err != nil {
		return err
	}
	w.keeper = &keeper{world: w}
	w.gauges = newGauges(w)
	return nil
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// state is where the stores are.
func (w *world) state() string { return w.path("state") }

func (w *world) mount() error {
	if err := os.MkdirAll(w.state(), 0o700); err != nil {
		return err
	}
	if err := unix.Mount("soak", w.state(), "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", diskSize)); err != nil {
		return err
	}
	w.mounted = true
	return nil
}

// random is a source of choices of its own for each part of the run, so that one
// part's choices do not depend on how fast another is.
func (w *world) random(part string) *rand.Rand {
	h := uint64(14695981039346656037)
	for _, b := range []byte(part) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(w.seed, h))
}

// live is the run: everything at once, then quiet, then the books.
func (w *world) live(ctx context.Context) (*books, error) {
	if err := w.keeper.start(ctx, settled); err != nil {
		return nil, fmt.Errorf("first start: %w", err)
	}
	day, sunset := context.WithTimeout(ctx, w.lasts)
	defer sunset()
	var people, trouble, watchers sync.WaitGroup
	watching, dusk := context.WithCancel(ctx)
	defer dusk()
	run := func(wg *sync.WaitGroup, ctx context.Context, part string, what func(context.Context, *rand.Rand)) {
		wg.Go(func() { what(ctx, w.random(part)) })
	}
	run(&watchers, watching, "screen", w.screen)
	run(&watchers, watching, "tail", w.tail)
	run(&watchers, watching, "gauges", func(ctx context.Context, _ *rand.Rand) { w.gauges.run(ctx) })
	run(&watchers, watching, "progress", w.progress)
	for _, lane := range w.lanes {
		run(&people, day, lane, func(ctx context.Context, r *rand.Rand) { w.lane(ctx, r, lane) })
	}
	for i := range 2 {
		run(&people, day, fmt.Sprint("staff", i), w.staff)
	}
	run(&people, day, "sleeper", w.stalled)
	run(&trouble, day, "keeper", w.keeper.run)
	run(&trouble, day, "sleep", w.keeper.naps)
	run(&trouble, day, "vendor", w.vendorTrouble)
	run(&trouble, day, "account", w.accountTrouble)
	run(&trouble, day, "cables", w.cables)
	run(&trouble, day, "reloads", w.reloads)
	if w.mounted {
		run(&trouble, day, "disk", w.fullDisks)
	}
	trouble.Wait()
	people.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	b, err := w.evening(ctx)
	dusk()
	watchers.Wait()
	if err != nil {
		return nil, err
	}
	return b, w.night(b)
}

func settled(s control.Status) bool {
	return s.Link.State == control.LinkOnline && s.Tickets.Count > 0
}

// pause waits for any time between the two; false: the day is over.
func pause(ctx context.Context, r *rand.Rand, from, to time.Duration) bool {
	return sleep(ctx, from+time.Duration(r.Int64N(int64(to-from)+1)))
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// close ends everything that was made.
func (w *world) close(keep bool) error {
	var err error
	if w.rig != nil {
		err = w.rig.Close()
	}
	if w.wire != nil {
		w.wire.Close()
	}
	if w.log != nil {
		err = errors.Join(err, w.log.Close())
	}
	if keep {
		fmt.Fprintf(w.stderr, "soak: the device is left in %s (log: %s)", w.dir, w.path("log"))
		if w.mounted {
			fmt.Fprintf(w.stderr, "; when done: umount %s", w.state())
		}
		fmt.Fprintln(w.stderr)
		return err
	}
	if w.mounted {
		err = errors.Join(err, unix.Unmount(w.state(), 0))
	}
	return errors.Join(err, os.RemoveAll(w.dir))
}

// progress says every ten seconds that the run goes on.
func (w *world) progress(ctx context.Context, _ *rand.Rand) {
	for sleep(ctx, 10*time.Second) {
		w.ledger.mu.Lock()
		readings, odd := len(w.ledger.readings), len(w.ledger.odd)
		var greens, spans int
		for _, s := range w.ledger.seen {
			if green(s.event) {
				greens++
			}
		}
		spans = len(w.ledger.spans)
		w.ledger.mu.Unlock()
		note := ""
		if odd > 0 {
			note = fmt.Sprintf(", %d DIFFERENCES", odd)
		}
		fmt.Fprintf(w.stderr, "soak: %3.0fs  life %d, %d readings, %d green, %d faults and acts%s\n",
			time.Since(w.born).Seconds(), w.keeper.lives(), readings, greens, spans, note)
	}
}

// tidy is a text of many lines with each indented.
func tidy(lines []string) string { return "    " + strings.Join(lines, "\n    ") }
