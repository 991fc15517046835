package serial_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/devices/devicetest"
	"usher/devices/report"
	"usher/devices/serial"
	"usher/scanner"
)

// TestRecordings replays each recording of plain lines through the driver, over a
// pty: whole, byte by byte and at random cuts.
func TestRecordings(t *testing.T) {
	logs, err := filepath.Glob("testdata/*.log")
	if err != nil || len(logs) < 11 {
		t.Fatalf("recordings: %d, %v", len(logs), err)
	}
	// The flag is of the tests inside of the package.
	update := flag.Lookup("update").Value.String() == "true"
	cuts := map[string]func([]byte) [][]byte{
		"whole":        func(b []byte) [][]byte { return [][]byte{b} },
		"byte by byte": func(b []byte) [][]byte { return slices.Collect(slices.Chunk(b, 1)) },
		"random cuts":  randomly,
	}
	for _, path := range logs {
		log, err := devicetest.OpenLog(path)
		if err != nil {
			t.Fatal(err)
		}
		if protocol := log.Headers["Protocol"]; protocol != "" && protocol != "lines" {
			continue
		}
		for name, cut := range cuts {
			if name == "byte by byte" && len(log.Bytes()) > 16<<10 {
				continue // a system call a byte takes too long
			}
			if update && name != "whole" {
				continue
			}
			t.Run(strings.TrimSuffix(filepath.Base(path), ".log")+" "+name, func(t *testing.T) {
				t.Parallel()
				got := devicetest.Codes(replay(t, log, cut))
				golden := strings.TrimSuffix(path, ".log") + ".want"
				if update {
					if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("codes (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// replay sends a recording. Pauses below the idle time mean nothing, and are left
// out; at one that ends a code the driver must find that out by itself. How many codes
// there are until then is what the framer says. A longer pause is waited for only
// where it must end none.
func replay(t *testing.T, log devicetest.Log, cut func([]byte) [][]byte) []string {
	t.Helper()
	pty := plug(t)
	cfg := serial.Defaults()
	cfg.Port = pty.Path()
	if suffix := log.Headers["Suffix"]; suffix != "" {
		cfg.Suffix = suffix
	}
	driver, err := serial.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	pulled, end := log.Headers["Ends"] == "unplugged", context.Canceled
	if pulled {
		end = scanner.ErrUnplugged
	}
	codes := readUntil(t, mustOpen(t, driver), end)
	oracle := report.Framer{Idle: cfg.Idle, Suffix: report.NewSuffix(cfg.Suffix)}
	now := time.Unix(1e9, 0)
	var got []string
	due := 0
	collect := func(framed []string) {
		for due += len(framed); len(got) < due; {
			got = append(got, next(t, codes))
		}
	}
	var burst []byte
	send := func() {
		if err := pty.WriteChunks(cut(burst)...); err != nil {
			t.Fatal(err)
		}
		collect(oracle.Push(now, burst))
		burst = nil
	}
	pause := func(d time.Duration) {
		switch w := oracle.Wait(now); {
		case w < 0:
		case d < w:
			time.Sleep(d) // the measure: the scanner is held up
		default:
			framed := oracle.Silence()
			collect(framed)
			if len(framed) == 0 {
				// Noise ends without a word: the pause itself must be long enough.
				time.Sleep(4 * w)
			}
		}
		now = now.Add(d)
	}
	for i, r := range log.Reads {
		if i > 0 && r.After >= cfg.Idle {
			send()
			pause(r.After)
		}
		burst = append(burst, r.Data...)
	}
	send()
	if pulled {
		// The scanner went away before the silence that would end a code.
		if err := pty.Unplug(); err != nil {
			t.Fatal(err)
		}
		return got
	}
	pause(time.Hour)
	if len(codes) > 0 {
		t.Errorf("emitted %q that nobody sent", <-codes)
	}
	return got
}

func randomly(b []byte) (chunks [][]byte) {
	for most := max(16, len(b)/32); len(b) > 0; {
		n := 1 + rand.IntN(min(len(b), most))
		chunks = append(chunks, b[:n])
		b = b[n:]
	}
	return chunks
}
