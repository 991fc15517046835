package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"sync/atomic"
	"time"

	"usher/scanner"
)

// maxValue is the longest single value of a streamed answer, in bytes: one
// ticket, one text. It bounds memory, and holds any real one many times.
const maxValue = 256 << 10

// maxDepth is how deeply arrays and objects may be nested in a stream.
const maxDepth = 100

// slowestStream is how many bytes of a stream must come within longest, each
// time.
const slowestStream = 1 << 10

// Stream is an answer that is read piece by piece, for lists of any length. The
// first error sticks; each is a [scanner.CallError], or what a callback gave.
// One goroutine uses it, and closes it.
type Stream struct {
	Answer // without Body
	lines  *bufio.Reader
	body   *watched
	value  []byte
	depth  int
}

// Open makes the call and gives the answer as a stream, of at most call.Limit
// bytes. It ends with the context, or where less than 1 KiB comes within 30 s: a
// list that drips would keep every later one away. Where the status is not 2xx, or the answer calls itself HTML, there is no stream; the
// answer then holds the body. The error is a [scanner.CallError].
func (c *Client) Open(ctx context.Context, call Call) (*Stream, Answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	silent := new(atomic.Bool)
	stalled := time.AfterFunc(longest, func() {
		silent.Store(true)
		cancel()
	})
	t, err := c.send(ctx, call)
	if err != nil {
		stalled.Stop()
		cancel()
		return nil, Answer{Op: call.Op}, err
	}
	body := &watched{body: t.resp.Body, left: call.limit(), stalled: stalled, silent: silent, cancel: cancel, hangUp: c.hangUp}
	t.resp.Body = body
	if statusError(t.op, t.resp) != nil || foreign(t.resp, nil) != nil {
		defer body.Close()
		a, err := c.read(t, DefaultLimit)
		return nil, a, err
	}
	s := &Stream{Answer: t.answer(), lines: bufio.NewReaderSize(body, 64<<10), body: body}
	if first, err := s.peek(); err == nil && first == '<' {
		s.Close()
		return nil, s.Answer, Nonsense(s.Op, s.Status, errHTML)
	}
	return s, s.Answer, nil
}

// Close lets the connection go; what was not read is not waited for.
func (s *Stream) Close() { s.body.Close() }

