package refresh

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// errChanged says that the manifest changed while it was read.
var errChanged = errors.New("the file changed while it was read")

// version tells two states of a file apart without reading it. The time of the
// last change of the inode cannot be set back, as the modification time can.
type version struct {
	device, inode    uint64
	size             int64
	modified, change time.Time
}

// halfError says that the manifest may be half a copy. Its text goes to people.
type halfError struct{ what string }

func (e *halfError) Error() string {
	return "the new manifest " + e.what + ": waiting to see whether it is still being copied"
}

// manifestFile is what is known of the manifest on disk.
type manifestFile struct {
	// seen is the newest version looked at, and since when.
	seen  version
	since time.Time
	// loaded is the version whose content is the list's, or is older than an
	// import; sum is of its content.
	loaded version
	sum    string
	// failed is the version that could not be loaded; again says when it may be
	// tried once more (a disk may be full no longer).
	failed version
	again  time.Time
	retry  *backoff.ExponentialBackOff
}

func (f *manifestFile) saw(now version) {
	if now != f.seen {
		f.seen, f.since = now, time.Now()
	}
}

// look is one look at the manifest by Run, who knows whether somebody is writing
// to it. Where it needs another look before long, it says after what time.
func (r *Refresher) look(ctx context.Context, writing bool) (again time.Duration) {
	now, err := r.stat()
	r.file.saw(now)
	quiet := time.Since(r.file.since)
	switch {
	case err != nil:
		r.failed(err)
		return 0
	case now == r.file.loaded && r.file.sum == r.stored().Manifest:
		r.unchanged()
		return 0
	case now == r.file.failed && time.Now().Before(r.file.again):
		return 0
	case quiet < r.o.Quiet:
		return r.o.Quiet
	case writing && quiet < r.o.Doubt:
		return r.o.Doubt - quiet
	case writing: // its closing brings the next look
		r.failed(&halfError{"is not closed by who writes it"})
		return 0
	}
	err = r.load(ctx, quiet < r.o.Doubt)
	var half *halfError
	switch {
	case errors.As(err, &half):
		r.failed(half)
		return max(r.o.Quiet, r.o.Doubt-time.Since(r.file.since))
	case errors.Is(err, errChanged):
		return r.o.Quiet
	}
	return 0
}

// loadNow loads without waiting for the file to be quiet, and again while it
// changes meanwhile.
func (r *Refresher) loadNow(ctx context.Context) error {
	for {
		err := r.load(ctx, false)
		if !errors.Is(err, errChanged) {
			return err
		}
		select {
		case <-time.After(r.o.Quiet):
		case <-ctx.Done():
			return fmt.Errorf("%w; wait until it is copied", err)
		}
	}
}

// unchanged makes sure that the file can still be read; then the list is fresh.
func (r *Refresher) unchanged() {
	file, err := os.Open(r.o.Manifest)
	if err == nil {
		_, err = file.Read(make([]byte, 1))
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		r.failed(r.explain(err))
		return
	}
	r.fresh()
}

func (r *Refresher) fresh() {
	r.o.Store.Checked(r.o.Scope, r.o.Clock.Now())
	r.succeeded()
}

// load reads the manifest, and builds the list anew where its content is not
// the list's. A careful load refuses what may be half a copy (*halfError).
func (r *Refresher) load(ctx context.Context, careful bool) error {
	c, err := r.content(ctx)
	switch {
	case err != nil:
	case c.sum == r.stored().Manifest:
		r.fresh()
	case careful && c.cut:
		return &halfError{"ends in the middle of a line"}
	default:
		err = r.rebuild(ctx, c, careful)
	}
	var half *halfError
	switch {
	case err == nil:
		r.file.loaded, r.file.sum, r.file.failed = c.version, c.sum, version{}
		r.file.retry.Reset()
		return nil
	case errors.Is(err, errChanged), errors.As(err, &half), ctx.Err() != nil:
		return err
	}
	r.failed(err)
	r.file.loaded, r.file.failed = version{}, c.version
	r.file.again = time.Now().Add(r.file.retry.NextBackOff())
	return err
}

// rebuild loads the content just looked at, or nothing.
func (r *Refresher) rebuild(ctx context.Context, c content, careful bool) error {
	file, err := os.Open(r.o.Manifest)
	if err != nil {
		return r.explain(err)
	}
	defer file.Close()
	at := r.o.Clock.Now()
	present := r.o.Store.List(r.o.Scope).Count
	meta := Meta{
		Scope: r.o.Scope, Complete: true, GeneratedAt: c.version.modified, Checked: at,
		Source: source{Kind: kindManifest, Manifest: c.sum}.encode(),
	}
	hash := sha256.New()
	body := io.TeeReader(file, hash)
	err = r.build(ctx, meta, filepath.Base(r.o.Manifest), body, func(read error, tickets int) error {
		now, err := r.stat()
		other := read == nil && hex.EncodeToString(hash.Sum(nil)) != c.sum
		switch {
		case err != nil || now != c.version || other:
			return errors.Join(errChanged, read)
		case read == nil && careful && 2*tickets < present:
			return &halfError{fmt.Sprintf("has %d tickets instead of %d", tickets, present)}
		}
		return read
	})
	if err != nil {
		return fmt.Errorf("manifest %s: %w", r.o.Manifest, err)
	}
	r.succeeded()
	return nil
}

// content is what the manifest holds at one time.
type content struct {
	version version
	// sum is its SHA-256.
	sum string
	// cut says that its last line has no end.
	cut bool
}

// content reads the manifest through. With an error, it still holds the version
// where that is known.
func (r *Refresher) content(ctx context.Context) (content, error) {
	was, err := r.stat()
	if err != nil {
		return content{}, err
	}
	c := content{version: was}
	file, err := os.Open(r.o.Manifest)
	if err != nil {
		return content{}, r.explain(err)
	}
	defer file.Close()
	hash, end := sha256.New(), &lastByte{}
	if _, err := io.Copy(io.MultiWriter(hash, end), &ctxReader{ctx.Err, file}); err != nil {
		return c, r.explain(err)
	}
	if now, err := r.stat(); err != nil || now != was {
		return c, errChanged
	}
	c.sum, c.cut = hex.EncodeToString(hash.Sum(nil)), end.some && end.b != '\n' && end.b != '\r'
	return c, nil
}

// lastByte keeps the last byte written to it, if any.
type lastByte struct {
	b    byte
	some bool
}

func (l *lastByte) Write(p []byte) (int, error) {
	if len(p) > 0 {
		l.b, l.some = p[len(p)-1], true
	}
	return len(p), nil
}

func (r *Refresher) stat() (version, error) {
	info, err := os.Stat(r.o.Manifest)
	if err != nil {
		return version{}, r.explain(err)
	}
	if !info.Mode().IsRegular() {
		return version{}, fmt.Errorf("manifest %s is no file; name a CSV or JSON Lines file as offline.manifest", r.o.Manifest)
	}
	v := version{size: info.Size(), modified: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		v.device, v.inode = uint64(st.Dev), st.Ino
		v.change = time.Unix(st.Ctim.Unix())
	}
	return v, nil
}

// explain says what to do about a file that cannot be read.
func (r *Refresher) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("manifest %s is not there; copy it there, it is loaded by itself (the list loaded before stays): %w", r.o.Manifest, fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("manifest %s may not be read; make it and its directories readable for the service: %w", r.o.Manifest, fs.ErrPermission)
	}
	return fmt.Errorf("manifest %s: %w", r.o.Manifest, err)
}

// ctxReader ends a long read with its context.
type ctxReader struct {
	ended func() error
	r     io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ended(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
