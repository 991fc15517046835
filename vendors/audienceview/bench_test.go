package audienceview_test

import (
	"strings"
	"testing"

	"usher/scanner"
	"usher/vendors/audienceview"
)

// BenchmarkList reads one ticket of a list, without a network.
func BenchmarkList(b *testing.B) {
	head, rest, _ := strings.Cut(documentList, `"tickets":[`)
	ticket := strings.TrimSuffix(rest, "]}")
	const count = 10_000
	body := head + `"tickets":[` + strings.Repeat(ticket+",", count-1) + ticket + "]}"
	c, err := audienceview.NewClient(map[string]any{"username": user, "client_id": clientID}, audienceview.Deps{
		Transport: canned{body: body}, Environ: []string{"USHER_VENDOR_PASSWORD=" + password},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(ticket)))
	for n := 0; n < b.N; n += count {
		if _, err := c.List(b.Context(), func(scanner.Ticket, string) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
