package ticketing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"usher/scanner"
	"usher/vendors/wire"
)

// tokenReply is an admission token as its own calls show it.
type tokenReply struct {
	Self     uri     `json:"self"`
	Code     *string `json:"code"`
	Global   *bool   `json:"global"`
	Sections *[]uri  `json:"sections"`
}

type issueRequest struct {
	Sections []string `json:"sections"`
}

// IssueToken makes an admission token for sections of the event, each by its id or
// its exact name.
func (c *Client) IssueToken(ctx context.Context, sections []string) (scanner.AdmissionToken, error) {
	event, err := c.look(ctx)
	if err != nil {
		return scanner.AdmissionToken{}, err
	}
	chosen, err := choose(event, sections)
	if err != nil {
		return scanner.AdmissionToken{}, fault(opIssue, scanner.Malformed, err.Error())
	}
	var body issueRequest
	for _, s := range chosen {
		body.Sections = append(body.Sections, "/events/"+event.ID+"/sections/"+s.ID)
	}
	var reply tokenReply
	got, err := c.based(ctx, wire.Call{Op: opIssue, Method: http.MethodPost, Path: "/events/" + event.ID + "/tokens", Body: body}, &reply)
	if err != nil {
		return scanner.AdmissionToken{}, c.tokenTrouble(got, err)
	}
	t, err := reply.token(opIssue, got, event)
	if err == nil {
		got.Vouch()
	}
	return t, err
}

// choose gives the sections that are named, each once.
func choose(event scanner.Event, wanted []string) ([]scanner.Section, error) {
	var chosen []scanner.Section
	var all []error
	var names []string
	for _, s := range event.Sections {
		names = append(names, fmt.Sprintf("%s (%s)", s.Name, s.ID))
	}
	for _, want := range wanted {
		var found []scanner.Section
		for _, s := range event.Sections {
			if s.ID == want || s.Name == want {
				found = append(found, s)
			}
		}
		switch {
		case len(found) == 0:
			all = append(all, fmt.Errorf("event %s has no section %q; it has: %s", event.ID, want, strings.Join(names, ", ")))
		case len(found) > 1:
			all = append(all, fmt.Errorf("event %s has %d sections called %q: name one by its number, of: %s", event.ID, len(found), want, strings.Join(names, ", ")))
		case !slices.Contains(chosen, found[0]):
			chosen = append(chosen, found[0])
		}
	}
	if len(wanted) == 0 {
		all = append(all, fmt.Errorf("name the sections that the token admits to, of: %s", strings.Join(names, ", ")))
	}
	return chosen, errors.Join(all...)
}

// Tokens gives the admission tokens of the event, the global one first; global,
// where it is not nil, gives that one alone, or all but that.
func (c *Client) Tokens(ctx context.Context, global *bool) ([]scanner.AdmissionToken, error) {
	event, err := c.look(ctx)
	if err != nil {
		return nil, err
	}
	p := &pages[tokenReply]{
		client: c, op: opTokens, path: "/events/" + event.ID + "/tokens", records: c.cfg.Records, filtered: true,
		once: func(ctx context.Context, call func(string) error) error { return c.base.with(ctx, opTokens, call) },
	}
	if global != nil {
		p.query = url.Values{"global": {strconv.FormatBool(*global)}}
	}
	var list []scanner.AdmissionToken
	err = p.each(ctx, func(r tokenReply) error {
		t, err := r.token(opTokens, wire.Answer{Status: http.StatusOK}, event)
		if err != nil {
			return err
		}
		twice := slices.ContainsFunc(list, func(have scanner.AdmissionToken) bool { return have.ID == t.ID })
		if !twice && (global == nil || *global == t.Global) {
			list = append(list, t)
		}
		return nil
	})
	if err != nil {
		return nil, c.tokenTrouble(p.last, err)
	}
	slices.SortStableFunc(list, func(a, b scanner.AdmissionToken) int {
		switch {
		case a.Global == b.Global:
			return 0
		case a.Global:
			return -1
		}
		return 1
	})
	return list, nil
}

// Token gives one admission token of the event by its id.
func (c *Client) Token(ctx context.Context, id string) (scanner.AdmissionToken, error) {
	if uri(id).id() != id || id == "" {
		return scanner.AdmissionToken{}, fmt.Errorf("%w: %q is not a token's number; `usher tokens list` shows them", scanner.ErrUnknown, id)
	}
	event, err := c.look(ctx)
	if err != nil {
		return scanner.AdmissionToken{}, err
	}
	var reply tokenReply
	got, err := c.based(ctx, wire.Call{Op: opToken, Method: http.MethodGet, Path: "/events/" + event.ID + "/tokens/" + id}, &reply)
	if err != nil {
		if resourceMissing(got) {
			return scanner.AdmissionToken{}, fmt.Errorf("%w: event %s has no token %s; `usher tokens list` shows them", scanner.ErrUnknown, event.ID, id)
		}
		return scanner.AdmissionToken{}, c.tokenTrouble(got, err)
	}
	t, err := reply.token(opToken, got, event)
	if err == nil && t.ID != id {
		err = wire.Nonsense(opToken, got.Status, errors.New("another token than was asked for"))
	}
	if err != nil {
		return scanner.AdmissionToken{}, err
	}
	got.Vouch()
	return t, nil
}

// based makes a call with the base key.
func (c *Client) based(ctx context.Context, call wire.Call, reply any) (got wire.Answer, err error) {
	err = c.base.with(ctx, call.Op, func(key string) error {
		var err error
		got, err = c.call(ctx, key, call, reply)
		return err
	})
	return got, err
}

// token is the vendor's record in the house's words.
func (r tokenReply) token(op string, got wire.Answer, event scanner.Event) (scanner.AdmissionToken, error) {
	t := scanner.AdmissionToken{ID: r.Self.id(), Code: value(r.Code)}
	if t.ID == "" || !tokenShaped(t.Code) || r.Global == nil || r.Sections == nil {
		return t, wire.Nonsense(op, got.Status, errors.New("a token without its number, code, sections, or whether it is global"))
	}
	t.Global = *r.Global
	for _, s := range *r.Sections {
		id := s.id()
		i := slices.IndexFunc(event.Sections, func(have scanner.Section) bool { return have.ID == id })
		if i < 0 {
			t.Sections = append(t.Sections, scanner.Section{ID: id})
			continue
		}
		t.Sections = append(t.Sections, event.Sections[i])
	}
	return t, nil
}

// tokenTrouble says what to do about a refused call for tokens, with the vendor's
// own words.
func (c *Client) tokenTrouble(got wire.Answer, err error) error {
	call := *scanner.CallErrorOf(err)
	words, _ := said(got)
	if text := shown(words, c.base.hidden()...); text != "" {
		call.Err = fmt.Errorf("%w: %s", call.Err, text)
	}
	if keyRefused(err) {
		call.Err = fmt.Errorf("TickeTing refuses this key or user the event's admission tokens (%w): it must be of the event's host", call.Err)
	}
	return &call
}
