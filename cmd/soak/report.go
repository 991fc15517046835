package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"usher/scanner"
)

// line is a line of a ticket's history.
type line struct {
	at   time.Time
	text string
}

// history is all that happened to a ticket and around it, oldest first.
func (w *world) history(rows []row, code string) []string {
	var lines []line
	ids := map[string]bool{}
	for _, r := range rows {
		if bare(r.Code) == code {
			ids[r.ID] = true
			lines = append(lines, line{r.At, "journal  " + r.String()})
		}
	}
	w.ledger.mu.Lock()
	for _, r := range w.ledger.readings {
		if bare(r.code) == code {
			lines = append(lines, line{r.sent, "scanned  at " + r.lane})
			if r.answer != nil {
				lines = append(lines, line{r.done, "answered at " + r.lane + ": " + eventText(*r.answer)})
			}
		}
	}
	for id, s := range w.ledger.seen {
		if ids[id] || s.event.Code == scanner.Code(code).Mask() {
			lines = append(lines, line{s.at, "seen     on " + s.surface + ": " + eventText(s.event)})
		}
	}
	w.ledger.mu.Unlock()
	for _, c := range w.vendor.record() {
		if i := slices.Index(c.codes, code); i >= 0 {
			text := fmt.Sprintf("vendor   %s error %d", c.name, c.id)
			if c.times != nil {
				text += " time " + clock(c.times[i]) + " " + c.failed[code]
			}
			lines = append(lines, line{c.at, text})
		}
	}
	if len(lines) == 0 {
		return nil
	}
	slices.SortFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
	for _, s := range w.ledger.during(lines[0].at.Add(-2*time.Second), lines[len(lines)-1].at.Add(2*time.Second), "vendor:", "daemon:", "disk:", "scanner:") {
		lines = append(lines, line{s.from, fmt.Sprintf("fault    %s until %s", s.what, clock(s.to))})
	}
	slices.SortFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = clock(l.at) + " " + l.text
	}
	return out
}

// most is how many differences are told with their histories.
const most = 30

// report prints the table, and each difference with its history.
func (w *world) report(out io.Writer, b *books, found []difference) {
	for i, d := range found {
		if i == most {
			fmt.Fprintf(out, "... and %d more\n", len(found)-most)
			break
		}
		fmt.Fprintf(out, "DIFFERENCE %s\n", d.text)
		if d.code != "" {
			fmt.Fprintln(out, tidy(w.history(b.rows, d.code)))
		}
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	put := func(what string, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", what, fmt.Sprintf(format, args...))
	}
	verdicts, fates := map[string]int{}, map[string]int{}
	greens := 0
	for _, r := range b.rows {
		what := r.Kind
		if r.Kind == string(scanner.KindScan) {
			what = r.Mode + " " + r.Verdict
		}
		verdicts[what]++
		if r.Late {
			verdicts["late"]++
		}
		if r.movement() {
			fates[r.Fate]++
			greens++
		}
	}
	seen := 0
	for _, s := range w.ledger.seen {
		if green(s.event) {
			seen++
		}
	}
	put("lasted", "%s, seed %d, %d lives", time.Since(w.born).Round(time.Second), w.seed, w.keeper.life)
	put("readings", "%d at scanners and typed", len(w.ledger.readings))
	put("green", "%d seen, %d in the journal, %d scans at the vendor (%d tickets)", seen, greens, len(b.scans), len(w.sim.Barcodes()))
	put("journal", "%s", listed(verdicts))
	put("fates", "%s", listed(fates))
	put("waited", "%s (limit %s + %s; the machine's own worst hiccup %s)", w.took(), patience, margin, w.gauges.worst.Round(time.Millisecond))
	if u, ok := w.gauges.usage(); ok {
		put("life "+fmt.Sprint(u.life), "%s: anonymous %d → %d MiB, goroutines %d → %d, descriptors %d → %d (first third → last)", u.lasted.Round(time.Second),
			u.first.anonymous>>10, u.last.anonymous>>10, u.first.goroutines, u.last.goroutines, u.first.files, u.last.files)
	}
	put("done", "%s", listed(w.ledger.counts))
	if !w.mounted {
		put("NOT COVERED", "a full disk: run as root")
	}
	put("differences", "%d", len(found))
	_ = table.Flush()
}

// took is how long people waited.
func (w *world) took() string {
	var list []float64
	for _, s := range w.ledger.seen {
		if s.event.Kind == "" && len(w.ledger.during(s.event.At.Time.Add(-clockError), s.at, "daemon: stopped")) == 0 {
			list = append(list, s.event.TookMS)
		}
	}
	if len(list) == 0 {
		return "nobody"
	}
	slices.Sort(list)
	at := func(part float64) float64 { return list[int(part*float64(len(list)-1))] }
	return fmt.Sprintf("p50 %.1f, p90 %.0f, p99 %.0f, max %.0f ms", at(0.5), at(0.9), at(0.99), at(1))
}

func listed(counts map[string]int) string {
	text := ""
	for _, name := range slices.SortedFunc(maps.Keys(counts), cmp.Compare[string]) {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%s %d", cmp.Or(name, "none"), counts[name])
	}
	return text
}
