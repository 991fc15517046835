package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
)

// framed makes a frame of any payload, whole and with its checksum right: what a
// byte flip cannot make, and an older or another usher might have.
func framed(version, k, h byte, key, payload []byte) []byte {
	raw := append(append([]byte(magic), version, k, h, 0), make([]byte, 8)...)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(payload)))
	raw = append(raw, payload...)
	sign(raw, key)
	return raw
}

// FuzzFrame: what is taken for a record is one, under its own key and kind.
func FuzzFrame(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw, key []byte, k byte) {
		h, err := verify(kind(k), key, raw)
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
				t.Errorf("error %v", err)
			}
			found := newSalvaged()
			if found.take(raw, key) == nil && len(raw) > 5 && raw[5] == k {
				t.Errorf("a rescue takes what reading refuses (%v): %q", err, raw)
			}
			return
		}
		if again := framed(raw[4], k, byte(h), key, raw[headerLen:]); !bytes.Equal(again[:7], raw[:7]) || !bytes.Equal(again[headerLen:], raw[headerLen:]) {
			t.Errorf("%x is %x", raw, again)
		}
		flipped := bytes.Clone(raw)
		flipped[len(flipped)-1] ^= 1
		if _, err := verify(kind(k), key, flipped); err == nil && len(raw) > 16 {
			t.Errorf("a flipped bit is not seen in %x", raw)
		}
	})
}

// FuzzRescue: whatever whole records lie in a file that is no journal any more,
// usher opens, keeps the file aside, and what it made is whole.
func FuzzRescue(f *testing.F) {
	f.Fuzz(func(t *testing.T, payload []byte, k, h, version byte) {
		found := newSalvaged()
		v, own, _ := found.slot(kind(k))
		key := []byte("key")
		if v != nil && json.Unmarshal(payload, v) == nil {
			key = own() // so that it is taken
		}
		frame := framed(version, k, h, key, payload)
		good, err := encode(kindLog, hintPending, seqKey(7), logEntry{Record: scanner.Record{
			Seq: 7, ID: "id", Kind: scanner.KindScan, Scope: scope, Code: "T-7", Verdict: scanner.Admit, Fate: scanner.FatePending,
		}})
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		content := bytes.Join([][]byte{[]byte("noise"), frame, good, frame[:len(frame)/2]}, []byte("USH"))
		if err := os.WriteFile(filepath.Join(dir, fileName), content, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := Open(options(dir))
		if err != nil {
			if !errors.Is(err, ErrNewer) {
				t.Fatalf("%q: %v", frame, err)
			}
			if left, readErr := os.ReadFile(filepath.Join(dir, fileName)); readErr != nil || !bytes.Equal(left, content) {
				t.Errorf("a newer file was changed: %v", readErr)
			}
			return
		}
		if len(damagedAside(t, dir)) != 1 {
			t.Error("the damaged file is not aside")
		}
		// Another version of it, and what became of it, may take its place.
		if rec, _, err := j.Record(7); kind(k) != kindFate && kind(k) != kindLog && (err != nil || rec.Code != "T-7") {
			t.Errorf("the good record is lost beside %q: %+v, %v", frame, rec, err)
		}
		if seq, err := j.Commit(t.Context(), scanner.Change{Record: refusal(newClock(), 1)}); err != nil || seq <= 7 {
			t.Errorf("no work goes on: %d, %v", seq, err)
		}
		closeAndCheck(t, j)
	})
}

// FuzzStateDir: a copy of a journal with some bytes changed gives, to an export,
// records that were written or none, each once, and never a panic.
func FuzzStateDir(f *testing.F) {
	dir := f.TempDir()
	opts := options(dir)
	j := reopen(f, opts)
	for n := range 6 {
		admit(f, j, n, []scanner.Fate{scanner.FatePending, scanner.FateConfirmed, scanner.FateParked}[n%3])
	}
	written := map[uint64]scanner.Record{}
	for _, e := range history(f, j) {
		written[e.Seq] = e.Record
	}
	closeAndCheck(f, j)
	whole, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, at uint32, patch []byte, cut uint32) {
		content := bytes.Clone(whole)
		// Offsets beyond the end wrap: a mutation should hit something.
		copy(content[int(at)%len(content):], patch)
		if cut > 0 {
			content = content[:int(cut)%len(content)]
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fileName), content, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := OpenReadOnly(dir, opts.Sealer)
		if err != nil {
			return
		}
		defer j.Close()
		seen := map[uint64]bool{}
		_ = j.Each(t.Context(), func(e Entry) error {
			if diff := cmp.Diff(written[e.Seq], e.Record); diff != "" || seen[e.Seq] {
				t.Errorf("seq %d, seen before %v:\n%s", e.Seq, seen[e.Seq], diff)
			}
			seen[e.Seq] = true
			return nil
		})
		if after, err := os.ReadFile(filepath.Join(dir, fileName)); err != nil || !bytes.Equal(after, content) {
			t.Errorf("the copy was changed: %v", err)
		}
	})
}
