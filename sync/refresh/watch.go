package refresh

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify" // a new manifest is noticed without polling a disk that may sleep
)

// Run keeps the list up to date until the context ends; it returns nil then. A
// source that is missing or faulty is a Status, not an end.
func (r *Refresher) Run(ctx context.Context) error {
	if r.o.Manifest == "" {
		<-ctx.Done()
		return nil
	}
	w := r.newWatch()
	defer w.close()
	settle := time.NewTimer(r.o.Quiet)
	defer settle.Stop()
	poll := time.NewTicker(r.o.Poll)
	defer poll.Stop()

	r.first(ctx)
	for {
		settled := false
		select {
		case <-ctx.Done():
			return nil
		case event, ok := <-w.events:
			if !ok {
				w.events = nil
			} else if filepath.Base(event.Name) == filepath.Base(r.o.Manifest) {
				settle.Reset(r.o.Quiet)
			}
			continue
		case err, ok := <-w.errors:
			if !ok {
				w.errors = nil
				continue
			}
			// Events may have been lost: look.
			r.o.Log.Warn("watching the manifest's directory", "error", err)
			settle.Reset(r.o.Quiet)
			continue
		case <-settle.C:
			settled = true
		case <-poll.C:
			w.follow()
		}
		if r.take(ctx) != nil {
			return nil
		}
		unsettled := r.look(ctx, settled)
		r.settling(unsettled)
		r.give()
		if unsettled {
			settle.Reset(r.o.Quiet)
		}
	}
}

// first finds out at once whether the list of the last run is still the
// manifest's: it must not be stale for no other reason than a restart.
func (r *Refresher) first(ctx context.Context) {
	if r.take(ctx) != nil {
		return
	}
	defer r.give()
	sum, now, err := r.sum(ctx)
	r.file.seen = now
	switch {
	case err != nil && !errors.Is(err, errChanged) && ctx.Err() == nil:
		r.failed(err)
	case err == nil && sum == r.stored().Manifest:
		r.file.loaded = now
		r.fresh()
	}
}

// watch follows the manifest's directory. The directory and not the file: a
// file that is replaced by a rename is another file.
type watch struct {
	r       *Refresher
	watcher *fsnotify.Watcher
	dir     string
	watched os.FileInfo
	events  chan fsnotify.Event
	errors  chan error
}

func (r *Refresher) newWatch() *watch {
	w := &watch{r: r, dir: filepath.Dir(r.o.Manifest)}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		r.o.Log.Warn("the manifest is looked at now and then only", "every", r.o.Poll, "error", err)
		return w
	}
	w.watcher, w.events, w.errors = watcher, watcher.Events, watcher.Errors
	w.follow()
	return w
}

// follow watches the directory that now has the name: it may have been made
// after the start, replaced, or mounted over.
func (w *watch) follow() {
	if w.watcher == nil {
		return
	}
	info, err := os.Stat(w.dir)
	if err != nil {
		w.watched = nil
		return
	}
	if w.watched != nil && os.SameFile(info, w.watched) && len(w.watcher.WatchList()) > 0 {
		return
	}
	_ = w.watcher.Remove(w.dir) // of a directory that is gone there is none
	if err := w.watcher.Add(w.dir); err != nil {
		w.r.o.Log.Warn("the manifest is looked at now and then only", "every", w.r.o.Poll, "error", err)
		w.watched = nil
		return
	}
	w.watched = info
}

func (w *watch) close() {
	if w.watcher != nil {
		_ = w.watcher.Close()
	}
}
