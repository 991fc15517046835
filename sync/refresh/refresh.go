// Package refresh keeps the ticket list up to date with its source.
//
// The source is a manifest: a file that an installer copies onto the device.
// A changed file is loaded by itself; a file that is there and says the same
// keeps the list fresh; a file that is missing or faulty leaves the list as it
// is, and the list grows stale. An imported list stays until the manifest's
// content changes: the list remembers which manifest was there when it was
// imported, so that a restart does not bring an older manifest back over it.
//
// A list cannot be told from half of it: files are best copied under another
// name and renamed. A file written in place is loaded once its writer has closed
// it and it has been quiet for a second, and read again when it changed meanwhile.
// Where it may be half a copy all the same (a copy broke off and begins anew, or
// the kernel does not tell of a writer on another machine), because its last line
// has no end or it has fewer than half the tickets of the list before, it must have
// been quiet for half a minute.
package refresh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4" // the pauses between attempts at a faulty file

	"usher/scanner"
)

// Meta describes a list to the store. It has the fields of the store's own
// type, so that one converts to the other.
type Meta struct {
	Scope       scanner.Scope
	Complete    bool
	GeneratedAt time.Time
	Checked     scanner.Stamp
	Source      string
	Cursor      []byte
	// Repeats says that a code listed twice is no fault of the whole list.
	Repeats bool
	// KeepSame asks for nothing to be written where the list there says the same; Kept
	// tells that it was so, and that the list there stays with its cursor.
	KeepSame bool
	Kept     bool
}

// Store is what is needed of the ticket store. Build replaces the list with
// what feed gives, Amend the list of meta's source and the cursor with itself and
// the tickets that feed gives, which are new or differ; all of it or nothing. The rest
// is answered from memory.
type Store interface {
	Source(scanner.Scope) (source string, cursor []byte, ok bool)
	List(scanner.Scope) scanner.ListInfo
	Checked(scanner.Scope, scanner.Stamp)
	// Damaged tells whether a record of the list was found unreadable: then it is
	// loaded again although its source says the same.
	Damaged(scanner.Scope) bool
	Build(ctx context.Context, meta *Meta, feed func(add func(t scanner.Ticket, place string) error) error, progress func(n int)) error
	Amend(ctx context.Context, cursor []byte, meta *Meta, feed func(add func(t scanner.Ticket, place string) error) error, progress func(n int)) error
}

// Reader reads a manifest called name and gives each ticket with its line. It
// returns what add returned, as it is.
type Reader func(ctx context.Context, name string, r io.Reader, add func(t scanner.Ticket, line int) error) error

// ErrBusy is returned by Now and Import while a list is being imported.
var ErrBusy = errors.New("a list is being loaded: try again when it is done")

// Options configure a Refresher. Manifest may be empty, the durations zero.
type Options struct {
	// Manifest is the path of the manifest; empty: none, lists are imported.
	Manifest string
	Scope    scanner.Scope
	Store    Store
	Read     Reader
	Clock    scanner.Clock
	Log      *slog.Logger
	// Quiet is how long a changed file must stay the same before it is loaded
	// (default 1 s), Poll how often it is looked at all the same (default 30 s).
	Quiet, Poll time.Duration
	// Doubt is how long a file that may be half a copy must stay the same (default
	// 30 s).
	Doubt time.Duration
}

// Refresher loads lists into the store. It is safe for concurrent use.
type Refresher struct {
	o Options
	// turn holds one token: one look or load at a time. importing says that an
	// import has it or will have it next.
	turn      chan struct{}
	importing atomic.Bool
	// file is what is known of the manifest; only the holder of the turn uses it.
	file manifestFile

	mu sync.Mutex // guards status; never held across I/O
	st Status
}

// Status is how the list's source is doing. When it was last found to say what
// the list says, the list itself tells.
type Status struct {
	// Problem says in words why the list is not up to date; empty: it is, or
	// there is no source.
	Problem string
	// Running says that a list is being loaded, and Progress how many of its
	// tickets were read so far, in steps of ten thousand.
	Running  bool
	Progress int
}

