package control_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"usher/cmd/internal/control"
	"usher/scanner"
)

func exported(t interface{ Fatal(...any) }, format control.Format, rows ...control.ExportRow) string {
	var out bytes.Buffer
	e, err := control.NewExporter(&out, format)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := e.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func row() control.ExportRow {
	r := outcome().Record
	r.Scope = scanner.Scope{Vendor: "manifest", Event: "E"}
	r.Origin = scanner.Origin{Device: "d1", Name: "door", Gate: "Gate 7"}
	r.At.Boot, r.At.Up = "b1", 90*time.Second
	r.TicketID = "t1"
	return control.ExportRow{
		Record: r,
		True:   scanner.Instant{At: r.At.Wall.Add(time.Second), Trusted: true},
		SentAs: r.At.Wall.Add(2 * time.Second), VendorAt: r.At.Wall.Add(3 * time.Second),
		Fate: scanner.FateParked, FateAt: r.At.Wall.Add(time.Minute), FateBy: "Eve", Detail: "unknown, there",
	}
}

// table reads a CSV into one map a row.
func table(t interface{ Fatal(...any) }, text string) []map[string]string {
	cells, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, line := range cells[1:] {
		named := map[string]string{}
		for i, name := range cells[0] {
			named[name] = line[i]
		}
		rows = append(rows, named)
	}
	return rows
}

func TestExportTellsEverythingInBothFormats(t *testing.T) {
	rows := table(t, exported(t, control.CSV, row()))
	want := map[string]string{
		"seq": "7", "id": "dev-7", "kind": "scan",
		"at": "2026-11-21T19:55:02.005Z", "at_earliest": "", "at_latest": "", "at_trusted": "true",
		"raw_at": "2026-11-21T19:55:01.005Z", "raw_trusted": "false", "boot": "b1", "up_ms": "90000", "sent_as": "2026-11-21T19:55:03.005Z", "vendor_at": "2026-11-21T19:55:04.005Z",
		"device": "d1", "device_name": "door", "gate": "Gate 7", "scanner": "lane-1",
		"code": "1234567890123", "direction": "entry", "verdict": "admit", "reason": "ok", "mode": "offline", "message": "Admitted",
		"late": "false", "in_doubt": "false", "conflict": "false", "overridden": "false", "unverified": "false",
		"by": "", "of": "", "fate": "parked", "fate_at": "2026-11-21T19:56:01.005Z", "fate_by": "Eve", "fate_detail": "unknown, there",
		"vendor": "manifest", "account": "", "event": "E", "ticket_id": "t1", "section": "A", "seat": "12",
		"first_entered_at": "", "first_entered_gate": "", "took_ms": "1.235",
	}
	if diff := cmp.Diff([]map[string]string{want}, rows); diff != "" {
		t.Errorf("CSV (-want +got):\n%s", diff)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(exported(t, control.JSONLines, row())), &line); err != nil {
		t.Fatal(err)
	}
	for name := range want {
		if _, ok := line[name]; !ok {
			t.Errorf("JSON Lines lack %s", name)
		}
	}
	if len(line) != len(want) {
		t.Errorf("JSON Lines have %d names, CSV %d", len(line), len(want))
	}
	for _, text := range []string{exported(t, control.CSV, row()), exported(t, control.JSONLines, row())} {
		if strings.Contains(text, "Ann") {
			t.Errorf("the patron's name is exported: %s", text)
		}
	}
}

// sheets are what spreadsheets take for the ends of a cell, by country.
var sheets = []string{";", "\t"}

// text undoes what makes a cell safe: one apostrophe is dropped wherever a cell
// may begin.
func text(cell string) string {
	cell = strings.TrimPrefix(cell, "'")
	for _, end := range sheets {
		cell = strings.ReplaceAll(cell, end+"'", end)
	}
	return cell
}

// formula gives the cell that a spreadsheet would execute, wherever it thinks
// that cells end.
func formula(cell string) string {
	begins := func(part string) bool {
		first, _ := utf8.DecodeRuneInString(part)
		return part != "" && strings.ContainsRune("=+-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20", first)
	}
	for i, part := range strings.Split(strings.ReplaceAll(cell, "\t", ";"), ";") {
		if begins(part) || i > 0 && strings.HasPrefix(part, `"`) {
			return part
		}
	}
	if begins(cell) {
		return cell
	}
	return ""
}

// A cell is safe in a spreadsheet, and dropping the apostrophes gives the text
// back exactly.
func TestCSVCellsAreSafeAndExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.OneOf(
			rapid.StringMatching(`[=+\-@'"\t,;＝＋ ]{0,4}[A-Za-z0-9()'",;|=\t]{0,12}`),
			rapid.String().Filter(func(s string) bool { return !strings.Contains(s, "\r") }),
		).Draw(t, "code")
		checkCell(t, code)
	})
}

