package manifest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/cache/manifest"
	"usher/scanner"
)

func read(t *testing.T, text string) ([]scanner.Ticket, []int, error) {
	t.Helper()
	var tickets []scanner.Ticket
	var lines []int
	err := manifest.Read(t.Context(), "list.csv", strings.NewReader(text), func(ticket scanner.Ticket, line int) error {
		tickets, lines = append(tickets, ticket), append(lines, line)
		return nil
	})
	return tickets, lines, err
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestReadEveryColumn(t *testing.T) {
	want := []scanner.Ticket{{
		Code: "4711", ID: "7", Name: `Anna "Änni" Müller, Dr.`, Order: "R1", Section: "A", Seat: "12", Event: "gala", Series: "s",
		ValidFrom: moment(t, "2026-11-21T18:00:00+01:00"), ValidUntil: moment(t, "2026-11-21T23:59:59.5Z"), Status: scanner.StatusUsed,
	}, {
		Code: "]C1x\x1dy", Status: scanner.StatusValid,
	}}
	csv := "\ufeffcode,id,name,order,section,seat,event,series,valid_from,valid_until,status\r\n" +
		`4711,7,"Anna ""Änni"" Müller, Dr.",R1,A,12,gala,s,2026-11-21T18:00:00+01:00,2026-11-21T23:59:59.5Z,used` + "\r\n" +
		"\r\n ]C1x\x1dy\t,,,,,,,,,,"
	shuffled := " Status , code\nused,4711\n,8\n"
	jsonl := `{"code":"4711","id":"7","name":"Anna \"Änni\" Müller, Dr.","order":"R1","section":"A","seat":"12","event":"gala","series":"s",` +
		`"valid_from":"2026-11-21T18:00:00+01:00","valid_until":"2026-11-21T23:59:59.5Z","status":"used"}` + "\n\n" +
		`{"code":" ]C1x\u001dy","status":"","id":null}`
	for name, text := range map[string]string{"csv": csv, "jsonl": jsonl, "jsonl with BOM": "\ufeff" + jsonl} {
		got, lines, err := read(t, text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		if diff := cmp.Diff([]int{1, 3}, lines); name != "csv" && diff != "" {
			t.Errorf("%s: lines\n%s", name, diff)
		}
		if diff := cmp.Diff([]int{2, 4}, lines); name == "csv" && diff != "" {
			t.Errorf("%s: lines\n%s", name, diff)
		}
	}
	got, _, err := read(t, shuffled)
	if diff := cmp.Diff([]scanner.Ticket{{Code: "4711", Status: "used"}, {Code: "8", Status: "valid"}}, got); err != nil || diff != "" {
		t.Errorf("other order: %v\n%s", err, diff)
	}
}

func TestFaults(t *testing.T) {
	long := strings.Repeat("x", manifest.MaxLine+1)
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                {"", "list.csv:1: no tickets in the file; copy it again, whole"},
		"blank":                  {"\n \n", "list.csv:2: no tickets in the file; copy it again, whole"},
		"header only":            {"code\n", "list.csv:1: no tickets in the file; copy it again, whole"},
		"no header":              {"SECRET4711,Anna\n", "list.csv:1: no column is named code; begin the file with a row of column names, among them code\nthere may be more"},
		"semicolons":             {"code;name\n1;2\n", "list.csv:1: the columns are not separated by commas; export the file with commas\nthere may be more"},
		"misspelt column":        {"code,valid_untill\n1,\n", "list.csv:1: unknown column \"valid_untill\"; did you mean valid_until?\nthere may be more"},
		"strange column":         {"code,e-mail address\n1,\n", "list.csv:1: unknown column number 2; take it out, or name it one of code, id, name, order, section, seat, event, series, valid_from, valid_until, status\nthere may be more"},
		"header of a ticket":     {"code,SECRET NAME\n1,\n", "list.csv:1: unknown column number 2; take it out, or name it one of code, id, name, order, section, seat, event, series, valid_from, valid_until, status\nthere may be more"},
		"header of a code":       {"code,4711471147114711\n1,\n", "list.csv:1: unknown column number 2; take it out, or name it one of code, id, name, order, section, seat, event, series, valid_from, valid_until, status\nthere may be more"},
		"JSON key is a code":     {`{"code":"1","1234567890123456":"x"}`, "list.csv:1: unknown key number 2; take it out, or name it one of code, id, name, order, section, seat, event, series, valid_from, valid_until, status"},
		"JSON key is a name":     {`{"SECRET NAME":"1"}`, "list.csv:1: unknown key number 1; take it out, or name it one of code, id, name, order, section, seat, event, series, valid_from, valid_until, status"},
		"JSON key is long":       {`{"` + strings.Repeat("a", 21) + `":"1"}`, "list.csv:1: unknown key number 1; take it out, or name it one of code, id, name, order, section, seat, event, series, valid_from, valid_until, status"},
		"column twice":           {"code,name,Name\n1,,\n", "list.csv:1: column name is there twice; keep one\nthere may be more"},
		"column without name":    {"code,\n1,\n", "list.csv:1: column 2 of the header has no name; name it or take it out\nthere may be more"},
		"header with a quote":    {"code,\"na\n1,\n", "list.csv:1: the header row is damaged (a value goes on after the end of the line); check its quotes\nthere may be more"},
		"UTF-16":                 {"\xff\xfec\x00", "list.csv:1: the file is UTF-16; save it as UTF-8\nthere may be more"},
		"Latin-1":                {"code,name\n1,M\xfcller\n", "list.csv:2: not UTF-8 text; save the file as UTF-8"},
		"code empty":             {"code,name\n ,Anna\n", "list.csv:2: the code is empty; fill it in or take the row out"},
		"code with ESC":          {"code\nSECRET\x1b[4711\n", "list.csv:2: code …4711: unreadable code: control characters inside; write it as the scanner reads it"},
		"code too long":          {"code\n" + strings.Repeat("x", 4097) + "\n", "list.csv:2: code …xxxx: unreadable code: longer than 4 KiB; write it as the scanner reads it"},
		"code lost letters":      {"code\nABC�123DEFG\n", "list.csv:2: code …EFG: a character was lost on the way (U+FFFD); export the list again as UTF-8"},
		"code rounded":           {"code\n4.00599E+12\n", "list.csv:2: code …+12: a number that a spreadsheet has rounded; export the column as text"},
		"name with ESC":          {"code,name\nSECRET4711,\x1b[2J\n", "list.csv:2: code …711: name: a line break or control character inside; take it out"},
		"columns too few":        {"code,name\n1\n", "list.csv:2: the row has 1 columns and the header 2; put values that hold a comma into quotes"},
		"columns too many":       {"code,name\n1,Müller, Anna\n", "list.csv:2: the row has 3 columns and the header 2; put values that hold a comma into quotes"},
		"bare quote":             {"code,name\n1,An\"na\n", "list.csv:2: a quote inside a value that does not begin with one; close the quote on the same line, and double quotes inside a value"},
		"quote and more":         {"code,name\n1,\"An\"na\n", "list.csv:2: a quote that ends a value is followed by more; close the quote on the same line, and double quotes inside a value"},
		"quote open":             {"code,name\n1,\"Anna\n2,Berta\n3,\n", "list.csv:2: a value goes on after the end of the line; close the quote on the same line, and double quotes inside a value"},
		"line too long":          {"code,name\n1," + long + "\n2,\n", "list.csv:2: the line is longer than 64 KiB; check the file: it may be damaged or no manifest"},
		"status":                 {"code,status\nSECRET4711,SECRETNAME\n", "list.csv:2: code …711: unknown status; use valid, used, voided, refunded or blocked (empty: valid)"},
		"status in capitals":     {"code,status\n12345,Valid\n", "list.csv:2: code …5: unknown status; use valid, used, voided, refunded or blocked (empty: valid)"},
		"time without offset":    {"code,valid_from\n123456,2026-11-21T18:00:00\n", "list.csv:2: code …56: valid_from is no time with an offset; write it like 2026-11-21T18:00:00+01:00"},
		"time with short hour":   {"code,valid_until\n123456,2026-11-21T8:00:00Z\n", "list.csv:2: code …56: valid_until is no time with an offset; write it like 2026-11-21T18:00:00+01:00"},
		"offset of a day":        {"code,valid_until\n123456,2026-11-21T18:00:00+24:00\n", "list.csv:2: code …56: valid_until is no time with an offset; write it like 2026-11-21T18:00:00+01:00"},
		"date alone":             {"code,valid_until\n123456,2026-11-21\n", "list.csv:2: code …56: valid_until is no time with an offset; write it like 2026-11-21T18:00:00+01:00"},
		"year one":               {"code,valid_until\n123456,0001-01-01T00:00:00Z\n", "list.csv:2: code …56: valid_until is before 1970; leave it empty where the window is open"},
		"window upside down":     {"code,valid_from,valid_until\n%d9,2026-11-21T18:00:00Z,2026-11-21T18:59:59+01:00\n", "list.csv:2: code …9: valid_until is before valid_from; check the two"},
		"two faults in one row":  {"code,valid_from,status\n123456,x,y\n", "list.csv:2: code …56: valid_from is no time with an offset; write it like 2026-11-21T18:00:00+01:00\nlist.csv:2: code …56: unknown status; use valid, used, voided, refunded or blocked (empty: valid)"},
		"good rows after a bad":  {"code,status\n123456,x\n2,\n3,x\n", "list.csv:2: code …56: unknown status; use valid, used, voided, refunded or blocked (empty: valid)\nlist.csv:4: code …: unknown status; use valid, used, voided, refunded or blocked (empty: valid)"},
		"JSON array":             {"[\n{\"code\":\"1\"}]\n", "list.csv:1: a JSON array; write one object a line, without brackets and commas around them\nthere may be more"},
		"JSON cut off":           {"{\"code\":\"1\"}\n{\"code\":\"2", "list.csv:2: the JSON is damaged or cut off; export the list again"},
		"JSON number":            {`{"code":4711}`, "list.csv:1: code is not a text; write it in quotes"},
		"JSON object inside":     {`{"code":{"a":1}}`, "list.csv:1: code is not a text; write it in quotes"},
		"JSON unknown key":       {`{"code":"1","stattus":"used"}`, "list.csv:1: unknown key \"stattus\"; did you mean status?"},
		"JSON key twice":         {`{"code":"1","status":"used","Status":"valid"}`, "list.csv:1: key status is there twice; keep one"},
		"JSON without code":      {`{"id":"1"}`, "list.csv:1: no key code; every ticket needs one"},
		"JSON two on a line":     {`{"code":"1"}{"code":"2"}`, "list.csv:1: something follows the object; write one object a line"},
		"JSON then CSV":          {"{\"code\":\"1\"}\n2,3\n", "list.csv:2: not a JSON object; write one object a line"},
		"JSON broken surrogate":  {`{"code":"ab\ud800cdefgh"}`, "list.csv:1: code …fgh: a character was lost on the way (U+FFFD); export the list again as UTF-8"},
		"JSON with Latin-1":      {"{\"code\":\"1\",\"name\":\"M\xfcller\"}", "list.csv:1: not UTF-8 text; save the file as UTF-8"},
		"JSON null code":         {`{"code":null}`, "list.csv:1: the code is empty; fill it in or take the row out"},
		"JSON key without value": {`{"code"}`, "list.csv:1: the JSON is damaged or cut off; export the list again"},
	} {
		_, _, err := read(t, c.text)
		var faults *manifest.Faults
		if !errors.As(err, &faults) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, err.Error()); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the error shows the file's content: %v", name, err)
		}
	}
}

