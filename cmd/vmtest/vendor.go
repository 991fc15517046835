package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"usher/cmd/internal/rig"
	"usher/vendors/vendortest"
)

const (
	// host is this machine's loopback as QEMU's user network shows it to the guest.
	host = "10.0.2.2"
	// performance is the one of the simulator's demonstration.
	performance = 49182
)

// vendor is the simulator on this machine, with TLS before it: usher speaks
// plainly to its own loopback only.
type vendor struct {
	*rig.Vendorsim
	// url is for vendor.base_url in the guest, authority the certificate that it has
	// to trust, in PEM.
	url       string
	authority string

	front net.Listener
}

func startVendor(ctx context.Context, bin string) (*vendor, error) {
	sim, err := rig.StartVendor(ctx, bin, 0)
	if err != nil {
		return nil, err
	}
	v := &vendor{Vendorsim: sim}
	cert, _, err := vendortest.Certificate(vendortest.Cert{Hosts: []string{host}})
	if err != nil {
		return nil, err
	}
	v.authority = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))
	v.front, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		return nil, err
	}
	behind, err := url.Parse(sim.URL)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(v.front.Addr().String())
	if err != nil {
		return nil, err
	}
	v.url = "https://" + net.JoinHostPort(host, port) + behind.Path
	go v.pass(behind.Host)
	return v, nil
}

func (v *vendor) pass(behind string) {
	for {
		conn, err := v.front.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			to, err := net.Dial("tcp", behind)
			if err != nil {
				return
			}
			defer to.Close()
			go func() {
				_, _ = io.Copy(to, conn)
				_ = to.Close()
			}()
			_, _ = io.Copy(conn, to)
		}()
	}
}

// sell has the vendor know tickets of these barcodes.
func (v *vendor) sell(ctx context.Context, codes ...string) error {
	type ticket struct {
		Performance int    `json:"performance"`
		Barcode     string `json:"barcode"`
		Seat        string `json:"seat"`
	}
	tickets := make([]ticket, len(codes))
	for i, code := range codes {
		tickets[i] = ticket{Performance: performance, Barcode: code, Seat: code}
	}
	text, err := json.Marshal(tickets)
	if err != nil {
		return err
	}
	return v.Tell(ctx, http.MethodPost, "tickets", bytes.NewReader(text))
}

// record is the simulator's own account, for people.
func (v *vendor) record(ctx context.Context) string {
	counts, err := v.Scans(ctx)
	if err != nil {
		return err.Error()
	}
	var text strings.Builder
	for code, count := range counts {
		fmt.Fprintf(&text, "%d %s\n", count, code)
	}
	return text.String()
}

func (v *vendor) close() error {
	_ = v.front.Close() // nobody is refused by it any more
	return v.Stop()
}
