package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/cmd/internal/control"
)

func (a *app) eventsCommand() *cobra.Command {
	var of control.Period
	cmd := &cobra.Command{
		Use:   "events",
		Short: "List what the vendor says can be scanned, with its own ids",
		Long: `List what the vendor says can be scanned, with its own ids as the configuration
wants them: from today on for a week, unless told otherwise. Times are by the
venue's clocks (gate.timezone). Where the vendor cannot be asked, what it told
before is listed, with its age.

A date (2026-11-21) includes its day; a time is 2026-11-21T18:00, by the venue's
clocks, or with an offset (2026-11-21T18:00:00+01:00).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := of.Check(); err != nil {
				return usageError("--%v", err)
			}
			ctx, cancel := timeout(cmd, judgeTime)
			defer cancel()
			result, err := a.client().VendorEvents(ctx, of)
			if err != nil {
				return err
			}
			if a.json {
				return a.writeJSON(result)
			}
			return a.writeVendorEvents(result)
		},
	}
	cmd.Flags().StringVar(&of.From, "from", "", "a date or a time; today unless given")
	cmd.Flags().StringVar(&of.To, "to", "", "a date or a time; a week after --from unless given")
	return cmd
}

func (a *app) writeVendorEvents(result control.VendorEvents) error {
	zone := a.zone
	if result.Timezone != "" {
		if venue, err := time.LoadLocation(result.Timezone); err == nil {
			zone = venue
		}
	}
	if len(result.Events) > 0 {
		now := a.now()
		t := newTable(a.stdout, "EVENT", "SERIES", "VENUE", "STARTS", "ADMISSION", "SECTIONS", "STATE", "IDS", "HERE")
		for _, e := range result.Events {
			series := e.Series
			if series == e.Name {
				series = ""
			}
			here := ""
			if e.Configured {
				here = "scanned here"
			}
			t.row(e.Name, series, e.Venue, startText(e, now, zone), admissionText(e, zone), sectionsText(e), eventState(e), idsText(e), here)
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	note := result.Note
	if note == "" && len(result.Events) == 0 {
		note = fmt.Sprintf("The vendor lists no events from %s to %s.", result.From.In(zone).Format("2006-01-02 15:04"), result.To.In(zone).Format("2006-01-02 15:04"))
	}
	if note == "" {
		return nil
	}
	_, err := fmt.Fprintln(a.stdout, clean(note))
	return err
}

// startText is when the event starts; of one that lasts all day, the day.
func startText(e control.VendorEvent, now time.Time, zone *time.Location) string {
	if e.AllDay && !e.StartsAt.IsZero() {
		return e.StartsAt.In(zone).Format(time.DateOnly) + ", all day"
	}
	text := dayTime(e.StartsAt.Time, now, zone)
	if !e.EndsAt.IsZero() {
		text += " to " + dayTime(e.EndsAt.Time, e.StartsAt.Time, zone)
	}
	return text
}

// admissionText is when people are let in: the doors, the window in which tickets
// are admitted, the times that tickets are sold for.
func admissionText(e control.VendorEvent, zone *time.Location) string {
	at := func(t control.Time) string { return dayTime(t.Time, e.StartsAt.Time, zone) }
	var parts []string
	if !e.DoorsAt.IsZero() {
		parts = append(parts, "doors "+at(e.DoorsAt))
	}
	switch {
	case !e.OpensAt.IsZero() && !e.ClosesAt.IsZero():
		parts = append(parts, at(e.OpensAt)+" to "+at(e.ClosesAt))
	case !e.OpensAt.IsZero():
		parts = append(parts, "from "+at(e.OpensAt))
	case !e.ClosesAt.IsZero():
		parts = append(parts, "until "+at(e.ClosesAt))
	}
	var times []string
	for _, t := range e.EntryTimes {
		times = append(times, at(t))
	}
	return joined(", ", append(parts, labelled("entry at", strings.Join(times, ", ")))...)
}

func sectionsText(e control.VendorEvent) string {
	var parts []string
	for _, s := range e.Sections {
		switch {
		case s.Name == "" || s.Name == s.ID:
			parts = append(parts, s.ID)
		case s.ID == "":
			parts = append(parts, s.Name)
		default:
			parts = append(parts, fmt.Sprintf("%s (%s)", s.Name, s.ID))
		}
	}
	return strings.Join(parts, ", ")
}

func eventState(e control.VendorEvent) string {
	if e.OpenNow {
		return joined(", ", "open now", e.State)
	}
	return e.State
}

// idsText are the ids as the configuration writes them; the event's own alone where
// there are no others.
func idsText(e control.VendorEvent) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(e.IDs)) {
		parts = append(parts, key+": "+e.IDs[key])
	}
	if len(parts) == 0 {
		return e.ID
	}
	return strings.Join(parts, ", ")
}
