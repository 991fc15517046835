package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/cache/seal"
	"usher/cmd/internal/control"
	"usher/scanner"
	"usher/sync/journal"
)

// deadDevice writes a journal of two scans and closes it.
func deadDevice(t *testing.T, dir string) {
	t.Helper()
	key, _, err := seal.Load("", dir)
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(journal.Options{Dir: dir, Clock: stillClock{}, Sealer: key, KeyCheck: key.Check(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []scanner.Code{"WHOLE-CODE-1", "=WHOLE-CODE-2"} {
		_, err := j.Commit(context.Background(), scanner.Change{Record: scanner.Record{
			ID: "id-" + string(code), Kind: scanner.KindScan, Scope: scanner.Scope{Vendor: "manifest"}, Scanner: "lane-1", Code: code,
			Direction: scanner.Entry, At: stillClock{}.Now(), True: scanner.Instant{At: evening.Add(time.Second), Trusted: true},
			Verdict: scanner.Admit, Reason: scanner.OK, Mode: scanner.Offline, Fate: scanner.FateKept,
			Ticket: &scanner.TicketInfo{Section: "Stalls", Seat: "C12", Name: "Ann Lee"},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

type stillClock struct{}

func (stillClock) Now() scanner.Stamp {
	return scanner.Stamp{Wall: evening, Boot: "b1", Up: time.Hour}
}
func (stillClock) True(s scanner.Stamp) scanner.Instant { return scanner.Instant{At: s.Wall} }

// listing tells every file of a directory and what it holds.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found[e.Name()] = string(text)
	}
	return found
}

func TestExportOfADeadDevice(t *testing.T) {
	dir := t.TempDir()
	deadDevice(t, dir)
	before := listing(t, dir)
	var out bytes.Buffer
	if err := exportStateDir(t.Context(), &out, dir, control.JSONLines); err != nil {
		t.Fatal(err)
	}
	var codes []string
	for dec := json.NewDecoder(&out); dec.More(); {
		var line struct{ Code, At, Raw_at, Fate, Seat string }
		if err := dec.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line.At != "2026-11-21T19:55:04.000Z" || line.Raw_at != "2026-11-21T19:55:03.000Z" || line.Fate != "kept" || line.Seat != "C12" {
			t.Errorf("got %+v", line)
		}
		codes = append(codes, line.Code)
	}
	if got := strings.Join(codes, " "); got != "WHOLE-CODE-1 =WHOLE-CODE-2" {
		t.Errorf("codes %s", got)
	}

	// Without the key seats are missing, and no key is made.
	if err := os.Remove(filepath.Join(dir, "device.key")); err != nil {
		t.Fatal(err)
	}
	delete(before, "device.key")
	out.Reset()
	if err := exportStateDir(t.Context(), &out, dir, control.CSV); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, ",WHOLE-CODE-1,") || !strings.Contains(text, ",'=WHOLE-CODE-2,") || strings.Contains(text, "C12") {
		t.Errorf("without the key: %s", text)
	}
	after := listing(t, dir)
	if len(after) != len(before) || after["journal.db"] != before["journal.db"] {
		t.Errorf("the directory was changed")
	}
}

func TestExportWithoutAJournal(t *testing.T) {
	dir := t.TempDir()
	if err := exportStateDir(t.Context(), &bytes.Buffer{}, dir, control.CSV); err == nil {
		t.Error("no error")
	}
	if left := listing(t, dir); len(left) != 0 {
		t.Errorf("made %v", left)
	}
}

func TestAPartlyReadableExportIsKeptAndSaysSo(t *testing.T) {
	a := &app{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
	path := filepath.Join(t.TempDir(), "out.csv")
	damaged := errors.New("3 records cannot be read")
	err := a.exportTo(path, func(w io.Writer) error {
		_, err := w.Write([]byte("part"))
		return errors.Join(err, &partialError{damaged})
	})
	if !errors.Is(err, damaged) {
		t.Errorf("got %v", err)
	}
	text, readErr := os.ReadFile(path)
	if readErr != nil || string(text) != "part" {
		t.Errorf("the file: %q, %v", text, readErr)
	}
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}
