package wire

import (
	"crypto/x509"
	"net/http"
)

// Trust makes the client's own transport take the pool's certificates.
func (c *Client) Trust(pool *x509.CertPool) {
	c.http.Transport.(*http.Transport).TLSClientConfig.RootCAs = pool
}

// HangUp closes idle connections.
func (c *Client) HangUp() { c.hangUp() }
