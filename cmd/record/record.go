package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"usher/devices"
	"usher/devices/devicetest"
	"usher/scanner"
)

// warning comes before anything is read.
const warning = `*** THIS RECORDS WHOLE CODES, readable by everybody who gets the file.
*** Scan TEST BARCODES only: never a guest's ticket, never a staff card.
`

// recordable is a driver that hands on what it reads.
type recordable interface {
	Record(head func(key, value string), read func(raw []byte))
}

// run records until the context ends, the time is over or the scanner is unplugged,
// and writes the log. Where nothing came it leaves no file.
func run(ctx context.Context, o options, say io.Writer) error {
	opener, err := o.opener()
	if err != nil {
		return err
	}
	log := &recording{Log: devicetest.Log{Headers: map[string]string{"Device": line(o.device), "Notes": line(o.note)}}}
	source, ok := opener.(recordable)
	if !ok {
		return fmt.Errorf("driver %s cannot be recorded", o.driver)
	}
	source.Record(log.head, log.read)

	// Taken before the scanner is: nobody should scan for a file that cannot be.
	file, err := os.OpenFile(o.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = log.record(ctx, opener, o.length, say)
	if len(log.Reads) == 0 {
		if err == nil {
			err = errors.New("nothing came, and nothing was written; is it this scanner, and is it in the mode of this driver?")
		}
		return errors.Join(err, file.Close(), os.Remove(o.out))
	}
	_, wrote := file.WriteString(log.Text())
	if err := errors.Join(err, wrote, file.Close()); err != nil {
		return err
	}
	fmt.Fprintf(say, "\n%s: %d reads, %d bytes.\n%s", o.out, len(log.Reads), len(log.Bytes()), o.next(log.Log))
	return nil
}

// opener is the scanner, configured as a gate's would be.
func (o options) opener() (devices.Opener, error) {
	block := map[string]any{"name": "to record", "driver": o.driver}
	for key, value := range o.keys {
		block[key] = value
	}
	scanners, err := devices.Configure([]map[string]any{block}, devices.Deps{})
	if err != nil {
		return nil, err
	}
	return scanners[0].Opener, nil
}

// next tells what to do with the log.
func (o options) next(log devicetest.Log) string {
	golden := strings.TrimSuffix(filepath.Base(o.out), ".log") + ".want"
	room := "devices/" + o.driver
	var text strings.Builder
	text.WriteString("What to do next:\n")
	fmt.Fprintf(&text, "  1. look through it: nothing but codes of test barcodes may be in it\n")
	fmt.Fprintf(&text, "  2. have it at %s/testdata/%s\n", room, filepath.Base(o.out))
	tests := "Recordings"
	if log.Headers["Protocol"] == "ssi" {
		tests = "SSILogs"
		text.WriteString("     (SSI: name it ssi-NAME.log, and say in TestSSILogs what the scanner must be answered)\n")
	}
	fmt.Fprintf(&text, "  3. go test ./%s -run %s -update     # plays it, and writes %s\n", room, tests, golden)
	fmt.Fprintf(&text, "  4. read %s/testdata/%s: are these the codes that were scanned?\n", room, golden)
	fmt.Fprintf(&text, "  5. go test ./%s -run %s\n", room, tests)
	return text.String()
}

// line is a text that fits a header.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }

// recording grows by what the driver hands on. Its owner is the goroutine that
// runs the device, until that has ended.
type recording struct {
	devicetest.Log
	last time.Time
}

func (r *recording) head(key, value string) { r.Headers[key] = value }

func (r *recording) read(raw []byte) {
	now := time.Now()
	r.Reads = append(r.Reads, devicetest.Read{After: now.Sub(r.last), Data: append([]byte(nil), raw...)})
	r.last = now
}

// record reads the scanner. Its being unplugged is an end like any other, and part
// of the story.
func (r *recording) record(ctx context.Context, opener devices.Opener, length time.Duration, say io.Writer) error {
	fmt.Fprint(say, warning)
	device, err := devices.Open(ctx, opener)
	if err != nil {
		return err
	}
	until := "until Ctrl-C"
	if length > 0 {
		until = fmt.Sprintf("for %v", length)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, length)
		defer cancel()
	}
	fmt.Fprintf(say, "Recording %s %s.\n", opener.Source(), until)
	n := 0
	r.last = time.Now()
	err = device.Run(ctx, func(raw string) {
		n++
		fmt.Fprintf(say, "code %d: %d characters\n", n, utf8.RuneCountInString(raw))
	})
	if told, ok := device.(scanner.Adviser); ok && told.Advice() != "" {
		fmt.Fprintf(say, "note: %s\n", told.Advice())
	}
	switch {
	case errors.Is(err, scanner.ErrUnplugged):
		r.Headers["Ends"] = "unplugged"
		return nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil
	}
	return err
}
