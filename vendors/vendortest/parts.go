package vendortest

import (
	"bytes"
	"sync"

	"usher/vendors/wire"
)

// Memory keeps what a vendor saves, as the journal does. Its zero value is empty.
type Memory struct {
	mu sync.Mutex
	// Kept may be read and set while no call runs.
	Kept map[string][]byte
}

// Load gives what was saved; nil: nothing.
func (m *Memory) Load(key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.Kept[key]), nil
}

// Save keeps a copy.
func (m *Memory) Save(key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Kept == nil {
		m.Kept = map[string][]byte{}
	}
	m.Kept[key] = bytes.Clone(value)
	return nil
}

// Observations are what a vendor told the house of the time.
type Observations struct {
	mu  sync.Mutex
	all []wire.Observation
}

// Add is for the vendor's Deps.Observe.
func (o *Observations) Add(one wire.Observation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, one)
}

// All gives them in order.
func (o *Observations) All() []wire.Observation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]wire.Observation(nil), o.all...)
}

// Log is what a vendor logged.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write adds a line.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String is all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
