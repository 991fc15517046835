package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/cmd/internal/control"
	"usher/scanner"
)

func (a *app) ticketsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tickets",
		Short: "Say how old the list is; refresh, import or search it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := timeout(cmd, answerTime)
			defer cancel()
			status, err := a.client().Status(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.writeJSON(status.Tickets)
			}
			_, err = fmt.Fprintln(a.stdout, listText(status.Tickets))
			return err
		},
	}
	cmd.AddCommand(a.refreshCommand(), a.importCommand(), a.showCommand(), a.findCommand())
	return cmd
}

func (a *app) refreshCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "refresh",
		Short: "Sign in, upload and fetch the whole list now",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client := a.client()
			result, err := a.syncing(cmd.Context(), client)
			if err != nil {
				return err
			}
			if a.json {
				err = a.writeJSON(result)
			} else {
				_, err = fmt.Fprintf(a.stdout, "The list holds %s; %s uploaded, %s waiting.\n",
					plural(result.Tickets, "ticket", "tickets"), grouped(result.Uploaded), grouped(result.Pending))
			}
			if err == nil && len(result.Problems) > 0 {
				return fmt.Errorf("not everything is up to date: %s", strings.Join(result.Problems, "; "))
			}
			return err
		},
	}
}

// syncing asks for one round of everything and shows the status meanwhile.
func (a *app) syncing(ctx context.Context, client *control.Client) (control.SyncResult, error) {
	type answer struct {
		result control.SyncResult
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		result, err := client.Sync(ctx, control.SyncRequest{Whole: true})
		answers <- answer{result, err}
	}()
	bar := a.newProgress()
	defer bar.done()
	start := a.now()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case got := <-answers:
			return got.result, got.err
		case <-ticker.C:
			if bar.w == nil {
				continue
			}
			if status, err := client.Status(ctx); err == nil {
				bar.show("syncing for %s: %s in the list, %s waiting", age(a.now().Sub(start)),
					plural(status.Tickets.Count, "ticket", "tickets"), grouped(status.Outbox.Pending))
			}
		}
	}
}

func (a *app) importCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Load a manifest: CSV with a header row, or JSON Lines",
		Long: `Load a manifest: CSV with a header row, or JSON Lines.

Columns: code (required), id, name, order, section, seat, event, series,
valid_from, valid_until (RFC 3339 with offset), status (valid, used, voided,
refunded or blocked). A fault names its line, and the list loaded before stays.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer file.Close()
			info, err := file.Stat()
			if err != nil {
				return err
			}
			if info.IsDir() {
				return fmt.Errorf("import %s: it is a directory: name the manifest in it", args[0])
			}
			bar := a.newProgress()
			body := &counted{r: file, show: func(n int64) {
				bar.show("%s of %s sent", bytesText(n), bytesText(info.Size()))
			}}
			result, err := a.client().Import(cmd.Context(), args[0], body)
			bar.done()
			if err != nil {
				return err
			}
			if a.json {
				return a.writeJSON(result)
			}
			_, err = fmt.Fprintf(a.stdout, "%s: loaded.\n", plural(result.Tickets, "ticket", "tickets"))
			return err
		},
	}
}

func (a *app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show CODE",
		Short: "Tell all that is known of a code: list, gate state, scans",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := timeout(cmd, judgeTime)
			defer cancel()
			view, err := a.client().Ticket(ctx, args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.writeJSON(view)
			}
			return a.writeTicket(view)
		},
	}
}

func (a *app) writeTicket(v control.TicketView) error {
	now := a.now()
	at := func(t control.Time) string { return dashless(clockTime(t.Time, now, a.zone)) }
	t := newTable(a.stdout)
	t.row("code", v.Code)
	switch {
	case v.Damaged:
		t.row("list", "holds it, but the record cannot be read: refresh the list")
	case v.Record == nil:
		t.row("list", "does not hold it")
	default:
		for _, line := range recordLines(*v.Record, at) {
			t.row(line[0], line[1])
		}
	}
	t.row("gate", markText(v.Mark, at))
	if err := t.flush(); err != nil {
		return err
	}
	if len(v.Scans) == 0 {
		fmt.Fprintln(a.stdout, "never scanned here")
		return nil
	}
	fmt.Fprintln(a.stdout, "scans here:")
	for _, e := range v.Scans {
		fmt.Fprintf(a.stdout, "  %s\n", eventLine(e, now, a.zone, false))
	}
	return nil
}

// recordLines are the fields of a record that say something.
func recordLines(r control.Ticket, at func(control.Time) string) [][2]string {
	status := string(r.Status)
	if r.Status == scanner.StatusUsed {
		status = joined(" ", status, at(r.UsedAt), labelled("at", r.UsedGate))
	}
	all := [][2]string{
		{"status", joined(": ", status, r.Detail)},
		{"name", r.Name}, {"order", r.Order}, {"section", r.Section}, {"seat", r.Seat},
		{"event", nameAndID(r.EventName, r.Event)}, {"series", r.Series}, {"client", r.Client}, {"ticket id", r.ID},
		{"valid", joined(" ", labelled("from", at(r.ValidFrom)), labelled("until", at(r.ValidUntil)))},
	}
	said := all[:0]
	for _, line := range all {
		if line[1] != "" {
			said = append(said, line)
		}
	}
	return said
}

// markText is the gate state in words.
func markText(m control.Mark, at func(control.Time) string) string {
	text := "not entered"
	switch {
	case m.Exited:
		text = "left again"
	case m.Entered:
		text = joined(" ", "entered", at(m.EnteredAt), labelled("at", m.EnteredGate))
	}
	if m.Inside {
		text += ", inside"
	}
	if m.Conflict {
		text += ", CONFLICT with the vendor"
	}
	if m.Permit != "" {
		text += ", the next " + string(m.Permit) + " is permitted once"
	}
	if m.Open > 0 {
		text += ", " + plural(m.Open, "movement", "movements") + " not acknowledged"
	}
	return text
}

func (a *app) findCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "find TEXT...",
		Short: "Search the list by name, order or seat",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := timeout(cmd, judgeTime)
			defer cancel()
			tickets, err := a.client().Find(ctx, strings.Join(args, " "), limit)
			if err != nil {
				return err
			}
			if a.json {
				return a.writeJSON(tickets)
			}
			if len(tickets) == 0 {
				fmt.Fprintln(a.stdout, "Nothing found.")
				return nil
			}
			t := newTable(a.stdout, "CODE", "NAME", "ORDER", "SECTION", "SEAT", "EVENT", "STATUS")
			for _, f := range tickets {
				t.row(f.Code, f.Name, f.Order, f.Section, f.Seat, nameAndID(f.EventName, f.Event), string(f.Status))
			}
			if err := t.flush(); err != nil {
				return err
			}
			if len(tickets) == limit {
				fmt.Fprintf(a.stdout, "the first %d: say more, or raise --limit\n", limit)
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "how many to show, 500 at most")
	return cmd
}
