package devices

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"usher/devices/evdev"
	"usher/devices/hid"
)

// Claims knows which scanner of this process reads what, so that no two of them
// fight for one device that they call by different names.
type Claims struct {
	root string
	mu   sync.Mutex // guards what follows; never held across I/O
	held []*claim
	// asked closes for each scanner once it has asked for its device, in the order
	// of the configuration.
	asked []chan struct{}
}

// NewClaims makes one that nobody holds anything of.
func NewClaims() *Claims { return &Claims{root: "/"} }

// claim is what one scanner reads, or is about to.
type claim struct {
	name, source string
	place
}

// place is where a scanner is.
type place struct {
	// node is its file, with all links resolved; usb its interface of USB. Either may
	// be empty.
	node, usb string
	// inputs is what the kernel shows there: while driver hid reads, nothing.
	inputs []evdev.Node
}

// onUSB is an opener that takes interfaces of USB; input one that takes input
// devices.
type (
	onUSB interface{ Interface() string }
	input interface {
		Find() (evdev.Node, bool)
		Means(evdev.Node) bool
	}
)

// placeOf finds what an opener would take now.
func placeOf(root string, o Opener) place {
	switch o := o.(type) {
	case onUSB:
		p := place{usb: o.Interface()}
		if p.usb != "" {
			inputs, _ := evdev.Plugged(root) // unreadable, nothing is known
			p.inputs = slices.DeleteFunc(inputs, func(n evdev.Node) bool { return n.USB != p.usb })
		}
		return p
	case input:
		if n, ok := o.Find(); ok {
			return place{node: n.Event, usb: n.USB}
		}
		return place{}
	}
	if !filepath.IsAbs(o.Source()) {
		return place{}
	}
	node, _ := filepath.EvalSymlinks(filepath.Join(root, o.Source())) // not plugged in, nowhere
	return place{node: node}
}

// is tells whether an opener, which would take the other place, means this one.
func (p place) is(other place, o Opener) bool {
	if p.node != "" && p.node == other.node || p.usb != "" && p.usb == other.usb {
		return true
	}
	reader, ok := o.(input)
	return ok && slices.ContainsFunc(p.inputs, reader.Means)
}

// take claims what a scanner reads, until it is released.
func (c *Claims) take(s Scanner) (release func(), err error) {
	mine := &claim{s.Name, s.Opener.Source(), placeOf(c.root, s.Opener)}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, held := range c.held {
		if held.is(mine.place, s.Opener) {
			return nil, fmt.Errorf("%s: already read by %s (%s); remove one of the two", mine.source, held.name, held.source)
		}
	}
	c.held = append(c.held, mine)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.held = slices.DeleteFunc(c.held, func(held *claim) bool { return held == mine })
	}, nil
}

// patience bounds how long a scanner lets each before it ask first.
const patience = 100 * time.Millisecond

// start is a scanner's first attempt: of two that mean one device, the first one in
// the configuration gets it at every start.
type start struct {
	before []chan struct{}
	asked  chan struct{}
	once   sync.Once
}

// enter puts a scanner behind those that entered before it.
func (c *Claims) enter() *start {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := slices.DeleteFunc(slices.Clone(c.asked), func(asked chan struct{}) bool {
		select {
		case <-asked:
			return true
		default:
			return false
		}
	})
	s := &start{before: before, asked: make(chan struct{})}
	c.asked = append(slices.Clone(before), s.asked)
	return s
}

// wait lets those before ask first.
func (s *start) wait(ctx context.Context) {
	for ; len(s.before) > 0 && ctx.Err() == nil; s.before = s.before[1:] {
		select {
		case <-s.before[0]:
		case <-time.After(patience):
		case <-ctx.Done():
		}
	}
}

// done lets those behind ask.
func (s *start) done() { s.once.Do(func() { close(s.asked) }) }

// Twice tells of each scanner that means a device which one before it means too,
// by what is plugged in now. It opens nothing.
func Twice(scanners []Scanner) map[string]error {
	return NewClaims().twice(scanners)
}

func (c *Claims) twice(scanners []Scanner) map[string]error {
	faults := map[string]error{}
	for _, s := range scanners {
		if _, err := c.take(s); err != nil {
			faults[s.Name] = err
		}
	}
	return faults
}

// again tells in what words two configurations mean one device, as far as they say
// so themselves; empty: they need not.
func again(s, before Scanner, named string) string {
	source := s.Opener.Source()
	if one, ok := s.Opener.(*hid.Driver); ok {
		if other, ok := before.Opener.(*hid.Driver); ok && source != other.Source() {
			if key, overlaps := one.Overlaps(other); overlaps {
				return fmt.Sprintf("%s: may be the same device as %s, read by %s already; give both the key %s, or remove one of the two",
					source, other.Source(), named, key)
			}
			return ""
		}
	}
	same := s.Driver == before.Driver && source == before.Opener.Source()
	if filepath.IsAbs(source) && filepath.Clean(source) == filepath.Clean(before.Opener.Source()) {
		same = true
	}
	if same {
		return fmt.Sprintf("%s: read by %s already", source, named)
	}
	return ""
}
