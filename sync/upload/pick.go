package upload

import (
	"usher/scanner"
)

const (
	// page is how many entries are read at once.
	page = 256
	// lookahead is how many pages are searched for more of a batch's group.
	lookahead = 8
)

// ticket tells entries of one ticket from those of others, however its code was
// framed.
func ticket(c scanner.Code) scanner.Code {
	forms := c.Forms()
	return forms[len(forms)-1]
}

// pick gives the next batch: the oldest entry that can go and those of its group
// behind it, of each ticket the oldest alone. What is flying goes first. Entries
// that fail alone come one by one, after all others. It is nil where nothing can
// go.
func (d *drain) pick(flying *batch) (*batch, error) {
	p := picking{drain: d, taken: map[scanner.Code]struct{}{}, most: d.doubts.most(d.batch)}
	if flying != nil {
		for _, e := range flying.entries {
			p.taken[ticket(e.Code)] = struct{}{}
		}
	}
	var after uint64
	for pages := 0; !p.full(); pages++ {
		list, err := d.o.Journal.Pending(d.mine, after, page)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if p.consider(e); p.full() {
				break
			}
		}
		if len(list) < page || len(p.chosen) > 0 && pages >= lookahead {
			break
		}
		after = list[len(list)-1].Seq
	}
	return p.batch(), nil
}

// picking is a walk along the outbox.
type picking struct {
	*drain
	// window is every entry that was met: their times bound each other's.
	window []scanner.Recorded
	chosen []int
	group  string
	// most is how many the batch may hold.
	most int
	// taken are the tickets whose oldest entry was met.
	taken map[scanner.Code]struct{}
	// lone is the entry to try by itself where there is no other.
	lone  int
	alone *doubt
}

func (p *picking) full() bool { return len(p.chosen) >= p.most }

func (p *picking) consider(e scanner.Recorded) {
	p.window = append(p.window, e)
	key := ticket(e.Code)
	if _, behind := p.taken[key]; behind {
		return
	}
	p.taken[key] = struct{}{}
	if _, later := p.putOff[e.Seq]; later {
		return
	}
	if p.o.Busy(e.ID) {
		p.busy = true
		return
	}
	most := p.most
	if x := p.doubts.of[e.Seq]; x != nil {
		if x.alone > 0 {
			if p.alone == nil || x.alone < p.alone.alone {
				p.alone, p.lone = x, len(p.window)-1
			}
			return
		}
		most = min(most, x.most)
	}
	at, _ := p.corrected(&e.Record)
	group := p.o.Vendor.Group(movement(&e.Record, at))
	if len(p.chosen) == 0 {
		p.group = group
	} else if group != p.group || len(p.chosen) >= most {
		return
	}
	p.most = most
	p.chosen = append(p.chosen, len(p.window)-1)
}

func (p *picking) batch() *batch {
	if len(p.chosen) == 0 {
		// The window is the whole outbox.
		p.doubts.keep(p.window)
		if p.alone == nil {
			return nil
		}
		p.chosen = []int{p.lone}
	}
	at := p.times(p.window)
	b := &batch{}
	for _, i := range p.chosen {
		e := &p.window[i]
		if as, ok := p.frozen(e); ok {
			at[i] = as
		}
		b.entries = append(b.entries, *e)
		b.moves = append(b.moves, movement(&e.Record, at[i]))
	}
	return b
}
