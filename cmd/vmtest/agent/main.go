// Agent is the hands of cmd/vmtest inside its guest: it runs programs, plays
// gadgets, reads the console and connects to sockets there, asked over a
// virtio-serial port. It is never shipped.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix" // open flags

	"usher/cmd/vmtest/internal/mux"
)

const port = "/dev/virtio-ports/agent"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

func run() error {
	wire, err := os.OpenFile(port, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	m := mux.New(wire, 2, serve)
	if _, err := m.Open(mux.Request{Hello: true}); err != nil {
		return err
	}
	return m.Run()
}

// serve answers one request. The test at the other end reads what failed.
func serve(req mux.Request, s *mux.Stream) {
	defer s.Close()
	switch {
	case req.Exec != nil:
		answer(s, execute(*req.Exec))
	case req.Write != nil:
		answer(s, failed(write(*req.Write)))
	case req.Reports != nil:
		answer(s, failed(reports(*req.Reports)))
	case req.Received != "":
		count, err := received(req.Received)
		r := failed(err)
		r.Stdout = fmt.Append(nil, count)
		answer(s, r)
	case req.Unix != "":
		connect(s, req.Unix)
	case req.Console != "":
		say(s, console(s, req.Console))
	case req.Watch != "":
		say(s, watch(s, req.Watch))
	}
}

func answer(s *mux.Stream, r mux.Result) {
	if text, err := json.Marshal(r); err == nil {
		_, _ = s.Write(text) // nobody listens any more
	}
}

func failed(err error) mux.Result {
	if err != nil {
		return mux.Result{Err: err.Error()}
	}
	return mux.Result{}
}

// say puts a failure where the stream's content is expected: it ends the stream.
func say(s *mux.Stream, err error) {
	if err != nil {
		fmt.Fprintf(s, "agent: %v\n", err)
	}
}

func execute(e mux.Exec) mux.Result {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(e.Argv[0], e.Argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(e.Stdin), &stdout, &stderr
	cmd.Env = append(os.Environ(), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root")
	err := cmd.Run()
	r := mux.Result{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.Code = exit.ExitCode()
	case err != nil:
		r.Err = err.Error()
	}
	return r
}

func write(w mux.Write) error {
	if w.Mode != 0 {
		if err := os.WriteFile(w.Path, w.Data, 0o600); err != nil {
			return err
		}
		return os.Chmod(w.Path, os.FileMode(w.Mode))
	}
	file, err := os.OpenFile(w.Path, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(w.Data)
	return errors.Join(err, file.Close())
}

func connect(s *mux.Stream, path string) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return // the end of the stream says it
	}
	defer conn.Close()
	go func() {
		_, _ = io.Copy(conn, s)
		_ = conn.Close() // a client that left wants no answer
	}()
	_, _ = io.Copy(s, conn)
}

// every is how often a watched file is looked at.
const every = 5 * time.Millisecond

func watch(s *mux.Stream, path string) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, s)
	}()
	tick := time.NewTicker(every)
	defer tick.Stop()
	var before []byte
	for {
		now, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.Equal(now, before) {
			if _, err := s.Write(now); err != nil {
				return err
			}
			before = now
		}
		select {
		case <-ended:
			return nil
		case <-tick.C:
		}
	}
}
