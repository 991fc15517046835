package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/configs"
	"usher/scanner"
)

// kills is how often the daemon dies at a random point under load, most how many
// verdicts are seen before it does, ahead how many codes a lane's scanner has sent
// that no verdict was seen on yet, and share the codes of one lane for all lives.
// What a life costs grows with most and ahead: its list has all codes, its journal
// all verdicts of the lives before.
const (
	kills = 200
	most  = 16
	ahead = 4
	share = kills * (most/2 + ahead)
)

// shippedUsher builds the binary that is shipped, without the race detector, once
// for all tests: each link takes a second of both processors.
var shippedUsher = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(os.TempDir(), "usher")
	cmd := exec.Command("go", "build", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
})

// buildUsher is the path of the binary that is shipped.
func buildUsher(t *testing.T) string {
	t.Helper()
	bin, err := shippedUsher()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// newRig makes a device with a manifest of n valid tickets T-00000, T-00001, ...
func newRig(t *testing.T, n int, extra string, lanes ...string) *rig.Rig {
	t.Helper()
	return newRigOf(t, n, rig.Options{Lanes: lanes, Extra: extra})
}

// newRigOf is newRig with other options; it fills in where and what runs.
func newRigOf(t *testing.T, n int, o rig.Options) *rig.Rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "usher-") // short: socket paths are
	if err != nil {
		t.Fatal(err)
	}
	log := &lockedBuffer{}
	o.Dir, o.Bin = dir, buildUsher(t)
	o.Extra = fmt.Sprintf("offline: { manifest: %s/tickets.csv }\n", dir) + o.Extra
	if o.Log == nil {
		o.Log = log
	} else {
		o.Log = io.MultiWriter(log, o.Log)
	}
	r, err := rig.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", log.tail(8000))
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	var list strings.Builder
	list.WriteString("code,name,section,seat\n")
	for i := range n {
		fmt.Fprintf(&list, "%s,Holder %d,S,%d\n", ticketCode(i), i, i)
	}
	if err := os.WriteFile(r.Manifest(), []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

func ticketCode(i int) string { return fmt.Sprintf("T-%05d", i) }

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) tail(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.buf.String()
	return text[max(0, len(text)-n):]
}

func ready(s control.Status) bool { return s.State == control.Ready }

// TestKilledAtAnyPointEveryGreenIsThereOnce is the promise under SIGKILL: two
// lanes scan as fast as they can, the daemon dies again and again, and in the end
// the journal holds every green light that was seen, once, in order.
func TestKilledAtAnyPointEveryGreenIsThereOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2*share, "", "lane-1", "lane-2")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	lives := newLives(t, r, []string{"lane-1", "lane-2"}, ticketCode, seed)
	for range kills {
		start(t, r)
		lives.one()
	}
	if len(lives.seen) < kills*most/4 {
		t.Errorf("only %d green lights in %d lives: the test is not under load", len(lives.seen), kills)
	}
	start(t, r)
	books(t, r, lives.seen)
	t.Logf("%d green lights seen over %d kills", len(lives.seen), kills)
}

// lives are a daemon's, each ended by SIGKILL at a random point under load.
type lives struct {
	t      *testing.T
	rig    *rig.Rig
	lanes  []string
	code   func(int) string
	random *rand.Rand
	next   map[string]int
	// seen are the green lights of all lives, by id.
	seen map[string]control.Event
}

// newLives gives each lane its own share of the codes.
func newLives(t *testing.T, r *rig.Rig, lanes []string, code func(int) string, seed uint64) *lives {
	l := &lives{t: t, rig: r, lanes: lanes, code: code, random: rand.New(rand.NewPCG(seed, 0)), next: map[string]int{}, seen: map[string]control.Event{}}
	for i, lane := range lanes {
		l.next[lane] = i * share
	}
	return l
}

