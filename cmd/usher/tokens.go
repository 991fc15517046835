package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/configs"
	"usher/scanner"
	"usher/sync/clock"
	"usher/vendors"
)

// tokensTime bounds a command for tokens, a sign-in included.
const tokensTime = 30 * time.Second

func (a *app) tokensCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tokens",
		Short: "Issue and show the vendor's admission tokens, one for each device",
		Long: "Issue and show the admission tokens of the configured event, at vendors that have them (TickeTing): each says to\n" +
			"which sections one device admits. They are asked for with the key or user of the configuration; no daemon is needed.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return usageError("say what: list, issue or show") },
	}
	cmd.AddCommand(a.tokensListCommand(), a.tokensIssueCommand(), a.tokensShowCommand())
	return cmd
}

func (a *app) tokensListCommand() *cobra.Command {
	var global, additional bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the event's admission tokens, their codes hidden",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if global && additional {
				return usageError("--global and --additional: give one of the two")
			}
			var only *bool
			if global || additional {
				only = &global
			}
			var list []scanner.AdmissionToken
			err := a.issuing(cmd, func(ctx context.Context, issuer scanner.TokenIssuer) (err error) {
				list, err = issuer.Tokens(ctx, only)
				return err
			})
			if err != nil {
				return err
			}
			return a.writeTokens(list)
		},
	}
	cmd.Flags().BoolVar(&global, "global", false, "the event's own token alone, which admits to all sections")
	cmd.Flags().BoolVar(&additional, "additional", false, "all but that")
	return cmd
}

func (a *app) tokensIssueCommand() *cobra.Command {
	var sections []string
	cmd := &cobra.Command{
		Use:   "issue --section NAME [--section NAME ...]",
		Short: "Issue a token for one device, and print the line for its usher.yaml",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(sections) == 0 {
				return usageError("name the sections that the device admits to: --section NAME, or its number; `usher tokens list` shows some")
			}
			var token scanner.AdmissionToken
			err := a.issuing(cmd, func(ctx context.Context, issuer scanner.TokenIssuer) (err error) {
				token, err = issuer.IssueToken(ctx, sections)
				return err
			})
			if call := (*scanner.CallError)(nil); errors.As(err, &call) && call.MaybeSent {
				return &hintError{err, "it may have been issued all the same: look with `usher tokens list` before you try again"}
			}
			if err != nil {
				return err
			}
			return a.writeToken(token)
		},
	}
	cmd.Flags().StringArrayVar(&sections, "section", nil, "a section that it admits to, by its exact name or its number; may be given again")
	return cmd
}

func (a *app) tokensShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show one admission token with its code, and the line for usher.yaml",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var token scanner.AdmissionToken
			err := a.issuing(cmd, func(ctx context.Context, issuer scanner.TokenIssuer) (err error) {
				token, err = issuer.Token(ctx, args[0])
				return err
			})
			if err != nil {
				return err
			}
			return a.writeToken(token)
		},
	}
}

// issuing asks the configured vendor for its tokens, and ends its session.
func (a *app) issuing(cmd *cobra.Command, do func(context.Context, scanner.TokenIssuer) error) error {
	ctx, cancel := timeout(cmd, tokensTime)
	defer cancel()
	environ := os.Environ()
	if os.Geteuid() == 0 {
		environ = withCredentials(environ, credstores)
	}
	cfg, err := configs.Load(a.configPath, environ)
	if err != nil {
		return err
	}
	c, err := clock.New(trustOf(cfg))
	if err != nil {
		return err
	}
	vendor, err := openVendor(cfg, vendors.Deps{
		Event: cfg.Gate.Event, Device: vendorDevice(cfg), Version: version(), Clock: c, Time: c.CertificateTime, Environ: environ,
	})
	if err != nil {
		return err
	}
	if vendor.Tokens == nil {
		return fmt.Errorf("vendor.name: %s has no admission tokens", cfg.Vendor.Name)
	}
	err = do(ctx, vendor.Tokens)
	if ended := vendor.Session.SignOut(ctx); ended != nil && err == nil {
		fmt.Fprintf(a.stderr, "usher: not signed out: %s\n", clean(ended.Error()))
	}
	return err
}

// tokenRow is a token for programs; a list hides the code.
type tokenRow struct {
	ID       string       `json:"id"`
	Code     string       `json:"code"`
	Global   bool         `json:"global"`
	Sections []sectionRow `json:"sections"`
}

type sectionRow struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func rowOf(t scanner.AdmissionToken, code string) tokenRow {
	row := tokenRow{ID: t.ID, Code: code, Global: t.Global, Sections: []sectionRow{}}
	for _, s := range t.Sections {
		row.Sections = append(row.Sections, sectionRow(s))
	}
	return row
}

// masked hides a token's code as tickets' codes are hidden.
func masked(t scanner.AdmissionToken) string { return scanner.Code(t.Code).Mask() }

func sectionNames(t scanner.AdmissionToken) string {
	var names []string
	for _, s := range t.Sections {
		if s.Name == "" {
			names = append(names, s.ID)
			continue
		}
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

func (a *app) writeTokens(list []scanner.AdmissionToken) error {
	if a.json {
		rows := []tokenRow{}
		for _, t := range list {
			rows = append(rows, rowOf(t, masked(t)))
		}
		return a.writeJSON(rows)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(a.stdout, "The event has no such admission token.")
		return err
	}
	table := newTable(a.stdout, "ID", "CODE", "", "SECTIONS")
	for _, t := range list {
		kind := ""
		if t.Global {
			kind = "global"
		}
		table.row(t.ID, masked(t), kind, sectionNames(t))
	}
	return table.flush()
}

// writeToken shows the code: it is what the installer came for.
func (a *app) writeToken(t scanner.AdmissionToken) error {
	if a.json {
		return a.writeJSON(rowOf(t, t.Code))
	}
	_, err := fmt.Fprintf(a.stdout, "Token %s admits to: %s\nFor usher.yaml of one device, under vendor:\n\n  admission_token: %q\n",
		clean(t.ID), clean(sectionNames(t)), clean(t.Code))
	return err
}
