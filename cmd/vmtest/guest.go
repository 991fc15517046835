package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"

	"usher/cmd/vmtest/internal/mux"
)

// guest is the Debian inside the machine, by the agent that runs in it.
type guest struct {
	wire *mux.Mux
	// up is closed when the agent said hello, down when the wire ended.
	up, down chan struct{}
}

func newGuest(conn net.Conn) *guest {
	g := &guest{up: make(chan struct{}), down: make(chan struct{})}
	var once sync.Once
	g.wire = mux.New(conn, 1, func(req mux.Request, s *mux.Stream) {
		if req.Hello {
			once.Do(func() { close(g.up) })
		}
		_ = s.Close() // the guest waits for nothing
	})
	go func() {
		_ = g.wire.Run() // its end is what matters
		close(g.down)
	}()
	return g
}

// booted waits for the agent.
func (g *guest) booted(ctx context.Context) error {
	select {
	case <-g.up:
		return nil
	case <-g.down:
		return errors.New("the machine ended while it booted")
	case <-ctx.Done():
		return fmt.Errorf("no word from the guest: %w", ctx.Err())
	}
}

// ask has the agent do something and gives its answer.
func (g *guest) ask(ctx context.Context, req mux.Request) (mux.Result, error) {
	var r mux.Result
	s, err := g.wire.Open(req)
	if err != nil {
		return r, err
	}
	defer s.Close()
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	text, err := io.ReadAll(s)
	switch {
	case ctx.Err() != nil:
		return r, ctx.Err()
	case err != nil:
		return r, fmt.Errorf("the guest: %w", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("the guest's answer %q: %w", text, err)
	}
	if r.Err != "" {
		return r, errors.New(r.Err)
	}
	return r, nil
}

// run runs a program and gives what it printed; an exit code but 0 is an error.
func (g *guest) run(ctx context.Context, argv ...string) (string, error) {
	r, err := g.ask(ctx, mux.Request{Exec: &mux.Exec{Argv: argv}})
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("exit code %d: %s", r.Code, strings.TrimSpace(string(r.Stdout)+string(r.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("in the guest: %s: %w", strings.Join(argv, " "), err)
	}
	return string(r.Stdout), nil
}

// sh runs a shell script.
func (g *guest) sh(ctx context.Context, script string) (string, error) {
	return g.run(ctx, "sh", "-eu", "-c", script)
}

// put writes a file of that mode.
func (g *guest) put(ctx context.Context, path string, mode uint32, content string) error {
	_, err := g.ask(ctx, mux.Request{Write: &mux.Write{Path: path, Data: []byte(content), Mode: mode}})
	return err
}

// received is how many bytes a serial port of the guest got since it was plugged
// in.
func (g *guest) received(ctx context.Context, port string) (int, error) {
	r, err := g.ask(ctx, mux.Request{Received: port})
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(r.Stdout))
}

// forward gives every connection to a socket here to one of the guest's, until
// the listener is closed.
func (g *guest) forward(listener net.Listener, path string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s, err := g.wire.Open(mux.Request{Unix: path})
		if err != nil {
			_ = conn.Close() // as a machine that is gone
			return
		}
		go func() {
			_, _ = io.Copy(s, conn)
			_ = s.Close()
		}()
		go func() {
			_, _ = io.Copy(conn, s)
			_ = conn.Close()
		}()
	}
}

// notes are what a stream of the guest brought so far.
type notes struct {
	mu   sync.Mutex // guards text
	text []byte
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return string(n.text)
}

func (n *notes) add(text []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text = append(n.text, text...)
}

// listen notes what a stream brings, until close is called.
func (g *guest) listen(req mux.Request) (n *notes, end func(), err error) {
	s, err := g.wire.Open(req)
	if err != nil {
		return nil, nil, err
	}
	n = &notes{}
	go func() {
		in, buf := bufio.NewReader(s), make([]byte, 4096)
		for {
			size, err := in.Read(buf)
			n.add(buf[:size])
			if err != nil {
				return
			}
		}
	}()
	return n, func() { _ = s.Close() }, nil
}
