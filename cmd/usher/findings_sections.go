package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"usher/configs"
	"usher/scanner"
)

// inspectSections says to which event and sections the vendor lets this device
// admit, after a sign-in, and whether the gate's own are among them.
func inspectSections(ctx context.Context, f *findings, cfg *configs.Config, vendor scanner.Vendor) {
	if vendor.Sections == nil {
		return
	}
	admits := vendor.Sections()
	if len(admits) == 0 {
		return
	}
	name, known := "", map[string]string{}
	if vendor.Events != nil {
		events, err := vendor.Events.Events(ctx, time.Time{}, time.Time{})
		if err != nil {
			f.add("sections", gradeWarn, "their names are not told: %v", err)
		}
		for _, e := range events {
			name = e.Name
			for _, s := range e.Sections {
				known[s.ID] = s.Name
			}
		}
	}
	var names []string
	for _, id := range admits {
		names = append(names, named(id, known))
	}
	text := strings.Join(names, ", ")
	if name != "" {
		text += " of " + name
	}
	f.add("sections", gradeOK, "this device admits to %s", text)
	for _, want := range cfg.Gate.Sections {
		if len(known) > 0 && !slices.ContainsFunc(names, func(have string) bool { return strings.EqualFold(strings.TrimSpace(have), strings.TrimSpace(want)) }) {
			f.add("gate.sections", gradeWarn, "the vendor does not let this device admit to %q: every ticket of it is refused; correct gate.sections, or give the device another admission token", want)
		}
	}
}

func named(id string, names map[string]string) string {
	if names[id] != "" {
		return names[id]
	}
	return id
}
