package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/scanner"
)

// The vendor's story, and what it stands on.
const (
	codeOnline  = "6nwmw29eo"
	codeCut     = "g49182x0000001"
	codeOffline = "g49182x0000002"
	codeRefund  = "late-refund-1"
	codeBack    = "g49182x0000003"
)

// playVendor plays a night with a ticketing vendor whose network comes and goes.
func (s *stage) playVendor(ctx context.Context, v *rig.Vendorsim) error {
	s.say("\n\nThe same gate with a ticketing vendor (AudienceView's simulator on this machine).")
	refundable := `[{"id":77,"performance":49182,"barcode":"` + codeRefund + `","consumer":"Rita Refund","first":"Rita","last":"Refund","section":"Circle","seat":"C1"}]`
	if err := v.Tell(ctx, http.MethodPost, "tickets", strings.NewReader(refundable)); err != nil {
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
	if err := v.Tell(ctx, http.MethodPost, "faults?"+url.Values{"kind": {"blackhole"}}.Encode(), nil); err != nil {
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

func (s *stage) networkReturns(ctx context.Context, v *rig.Vendorsim) error {
	s.chapter("Meanwhile one of the tickets is refunded at the box office. The network returns; nobody scans, and yet ...")
	refunded := `[{"id":77,"performance":49182,"barcode":"` + codeRefund + `","consumer":"Rita Refund","refunded":true}]`
	if err := v.Tell(ctx, http.MethodPost, "tickets", strings.NewReader(refunded)); err != nil {
		return err
	}
	if err := v.Tell(ctx, http.MethodDelete, "faults", nil); err != nil {
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
	if err := v.Tell(ctx, http.MethodPost, "tickets", strings.NewReader(strings.Replace(refunded, `"refunded":true`, `"refunded":false`, 1))); err != nil {
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
	counts, err := v.Scans(ctx)
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
