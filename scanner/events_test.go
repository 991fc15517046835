package scanner_test

import (
	"testing"
	"time"

	"usher/scanner"
)

func TestEventDuring(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 21, hour, 0, 0, 0, time.UTC) }
	from, to := at(10), at(12)
	for name, tt := range map[string]struct {
		e    scanner.Event
		want bool
	}{
		"no time is known":               {scanner.Event{}, true},
		"starts before":                  {scanner.Event{StartsAt: at(9)}, false},
		"starts with the first moment":   {scanner.Event{StartsAt: at(10)}, true},
		"starts between":                 {scanner.Event{StartsAt: at(11)}, true},
		"starts with the last moment":    {scanner.Event{StartsAt: at(12)}, false},
		"ends as it begins":              {scanner.Event{StartsAt: at(8), EndsAt: at(10)}, false},
		"ends between":                   {scanner.Event{StartsAt: at(8), EndsAt: at(11)}, true},
		"is on all the time":             {scanner.Event{StartsAt: at(8), EndsAt: at(20)}, true},
		"its doors open between":         {scanner.Event{StartsAt: at(13), DoorsAt: at(11)}, true},
		"its window is over":             {scanner.Event{StartsAt: at(9), OpensAt: at(8), ClosesAt: at(9)}, false},
		"its window alone is known":      {scanner.Event{OpensAt: at(8), ClosesAt: at(11)}, true},
		"all day":                        {scanner.Event{StartsAt: at(0), AllDay: true}, true},
		"all of the day before":          {scanner.Event{StartsAt: at(-24), AllDay: true}, false},
		"its last entry time is between": {scanner.Event{StartsAt: at(8), EntryTimes: []time.Time{at(9), at(11)}}, true},
	} {
		if got := tt.e.During(from, to); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestSortEvents(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 21, hour, 0, 0, 0, time.UTC) }
	events := []scanner.Event{
		{ID: "late", StartsAt: at(20), DoorsAt: at(1)}, {ID: "b2", Name: "B", StartsAt: at(10)}, {ID: "window", OpensAt: at(11)},
		{ID: "b1", Name: "B", StartsAt: at(10)}, {ID: "a", Name: "A", StartsAt: at(10)}, {ID: "unknown"},
	}
	scanner.SortEvents(events)
	got := ""
	for _, e := range events {
		got += e.ID + " "
	}
	if want := "unknown a b1 b2 window late "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