// Object reads an object: name by name, field must take the value with one of
// [Stream.Value], [Stream.Skip] or [Each].
func (s *Stream) Object(field func(name string) error) error {
	return s.sequence('{', '}', "an object", func() error {
		raw, err := s.next()
		if err != nil {
			return err
		}
		var name string
		if raw[0] != '"' || decode(raw, &name, nil) != nil {
			return s.nonsense("the answer is not whole JSON")
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		return field(name)
	})
}

// Value reads the next value strictly, see [Decode].
func (s *Stream) Value(into any) error {
	raw, err := s.next()
	if err != nil {
		return err
	}
	if err := Decode(raw, into); err != nil {
		return Nonsense(s.Op, s.Status, err)
	}
	return nil
}

// Skip reads past the next value, which need not fit into memory.
func (s *Stream) Skip() error {
	first, err := s.peek()
	switch {
	case err != nil:
		return err
	case first == '{':
		return s.sequence('{', '}', "an object", func() error {
			if err := s.Skip(); err != nil {
				return err
			}
			if err := s.expect(':'); err != nil {
				return err
			}
			return s.Skip()
		})
	case first == '[':
		return s.sequence('[', ']', "an array", s.Skip)
	}
	var ignored any
	return s.Value(&ignored)
}

// Each reads an array and gives each element, strictly decoded, with its number
// from 1 on.
func Each[T any](s *Stream, element func(n int, value T) error) error {
	known := namesOf(reflect.TypeFor[T]())
	n := 0
	return s.sequence('[', ']', "a list", func() error {
		n++
		raw, err := s.next()
		if err != nil {
			return err
		}
		var value T
		if err := decode(raw, &value, known); err != nil {
			return Nonsense(s.Op, s.Status, fmt.Errorf("entry %d of the list: %w", n, err))
		}
		return element(n, value)
	})
}

// Peek gives the first byte of the next value, which tells an object, an array and
// a plain value apart.
func (s *Stream) Peek() (byte, error) { return s.peek() }

// Null reads a null, where that is what comes next.
func (s *Stream) Null() (bool, error) {
	first, err := s.peek()
	if err != nil || first != 'n' {
		return false, err
	}
	var none *bool
	return true, s.Value(&none)
}

// End makes sure that nothing follows.
func (s *Stream) End() error {
	_, err := s.peek()
	var call *scanner.CallError
	if errors.As(err, &call) && errors.Is(err, errEnd) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.nonsense("something follows the answer")
}

// sequence reads what stands between two brackets, parted by commas.
func (s *Stream) sequence(open, end byte, what string, item func() error) error {
	first, err := s.peek()
	if err != nil {
		return err
	}
	if first != open {
		return s.nonsense("the answer holds something else than " + what)
	}
	s.skipByte()
	if s.depth++; s.depth > maxDepth {
		return s.nonsense("the answer is nested too deeply")
	}
	defer func() { s.depth-- }()
	for n := 0; ; n++ {
		b, err := s.peek()
		switch {
		case err != nil:
			return err
		case b == end && n == 0:
			s.skipByte()
			return nil
		}
		if err := item(); err != nil {
			return err
		}
		b, err = s.peek()
		switch {
		case err != nil:
			return err
		case b != ',' && b != end:
			return s.nonsense("the answer is not whole JSON")
		}
		s.skipByte()
		if b == end {
			return nil
		}
	}
}

func (s *Stream) expect(want byte) error {
	b, err := s.peek()
	if err != nil {
		return err
	}
	if b != want {
		return s.nonsense("the answer is not whole JSON")
	}
	s.skipByte()
	return nil
}

// peek gives the next byte that is no blank.
func (s *Stream) peek() (byte, error) {
	for {
		b, err := s.lines.ReadByte()
		if err != nil {
			return 0, s.readError(err)
		}
		switch b {
		case ' ', '\t', '\r', '\n':
			continue
		}
		return b, s.lines.UnreadByte()
	}
}

// skipByte reads past the byte that was peeked at.
func (s *Stream) skipByte() { _, _ = s.lines.Discard(1) }

// next gives the bytes of the next value, good until the next call. They are
// framed only; decoding finds what is wrong inside.
func (s *Stream) next() ([]byte, error) {
	if _, err := s.peek(); err != nil {
		return nil, err
	}
	s.value = s.value[:0]
	frame := framer{}
	for {
		// A peek of what is at hand: the buffer is never empty here for long.
		if _, err := s.lines.Peek(1); err != nil {
			if err == io.EOF && frame.scalar() {
				return s.value, nil
			}
			return nil, s.readError(err)
		}
		chunk, _ := s.lines.Peek(s.lines.Buffered())
		n, done := frame.scan(chunk)
		if len(s.value)+n > maxValue {
			return nil, s.nonsense(fmt.Sprintf("a value is longer than %d KiB", maxValue>>10))
		}
		s.value = append(s.value, chunk[:n]...)
		_, _ = s.lines.Discard(n)
		if done {
			if len(s.value) == 0 {
				return nil, s.nonsense("the answer is not whole JSON")
			}
			return s.value, nil
		}
	}
}

// framer finds where a value ends.
type framer struct {
	depth            int
	started, quoted  bool
	escaped, literal bool
}

// scalar tells a number or word, which the end of the answer ends.
func (f *framer) scalar() bool { return f.literal }

// scan gives how many bytes of chunk belong to the value, and whether it ends
// there.
func (f *framer) scan(chunk []byte) (int, bool) {
	for i := 0; i < len(chunk); i++ {
		b := chunk[i]
		switch {
		case f.escaped:
			f.escaped = false
		case f.quoted && b == '\\':
			f.escaped = true
		case f.quoted && b == '"':
			f.quoted = false
			if f.depth == 0 {
				return i + 1, true
			}
		case f.quoted:
			// Most bytes of a ticket are inside a text.
			rest := chunk[i:]
			if end := bytes.IndexByte(rest, '"'); end >= 0 {
				rest = rest[:end]
			}
			if slash := bytes.IndexByte(rest, '\\'); slash >= 0 {
				rest = rest[:slash]
			}
			i += max(len(rest), 1) - 1
		case f.literal:
			if bytes.IndexByte([]byte(" \t\r\n,:]}[{\""), b) >= 0 {
				return i, true
			}
		case b == '"':
			f.quoted, f.started = true, true
		case b == '{' || b == '[':
			f.depth, f.started = f.depth+1, true
		case b == '}' || b == ']':
			f.depth--
			if f.depth <= 0 {
				if !f.started {
					return i, true
				}
				return i + 1, true
			}
		case !f.started && (b == ',' || b == ':'):
			return i, true
		case !f.started:
			f.literal, f.started = true, true
		}
	}
	return len(chunk), false
}

func (s *Stream) nonsense(text string) error {
	return Nonsense(s.Op, s.Status, errors.New(text))
}

var errEnd = errors.New("the answer ends too soon")

func (s *Stream) readError(err error) error {
	var long tooLong
	switch {
	case err == io.EOF:
		return Nonsense(s.Op, s.Status, errEnd)
	case errors.As(err, &long):
		return Nonsense(s.Op, s.Status, long)
	}
	return broken(s.Op, s.Status, err)
}

// watched is a body that is bounded in bytes, and ended where it stalls.
type watched struct {
	body    io.ReadCloser
	left    int64
	size    int64
	fresh   int64 // since stalled was last reset
	stalled *time.Timer
	silent  *atomic.Bool
	cancel  context.CancelFunc
	hangUp  func()
}

type tooLong int64

func (t tooLong) Error() string { return fmt.Sprintf("the answer is longer than %d bytes", int64(t)) }

func (w *watched) Read(p []byte) (int, error) {
	if w.left <= 0 {
		// One byte more tells an answer that ends here from one that goes on.
		if n, err := w.body.Read(p[:1]); n == 0 {
			return 0, err
		}
		return 0, tooLong(w.size)
	}
	if int64(len(p)) > w.left {
		p = p[:w.left]
	}
	n, err := w.body.Read(p)
	w.left -= int64(n)
	w.size += int64(n)
	switch {
	case err == nil:
		if w.fresh += int64(n); w.fresh >= slowestStream {
			w.fresh = 0
			w.stalled.Reset(longest)
		}
	case err != io.EOF:
		w.hangUp()
		if w.silent.Load() {
			err = os.ErrDeadlineExceeded
		}
	}
	return n, err
}

// Close ends the call.
func (w *watched) Close() error {
	w.stalled.Stop()
	w.cancel()
	return w.body.Close()
}
