package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"usher/cmd/internal/control"
)

// answerTime is how long a command waits for an answer that comes from the
// daemon's memory.
const answerTime = 5 * time.Second

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say how usher is, problems first (exit code 4 unless ready)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := timeout(cmd, answerTime)
			defer cancel()
			status, err := a.client().Status(ctx)
			if err != nil {
				return err
			}
			if a.json {
				err = a.writeJSON(status)
			} else {
				err = writeStatus(a.stdout, status, a.now(), a.zone, colourful(a.stdout))
			}
			if err == nil && status.State != control.Ready {
				return &codeError{code: exitNotReady}
			}
			return err
		},
	}
}

// writeStatus writes what support reads out on the phone: how it is and what is
// wrong first, then what a gate depends on, then numbers.
func writeStatus(w io.Writer, s control.Status, now time.Time, zone *time.Location, colour bool) error {
	head := joined(", ", clean(s.Device.Gate), clean(s.Device.Direction), labelled("device", clean(s.Device.Name)))
	if _, err := fmt.Fprintf(w, "%s  %s\n", stateWord(s.State, colour), head); err != nil {
		return err
	}
	for _, problem := range s.Problems {
		fmt.Fprintf(w, "  ! %s\n", clean(problem))
	}
	fmt.Fprintln(w)
	t := newTable(w)
	if here := eventWords(s.Device.EventName, s.Device.EventStartsAt.Time, now, zone); here != "" {
		t.row("event", here)
	}
	t.row("link", linkText(s.Link, now, zone))
	t.row("vendor", vendorText(s.Vendor, now, zone))
	t.row("list", listText(s.Tickets))
	t.row("outbox", outboxText(s.Outbox, now, zone))
	t.row("parked", waiting(s.Parked, "usher parked"))
	t.row("conflicts", waiting(s.Conflicts, "usher export"))
	t.row("clock", clockText(s.Clock))
	for i, sc := range s.Scanners {
		if sc.Direction == s.Device.Direction {
			sc.Direction = ""
		}
		t.row(first(i, "scanners"), scannerText(sc, now, zone))
	}
	if len(s.Scanners) == 0 {
		t.row("scanners", "none configured")
	}
	t.row("counts", countsText(s.Counts))
	for i, e := range s.Events {
		t.row(first(i, "events"), eventText(e, now, zone))
	}
	last := "none since the start"
	if s.LastScan != nil {
		last = eventLine(*s.LastScan, now, zone, false)
	}
	if s.Screen.URL != "" {
		t.row("screen", clean(s.Screen.URL))
	}
	t.row("last scan", last)
	t.row("version", joined(", ", s.Version, labelled("device id", s.Device.ID)))
	return t.flush()
}

func first(i int, label string) string {
	if i == 0 {
		return label
	}
	return " "
}

func stateWord(s control.State, colour bool) string {
	word, style := "READY", styleAdmit
	switch s {
	case control.Ready:
	case control.Degraded:
		word, style = "DEGRADED", styleReview
	case control.NotReady:
		word, style = "NOT READY", styleRefuse
	default:
		word, style = clean(string(s)), styleReview
	}
	if !colour {
		return word
	}
	return style + " " + word + " " + styleOff
}

func linkText(l control.LinkStatus, now time.Time, zone *time.Location) string {
	text := joined(" since ", l.State, dashless(clockTime(l.Since.Time, now, zone)))
	text = joined(": ", text, l.Reason)
	if !l.NextProbeAt.IsZero() {
		text += fmt.Sprintf(", next probe at %s, in %s", clockTime(l.NextProbeAt.Time, now, zone), age(l.NextProbeAt.Sub(now)))
	}
	return text
}

// dashless is empty for an unknown time.
func dashless(text string) string {
	if text == "-" {
		return ""
	}
	return text
}

func vendorText(v control.VendorStatus, now time.Time, zone *time.Location) string {
	return joined(", ", v.Name,
		labelled("session until", dashless(clockTime(v.SessionExpiresAt.Time, now, zone))),
		labelled("password until", dashless(clockTime(v.PasswordExpiresAt.Time, now, zone))))
}

func listText(t control.TicketsStatus) string {
	if t.AgeS == nil {
		return "none was ever loaded"
	}
	text := fmt.Sprintf("%s, %s old", plural(t.Count, "ticket", "tickets"), age(seconds(*t.AgeS)))
	if t.Stale {
		text += ", STALE"
	}
	return text
}

func outboxText(o control.OutboxStatus, now time.Time, zone *time.Location) string {
	if o.Pending == 0 {
		return "empty"
	}
	text := grouped(o.Pending) + " waiting"
	if o.OldestAgeS != nil {
		text += ", oldest " + age(seconds(*o.OldestAgeS))
	}
	return joined(", ", text, labelled("to be taken by", dashless(clockTime(o.DeadlineAt.Time, now, zone))))
}

func waiting(n int, see string) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprintf("%s: see `%s`", grouped(n), see)
}

func clockText(c control.ClockStatus) string {
	text := "not trusted"
	if c.Trusted {
		text = "trusted"
	}
	if c.OffsetMS == nil {
		return text
	}
	switch off := *c.OffsetMS; {
	case off > 0:
		return fmt.Sprintf("%s, the device is %s slow", text, offText(off))
	case off < 0:
		return fmt.Sprintf("%s, the device is %s fast", text, offText(-off))
	}
	return text
}

// offText is how wrong a clock is.
func offText(ms int64) string {
	if ms < 10_000 {
		return fmt.Sprintf("%d ms", ms)
	}
	return age(time.Duration(ms) * time.Millisecond)
}

func scannerText(s control.ScannerStatus, now time.Time, zone *time.Location) string {
	state := s.State
	if state != control.ScannerConnected {
		state = "! " + state
	}
	text := joined(": ", fmt.Sprintf("%s (%s) %s", s.Name, joined(", ", s.Driver, s.Direction), state), s.Detail)
	return joined(", ", text, plural(s.Scans, "scan", "scans"), labelled("last", dashless(clockTime(s.LastAt.Time, now, zone))))
}

func countsText(c control.Counts) string {
	return fmt.Sprintf("%s admitted, %s refused, %s for review, %s; %s decided offline",
		grouped(c.Admit), grouped(c.Refuse), grouped(c.Review), plural(c.Repeat, "repeat", "repeats"), grouped(c.Offline))
}

func eventText(e control.EventCounts, now time.Time, zone *time.Location) string {
	name := nameAndID(eventWords(e.EventName, e.EventStartsAt.Time, now, zone), e.Event)
	if name == "" {
		name = "(no event)"
	}
	return fmt.Sprintf("%s: %s in, %s out, %s inside, %s refused, %s overridden, %s undone", name,
		grouped(e.Entries), grouped(e.Exits), grouped(e.Inside), grouped(e.Refused), grouped(e.Overridden), grouped(e.Undone))
}

func seconds(s int64) time.Duration { return time.Duration(s) * time.Second }
