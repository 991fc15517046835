package control

import (
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
)

// maxConnections keeps a program that leaks connections from taking every
// descriptor of the daemon, scanners and stores included.
const maxConnections = 256

// Connections bounds a server's connections. Where there are too many, the
// oldest that asks for nothing gives way; where all ask, the newest does.
type Connections struct {
	// Most is how many may be open.
	Most int
	// To says in the log what is connected to.
	To  string
	Log *slog.Logger

	// mu guards what follows; it is held across no I/O.
	mu sync.Mutex
	// all are the open connections, calm those of them without a request, oldest
	// first.
	all     map[net.Conn]struct{}
	calm    []net.Conn
	crowded bool
}

// Changed is the server's ConnState hook.
func (c *Connections) Changed(conn net.Conn, state http.ConnState) {
	crowded, victim := c.note(conn, state)
	if crowded && c.Log != nil {
		c.Log.Warn("too many connections to "+c.To+": the oldest without a request is closed for each new one; find the program that leaks them",
			"most", c.Most)
	}
	if victim != nil {
		_ = victim.Close()
	}
}

// note follows the state and names the connection to close, if any. Crowded is
// true the first time, until most are gone.
func (c *Connections) note(conn net.Conn, state http.ConnState) (crowded bool, victim net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.calm, conn); i >= 0 {
		c.calm = slices.Delete(c.calm, i, i+1)
	}
	switch state {
	case http.StateNew:
		if c.all == nil {
			c.all = make(map[net.Conn]struct{})
		}
		c.all[conn] = struct{}{}
		c.calm = append(c.calm, conn)
	case http.StateIdle:
		c.calm = append(c.calm, conn)
	case http.StateClosed, http.StateHijacked:
		delete(c.all, conn)
	}
	switch n := len(c.all); {
	case n > c.Most && state == http.StateNew:
		crowded, c.crowded = !c.crowded, true
		victim, c.calm = c.calm[0], c.calm[1:]
		delete(c.all, victim)
	case n < c.Most/2:
		c.crowded = false
	}
	return crowded, victim
}
