package ticketingsim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ticketStore holds the tickets: those that were named, and generated ones, of which
// only the changed are kept.
type ticketStore struct {
	// all are by serial, order those that are not generated.
	all       map[string]Ticket
	order     []string
	generated int
	at        time.Time
	gone      map[string]bool
	// views are the lists as they were last asked for, until something changes.
	views map[string][]int32
}

func (t *ticketStore) init() {
	t.all, t.gone, t.views = map[string]Ticket{}, map[string]bool{}, map[string][]int32{}
}

func (t *ticketStore) changed() { clear(t.views) }

func (t *ticketStore) put(one Ticket) {
	t.changed()
	if _, have := t.all[one.Serial]; !have && !t.made(one.Serial) {
		t.order = append(t.order, one.Serial)
	}
	t.all[one.Serial] = one
	delete(t.gone, one.Serial)
}

func (t *ticketStore) remove(serial string) {
	t.changed()
	delete(t.all, serial)
	if t.made(serial) {
		t.gone[serial] = true
		return
	}
	t.order = slices.DeleteFunc(t.order, func(s string) bool { return s == serial })
}

// GeneratedSerial is that of ticket i (from 0) of those that [Sim.Generate] gives.
func GeneratedSerial(i int) string { return fmt.Sprintf("DAWIER-GENR%08d", i) }

// number is which of the generated tickets a serial is.
func (t *ticketStore) number(serial string) (int, bool) {
	digits, ok := strings.CutPrefix(serial, "DAWIER-GENR")
	i, err := strconv.Atoi(digits)
	return i, ok && err == nil && len(digits) == 8 && i >= 0 && i < t.generated
}

func (t *ticketStore) made(serial string) bool {
	_, ok := t.number(serial)
	return ok
}

// get gives a ticket as it is now; sections are those that generated ones are
// spread over.
func (t *ticketStore) get(serial string, sections []Section) (Ticket, bool) {
	if one, ok := t.all[serial]; ok {
		return one, true
	}
	i, ok := t.number(serial)
	if !ok || t.gone[serial] || len(sections) == 0 {
		return Ticket{}, false
	}
	return Ticket{
		Serial: serial, Section: sections[i%len(sections)].ID, Status: Issued, First: "Gene", Last: "Rated " + strconv.Itoa(i), Modified: t.at,
	}, true
}

// query is what a list is asked for.
type query struct {
	sections  []string
	since     time.Time
	validOnly bool
}

func (q query) takes(one Ticket) bool {
	return slices.Contains(q.sections, one.Section) && (q.since.IsZero() || one.Modified.After(q.since)) && (!q.validOnly || one.Status == Issued)
}

// view lists what a query takes: named tickets by their place, generated ones
// behind them.
func (t *ticketStore) view(q query, sections []Section) []int32 {
	key := fmt.Sprint(q.sections, q.since, q.validOnly)
	if list, ok := t.views[key]; ok {
		return list
	}
	list := []int32{}
	for i, serial := range t.order {
		if q.takes(t.all[serial]) {
			list = append(list, int32(i))
		}
	}
	asSold := map[string]bool{}
	for _, s := range sections {
		asSold[s.ID] = slices.Contains(q.sections, s.ID)
	}
	old := !q.since.IsZero() && !t.at.After(q.since)
	if old {
		// Of those that were not changed since they were made there is none.
		for serial, one := range t.all {
			if i, ok := t.number(serial); ok && q.takes(one) {
				list = append(list, int32(len(t.order)+i))
			}
		}
		slices.Sort(list)
		t.views[key] = list
		return list
	}
	for i := range t.generated {
		serial := ""
		if len(t.all) > len(t.order) || len(t.gone) > 0 {
			serial = GeneratedSerial(i)
		}
		if one, ok := t.all[serial]; ok && q.takes(one) || !ok && !t.gone[serial] && asSold[sections[i%len(sections)].ID] {
			list = append(list, int32(len(t.order)+i))
		}
	}
	t.views[key] = list
	return list
}

// at gives the ticket at a place of a view.
func (t *ticketStore) ticket(place int32, sections []Section) Ticket {
	serial := ""
	if int(place) < len(t.order) {
		serial = t.order[place]
	} else {
		serial = GeneratedSerial(int(place) - len(t.order))
	}
	one, _ := t.get(serial, sections)
	return one
}