// New makes a Refresher; Run starts it.
func New(o Options) *Refresher {
	if o.Quiet == 0 {
		o.Quiet = time.Second
	}
	if o.Poll == 0 {
		o.Poll = 30 * time.Second
	}
	if o.Doubt == 0 {
		o.Doubt = 30 * time.Second
	}
	retry := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(o.Poll), backoff.WithMaxInterval(20*o.Poll), backoff.WithMaxElapsedTime(0))
	return &Refresher{o: o, turn: make(chan struct{}, 1), file: manifestFile{retry: retry}}
}

// Status tells the state, from memory.
func (r *Refresher) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.st
}

// Now looks at the source at once and loads it where it says something new,
// whether its copy looks whole or not. The error says in words what is wrong with
// it, or is ErrBusy. Without a source there is nothing to do.
func (r *Refresher) Now(ctx context.Context) error {
	if r.o.Manifest == "" {
		return nil
	}
	if err := r.takeUnlessImporting(ctx); err != nil {
		return err
	}
	defer r.give()
	return r.loadNow(ctx)
}

// Import replaces the list with the manifest read from body, which is called
// name in errors. Nothing of it is written to the disk unsealed. The list stays
// until the configured manifest's content changes. A body must bring importLeast
// every importEvery and end within importMost; no single Read of it may block
// for long. Import returns ErrBusy, at once, while another import runs.
func (r *Refresher) Import(ctx context.Context, name string, body io.Reader) error {
	if !r.importing.CompareAndSwap(false, true) {
		return ErrBusy
	}
	defer r.importing.Store(false)
	if err := r.take(ctx); err != nil {
		return err
	}
	defer r.give()
	at := r.o.Clock.Now()
	origin := source{Kind: kindImport, At: at.Wall, Manifest: r.manifestSeen(ctx)}
	meta := Meta{Scope: r.o.Scope, Complete: true, GeneratedAt: at.Wall, Checked: at, Source: origin.encode()}
	asRead := func(read error, _ int) error { return read }
	if err := r.build(ctx, meta, filepath.Base(name), &paced{r: body}, asRead); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	r.succeeded()
	return nil
}

// manifestSeen is the content of the manifest that an import is newer than:
// what lies there now, else what was last seen.
func (r *Refresher) manifestSeen(ctx context.Context) string {
	if r.o.Manifest != "" {
		if c, err := r.content(ctx); err == nil {
			return c.sum
		}
	}
	return r.stored().Manifest
}

// build has the store load a manifest. After the last row and before the list is
// swapped in, check is given what reading returned and how many tickets there
// were, and has the last word.
func (r *Refresher) build(ctx context.Context, meta Meta, name string, body io.Reader, check func(read error, tickets int) error) error {
	r.running(true)
	defer r.running(false)
	return r.o.Store.Build(ctx, &meta, func(add func(scanner.Ticket, string) error) error {
		tickets := 0
		return check(r.o.Read(ctx, name, body, func(t scanner.Ticket, line int) error {
			tickets++
			return add(t, fmt.Sprintf("%s:%d", name, line))
		}), tickets)
	}, r.progress)
}

func (r *Refresher) take(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// takeUnlessImporting waits for a look or a load of the manifest, which end with
// the disk, and not for an import, which ends with its sender.
func (r *Refresher) takeUnlessImporting(ctx context.Context) error {
	for {
		if r.importing.Load() {
			return ErrBusy
		}
		select {
		case r.turn <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (r *Refresher) tryTake() bool {
	select {
	case r.turn <- struct{}{}:
		return true
	default:
		return false
	}
}

func (r *Refresher) give() { <-r.turn }

func (r *Refresher) running(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.st.Running, r.st.Progress = on, 0
}

func (r *Refresher) progress(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.st.Progress = n
}

func (r *Refresher) succeeded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.st.Problem = ""
}

// failed notes a problem, and logs it once.
func (r *Refresher) failed(err error) {
	r.mu.Lock()
	news := r.st.Problem != err.Error()
	r.st.Problem = err.Error()
	r.mu.Unlock()
	if news {
		r.o.Log.Warn("ticket list not refreshed", "error", err)
	}
}
