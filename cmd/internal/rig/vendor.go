package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// Vendorsim is a vendor's simulator as a process of its own.
type Vendorsim struct {
	// URL is for vendor.base_url, Control for the switches.
	URL     string
	Control string

	cmd *exec.Cmd
}

// StartVendor starts the simulator and reads where it is.
func StartVendor(ctx context.Context, bin string, tickets int) (*Vendorsim, error) {
	v := &Vendorsim{cmd: exec.CommandContext(ctx, bin, "-tickets", strconv.Itoa(tickets))}
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := v.cmd.Start(); err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(out); v.Control == "" && lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		switch name {
		case "vendor":
			v.URL = value
		case "control":
			v.Control = value
		}
	}
	if v.Control == "" {
		return nil, errors.New("the vendor's simulator did not start")
	}
	return v, nil
}

// Stop ends it.
func (v *Vendorsim) Stop() error {
	if err := v.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return v.cmd.Wait()
}

// Tell switches something at the simulator.
func (v *Vendorsim) Tell(ctx context.Context, method, path string, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, method, v.Control+path, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return fmt.Errorf("%s: %s %s", path, resp.Status, text)
	}
	return nil
}

// Scans gives the barcodes that the vendor has as scanned.
func (v *Vendorsim) Scans(ctx context.Context) (map[string]int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.Control+"scans", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var list []struct {
		Barcode string `json:"barcode"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, s := range list {
		counts[s.Barcode]++
	}
	return counts, nil
}

// Options are those of a device that asks the vendor; it writes the password into
// the directory.
func (v *Vendorsim) Options(dir, bin string, lanes ...string) (Options, error) {
	password := dir + "/password"
	if err := os.WriteFile(password, []byte("demo\n"), 0o600); err != nil {
		return Options{}, err
	}
	return Options{
		Dir: dir, Bin: bin, Lanes: lanes,
		Vendor: fmt.Sprintf("{ name: audienceview, base_url: %q, username: gate7@example.org, password_file: %s, client_id: 284, performance_id: 49182 }", v.URL, password),
		Extra:  "gate: { name: \"Gate 7\" }\nlog: { format: text }\n",
	}, nil
}
