// Package proxy is a TCP proxy for tests that spoils what goes through it at one
// chosen byte: a venue's network, as hostile as it gets, and exact to the byte.
package proxy

import (
	"context"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// Dir is a direction through the proxy.
type Dir int

// The directions.
const (
	Request  Dir = iota // from the caller to the vendor
	Response            // from the vendor to the caller
)

func (d Dir) String() string { return [...]string{"request", "response"}[d] }

// Kind is what happens at the byte.
type Kind string

// The kinds of fault. "After" means that At bytes have gone through and no more.
const (
	// FIN ends the connection in order on both sides after At bytes.
	FIN Kind = "fin"
	// RST resets both sides after At bytes.
	RST Kind = "rst"
	// Half tells the receiver after At bytes that no more comes; the other
	// direction goes on.
	Half Kind = "half"
	// Hang lets nothing through after At bytes and closes nothing.
	Hang Kind = "hang"
	// Delay pauses for Pause after At bytes and goes on.
	Delay Kind = "delay"
	// Repeat sends the Size bytes from At on twice, as far as they are at hand.
	Repeat Kind = "repeat"
	// Drop loses the Size bytes from At on, as far as they are at hand.
	Drop Kind = "drop"
	// Flip turns the bits of Mask in byte At.
	Flip Kind = "flip"
)

// Kinds lists all of them.
func Kinds() []Kind { return []Kind{FIN, RST, Half, Hang, Delay, Repeat, Drop, Flip} }

// Corrupts tells the kinds that change bytes instead of ending or holding them.
func (k Kind) Corrupts() bool { return k == Repeat || k == Drop || k == Flip }

// Fault is one fault at one byte. It happens once.
type Fault struct {
	Dir  Dir
	Kind Kind
	// At counts the bytes of the direction since [Proxy.Arm], over all connections.
	At int64
	// Size is for Repeat and Drop (0: 1), Mask for Flip (0: 1), Pause for Delay.
	Size  int
	Mask  byte
	Pause time.Duration
}

// Proxy passes connections to a target on.
type Proxy struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup
	done     chan struct{} // closed by Close: nothing pauses any more

	mu      sync.Mutex // guards what follows
	fault   *Fault
	fired   bool
	passed  [2]int64
	dials   int
	pairs   map[*pair]struct{}
	instead func(net.Conn)
	changed chan struct{} // closed when a pair ends
}

// Listen starts a proxy on a loopback port before the target.
func Listen(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: target, done: make(chan struct{}), pairs: map[*pair]struct{}{}, changed: make(chan struct{})}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is host and port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Arm puts a fault in place of the one before, and counts from here.
func (p *Proxy) Arm(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.fired, p.passed = &f, false, [2]int64{}
}

// Disarm takes the fault away, and counts from here.
func (p *Proxy) Disarm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.fired, p.passed = nil, false, [2]int64{}
}

// Fired tells whether the fault has happened.
func (p *Proxy) Fired() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fired
}

// Passed is how many bytes came in that direction since the proxy was armed.
func (p *Proxy) Passed(d Dir) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed[d]
}

// Dials counts the connections that were made to the target.
func (p *Proxy) Dials() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dials
}

// Instead serves connections from now on by serve instead of passing them on;
// nil: passes them on again. serve need not close the connection.
func (p *Proxy) Instead(serve func(net.Conn)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.instead = serve
}

// Cut resets all connections there are and waits until they have ended. It does
// not wait for those that come meanwhile.
func (p *Proxy) Cut() {
	p.mu.Lock()
	cut := slices.Collect(maps.Keys(p.pairs))
	p.mu.Unlock()
	for _, one := range cut {
		one.reset()
	}
	for _, one := range cut {
		<-one.ended
	}
}

// Open counts the connections that have not ended.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pairs)
}

// Quiet waits until no connection is left.
func (p *Proxy) Quiet(ctx context.Context) error {
	for {
		p.mu.Lock()
		left, changed := len(p.pairs), p.changed
		p.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close ends everything.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	close(p.done)
	p.Cut()
	p.running.Wait()
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		one := &pair{near: c.(*net.TCPConn), gone: make(chan struct{}), ended: make(chan struct{})}
		p.mu.Lock()
		serve := p.instead
		p.pairs[one] = struct{}{}
		p.mu.Unlock()
		select {
		case <-p.done:
			one.reset() // it came while Close ended the others
		default:
		}
		p.running.Go(func() {
			defer p.forget(one)
			if serve != nil {
				serve(one.near)
				return
			}
			p.pass(one)
		})
	}
}

func (p *Proxy) forget(one *pair) {
	one.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pairs, one)
	close(one.ended)
	close(p.changed)
	p.changed = make(chan struct{})
}

// pass carries both directions until both have ended.
func (p *Proxy) pass(one *pair) {
	c, err := net.Dial("tcp", p.target)
	if err != nil {
		one.reset()
		return
	}
	p.mu.Lock()
	p.dials++
	p.mu.Unlock()
	if !one.join(c.(*net.TCPConn)) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pump(Request, one, one.near, one.far) })
	both.Go(func() { p.pump(Response, one, one.far, one.near) })
	both.Wait()
}

// pump carries one direction to its end.
func (p *Proxy) pump(d Dir, one *pair, from, to *net.TCPConn) {
	buf := make([]byte, 32<<10)
	hangs := false
	for {
		n, err := from.Read(buf)
		for rest := buf[:n]; len(rest) > 0 && !hangs; {
			before, f, after := p.take(d, rest)
			if rest = after; len(before) > 0 {
				if _, err := to.Write(before); err != nil {
					one.reset()
					return
				}
			}
			if f != nil {
				rest, hangs = p.spoil(*f, one, to, after)
			}
		}
		if err != nil {
			_ = to.CloseWrite()
			return
		}
	}
}

// take counts data and parts it at the fault, if that lies in it; nil: no fault.
func (p *Proxy) take(d Dir, data []byte) (before []byte, f *Fault, after []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	begin := p.passed[d]
	end := begin + int64(len(data))
	f = p.fault
	if f == nil || p.fired || f.Dir != d || f.At > end || f.At == end && f.Kind.Corrupts() {
		p.passed[d] = end
		return data, nil, nil
	}
	p.fired = true
	p.passed[d] = end
	return data[:f.At-begin], f, data[f.At-begin:]
}

// spoil does what the fault says. It gives what is left to be passed on, and
// whether nothing ever is.
func (p *Proxy) spoil(f Fault, one *pair, to *net.TCPConn, after []byte) (rest []byte, hangs bool) {
	size := min(max(f.Size, 1), len(after))
	switch f.Kind {
	case FIN:
		one.finish()
		return nil, true
	case RST:
		one.reset()
		return nil, true
	case Half:
		_ = to.CloseWrite()
		return nil, true
	case Hang:
		return nil, true
	case Delay:
		pause := time.NewTimer(f.Pause)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-p.done:
		case <-one.gone:
		}
	case Repeat:
		_, _ = to.Write(after[:size])
	case Drop:
		after = after[size:]
	case Flip:
		after[0] ^= max(f.Mask, 1)
	}
	return after, false
}
