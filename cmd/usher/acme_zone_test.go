package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// zones are time zones that a test made, of which the daemons know that it starts
// from now on: a test need not wait for a night in October.
type zones struct {
	t   *testing.T
	dir string
	// minute is the present one.
	minute time.Time
}

func newZones(t *testing.T) *zones {
	dir := t.TempDir()
	t.Setenv("ZONEINFO", dir)
	return &zones{t: t, dir: dir, minute: time.Now().UTC().Truncate(time.Minute)}
}

// where makes a zone in which it is now the given time of the day, as in "23:40", and
// in which the clocks are put on by change that long after now (before it: negative).
func (z *zones) where(name, at string, change, after time.Duration) *time.Location {
	z.t.Helper()
	want, err := time.Parse("15:04", at)
	if err != nil {
		z.t.Fatal(err)
	}
	const half = 12 * time.Hour
	offset := time.Duration(want.Hour()-z.minute.Hour())*time.Hour + time.Duration(want.Minute()-z.minute.Minute())*time.Minute
	switch {
	case offset >= half:
		offset -= 2 * half
	case offset < -half:
		offset += 2 * half
	}
	if after < 0 {
		offset -= change
	}
	raw := tzif(z.minute.Add(after), offset, offset+change)
	zone, err := time.LoadLocationFromTZData(name, raw)
	if err != nil {
		z.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(z.dir, name), raw, 0o600); err != nil {
		z.t.Fatal(err)
	}
	if got := z.minute.In(zone).Format("15:04"); got != at {
		z.t.Fatalf("it is %s in the zone, want %s", got, at)
	}
	return zone
}

// tzif is a time zone file (RFC 8536, version 1) with one change of its offset.
func tzif(change time.Time, before, after time.Duration) []byte {
	var b bytes.Buffer
	b.WriteString("TZif")
	b.Write(make([]byte, 16))
	const names = "ONE\x00TWO\x00"
	for _, n := range []uint32{0, 0, 0, 1, 2, uint32(len(names))} { // leap seconds and flags: none; one change, two offsets
		_ = binary.Write(&b, binary.BigEndian, n)
	}
	_ = binary.Write(&b, binary.BigEndian, int32(change.Unix()))
	b.WriteByte(1) // the second offset counts from then on
	for i, offset := range []time.Duration{before, after} {
		_ = binary.Write(&b, binary.BigEndian, int32(offset/time.Second))
		b.Write([]byte{byte(i), byte(4 * i)}) // summer time or not, its name
	}
	b.WriteString(names)
	return b.Bytes()
}
