package refresh

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix" // inotify itself: fsnotify does not tell that a writer closed its file
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
	again := time.NewTimer(r.o.Quiet)
	defer again.Stop()
	poll := time.NewTicker(r.o.Poll)
	defer poll.Stop()

	r.first(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-w.events:
			if w.noted(e) {
				again.Reset(r.o.Quiet)
			}
			continue
		case <-again.C:
		case <-poll.C:
			w.follow()
		}
		if !r.tryTake() { // a person's load or import
			again.Reset(r.o.Quiet)
			continue
		}
		wait := r.look(ctx, w.writing)
		r.give()
		if wait > 0 {
			again.Reset(wait)
		}
	}
}

// first finds out at once whether the list of the last run is still the
// manifest's: it must not be stale for no other reason than a restart.
func (r *Refresher) first(ctx context.Context) {
	if !r.tryTake() {
		return
	}
	defer r.give()
	c, err := r.content(ctx)
	r.file.saw(c.version)
	switch {
	case err != nil && !errors.Is(err, errChanged) && ctx.Err() == nil:
		r.failed(err)
	case err == nil && c.sum == r.stored().Manifest:
		r.file.loaded, r.file.sum = c.version, c.sum
		r.fresh()
	}
}

// watch follows the manifest's directory. The directory and not the file: a
// file that is replaced by a rename is another file.
type watch struct {
	r *Refresher
	// file is the inotify instance; nil: there is none, and no events.
	file *os.File
	fd   int
	// dir is what is watched, once watched is not nil, as id.
	dir     string
	watched os.FileInfo
	id      int32
	// writing says that somebody wrote to the manifest and has not closed it.
	writing bool
	events  chan event
	// stop and ended are the reading goroutine's.
	stop, ended chan struct{}
}

// event is what inotify told of the manifest's name, or of the watch itself.
type event struct {
	id   int32
	mask uint32
}

const (
	written = unix.IN_MODIFY
	closed  = unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE
	watched = written | closed | unix.IN_CREATE | unix.IN_ATTRIB | unix.IN_ONLYDIR
	// aboutItself are events without a name.
	aboutItself = unix.IN_IGNORED | unix.IN_Q_OVERFLOW
)

func (r *Refresher) newWatch() *watch {
	w := &watch{r: r, dir: filepath.Dir(r.o.Manifest)}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		w.blind(err)
		return w
	}
	w.fd, w.file = fd, os.NewFile(uintptr(fd), "inotify")
	w.events, w.stop, w.ended = make(chan event), make(chan struct{}), make(chan struct{})
	w.follow()
	go w.read(filepath.Base(r.o.Manifest))
	return w
}

// blind says that nothing tells of changes.
func (w *watch) blind(err error) {
	w.r.o.Log.Warn("the manifest is looked at now and then only", "every", w.r.o.Poll, "error", err)
}

// read gives the events of the name until the watch is closed.
func (w *watch) read(name string) {
	defer close(w.ended)
	buf := make([]byte, 16*(unix.SizeofInotifyEvent+unix.NAME_MAX+1))
	for {
		n, err := w.file.Read(buf)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				w.blind(err)
			}
			return
		}
		for rest := buf[:n]; len(rest) >= unix.SizeofInotifyEvent; {
			e := event{int32(binary.NativeEndian.Uint32(rest)), binary.NativeEndian.Uint32(rest[4:])}
			end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(rest[12:]))
			about := string(bytes.TrimRight(rest[unix.SizeofInotifyEvent:end], "\x00"))
			rest = rest[end:]
			if about != name && e.mask&aboutItself == 0 {
				continue
			}
			select {
			case w.events <- e:
			case <-w.stop:
				return
			}
		}
	}
}

// noted takes an event in. It tells whether the manifest may be another now.
func (w *watch) noted(e event) bool {
	if e.mask&unix.IN_Q_OVERFLOW == 0 && e.id != w.id {
		return false // of a directory that had the name before
	}
	switch {
	case e.mask&unix.IN_IGNORED != 0: // the directory is gone
		w.watched, w.writing = nil, false
	case e.mask&unix.IN_Q_OVERFLOW != 0: // its closing may have been lost
		w.writing = false
	case e.mask&written != 0:
		w.writing = true
	case e.mask&closed != 0:
		w.writing = false
	}
	return true
}

// follow watches the directory that now has the name: it may have been made
// after the start, replaced, or mounted over.
func (w *watch) follow() {
	if w.file == nil {
		return
	}
	info, err := os.Stat(w.dir)
	if err == nil && w.watched != nil && os.SameFile(info, w.watched) {
		return
	}
	if w.watched != nil {
		// Of a directory that is gone there is none.
		_, _ = unix.InotifyRmWatch(w.fd, uint32(w.id))
	}
	w.watched, w.writing = nil, false
	if err != nil {
		return
	}
	id, err := unix.InotifyAddWatch(w.fd, w.dir, watched)
	if err != nil {
		w.blind(err)
		return
	}
	w.watched, w.id = info, int32(id)
}

func (w *watch) close() {
	if w.file == nil {
		return
	}
	close(w.stop)
	_ = w.file.Close()
	<-w.ended
}
