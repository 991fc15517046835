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

// manifestFile is what is known of the manifest on disk.
type manifestFile struct {
	// seen is the newest version looked at.
	seen version
	// loaded is the version whose content is the list's, or is older than an
	// import.
	loaded version
	// failed is the version that could not be loaded; again says when it may be
	// tried once more (a disk may be full no longer).
	failed version
	again  time.Time
	retry  *backoff.ExponentialBackOff
}

// look is one look at the manifest by Run. It is true where the file is new and
// another look must find it unchanged before it is loaded; settled says that
// this is that look.
func (r *Refresher) look(ctx context.Context, settled bool) (unsettled bool) {
	now, err := r.stat()
	switch {
	case err != nil:
		r.file.seen = version{}
		r.failed(err)
		return false
	case now == r.file.loaded:
		r.file.seen = now
		r.unchanged()
		return false
	case now == r.file.failed && time.Now().Before(r.file.again):
		r.file.seen = now
		return false
	case now != r.file.seen || !settled:
		r.file.seen = now
		return true
	}
	err = r.load(ctx)
	return errors.Is(err, errChanged)
}

// loadNow loads without waiting for a second look, and again while the file
// changes under it.
func (r *Refresher) loadNow(ctx context.Context) error {
	for {
		err := r.load(ctx)
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
	at := r.o.Clock.Now()
	r.o.Store.Checked(r.o.Scope, at)
	r.succeeded(at)
}

// load reads the manifest, and builds the list anew where its content is not
// the list's.
func (r *Refresher) load(ctx context.Context) error {
	sum, now, err := r.sum(ctx)
	if err == nil && sum != r.stored().Manifest {
		err = r.rebuild(ctx, sum, now)
	} else if err == nil {
		r.fresh()
	}
	switch {
	case err == nil:
		r.file.loaded, r.file.failed = now, version{}
		r.file.retry.Reset()
		return nil
	case errors.Is(err, errChanged), ctx.Err() != nil:
		return err
	}
	r.failed(err)
	r.file.loaded, r.file.failed = version{}, now
	r.file.again = time.Now().Add(r.file.retry.NextBackOff())
	return err
}

// rebuild loads the content whose sum was just taken, or nothing.
func (r *Refresher) rebuild(ctx context.Context, sum string, was version) error {
	file, err := os.Open(r.o.Manifest)
	if err != nil {
		return r.explain(err)
	}
	defer file.Close()
	at := r.o.Clock.Now()
	meta := Meta{
		Scope: r.o.Scope, Complete: true, GeneratedAt: was.modified, Checked: at,
		Source: source{Kind: kindManifest, Manifest: sum}.encode(),
	}
	hash := sha256.New()
	body := io.TeeReader(file, hash)
	err = r.build(ctx, meta, filepath.Base(r.o.Manifest), body, func(read error) error {
		now, err := r.stat()
		other := read == nil && hex.EncodeToString(hash.Sum(nil)) != sum
		if err != nil || now != was || other {
			return errors.Join(errChanged, read)
		}
		return read
	})
	if err != nil {
		return fmt.Errorf("manifest %s: %w", r.o.Manifest, err)
	}
	r.succeeded(at)
	return nil
}

// sum is the SHA-256 of the manifest's content and the version it is of.
func (r *Refresher) sum(ctx context.Context) (string, version, error) {
	was, err := r.stat()
	if err != nil {
		return "", version{}, err
	}
	file, err := os.Open(r.o.Manifest)
	if err != nil {
		return "", version{}, r.explain(err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, &ctxReader{ctx.Err, file}); err != nil {
		return "", was, r.explain(err)
	}
	if now, err := r.stat(); err != nil || now != was {
		return "", was, errChanged
	}
	return hex.EncodeToString(hash.Sum(nil)), was, nil
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
