package devicetest

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
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
