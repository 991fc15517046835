package presence

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"usher/vendors/wire"
)

const (
	vendorHost  = "app.ticketmaster.com"
	defaultBase = "https://" + vendorHost + "/presence/v1"
	// directionWord in upload_path stands for enter or exit.
	directionWord = "{direction}"
)

// Config is the vendor's block of the configuration.
type Config struct {
	// BaseURL is what /device/... and /ticket/... are put behind. DeviceURL and
	// TicketURL replace it for one of the two services, since the vendor's own
	// samples put them under different paths.
	BaseURL, DeviceURL, TicketURL string
	// APIKeyFile holds the API key, where no credential and no variable does.
	APIKeyFile string
	// VenueID is Ticketmaster's id of the venue, such as KovZpZAFF17J.
	VenueID string
	// UploadPath is where scans made offline are sent, behind the ticket service's
	// URL; {direction} in it becomes enter or exit. Empty: they are kept here.
	UploadPath string
	// ChannelID is the sales channel, one character; empty: none is sent.
	ChannelID string

	device, ticket *url.URL
}

// parse reads the block strictly and gives every fault at once, those of the
// device among them.
func parse(raw map[string]any, device Device) (Config, error) {
	cfg := Config{BaseURL: defaultBase}
	keys := map[string]func(any) error{
		"base_url": wire.Text(&cfg.BaseURL), "device_url": wire.Text(&cfg.DeviceURL), "ticket_url": wire.Text(&cfg.TicketURL), "api_key_file": wire.Text(&cfg.APIKeyFile),
		"venue_id": wire.Text(&cfg.VenueID), "upload_path": wire.Text(&cfg.UploadPath), "channel_id": wire.Text(&cfg.ChannelID),
	}
	block := wire.ReadBlock(raw, keys)
	cfg.check(block)
	return cfg, errors.Join(append([]error{block.Err()}, device.check()...)...)
}

// check adds what is wrong with the values, where a key is not at fault already.
func (c *Config) check(block *wire.Block) {
	add := block.Fault
	base, err := wire.ParseBase(c.BaseURL)
	add("base_url", err)
	c.device, c.ticket = base, base
	for key, own := range map[string]struct {
		text string
		into **url.URL
	}{"device_url": {c.DeviceURL, &c.device}, "ticket_url": {c.TicketURL, &c.ticket}} {
		if own.text != "" {
			u, err := wire.ParseBase(own.text)
			add(key, err)
			*own.into = u
		}
	}
	block.File("api_key_file", c.APIKeyFile)
	if c.VenueID == "" {
		add("venue_id", errors.New("missing: Ticketmaster's id of the venue, such as KovZpZAFF17J; the Nexus Partner Program coordinator knows it"))
	}
	if len([]rune(c.ChannelID)) > 1 {
		add("channel_id", fmt.Errorf("%q has more than one character", c.ChannelID))
	}
	if c.UploadPath != "" && !plainPath(c.UploadPath) {
		add("upload_path", fmt.Errorf("%q is not a path such as /ticket/upload: write what comes behind the URL of the ticket service", c.UploadPath))
	}
}

// plainPath tells a path that can be put behind a URL as it is.
func plainPath(path string) bool {
	u, err := url.Parse(strings.ReplaceAll(path, directionWord, "enter"))
	return err == nil && strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") && u.RawQuery == "" && !u.ForceQuery && u.Fragment == "" &&
		!strings.ContainsAny(strings.ReplaceAll(path, directionWord, ""), "{}%\\ ") && !strings.Contains(path, "..")
}

// Device is what Presence is told of this device when it is configured there.
type Device struct {
	// Name is what people call it, GateName where it stands.
	Name, GateName string
	// MAC, Serial and Model are the hardware's own.
	MAC, Serial, Model string
}

// check names each of the device's fields that Presence wants and nobody gave.
func (d Device) check() []error {
	var all []error
	for _, field := range []struct{ path, value, what string }{
		{"device.mac", d.MAC, "no built-in network card was found: write the device's hardware address, such as 00:11:22:33:44:55"},
		{"device.model", d.Model, "the hardware does not tell it: write what the device is, such as Janam XT2"},
		{"device.name", d.Name, "write what people call this device"},
		{"device.serial", d.Serial, "the hardware does not tell it: write the number on its label"},
		{"gate.name", d.GateName, "write the name that the gate has at Presence"},
	} {
		if strings.TrimSpace(field.value) == "" {
			all = append(all, fmt.Errorf("%s: missing, and Ticketmaster Presence wants it of every device: %s", field.path, field.what))
		}
	}
	if _, err := net.ParseMAC(d.MAC); d.MAC != "" && err != nil {
		all = append(all, fmt.Errorf("device.mac: %q is no hardware address such as 00:11:22:33:44:55", d.MAC))
	}
	return all
}