func TestTenFaultsAreEnough(t *testing.T) {
	_, _, err := read(t, "code,status\n"+strings.Repeat("1,x\n", 100))
	var faults *manifest.Faults
	if !errors.As(err, &faults) || len(faults.List) != 10 || !faults.More {
		t.Errorf("got %v", err)
	}
}

func TestNothingIsAddedAfterAFault(t *testing.T) {
	tickets, _, err := read(t, "code,status\n1,\n2,x\n3,\n")
	if err == nil || len(tickets) != 1 {
		t.Errorf("%v, %d tickets", err, len(tickets))
	}
}

func TestOtherErrorsComeBackAsTheyAre(t *testing.T) {
	text := "code\n" + strings.Repeat("1\n", 1000)
	full := errors.New("disk full")
	err := manifest.Read(t.Context(), "x", strings.NewReader(text), func(scanner.Ticket, int) error { return full })
	if err != full {
		t.Errorf("add's error: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := manifest.Read(ctx, "x", strings.NewReader(text), func(scanner.Ticket, int) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	cut := io.MultiReader(strings.NewReader("code\n1\n"), iotest.ErrReader(io.ErrUnexpectedEOF))
	err = manifest.Read(t.Context(), "x", cut, func(scanner.Ticket, int) error { return nil })
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "x: read after line 2") {
		t.Errorf("cut-off body: got %v", err)
	}
}

// endless gives the same bytes for ever, up to a size.
type endless struct {
	chunk string
	left  int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := copy(p, e.chunk)
	e.left -= n
	return n, nil
}

func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	for name, body := range map[string]io.Reader{
		"one line":     io.MultiReader(strings.NewReader("code\n"), &endless{strings.Repeat("x", 4096), 64 << 20}),
		"one quote":    io.MultiReader(strings.NewReader("code\n\""), &endless{strings.Repeat("x", 99) + "\n", 16 << 20}),
		"JSON garbage": io.MultiReader(strings.NewReader("{"), &endless{strings.Repeat("{[", 2048), 64 << 20}),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := manifest.Read(t.Context(), "x", body, func(scanner.Ticket, int) error { return nil })
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 40<<20 {
			t.Errorf("%s: %d MiB allocated", name, grown>>20)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"code,name\n1,Anna\n", "\ufeffcode\r\n1\r\n", "code,name\n1,\"a\n\"\n", `{"code":"1","status":"used"}` + "\n", "{\"code\":\"\x1d\"}",
		"code,valid_from\n1,2026-11-21T18:00:00+01:00\n", "\xff\xfe", "[", "code\n\x00\n", "{\"code\":\"1\"}\n\"", "code,\"name\"\n\"1\",\"\"\"\"\n", "\"code\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		count, last := 0, 0
		err := manifest.Read(context.Background(), "f", strings.NewReader(text), func(ticket scanner.Ticket, line int) error {
			count++
			if ticket.Code == "" || ticket.Code.Check() != nil || scanner.Clean(string(ticket.Code)) != ticket.Code {
				t.Errorf("code %q", string(ticket.Code))
			}
			if !ticket.Status.Known() {
				t.Errorf("status %q", ticket.Status)
			}
			if line <= last || line > strings.Count(text, "\n")+1 {
				t.Errorf("line %d after %d", line, last)
			}
			last = line
			return nil
		})
		var faults *manifest.Faults
		if err != nil && !errors.As(err, &faults) {
			t.Errorf("error %v", err)
		}
		if err == nil && count == 0 {
			t.Error("an empty list was accepted")
		}
		if faults != nil {
			for _, fault := range faults.List {
				if fault.Line < 1 || len(fault.What) > 400 {
					t.Errorf("fault %v", fault)
				}
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for name, rows := range map[string]string{
		"csv":   "code,id,name,order,section,seat,valid_from,status\n" + strings.Repeat("123456789012,1000001,Anna Maria Mustermann,R1,Block 7,Row 12 Seat 3,2026-11-21T18:00:00+01:00,valid\n", 10_000),
		"jsonl": strings.Repeat(`{"code":"123456789012","id":"1000001","name":"Anna Maria Mustermann","order":"R1","section":"Block 7","seat":"Row 12 Seat 3","valid_from":"2026-11-21T18:00:00+01:00","status":"valid"}`+"\n", 10_000),
	} {
		b.Run(fmt.Sprintf("%s-10000", name), func(b *testing.B) {
			for b.Loop() {
				if err := manifest.Read(context.Background(), "x", strings.NewReader(rows), func(scanner.Ticket, int) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
