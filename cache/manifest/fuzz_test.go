package manifest_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"usher/cache/manifest"
	"usher/scanner"
)

// What was read can be written in either format and read again as the same, and
// what is wrong is said in lines that no terminal obeys and that show no row.
func FuzzRoundTrip(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		var tickets []scanner.Ticket
		collect := func(into *[]scanner.Ticket) func(scanner.Ticket, int) error {
			return func(ticket scanner.Ticket, _ int) error {
				*into = append(*into, ticket)
				return nil
			}
		}
		err := manifest.Read(context.Background(), "list.csv", strings.NewReader(text), collect(&tickets))
		if err != nil {
			checkFaults(t, err)
			return
		}
		for name, written := range map[string]string{"csv": asCSV(t, tickets), "jsonl": asLines(t, tickets)} {
			var again []scanner.Ticket
			if err := manifest.Read(context.Background(), name, strings.NewReader(written), collect(&again)); err != nil {
				if strings.Contains(err.Error(), "longer than 64 KiB") {
					continue // every column was named, and JSON escapes
				}
				t.Fatalf("%s %q: %v", name, written, err)
			}
			if diff := cmp.Diff(tickets, again); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	})
}

func checkFaults(t *testing.T, err error) {
	t.Helper()
	var faults *manifest.Faults
	if !errors.As(err, &faults) || len(faults.List) == 0 || len(faults.List) > 10 {
		t.Fatalf("error %v", err)
	}
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimSuffix(line, "\n")
		if len(line) > 500 || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("a fault that a terminal obeys: %q", line)
		}
	}
}

func values(ticket scanner.Ticket) []string {
	at := [2]string{}
	for i, moment := range []interface {
		IsZero() bool
		Format(string) string
	}{ticket.ValidFrom, ticket.ValidUntil} {
		if !moment.IsZero() {
			at[i] = moment.Format("2006-01-02T15:04:05.999999999Z07:00")
		}
	}
	return []string{string(ticket.Code), ticket.ID, ticket.Name, ticket.Order, ticket.Section, ticket.Seat, ticket.Event, ticket.Series, at[0], at[1], string(ticket.Status)}
}

var names = []string{"code", "id", "name", "order", "section", "seat", "event", "series", "valid_from", "valid_until", "status"}

func asCSV(t *testing.T, tickets []scanner.Ticket) string {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	rows := [][]string{names}
	for _, ticket := range tickets {
		rows = append(rows, values(ticket))
	}
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func asLines(t *testing.T, tickets []scanner.Ticket) string {
	var out bytes.Buffer
	for _, ticket := range tickets {
		row := map[string]string{}
		for i, v := range values(ticket) {
			row[names[i]] = v
		}
		if err := json.NewEncoder(&out).Encode(row); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}
