package refresh

import (
	"fmt"
	"io"
	"time"
)

const (
	// importLeast is what an import must bring every importEvery: it holds up every
	// other change of the list.
	importLeast = 64 << 10
	importEvery = 30 * time.Second
	// importMost is how long an import may take.
	importMost = 10 * time.Minute
)

// paced ends an import that does not get on. It counts from its first Read.
type paced struct {
	r     io.Reader
	begun time.Time
	// got is what was read since then.
	got   int
	since time.Time
}

func (p *paced) Read(b []byte) (int, error) {
	if p.begun.IsZero() {
		p.begun = time.Now()
		p.since = p.begun
	}
	n, err := p.r.Read(b)
	if err != nil {
		return n, err
	}
	const instead = "copy the file onto the device and import it there"
	p.got += n
	switch {
	case time.Since(p.begun) > importMost:
		return n, fmt.Errorf("the list was not whole after %s; %s", importMost, instead)
	case time.Since(p.since) <= importEvery:
	case p.got < importLeast:
		return n, fmt.Errorf("the list came too slowly: %d KiB in %s; %s", p.got>>10, importEvery, instead)
	default:
		p.got, p.since = 0, time.Now()
	}
	return n, nil
}
