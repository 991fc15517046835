// Package devicetest gives drivers what they are tested on: pseudo-terminals
// that stand for serial scanners, recorded logs, and the contract that every
// driver passes.
package devicetest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix" // pseudo-terminal ioctls, which the standard library lacks
)

// writeLimit bounds a write to a pty that nobody reads.
const writeLimit = 5 * time.Second

// Pty is a serial scanner made of a pseudo-terminal. Its path is a link that
// stays the same over unplugging, as a name of /dev/serial/by-id does. It is safe
// for concurrent use.
type Pty struct {
	path string

	mu     sync.Mutex // guards master
	master *os.File   // nil: unplugged
}

// NewPty makes the scanner and plugs it in under the path, whose directory must
// exist. Close it after use.
func NewPty(path string) (*Pty, error) {
	p := &Pty{path: path}
	return p, p.Plug()
}

// Path is the name to configure as the scanner's port.
func (p *Pty) Path() string { return p.path }

// Plug plugs the scanner in: a new terminal under the same path.
func (p *Pty) Plug() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.master != nil {
		return fmt.Errorf("pty %s: already plugged in", p.path)
	}
	master, slave, err := openPty()
	if err != nil {
		return err
	}
	next := filepath.Join(filepath.Dir(p.path), ".next-"+filepath.Base(p.path))
	err = os.Symlink(slave, next)
	if err == nil {
		err = os.Rename(next, p.path)
	}
	if err != nil {
		return errors.Join(err, master.Close())
	}
	p.master = master
	return nil
}

// Unplug takes the scanner away: readers get a hang-up and the path is gone.
// Bytes that nobody has read yet are lost, as on a cable.
func (p *Pty) Unplug() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.master == nil {
		return nil
	}
	err := errors.Join(os.Remove(p.path), p.master.Close())
	p.master = nil
	return err
}

// Close unplugs the scanner for good.
func (p *Pty) Close() error { return p.Unplug() }

// Write sends bytes as the scanner does. It waits while the reader is behind, for
// 5 s at most.
func (p *Pty) Write(b []byte) (int, error) {
	p.mu.Lock()
	master := p.master
	p.mu.Unlock()
	if master == nil {
		return 0, fmt.Errorf("pty %s: unplugged", p.path)
	}
	if err := master.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return 0, err
	}
	return master.Write(b)
}

// Read gives what the scanner was told: what the reader wrote. It waits until there
// is something, or the scanner is unplugged.
func (p *Pty) Read(b []byte) (int, error) {
	p.mu.Lock()
	master := p.master
	p.mu.Unlock()
	if master == nil {
		return 0, fmt.Errorf("pty %s: unplugged", p.path)
	}
	return master.Read(b)
}

// WriteChunks sends each chunk by a write of its own.
func (p *Pty) WriteChunks(chunks ...[]byte) error {
	for _, chunk := range chunks {
		if _, err := p.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

// openPty gives the scanner's end of a new terminal and the other end's node.
func openPty() (*os.File, string, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", fmt.Errorf("open /dev/ptmx: %w", err)
	}
	master := os.NewFile(uintptr(fd), "/dev/ptmx")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, "", errors.Join(fmt.Errorf("unlock pty: %w", err), master.Close())
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("name of pty: %w", err), master.Close())
	}
	return master, fmt.Sprintf("/dev/pts/%d", n), nil
}
