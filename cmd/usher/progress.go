package main

import (
	"fmt"
	"io"
	"time"
)

// progress shows on a terminal that long work goes on; elsewhere it is silent.
// It serves one goroutine.
type progress struct {
	w     io.Writer
	last  time.Time
	width int
}

// newProgress shows on stderr, so that stdout holds nothing but the result.
func (a *app) newProgress() *progress {
	if !isTerminal(a.stderr) {
		return &progress{}
	}
	return &progress{w: a.stderr}
}

// show replaces the line, at most ten times a second.
func (p *progress) show(format string, args ...any) {
	if p.w == nil || time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last = time.Now()
	text := clean(fmt.Sprintf(format, args...))
	fmt.Fprintf(p.w, "\r%-*s", p.width, text)
	p.width = len(text)
}

// done takes the line away.
func (p *progress) done() {
	if p.w != nil && p.width > 0 {
		fmt.Fprintf(p.w, "\r%*s\r", p.width, "")
		p.width = 0
	}
}

// counted shows how much went through a reader or writer.
type counted struct {
	r    io.Reader
	w    io.Writer
	n    int64
	show func(n int64)
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	c.show(c.n)
	return n, err
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	c.show(c.n)
	return n, err
}
