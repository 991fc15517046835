package wire_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// stub answers with a body and no network.
type stub struct {
	header http.Header
	body   func(ctx context.Context) io.Reader
}

func (s stub) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: s.header, Body: io.NopCloser(s.body(r.Context())), Request: r}, nil
}

func stream(t *testing.T, body string) (*wire.Stream, error) {
	t.Helper()
	return streamOf(t, func(context.Context) io.Reader { return strings.NewReader(body) }, 0)
}

func streamOf(t *testing.T, body func(context.Context) io.Reader, limit int64) (*wire.Stream, error) {
	t.Helper()
	c := wire.New(wire.Options{Base: base(t, "https://x.example"), Transport: stub{http.Header{}, body}})
	call := get("list")
	call.Limit = limit
	s, _, err := c.Open(t.Context(), call)
	if s != nil {
		t.Cleanup(s.Close)
	}
	return s, err
}

type entry struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// collect reads {"n":..., "items":[...]} to its end.
func collect(s *wire.Stream) (n int, items []entry, err error) {
	err = s.Object(func(name string) error {
		switch name {
		case "n":
			return s.Value(&n)
		case "items":
			return wire.Each(s, func(_ int, e entry) error {
				items = append(items, e)
				return nil
			})
		}
		return s.Skip()
	})
	if err == nil {
		err = s.End()
	}
	return n, items, err
}

func TestStream(t *testing.T) {
	for body, want := range map[string]string{
		`{"n":7,"items":[{"id":1,"name":"a"},{"id":2,"name":"\"]}\\"}]}`:            "",
		` { "x" : {"y":[1,{"z":null}],"w":"}"} , "items" : [ ] , "n" : 7 } ` + "\n": "",
		`{"n":7,"items":[{"id":1}`:            "ends too soon",
		`{"n":7,"items":[{"id":1}]`:           "ends too soon",
		`{"n":7,"items":[{"id":1},]}`:         "not whole JSON",
		`{"n":7,,"items":[]}`:                 "not whole JSON",
		`{"n":7 "items":[]}`:                  "not whole JSON",
		`{"n":7,"items":[{"id":1}]}{}`:        "something follows",
		`{"n":7,"items":[{"id":1,"id":2}]}`:   "entry 1 of the list: a name stands twice",
		`{"n":7,"items":[{"id":1},{"ID":2}]}`: "entry 2 of the list: id is written otherwise",
		`{"n":7,"items":[{"id":"1"}]}`:        "entry 1 of the list: id has the wrong type",
		`{"n":"7"}`:                           "wrong type",
		`{n:7}`:                               "not whole JSON",
		`{"n":tru}`:                           "not whole JSON",
		`{"x":` + strings.Repeat("[", 101) + strings.Repeat("]", 101) + `}`: "too deeply",
		`{"x":"` + strings.Repeat("a", 300<<10) + `"}`:                      "longer than 256 KiB",
		`7`: "something else than an object",
		``:  "ends too soon",
	} {
		s, err := stream(t, body)
		if err != nil {
			t.Fatal(err)
		}
		n, _, err := collect(s)
		if want == "" && (err != nil || n != 7) {
			t.Errorf("%.60s: %d, %v", body, n, err)
		}
		var call *scanner.CallError
		if want != "" && (!errors.As(err, &call) || call.Trouble != scanner.Nonsense || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.60s: got %v, want %s", body, err, want)
		}
	}
	if _, err := stream(t, " <html></html>"); scanner.CallErrorOf(err).Trouble != scanner.Nonsense {
		t.Errorf("HTML: %v", err)
	}
}

// However the bytes come in, the same is read.
func TestStreamInPieces(t *testing.T) {
	const body = `{"n":7,"y":-1.5e3,"items":[{"id":1,"name":"a\\\"]"},{"id":2,"name":"b"}],"x":[{"a":"}"},true,null]}`
	for size := 1; size <= len(body); size++ {
		s, err := streamOf(t, func(context.Context) io.Reader { return &pieces{body, size} }, 0)
		if err != nil {
			t.Fatal(err)
		}
		n, items, err := collect(s)
		if err != nil || n != 7 || len(items) != 2 || items[0].Name != `a\"]` {
			t.Errorf("by %d: %d, %+v, %v", size, n, items, err)
		}
	}
}

type pieces struct {
	left string
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.left == "" {
		return 0, io.EOF
	}
	n := copy(b, p.left[:min(p.size, len(p.left))])
	p.left = p.left[n:]
	return n, nil
}

func TestStreamLimit(t *testing.T) {
	const body = `{"n":7,"items":[]}`
	for limit, ok := range map[int64]bool{int64(len(body)): true, int64(len(body)) - 1: false} {
		s, err := streamOf(t, func(context.Context) io.Reader { return strings.NewReader(body) }, limit)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := collect(s); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "is longer than 17 bytes") {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

// A list that stops coming is given up, one that comes slowly is not.
func TestStreamStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s, err := streamOf(t, func(ctx context.Context) io.Reader {
			return readFunc(func(b []byte) (int, error) {
				switch n := int(time.Since(began) / (20 * time.Second)); {
				case n == 0 && time.Since(began) == 0:
					time.Sleep(time.Second)
					return copy(b, `{"n":7,"items":[`), nil
				case n < 5:
					time.Sleep(20 * time.Second)
					return copy(b, strings.Repeat(" ", 1<<10)), nil
				}
				<-ctx.Done()
				return 0, ctx.Err()
			})
		}, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = collect(s)
		call := scanner.CallErrorOf(err)
		if call.Trouble != scanner.Silent || !strings.Contains(err.Error(), "no whole answer in time") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took < 120*time.Second || took > 140*time.Second {
			t.Errorf("given up after %v", took)
		}
	})
}

// A list that drips is given up: it would keep every later one away.
func TestStreamDrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s, err := streamOf(t, func(ctx context.Context) io.Reader {
			return readFunc(func(b []byte) (int, error) {
				select {
				case <-time.After(time.Second):
					return copy(b, " "), nil
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			})
		}, 1<<20)
		if err == nil {
			_, _, err = collect(s)
		}
		if scanner.CallErrorOf(err).Trouble != scanner.Silent || time.Since(began) > 31*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

// What comes next is told without being taken, blanks before it aside.
func TestPeek(t *testing.T) {
	s, err := stream(t, ` {"a": [1], "b":{"c":2},"d" : "e"} `)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	err = s.Object(func(name string) error {
		first, err := s.Peek()
		if err != nil {
			return err
		}
		got += name + string(first) + " "
		return s.Skip()
	})
	if err == nil {
		err = s.End()
	}
	if err != nil || got != `a[ b{ d" ` {
		t.Errorf("%q, %v", got, err)
	}
}
