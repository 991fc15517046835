package main

import (
	"cmp"
	"fmt"
	"time"

	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
	"usher/devices"
	"usher/scanner"
	"usher/scanner/gate"
	"usher/sync/journal"
	"usher/sync/refresh"
)

// Status is the daemon's state as support reads it, from memory.
func (h *house) Status() control.Status {
	live := h.live.Load()
	cfg := live.cfg
	stored := h.journal.Status()
	counts := h.gate.Counts()
	s := control.Status{
		Version:   version(),
		Device:    control.DeviceStatus{ID: live.origin.Device, Name: live.origin.Name, Gate: live.origin.Gate, Direction: cfg.Gate.Direction},
		Link:      h.linkStatus(),
		Vendor:    h.vendorStatus(live),
		Tickets:   h.ticketsStatus(live),
		Outbox:    h.outboxStatus(stored),
		Parked:    stored.Parked,
		Conflicts: stored.Conflicts,
		Counts:    control.Counts{Admit: counts.Admit, Refuse: counts.Refuse, Review: counts.Review, Repeat: counts.Repeat, Offline: counts.Offline},
		Clock:     h.clockStatus(),
		Screen:    control.ScreenStatus{Language: cfg.Screen.Language, HoldMS: cfg.Screen.Hold.Milliseconds(), Timezone: cfg.Gate.Timezone},
	}
	here, starts := h.configuredEvent(live)
	s.Device.EventName, s.Device.EventStartsAt = here, control.At(starts)
	if live.page != nil {
		s.Screen.URL = screen.URL(live.page.Addr)
	}
	for i, sup := range live.lanes {
		s.Scanners = append(s.Scanners, scannerStatus(sup.Status(), cmp.Or(cfg.Scanners[i].Direction, cfg.Gate.Direction)))
	}
	for _, t := range stored.Tallies {
		name, starts := h.wordsOf(live.vendor.Scope, t.Event)
		if name == t.Event {
			name = "" // it is in words already
		}
		s.Events = append(s.Events, control.EventCounts{
			Event: t.Event, EventName: name, EventStartsAt: control.At(starts), Entries: t.Entries, Exits: t.Exits, Inside: t.Inside, Refused: t.Refused, Overridden: t.Overridden, Undone: t.Undone,
		})
	}
	if counts.Last != nil {
		last := h.eventOf(*counts.Last)
		s.LastScan = &last
	}
	s.Problems = h.problems(live, stored, s)
	s.State = control.Ready
	if len(s.Problems) > 0 {
		s.State = control.Degraded
	}
	if why := h.undecidable(live); why != "" {
		s.State = control.NotReady
		s.Problems = append([]string{why}, s.Problems...)
	}
	return s
}

// undecidable says why no scan can be decided, if so.
func (h *house) undecidable(live *setup) string {
	switch {
	case h.tickets.List(live.lists).Loaded, live.gate.Rule.Unknown == scanner.PolicyAdmit:
		return ""
	case h.parley.link != nil && h.parley.link.Online():
		return ""
	case h.parley.link != nil:
		return "the vendor cannot be asked and no ticket list was ever loaded: " + h.parley.link.Status().Reason
	}
	if st := live.refresh.Status(); st.Running {
		return fmt.Sprintf("the first ticket list is being loaded: %d tickets so far", st.Progress)
	}
	if live.cfg.Offline.Manifest == "" {
		return "no ticket list was ever loaded: load one with `usher tickets import FILE`, or name one as offline.manifest"
	}
	return "no ticket list was ever loaded: put one at " + live.cfg.Offline.Manifest
}

// problems gathers every sentence a person should read.
func (h *house) problems(live *setup, stored journal.Status, s control.Status) []string {
	problems := append([]string{}, h.notes...)
	if faults := *h.faults.Load(); len(faults) > 0 {
		problems = append(problems, "running the last good configuration: the file has faults; correct them, then `usher reload`")
		problems = append(problems, faults.Strings()...)
	}
	if unkept := h.unkept.Load(); unkept != nil {
		problems = append(problems, *unkept)
	}
	problems = append(problems, stored.Problems...)
	problems = append(problems, h.tickets.Status().Problems...)
	problems = append(problems, h.listProblems(live)...)
	problems = append(problems, h.vendorProblems(live)...)
	if wrong := h.clock.Problem(); wrong != "" {
		problems = append(problems, wrong)
	}
	if waited := h.gate.Stuck(); waited > stuckAfter {
		problems = append(problems, fmt.Sprintf("a scan has waited %s for its verdict: the disk may be failing", waited.Round(time.Second)))
	}
	if live.page != nil {
		if wrong := live.page.Problem(); wrong != "" {
			problems = append(problems, wrong)
		}
	}
	for _, sc := range s.Scanners {
		if sc.State != control.ScannerConnected {
			problems = append(problems, fmt.Sprintf("scanner %s %s: %s", sc.Name, sc.State, sc.Detail))
		}
	}
	if s.Parked > 0 {
		problems = append(problems, fmt.Sprintf("%d parked: the vendor will not take them; see `usher parked`", s.Parked))
	}
	if s.Conflicts > 0 {
		problems = append(problems, fmt.Sprintf("%d conflicts: let pass here, and the vendor refused it or had it already", s.Conflicts))
	}
	return problems
}

// listProblems say why the list is not up to date. A vendor that cannot be asked
// is the link's to tell.
func (h *house) listProblems(live *setup) []string {
	states := []refresh.Status{live.refresh.Status()}
	if lists := h.parley.lists; lists != nil && h.parley.link.Reachable() {
		states = append(states, lists.Status())
	}
	var problems []string
	for _, st := range states {
		if st.Problem != "" {
			problems = append(problems, "ticket list not refreshed: "+st.Problem)
		}
	}
	return problems
}

func (h *house) ticketsStatus(live *setup) control.TicketsStatus {
	info := h.tickets.List(live.lists)
	now := h.clock.Now()
	s := control.TicketsStatus{
		Count: info.Count, GenerationAt: control.At(info.GeneratedAt),
		Stale: info.Loaded && !gate.Fresh(info, now, live.gate.StaleAfter),
	}
	if info.Loaded {
		age := int64(max(0, h.clock.True(now).At.Sub(info.GeneratedAt)).Seconds())
		s.AgeS = &age
	}
	return s
}

func (h *house) outboxStatus(stored journal.Status) control.OutboxStatus {
	s := control.OutboxStatus{Pending: stored.Pending}
	if stored.Oldest != nil {
		oldest := h.clock.True(*stored.Oldest).At
		age := int64(max(0, h.clock.True(h.clock.Now()).At.Sub(oldest)).Seconds())
		s.OldestAt, s.OldestAgeS = control.At(oldest), &age
	}
	if u := h.parley.upload; u != nil {
		if deadline := u.Status().Deadline; deadline != nil {
			s.DeadlineAt = control.At(*deadline)
		}
	}
	return s
}

func (h *house) clockStatus() control.ClockStatus {
	offset, known := h.clock.Offset()
	s := control.ClockStatus{Trusted: known}
	if known {
		// The wire gives true time minus wall clock.
		ms := -offset.Milliseconds()
		s.OffsetMS = &ms
	}
	return s
}

func scannerStatus(s devices.Status, direction string) control.ScannerStatus {
	return control.ScannerStatus{
		Name: s.Name, Driver: s.Driver, State: string(s.State), Detail: s.Detail, Direction: direction, Scans: int(s.Scans), LastAt: control.At(s.LastAt),
	}
}
