package presence

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"usher/scanner"
	"usher/vendors/wire"
)

// The calls of the device service, in the vendor's words.
const (
	opInit   = "device/init"
	opDevice = "device"
)

// initRequest is the table of API Device Configure; all of it is required.
type initRequest struct {
	Venue    string `json:"venueId"`
	Name     string `json:"name"`
	MAC      string `json:"mac"`
	IP       string `json:"ip"`
	GateName string `json:"gateName"`
	Serial   string `json:"serial"`
	Model    string `json:"model"`
}

// deviceMessage is what both calls of the device service tell of a device.
type deviceMessage struct {
	ID       *number `json:"id"`
	Venue    *string `json:"venueId"`
	MAC      *string `json:"mac"`
	GateID   *number `json:"gateId"`
	GateName *string `json:"gateName"`
}

// configure makes the device known to Presence (API Device Configure). Until it was
// answered OKAY no scan may be asked.
func (c *Client) configure(ctx context.Context, key string) error {
	d := c.device
	said, err := c.ask(ctx, c.devices, key, wire.Call{
		Op: opInit, Method: http.MethodPost, Path: "/device/init",
		Body: initRequest{Venue: c.cfg.VenueID, Name: d.Name, MAC: d.MAC, IP: c.address(), GateName: d.GateName, Serial: d.Serial, Model: d.Model},
	})
	if err != nil {
		return c.keyRefused(err)
	}
	switch said.status {
	case okay:
	case notFound:
		return fault(opInit, scanner.Denied, fmt.Sprintf("Presence does not know the venue %q: correct vendor.venue_id (or vendor.base_url, where that is the test environment)", c.cfg.VenueID))
	case badRequest:
		return fault(opInit, scanner.Denied, "Presence calls this device's configuration wrong (BAD_REQUEST): check vendor.venue_id, gate.name and the keys of device")
	case generalError:
		return said.failure(opInit)
	default:
		return said.odd(opInit)
	}
	info, err := c.told(opInit, said)
	if err != nil {
		return err
	}
	reg := c.wanted()
	reg.Device = int64(*info.ID)
	if info.GateID == nil {
		// The F.A.Q. knows another way to learn it.
		if info, err = c.information(ctx, key); err != nil {
			return err
		}
	}
	if info.GateID == nil {
		return wire.Nonsense(opDevice, said.http, errors.New("neither answer names the gate's id"))
	}
	reg.GateID = int64(*info.GateID)
	c.session.confirm(reg, key)
	return nil
}

// inform asks whether Presence still knows the device (API Device Information). It
// tells whether the device is to be configured again, else what went wrong.
func (c *Client) inform(ctx context.Context, key string) (again bool, err error) {
	info, err := c.information(ctx, key)
	if errors.Is(err, errForgotten) {
		c.log.Warn("Presence does not know this device any more: it is configured again")
		return true, nil
	}
	if err != nil && scanner.CallErrorOf(err).Trouble == scanner.Malformed {
		// The document does not require this call: a site without it is no outage.
		c.log.Warn("Presence does not take the question for this device's information: it is configured again", "err", err)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	reg, _, _ := c.session.current()
	moved := info.GateName != nil && *info.GateName != c.device.GateName
	if int64(*info.ID) != reg.Device || moved || info.GateID == nil {
		c.log.Warn("Presence has this device otherwise: it is configured again", "moved", moved)
		return true, nil
	}
	reg.GateID = int64(*info.GateID)
	c.session.confirm(reg, key)
	return false, nil
}

// errForgotten says that Presence knows no such device.
var errForgotten = errors.New("this device is not known at Presence")

func (c *Client) information(ctx context.Context, key string) (deviceMessage, error) {
	said, err := c.ask(ctx, c.devices, key, wire.Call{
		Op: opDevice, Method: http.MethodGet, Path: "/device",
		Query: url.Values{"venue": {c.cfg.VenueID}, "venueId": {c.cfg.VenueID}, "mac": {c.device.MAC}},
	})
	if err != nil {
		return deviceMessage{}, c.keyRefused(err)
	}
	switch said.status {
	case okay:
		return c.told(opDevice, said)
	case notFound, badRequest:
		return deviceMessage{}, &scanner.CallError{Op: opDevice, Trouble: scanner.Failing, Status: said.http, Err: errForgotten}
	case generalError:
		return deviceMessage{}, said.failure(opDevice)
	}
	return deviceMessage{}, said.odd(opDevice)
}

// told reads a device out of an answer: it must have an id, and be this one.
func (c *Client) told(op string, s said) (deviceMessage, error) {
	var m deviceMessage
	if len(s.message) == 0 {
		return m, wire.Nonsense(op, s.http, errors.New("an answer without message"))
	}
	err := wire.Decode(s.message, &m)
	switch {
	case err != nil:
	case m.ID == nil || *m.ID == 0:
		err = errors.New("a device without an id")
	case m.Venue != nil && *m.Venue != c.cfg.VenueID, m.MAC != nil && !sameMAC(*m.MAC, c.device.MAC):
		err = errors.New("another device than this")
	default:
		return m, nil
	}
	return m, wire.Nonsense(op, s.http, err)
}

// keyRefused says what to do about a key that is refused.
func (c *Client) keyRefused(err error) error {
	call := *scanner.CallErrorOf(err)
	if call.Trouble == scanner.Denied {
		call.MaybeSent = false
		call.Err = fmt.Errorf("the API key is refused (%w): correct it (vendor.api_key_file), and see that it is for %s and that no firewall blocks this; "+
			"it is tried again in a minute, or at once by `usher tickets refresh`", call.Err, c.cfg.device.Host)
	}
	return &call
}

// ownAddress is the address that this device has towards the vendor: that of its
// way there, or to the internet where no name may be looked up. Nothing is sent.
func ownAddress(vendor *url.URL) string {
	const documentation = "192.0.2.1:9" // a route to nobody (RFC 5737)
	for _, to := range []string{net.JoinHostPort(literal(vendor.Hostname()), "9"), documentation, "[2001:db8::1]:9"} {
		conn, err := net.Dial("udp", to)
		if err != nil {
			continue
		}
		addr, err := netip.ParseAddrPort(conn.LocalAddr().String())
		_ = conn.Close()
		if err == nil {
			return addr.Addr().Unmap().WithZone("").String()
		}
	}
	return "127.0.0.1"
}

// literal is the host where it is an address; what a name means is not asked for.
func literal(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.String()
	}
	return "192.0.2.1"
}
