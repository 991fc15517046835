package proxy

import (
	"net"
	"sync"
	"time"
)

// drained is how long a connection that ended in order may still be read from.
const drained = time.Second

// pair is one connection through the proxy: near is the caller's, far the
// target's.
type pair struct {
	near *net.TCPConn

	mu   sync.Mutex // guards what follows
	far  *net.TCPConn
	dead bool
	gone chan struct{} // closed with the pair

	ended chan struct{} // closed when nobody serves it any more
}

// join adds the far side; false: the pair is gone already.
func (p *pair) join(far *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		_ = far.Close()
		return false
	}
	p.far = far
	return true
}

func (p *pair) sides() []*net.TCPConn {
	if p.far == nil {
		return []*net.TCPConn{p.near}
	}
	return []*net.TCPConn{p.near, p.far}
}

// reset ends both sides with an RST.
func (p *pair) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.sides() {
		_ = c.SetLinger(0)
	}
	p.end()
}

// finish ends both sides with a FIN. What still comes is read and thrown away: to
// close a socket that holds unread bytes would reset it.
func (p *pair) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.sides() {
		_ = c.CloseWrite()
		_ = c.SetReadDeadline(time.Now().Add(drained))
	}
}

func (p *pair) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end()
}

// end closes what is open; the mutex is held.
func (p *pair) end() {
	for _, c := range p.sides() {
		_ = c.Close()
	}
	if !p.dead {
		p.dead = true
		close(p.gone)
	}
}
