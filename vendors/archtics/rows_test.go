package archtics_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"usher/scanner"
	"usher/vendors/archtics"
)

// Where the rows stand, what is around them and what stands behind them.
func TestShapesOfRows(t *testing.T) {
	const seat7 = `"section_name":"101","row_name":"A","seat_num":7`
	const entered = `"result_code":0,"action_time":"2026-11-20 19:23","gate":"N"`
	for _, answer := range []string{
		`"result":0,"rows":[{` + place + `,` + entered + `}]`,
		`"rows":[{` + place + `,` + entered + `}],"result":0`,
		`"result":0,"event_name":"EVENT01","rows":[{` + seat7 + `,` + entered + `}]`,
		`"rows":[{` + seat7 + `,` + entered + `}],"event_name":"event01","result":0`,
		`"result":0,"event":{"event_name":"EVENT01"},"data":{"rows":[[{` + seat7 + `,` + entered + `}]]}`,
		`"result":0,"data":{"rows":[{` + seat7 + `,` + entered + `}],"event_name":"EVENT01"}`,
		`"result":0,"attendance":{` + place + `,` + entered + `}`,
		`"result":0,` + place + `,` + entered,
		`"result":0,"section_name":"101","row_name":"A","rows":[{"event_name":"EVENT01","seats":[{"seat_num":6,` + entered + `},{"seat_num":7.0,` + entered + `}]}]`,
		`"result":0,"paging":{"next":{"page":[1,2]}},"rows":[{"note":"x"},{` + place + `,` + entered + `}]`,
	} {
		c := canned(t, `{"header":{"result":0},"command1":{`+answer+`}}`)
		if err := c.Watch(t.Context()); err != nil {
			t.Errorf("%s: %v", answer, err)
		}
		page, err := c.Attendance(t.Context(), event, 0, 0)
		if err != nil || page.Rows == 0 {
			t.Errorf("%s: %+v, %v", answer, page, err)
		}
		if used(t, answer) != scanner.StatusUsed {
			t.Errorf("%s: nobody entered", answer)
		}
	}
	for _, answer := range []string{
		`"result":9,"rows":[{` + place + `,` + entered + `}]`, `"rows":[{` + place + `,` + entered + `}],"result":9`, `"rows":[{` + place + `,` + entered + `}]`,
		`"result":0,"rows":[{` + place + `,` + entered + `}`, `"result":0,"rows":[{` + place + `,` + entered + `}],"rows":[]`,
		`"result":0,"data":{"a":1,"A":2,"rows":[{` + place + `,` + entered + `}]}`, `"result":0,"ref":"another","rows":[{` + place + `,` + entered + `}]`,
	} {
		if err := canned(t, `{"command1":{`+answer+`}}`).Watch(t.Context()); err == nil {
			t.Errorf("%s: no error", answer)
		}
		if got := used(t, answer); got != scanner.StatusValid {
			t.Errorf("%s: believed", answer)
		}
	}
	if err := canned(t, `{"command1":{"result":0,"rows":[]}}x`).Watch(t.Context()); err == nil {
		t.Error("something follows, and there is no error")
	}
}

// used is how the seat A7 stands after one look that was answered so.
func used(t *testing.T, answer string) scanner.Status {
	t.Helper()
	c, err := archtics.NewClient(block(), archtics.Deps{
		Environ: []string{"USHER_VENDOR_API_KEY=" + key}, Zone: newYork(t),
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			asked, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			body := `{"command1":{"result":0,` + place + `}}`
			if strings.Contains(string(asked), "get_attendance") {
				body = `{"command1":{` + answer + `}}`
			}
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Watch(t.Context())
	got, _, err := look(t, c, "7217")
	if err != nil {
		t.Fatal(err)
	}
	return got.Status
}

// aStadium is a page of so many rows that is written while it is read. It notes the
// most memory that is in use meanwhile.
type aStadium struct {
	rows, next int
	more       string
	left       []byte
	most       *atomic.Uint64
}

func (s *aStadium) Read(p []byte) (int, error) {
	if len(s.left) == 0 {
		switch {
		case s.next == 0:
			s.left = []byte(`{"command1":{"result":0,"attendance":[`)
		case s.next <= s.rows:
			row := fmt.Sprintf(`{"event_name":"EVENT01","section_name":"%d","row_name":"%d","seat_num":%d,"result_code":0,"event_date":"2026-11-21","action_time":"19:00:00","gate":"North","more":"%s"}`,
				s.next/1000, s.next/20%50, s.next%20, s.more)
			if s.next > 1 {
				row = "," + row
			}
			s.left = []byte(row)
		case s.next == s.rows+1:
			s.left = []byte("]}}")
		default:
			return 0, io.EOF
		}
		if s.next++; s.next%(s.rows/20) == 0 {
			s.most.Store(max(s.most.Load(), inUse()))
		}
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A page with a stadium in it, of 27 MB, is read in a few megabytes.
func TestAStadiumInOnePage(t *testing.T) {
	const rows = 20_000
	var most atomic.Uint64
	c, err := archtics.NewClient(block(), archtics.Deps{
		Environ: []string{"USHER_VENDOR_API_KEY=" + key}, Zone: newYork(t),
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			body := &aStadium{rows: rows, more: strings.Repeat("x", 1150), most: &most}
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(body), Request: r}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	before := inUse()
	page, err := c.Attendance(t.Context(), event, 0, 0)
	if err != nil || page.Rows != rows {
		t.Fatalf("%d rows, %v", page.Rows, err)
	}
	if grown := int64(most.Load()) - int64(before); grown > 4<<20 {
		t.Errorf("%d KiB in use", grown>>10)
	}
}