// one feeds the lanes of a running daemon until it is killed, a moment after a
// random number of verdicts, and adds every green light that was seen.
func (l *lives) one() {
	l.t.Helper()
	last, moment := l.random.IntN(most), time.Duration(l.random.IntN(3000))*time.Microsecond
	stream, err := l.rig.Client.Follow(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	open := map[string]chan struct{}{}
	for _, lane := range l.lanes {
		open[lane] = make(chan struct{}, ahead)
	}
	var wg sync.WaitGroup
	enough := make(chan struct{})
	wg.Go(func() {
		defer stream.Close()
		if last == 0 {
			close(enough)
		}
		for verdicts := 0; ; {
			e, err := stream.Next()
			if err != nil {
				return
			}
			if e.Kind == "" {
				<-open[e.Scanner]
				if verdicts++; verdicts == last {
					close(enough)
				}
			}
			if e.Verdict == scanner.Admit && !e.Repeat {
				if _, twice := l.seen[e.ID]; twice {
					l.t.Errorf("green light %s shown twice", e.ID)
				}
				l.seen[e.ID] = e
			}
		}
	})
	ctx, stop := context.WithCancel(l.t.Context())
	var mu sync.Mutex // guards next
	for _, lane := range l.lanes {
		wg.Go(func() {
			for {
				select {
				case open[lane] <- struct{}{}:
				case <-ctx.Done():
					return
				}
				mu.Lock()
				code := l.code(l.next[lane])
				l.next[lane]++
				mu.Unlock()
				if l.rig.Scan(lane, code) != nil {
					return
				}
			}
		})
	}
	select {
	case <-enough:
		<-time.After(moment)
	case <-time.After(30 * time.Second):
		l.t.Errorf("%d verdicts were not seen within 30 s", last)
	}
	if err := l.rig.Kill(); err != nil {
		l.t.Error(err)
	}
	stop()
	// A lane blocks in its write once nobody reads: a fresh cable frees it.
	for _, lane := range l.lanes {
		if err := l.rig.Lane(lane).Unplug(); err != nil {
			l.t.Error(err)
		}
	}
	wg.Wait()
	for _, lane := range l.lanes {
		if err := l.rig.Lane(lane).Plug(); err != nil {
			l.t.Fatal(err)
		}
	}
}

type exported struct {
	Seq     uint64 `json:"seq"`
	ID      string `json:"id"`
	Scanner string `json:"scanner"`
	Code    string `json:"code"`
	Way     string `json:"direction"`
	Verdict string `json:"verdict"`
	Fate    string `json:"fate"`
	Detail  string `json:"fate_detail"`
	Kind    string `json:"kind"`
	By      string `json:"by"`
	Of      uint64 `json:"of"`
}

func export(t *testing.T, r *rig.Rig) []exported {
	t.Helper()
	var out bytes.Buffer
	if err := r.Client.Export(t.Context(), control.JSONLines, &out); err != nil {
		t.Fatal(err)
	}
	var rows []exported
	dec := json.NewDecoder(&out)
	for dec.More() {
		var row exported
		if err := dec.Decode(&row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// books holds the journal against the green lights that were seen.
func books(t *testing.T, r *rig.Rig, seen map[string]control.Event) {
	t.Helper()
	ids, codes := map[string]bool{}, map[string]bool{}
	newest, last := map[string]string{}, uint64(0)
	for _, row := range export(t, r) {
		if row.Seq <= last {
			t.Errorf("seq %d after %d", row.Seq, last)
		}
		last = row.Seq
		if row.Verdict != string(scanner.Admit) {
			continue
		}
		if ids[row.ID] || codes[row.Code] {
			t.Errorf("%s admitted twice", row.Code)
		}
		ids[row.ID], codes[row.Code] = true, true
		if row.Scanner != configs.Manual && row.Code <= newest[row.Scanner] {
			t.Errorf("%s: %s stored after %s", row.Scanner, row.Code, newest[row.Scanner])
		}
		newest[row.Scanner] = row.Code
	}
	for id, e := range seen {
		if !ids[id] {
			t.Errorf("green light seq %d (%s) is not in the journal", e.Seq, e.Code)
		}
	}
}
