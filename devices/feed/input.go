package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"usher/scanner"
)

const (
	readSize = 4 << 10
	// lookAgain is how often a FIFO's name is compared with what is open.
	lookAgain = 2 * time.Second
)

// input is one opened feed.
type input struct {
	name string
	fd   int
	fifo bool
	// finished is told the version of a file that was read to its end; nil: a FIFO
	// or standard input.
	finished *atomic.Pointer[version]
	// taken is how many bytes were read.
	taken int64
	// borrowed is the file behind fd where that is not ours to close.
	borrowed *os.File
}

// Run reads until the context ends, whose error it returns, or standard input
// ends (an error wrapping io.EOF), or its FIFO went away or its file is at its end
// (an error wrapping [scanner.ErrUnplugged]). While emit is busy the writer waits: nothing is lost.
// It implements scanner.Device.
func (in *input) Run(ctx context.Context, emit func(raw string)) (err error) {
	defer func() {
		if in.borrowed == nil {
			err = errors.Join(err, unix.Close(in.fd))
		}
	}()
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("%s: eventfd: %w", in.name, err)
	}
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		// Adding to a fresh eventfd cannot fail.
		_, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	defer func() {
		if !stop() {
			<-woken
		}
		err = errors.Join(err, unix.Close(wake))
	}()

	var codes lines
	give := func(framed []string) {
		for _, code := range framed {
			emit(code)
		}
	}
	buf := make([]byte, readSize)
	for {
		ready, err := in.await(ctx, wake)
		if err != nil {
			return err
		}
		if !ready {
			if err := in.stillThere(); err != nil {
				return err
			}
			continue
		}
		n, err := unix.Read(in.fd, buf)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
		case err != nil:
			return fmt.Errorf("%s: %w", in.name, err)
		case n > 0:
			in.taken += int64(n)
			give(codes.push(buf[:n]))
		default: // every writer has left
			more, err := in.next()
			if !more {
				give(codes.end())
			}
			if err != nil {
				return err
			}
		}
	}
}

// await blocks until a read would not (true) or it is time to look whether the
// FIFO still has its name (false). The end of the context is an error.
func (in *input) await(ctx context.Context, wake int) (bool, error) {
	timeout := -1
	if in.fifo {
		timeout = int(lookAgain.Milliseconds())
	}
	fds := []unix.PollFd{
		{Fd: int32(in.fd), Events: unix.POLLIN},
		{Fd: int32(wake), Events: unix.POLLIN},
	}
	for {
		n, err := unix.Poll(fds, timeout)
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err == unix.EINTR:
		case err != nil:
			return false, fmt.Errorf("%s: poll: %w", in.name, err)
		case fds[0].Revents&unix.POLLNVAL != 0:
			return false, fmt.Errorf("%s: not open", in.name)
		default:
			return n > 0, nil
		}
	}
}

// next says what comes after the end of what there was to read: an error, more
// of a file that has grown just now, or else a FIFO's next writer. The FIFO's name
// is opened anew, since poll says for ever that the old writers left; the new
// descriptor comes before the old one goes, so that what a quick writer put in
// meanwhile stays.
func (in *input) next() (more bool, err error) {
	if in.finished != nil {
		return in.endOfFile()
	}
	if !in.fifo {
		return false, fmt.Errorf("%s: input ended: %w", in.name, io.EOF)
	}
	fd, stat, err := openPath(in.name)
	if err != nil {
		return false, fmt.Errorf("%s: %w: %w", in.name, scanner.ErrUnplugged, err)
	}
	old := in.fd
	in.fd = fd
	if err := unix.Close(old); err != nil {
		return false, fmt.Errorf("%s: close: %w", in.name, err)
	}
	if !isFIFO(stat) {
		return false, fmt.Errorf("%s: %w: replaced by what is no FIFO", in.name, scanner.ErrUnplugged)
	}
	return false, nil
}

// endOfFile notes the version that was read, so that it is read once.
func (in *input) endOfFile() (more bool, err error) {
	var stat unix.Stat_t
	if err := unix.Fstat(in.fd, &stat); err != nil {
		return false, fmt.Errorf("%s: %w", in.name, err)
	}
	if stat.Size > in.taken {
		return true, nil
	}
	now := versionOf(&stat)
	in.finished.Store(&now)
	return false, endedError{in.name}
}

// stillThere tells a FIFO that was removed, or replaced under its name.
func (in *input) stillThere() error {
	var held, named unix.Stat_t
	if err := unix.Fstat(in.fd, &held); err != nil {
		return fmt.Errorf("%s: %w", in.name, err)
	}
	err := unix.Stat(in.name, &named)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w: %w", in.name, scanner.ErrUnplugged, err)
	case held.Dev != named.Dev || held.Ino != named.Ino:
		return fmt.Errorf("%s: %w: replaced by another", in.name, scanner.ErrUnplugged)
	}
	return nil
}
