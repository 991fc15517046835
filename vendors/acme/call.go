package acme

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"usher/scanner"
	"usher/vendors/wire"
)

// The names of the two headers, see "Header Parameters" and the seed.
const (
	keyHeader    = "x-acme-api-key"
	tenantHeader = "x-b2c-tenant-id"
	// consumer is in every path that wants the tenant as well.
	consumer = "/b2c/"
)

// listLimit is the most bytes of a list of events or templates.
const listLimit = 16 << 20

// ask makes one call with the headers that its path wants. The error is a
// *scanner.CallError. 401 speaks of the key whatever the call is; 403 may mean this
// call alone, so that those that a gate cannot do without note it themselves.
func (c *Client) ask(ctx context.Context, call wire.Call) (wire.Answer, error) {
	key, err := c.session.key()
	if err != nil {
		return wire.Answer{}, fault(call.Op, scanner.Denied, err.Error())
	}
	call.Header = http.Header{}
	call.Header.Set(keyHeader, key)
	if strings.Contains(call.Path, consumer) {
		call.Header.Set(tenantHeader, c.cfg.TenantID)
	}
	got, err := c.http.Do(ctx, call)
	if err != nil {
		err = explained(err)
		if got.Status == http.StatusUnauthorized {
			return got, c.session.noted(err)
		}
		return got, err
	}
	return got, nil
}

// get reads an answer into one of the documented shapes, which tells by itself
// whether it is whole. A page of a longer list is read, and is an error as well.
func (c *Client) get(ctx context.Context, op, path string, query url.Values, limit int64, into interface{ lacks() string }) error {
	got, err := c.ask(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: path, Query: query, Limit: limit})
	if err != nil {
		return err
	}
	if err := got.Decode(into); err != nil {
		return err
	}
	if what := into.lacks(); what != "" {
		return wire.Nonsense(op, got.Status, fmt.Errorf("an answer without %s", what))
	}
	got.Vouch()
	if l, isList := into.(interface{ short() error }); isList {
		if err := l.short(); err != nil {
			return wire.Nonsense(op, got.Status, err)
		}
	}
	return nil
}

// fault is a call error of our own, nothing having been sent.
func fault(op string, trouble scanner.Trouble, text string) *scanner.CallError {
	return &scanner.CallError{Op: op, Trouble: trouble, Err: errors.New(text)}
}

// lacks tells what a list must have to be one.
func (l *list[T]) lacks() string {
	if !l.told {
		return "a list"
	}
	return ""
}