func checkCell(t interface {
	Fatal(...any)
	Fatalf(string, ...any)
}, code string) {
	in := row()
	in.Record.Code = scanner.Code(code)
	got := table(t, exported(t, control.CSV, in))[0]["code"]
	if f := formula(got); f != "" {
		t.Fatalf("%q: %q begins a formula", got, f)
	}
	if back := text(got); back != code {
		t.Fatalf("%q came back as %q", code, back)
	}
}

func TestFormulasAreNeutralised(t *testing.T) {
	for code, want := range map[string]string{
		"=HYPERLINK(1)":    "'=HYPERLINK(1)",
		"\t=1":             "'\t'=1",
		"7;=1+1;-2":        "7;'=1+1;'-2",
		"7;\"=1\"":         "7;'\"=1\"",
		"'5":               "''5",
		"＝1":               "'＝1",
		"a=b, c+d":         "a=b, c+d",
		"\"in quotes\" ; ": "\"in quotes\" ; ",
	} {
		in := row()
		in.Record.Code = scanner.Code(code)
		if got := table(t, exported(t, control.CSV, in))[0]["code"]; got != want || text(got) != code {
			t.Errorf("%q: got %q, want %q; back %q", code, got, want, text(got))
		}
	}
	// What a journal from elsewhere says in place of our own words is foreign too.
	in := row()
	in.Record.Kind, in.Record.Verdict, in.Record.Reason, in.Record.Mode, in.Record.Direction, in.Fate = "=1", "=1", "=1", "=1", "=1", "=1"
	for name, cell := range table(t, exported(t, control.CSV, in))[0] {
		if formula(cell) != "" {
			t.Errorf("%s: %q begins a formula", name, cell)
		}
	}
}

func TestOrdinaryCodesStayAsTheyAre(t *testing.T) {
	for _, code := range []string{"0012345678901234567890", "ABC-123", "]C1010", "x=1"} {
		in := row()
		in.Record.Code = scanner.Code(code)
		if got := table(t, exported(t, control.CSV, in))[0]["code"]; got != code {
			t.Errorf("%q became %q", code, got)
		}
	}
}

func TestExportStreams(t *testing.T) {
	h := &house{}
	for range 5000 {
		h.rows = append(h.rows, row())
	}
	client, _ := serve(t, h)
	var out bytes.Buffer
	if err := client.Export(t.Context(), control.CSV, &out); err != nil {
		t.Fatal(err)
	}
	if rows := table(t, out.String()); len(rows) != 5000 {
		t.Errorf("%d rows", len(rows))
	}
	resp, _ := raw(t, client.Path, "GET", "/v1/export?format=jsonl", "")
	if got := resp.Header.Get("Content-Type"); got != "application/jsonl" {
		t.Errorf("content type %q", got)
	}

	// A journal that fails in the middle must not look like the end of it.
	h.fail = errors.New("disk gone")
	if err := client.Export(t.Context(), control.CSV, &out); err == nil {
		t.Error("an export that failed looked whole")
	}
	// Where nothing was sent yet there is a proper error.
	h.rows = nil
	var answer *control.APIError
	if err := client.Export(t.Context(), control.JSONLines, &out); !errors.As(err, &answer) || answer.Status != 500 {
		t.Errorf("got %v", err)
	}
}
