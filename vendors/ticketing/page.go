package ticketing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

const (
	// maxPage is the longest page of a list, in bytes.
	maxPage = 16 << 20
	// pageTime bounds one page: a list takes many, and each may be slow.
	pageTime = 30 * time.Second
	// mostPages bounds one reading of a list: nobody sells so many tickets.
	mostPages = 100_000
)

// pages reads a list page by page. The list may change meanwhile.
type pages[T any] struct {
	client  *Client
	op      string
	path    string
	query   url.Values
	records int
	// filtered: a first page that is not there is a list of nothing.
	filtered bool
	// once makes a call with the key that the list is read with.
	once func(ctx context.Context, call func(key string) error) error

	// most is how many entries the vendor puts on a page whatever it says; 0: not known.
	most int
	// total is the list's, as last told; at is the vendor's time of the first page.
	total int
	at    time.Time
	// last is the newest answer.
	last wire.Answer
}

// each gives every entry of one reading, some of them perhaps twice.
func (p *pages[T]) each(ctx context.Context, take func(T) error) error {
	p.total, p.at = -1, time.Time{}
	asked := 0
	for page := 1; ; page++ {
		if asked++; asked > mostPages {
			return wire.Nonsense(p.op, http.StatusOK, errors.New("a list that does not end"))
		}
		reply, end, err := p.fetch(ctx, page)
		if err != nil {
			return err
		}
		if end {
			return nil
		}
		for _, entry := range *reply.Entries {
			if err := take(entry); err != nil {
				return err
			}
		}
		total, size := int(*reply.Total), p.size(reply)
		if n := len(*reply.Entries); n > 0 && n < size && (page-1)*size+n < total {
			p.most, size = n, n // a page in the middle is a full one
		}
		shrunk := p.total - total
		p.total = total
		switch {
		case shrunk > 0:
			// So many may have slipped onto pages that were read already.
			page = max(0, page-1-(shrunk+size-1)/size)
		case len(*reply.Entries) == 0, page*size >= total:
			return nil
		}
	}
}

// size is how many entries the vendor puts on a page.
func (p *pages[T]) size(reply listReply[T]) int {
	size := p.told(reply)
	if p.most > 0 {
		size = min(size, max(p.most, len(*reply.Entries)))
	}
	return size
}

// told is how many it says that it puts there.
func (p *pages[T]) told(reply listReply[T]) int {
	if reply.Records != nil && *reply.Records > 0 {
		return int(*reply.Records)
	}
	return p.records
}

// fetch gets one page; end: there is none.
func (p *pages[T]) fetch(ctx context.Context, page int) (reply listReply[T], end bool, err error) {
	query := url.Values{"records": {strconv.Itoa(p.records)}, "page": {strconv.Itoa(page)}}
	for name, values := range p.query {
		query[name] = values
	}
	err = p.once(ctx, func(key string) error {
		ctx, cancel := context.WithTimeout(ctx, pageTime)
		defer cancel()
		reply = listReply[T]{}
		var err error
		p.last, err = p.client.call(ctx, key, wire.Call{Op: p.op, Method: http.MethodGet, Path: p.path, Query: query, Limit: maxPage}, &reply)
		return err
	})
	got := p.last
	if err != nil {
		if resourceMissing(got) && (page > 1 || p.filtered) {
			if page == 1 {
				p.total, p.at = 0, got.Date
			}
			return reply, true, nil
		}
		return reply, false, err
	}
	nonsense := func(format string, args ...any) error {
		return wire.Nonsense(p.op, got.Status, fmt.Errorf(format, args...))
	}
	switch {
	case reply.Entries == nil || reply.Total == nil:
		return reply, false, nonsense("an answer without total and entries")
	case reply.Page != nil && int(*reply.Page) != page:
		return reply, false, nonsense("page %d instead of page %d", *reply.Page, page)
	case len(*reply.Entries) > max(p.told(reply), p.records):
		return reply, false, nonsense("more entries on a page than were asked for")
	}
	got.Vouch()
	if p.at.IsZero() {
		p.at = got.Date
	}
	return reply, false, nil
}

// moved is the error of a list that changed too much while it was read.
func moved(op string) error {
	return &scanner.CallError{Op: op, Trouble: scanner.Failing, Status: http.StatusOK, Err: errors.New("the list changed all the time while it was read: it is fetched again")}
}
