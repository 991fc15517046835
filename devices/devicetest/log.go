package devicetest

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/scanner"
)

// Log is a recording of what a device sent, read by read. As text:
//
//	# Device: Honeywell 1902g
//	# Notes: what the recording shows
//	+0.000 68656c6c
//	+0.012 6f0d
//
// Headers come first; then one line a read: seconds since the previous read, and
// the bytes in hex.
type Log struct {
	Headers map[string]string
	Reads   []Read
}

// Read is what one read returned, After the one before it.
type Read struct {
	After time.Duration
	Data  []byte
}

// Bytes is all that was read.
func (l Log) Bytes() []byte {
	var all []byte
	for _, r := range l.Reads {
		all = append(all, r.Data...)
	}
	return all
}

// Text is the recording as ReadLog reads it.
func (l Log) Text() string {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(l.Headers)) {
		fmt.Fprintf(&text, "# %s: %s\n", key, l.Headers[key])
	}
	for _, r := range l.Reads {
		fmt.Fprintf(&text, "+%.3f %x\n", r.After.Seconds(), r.Data)
	}
	return text.String()
}

// Codes is how golden files show what became of a recording: one code a line, in
// quotes, and why the gate refuses it, if it does.
func Codes(codes []string) string {
	var text strings.Builder
	for _, code := range codes {
		err := scanner.Clean(code).Check()
		switch {
		case len(code) > scanner.MaxCode:
			fmt.Fprintf(&text, "(overlong: %d bytes)\n", len(code))
		case err != nil:
			fmt.Fprintf(&text, "%q (%v)\n", code, err)
		default:
			fmt.Fprintf(&text, "%q\n", code)
		}
	}
	return text.String()
}

// OpenLog reads a recording from a file.
func OpenLog(path string) (Log, error) {
	file, err := os.Open(path)
	if err != nil {
		return Log{}, err
	}
	defer file.Close()
	log, err := ReadLog(file)
	if err != nil {
		return Log{}, fmt.Errorf("%s: %w", path, err)
	}
	return log, nil
}

// ReadLog reads a recording.
func ReadLog(r io.Reader) (Log, error) {
	log := Log{Headers: map[string]string{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		if header, ok := strings.CutPrefix(line, "#"); ok {
			key, value, _ := strings.Cut(header, ":")
			log.Headers[strings.TrimSpace(key)] = strings.TrimSpace(value)
			continue
		}
		read, err := parseRead(line)
		if err != nil {
			return Log{}, fmt.Errorf("line %d: %w", n, err)
		}
		log.Reads = append(log.Reads, read)
	}
	return log, lines.Err()
}

func parseRead(line string) (Read, error) {
	after, data, ok := strings.Cut(line, " ")
	seconds, err := strconv.ParseFloat(strings.TrimPrefix(after, "+"), 64)
	if !ok || err != nil || !strings.HasPrefix(after, "+") || seconds < 0 {
		return Read{}, fmt.Errorf("%q is not of the form +SECONDS HEX", line)
	}
	raw, err := hex.DecodeString(data)
	if err != nil {
		return Read{}, err
	}
	return Read{After: time.Duration(seconds * float64(time.Second)), Data: raw}, nil
}
