package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/scanner"
)

// vendorsim is a vendor's simulator as a process of its own.
type vendorsim struct {
	cmd     *exec.Cmd
	url     string
	control string
}

// startVendor starts the simulator and reads where it is.
func startVendor(ctx context.Context, bin string) (*vendorsim, error) {
	v := &vendorsim{cmd: exec.CommandContext(ctx, bin, "-tickets", "200")}
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := v.cmd.Start(); err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(out); v.control == "" && lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		switch name {
		case "vendor":
			v.url = value
		case "control":
			v.control = value
		}
	}
	if v.control == "" {
		return nil, errors.New("the vendor's simulator did not start")
	}
	return v, nil
}

func (v *vendorsim) stop() error {
	if err := v.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return v.cmd.Wait()
}

// tell switches something at the simulator.
func (v *vendorsim) tell(ctx context.Context, method, path string, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, method, v.control+path, body)
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

// scans gives the barcodes that the vendor has as scanned.
func (v *vendorsim) scans(ctx context.Context) (map[string]int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.control+"scans", nil)
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

// vendorRig is a device that asks the vendor.
func vendorRig(dir, bin string, v *vendorsim, log io.Writer) (*rig.Rig, error) {
	password := dir + "/password"
	if err := os.WriteFile(password, []byte("demo\n"), 0o600); err != nil {
		return nil, err
	}
	return rig.New(rig.Options{
		Dir: dir, Bin: bin, Lanes: []string{lane1, lane2}, Log: log,
		Vendor: fmt.Sprintf("{ name: audienceview, base_url: %q, username: gate7@example.org, password_file: %s, client_id: 284, performance_id: 49182 }", v.url, password),
		Extra:  "gate: { name: \"Gate 7\" }\nlog: { format: text }\n",
	})
}

// The vendor's story, and what it stands on.
const (
	codeOnline  = "6nwmw29eo"
	codeCut     = "g49182x0000001"
	codeOffline = "g49182x0000002"
	codeRefund  = "late-refund-1"
	codeBack    = "g49182x0000003"
)

// playVendor plays a night with a ticketing vendor whose network comes and goes.
func (s *stage) playVendor(ctx context.Context, v *vendorsim) error {
	s.say("\n\nThe same gate with a ticketing vendor (AudienceView's simulator on this machine).")
	refundable := `[{"id":77,"performance":49182,"barcode":"` + codeRefund + `","consumer":"Rita Refund","first":"Rita","last":"Refund","section":"Circle","seat":"C1"}]`
	if err := v.tell(ctx, http.MethodPost, "tickets", strings.NewReader(refundable)); err != nil {
		return err
	}
	online := func(st control.Status) bool {
		return st.State == control.Ready && st.Link.State == control.LinkOnline && st.Tickets.Count > 0
	}
	if err := s.startUntil(ctx, online); err != nil {
		return err
	}
	s.chapter("The vendor answers: it decides.")
	if err := s.scan(ctx, lane1, codeOnline, scanner.Admit, scanner.OK); err != nil {
		return err
	}
	if err := s.scan(ctx, lane2, codeOnline, scanner.Refuse, scanner.AlreadyEntered); err != nil {
		return err
	}
	s.chapter("The network goes in the middle of a scan. Nobody waits longer than 1.5 s for it ...")
	if err := v.tell(ctx, http.MethodPost, "faults?"+url.Values{"kind": {"blackhole"}}.Encode(), nil); err != nil {
		return err
	}
	if err := s.scan(ctx, lane1, codeCut, scanner.Admit, scanner.OK); err != nil {
		return err
	}
	s.chapter("... and the next ones do not wait at all.")
	for _, code := range []string{codeOffline, codeRefund} {
		if err := s.scan(ctx, lane1, code, scanner.Admit, scanner.OK); err != nil {
			return err
		}
	}
	return s.networkReturns(ctx, v)
}

func (s *stage) networkReturns(ctx context.Context, v *vendorsim) error {
	s.chapter("Meanwhile one of the tickets is refunded at the box office. The network returns; nobody scans, and yet ...")
	refunded := `[{"id":77,"performance":49182,"barcode":"` + codeRefund + `","consumer":"Rita Refund","refunded":true}]`
	if err := v.tell(ctx, http.MethodPost, "tickets", strings.NewReader(refunded)); err != nil {
		return err
	}
	if err := v.tell(ctx, http.MethodDelete, "faults", nil); err != nil {
		return err
	}
	drained := func(st control.Status) bool { return st.Outbox.Pending == 0 && st.Parked == 1 }
	if err := s.rig.Wait(ctx, drained); err != nil {
		return err
	}
	parked, err := s.rig.Client.Parked(ctx, 10)
	if err != nil {
		return err
	}
	s.say("  the outbox is drained; parked for a person to look at: %s: %s", parked[0].Code, parked[0].Reason)
	s.chapter("The box office takes the refund back; support requeues the entry.")
	if err := v.tell(ctx, http.MethodPost, "tickets", strings.NewReader(strings.Replace(refunded, `"refunded":true`, `"refunded":false`, 1))); err != nil {
		return err
	}
	if err := s.command(ctx, "parked", "requeue", "--all", "--by", "Sam Support"); err != nil {
		return err
	}
	done := func(st control.Status) bool {
		return st.Outbox.Pending == 0 && st.Parked == 0 && st.State == control.Ready
	}
	if err := s.rig.Wait(ctx, done); err != nil {
		return err
	}
	s.chapter("And the vendor decides again.")
	if err := s.scan(ctx, lane2, codeBack, scanner.Admit, scanner.OK); err != nil {
		return err
	}
	counts, err := v.scans(ctx)
	if err != nil {
		return err
	}
	for _, code := range []string{codeOnline, codeCut, codeOffline, codeRefund, codeBack} {
		if counts[code] == 0 {
			return fmt.Errorf("the vendor does not know that %s entered", code)
		}
	}
	s.say("  every green light is in the vendor's report: %d tickets.", len(counts))
	return nil
}

// command runs the rig's own usher, as support would.
func (s *stage) command(ctx context.Context, args ...string) error {
	s.say("  $ usher %s", strings.Join(args, " "))
	cmd := s.rig.Command(ctx, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("usher %s: %w: %s", args[0], err, out)
	}
	return nil
}
