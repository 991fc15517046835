package archtics

import (
	"context"

	"usher/scanner"
)

const (
	cmdPing    = "ping"
	cmdPolling = "ats_ext_test_polling"
)

type pingRequest struct {
	common
	Reason string `json:"call_reason"`
}

// Health is what a ping tells of the database. The vendor's own sample of one that
// is well has system_available 0, so that it says nothing by itself.
type Health struct {
	Available   number `json:"system_available"`
	Digit       number `json:"digit_available"`
	CPULoad     number `json:"cpu_load"`
	CPUUsage    text   `json:"cpu_usage"`
	Connections number `json:"db_connections"`
	Active      number `json:"active_requests"`
	Unscheduled number `json:"unscheduled_requests"`
	Database    text   `json:"db_name"`
}

// Ping confirms that the database answers. The error is a [scanner.CallError], as
// it is of every call here.
func (c *Client) Ping(ctx context.Context) (Health, error) {
	var h Health
	a, err := c.ping(ctx, rest)
	if err != nil {
		return h, err
	}
	return h, a.table(&h)
}

// ping is all that a probe wants to know: the answer's fields are for people.
func (c *Client) ping(ctx context.Context, u urgency) (answer, error) {
	key, err := c.session.open(cmdPing)
	if err != nil {
		return answer{}, err
	}
	base := c.common(cmdPing)
	a, err := c.ask(ctx, u, base, pingRequest{base, "test"})
	if err == nil {
		err = a.must()
	}
	if err != nil {
		c.session.judge(scanner.CallErrorOf(err), key)
	}
	return a, err
}

// TestPolling has Archtics answer only after 10 seconds, so that polling can be
// tried.
func (c *Client) TestPolling(ctx context.Context) error {
	base := c.common(cmdPolling)
	a, err := c.ask(ctx, rest, base, base)
	if err != nil {
		return err
	}
	return a.must()
}
