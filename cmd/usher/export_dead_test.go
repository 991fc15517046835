package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
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
	if err := exportStateDir(t.Context(), &out, dir, control.JSONLines, silent(t)); err != nil {
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
	var warned string
	if err := exportStateDir(t.Context(), &out, dir, control.CSV, func(text string) { warned += text }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(warned, "seats are left out") || !strings.Contains(warned, "no such file") {
		t.Errorf("warned %q", warned)
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
	if err := exportStateDir(t.Context(), &bytes.Buffer{}, dir, control.CSV, func(string) {}); err == nil {
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

// silent fails where a warning is given.
func silent(t *testing.T) func(string) {
	return func(text string) { t.Errorf("warned: %s", text) }
}

// A damaged key is no reason to change the directory, or to give nothing.
func TestExportWithADamagedKey(t *testing.T) {
	dir := t.TempDir()
	deadDevice(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "device.key"), make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	var out bytes.Buffer
	var warned string
	if err := exportStateDir(t.Context(), &out, dir, control.CSV, func(text string) { warned += text }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "WHOLE-CODE-1") || strings.Contains(out.String(), "C12") || !strings.Contains(warned, "one byte repeated") {
		t.Errorf("warned %q: %s", warned, out.String())
	}
	if after := listing(t, dir); !maps.Equal(after, before) {
		t.Error("the directory was changed")
	}
}

func TestInterruptedSaysNothing(t *testing.T) {
	for err, want := range map[error]bool{
		nil:              false,
		context.Canceled: true,
		fmt.Errorf("cut off: %w", errors.Join(context.Canceled)):         true,
		errors.Join(context.Canceled, errors.New("disk gone")):           false,
		fmt.Errorf("not stored: %w: %w", context.Canceled, os.ErrClosed): false,
	} {
		if got := interrupted(err); got != want {
			t.Errorf("%v: got %v", err, got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path, _ := startFake(t, newFakeHouse(control.Ready))
	var stdout, stderr bytes.Buffer
	if code := run(ctx, []string{"status", "--socket", path}, strings.NewReader(""), &stdout, &stderr); code != exitFailed || stderr.Len() > 0 {
		t.Errorf("exit code %d, %q", code, stderr.String())
	}
}
