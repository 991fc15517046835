// Package mux carries many streams over the one wire that leads into the test's
// guest, a virtio-serial port. Both ends know the same few requests; see
// [Request].
package mux

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Request opens a stream and says what for. One of its fields is set.
type Request struct {
	// Hello is the agent's first word.
	Hello bool `json:"hello,omitempty"`
	// Exec runs a program; the answer is a [Result].
	Exec *Exec `json:"exec,omitempty"`
	// Write puts bytes into a file or device; the answer is a [Result].
	Write *Write `json:"write,omitempty"`
	// Reports sends HID reports by a gadget; the answer is a [Result].
	Reports *Reports `json:"reports,omitempty"`
	// Unix connects to a socket; the stream is the connection.
	Unix string `json:"unix,omitempty"`
	// Console reads a terminal as a login would; the stream is what is typed there.
	Console string `json:"console,omitempty"`
	// Watch reads a small file again and again; the stream is each new content, one
	// a line.
	Watch string `json:"watch,omitempty"`
	// Received counts the bytes that a serial port has received; the answer is a
	// [Result] with the count in Stdout.
	Received string `json:"received,omitempty"`
}

// Exec is a program to run.
type Exec struct {
	Argv  []string `json:"argv"`
	Stdin []byte   `json:"stdin,omitempty"`
}

// Write is a file to be written.
type Write struct {
	Path string `json:"path"`
	Data []byte `json:"data"`
	// Mode creates the file anew; 0: it exists, such as a device.
	Mode uint32 `json:"mode,omitempty"`
}

// Reports are a gadget's, each sent when the host has taken the one before.
type Reports struct {
	Path    string   `json:"path"`
	Reports [][]byte `json:"reports"`
	// PauseMS is what a scanner takes between two, in milliseconds.
	PauseMS int `json:"pause_ms,omitempty"`
	// Pull is the gadget's UDC file, emptied after the last report; empty: the
	// gadget stays.
	Pull string `json:"pull,omitempty"`
}

// Result is what came of a request.
type Result struct {
	Code   int    `json:"code"`
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
	// Err says why it could not even be tried.
	Err string `json:"err,omitempty"`
}

// Kinds of frames.
const (
	frameOpen byte = iota
	frameData
	frameEnd
)

const (
	headSize = 9 // kind, stream, length
	maxFrame = 32 << 10
	// longest is more than a sound end ever sends in one frame.
	longest = 64 << 20
)

// Mux is one end of the wire.
type Mux struct {
	wire   io.ReadWriter
	accept func(Request, *Stream)

	sending sync.Mutex // held while a frame is written
	mu      sync.Mutex // guards what follows
	streams map[uint32]*Stream
	next    uint32
}

// New prepares one end. The two ends number their streams from first 1 and 2.
// Accept is called in a goroutine of its own for each stream that the other end
// opens.
func New(wire io.ReadWriter, first uint32, accept func(Request, *Stream)) *Mux {
	return &Mux{wire: wire, accept: accept, streams: map[uint32]*Stream{}, next: first}
}

// Run reads frames until the wire ends, and then ends every stream.
func (m *Mux) Run() error {
	err := m.read()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.streams {
		s.in.end(io.ErrUnexpectedEOF)
	}
	return err
}

func (m *Mux) read() error {
	head := make([]byte, headSize)
	for {
		if _, err := io.ReadFull(m.wire, head); err != nil {
			return err
		}
		size := binary.BigEndian.Uint32(head[5:])
		if size > longest {
			return fmt.Errorf("a frame of %d bytes", size)
		}
		payload := make([]byte, size)
		if _, err := io.ReadFull(m.wire, payload); err != nil {
			return err
		}
		if err := m.take(head[0], binary.BigEndian.Uint32(head[1:]), payload); err != nil {
			return err
		}
	}
}

func (m *Mux) take(kind byte, id uint32, payload []byte) error {
	m.mu.Lock()
	s := m.streams[id]
	m.mu.Unlock()
	switch {
	case kind == frameOpen:
		var req Request
		if err := json.Unmarshal(payload, &req); err != nil {
			return fmt.Errorf("a request: %w", err)
		}
		go m.accept(req, m.stream(id))
	case s == nil: // given up at this end
	case kind == frameData:
		s.in.put(payload)
	case kind == frameEnd:
		s.in.end(io.EOF)
	}
	return nil
}

func (m *Mux) stream(id uint32) *Stream {
	s := &Stream{mux: m, id: id, in: newBuffer()}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.streams[id] = s
	return s
}

// Open starts a stream.
func (m *Mux) Open(req Request) (*Stream, error) {
	text, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	id := m.next
	m.next += 2
	m.mu.Unlock()
	s := m.stream(id)
	if err := m.send(frameOpen, id, text); err != nil {
		return nil, err
	}
	return s, nil
}

func (m *Mux) send(kind byte, id uint32, payload []byte) error {
	frame := make([]byte, headSize, headSize+len(payload))
	frame[0] = kind
	binary.BigEndian.PutUint32(frame[1:], id)
	binary.BigEndian.PutUint32(frame[5:], uint32(len(payload)))
	m.sending.Lock()
	defer m.sending.Unlock()
	_, err := m.wire.Write(append(frame, payload...))
	return err
}

// Stream is one conversation on the wire.
type Stream struct {
	mux  *Mux
	id   uint32
	in   *buffer
	once sync.Once
}

// Read gives what the other end wrote; io.EOF: it has ended.
func (s *Stream) Read(p []byte) (int, error) { return s.in.read(p) }

// Write sends to the other end.
func (s *Stream) Write(p []byte) (int, error) {
	sent := 0
	for len(p) > 0 {
		part := p[:min(len(p), maxFrame)]
		if err := s.mux.send(frameData, s.id, part); err != nil {
			return sent, err
		}
		sent, p = sent+len(part), p[len(part):]
	}
	return sent, nil
}

// Close ends both directions at this end.
func (s *Stream) Close() error {
	err := errors.New("closed already")
	s.once.Do(func() {
		err = s.mux.send(frameEnd, s.id, nil)
		s.in.end(io.ErrClosedPipe)
		s.mux.mu.Lock()
		defer s.mux.mu.Unlock()
		delete(s.mux.streams, s.id)
	})
	return err
}

// buffer keeps what came in until it is read; it may be as long as memory.
type buffer struct {
	mu    sync.Mutex // guards what follows
	more  sync.Cond
	bytes []byte
	err   error
}

func newBuffer() *buffer {
	b := &buffer{}
	b.more.L = &b.mu
	return b
}

func (b *buffer) put(p []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes = append(b.bytes, p...)
	b.more.Broadcast()
}

func (b *buffer) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.more.Broadcast()
}

func (b *buffer) read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.bytes) == 0 && b.err == nil {
		b.more.Wait()
	}
	if len(b.bytes) == 0 {
		return 0, b.err
	}
	n := copy(p, b.bytes)
	b.bytes = b.bytes[n:]
	return n, nil
}
