package journal

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/scanner"
)

const (
	writerEnv = "USHER_JOURNAL_WRITER"
	kills     = 30
)

// TestMain lets the test binary be a writer that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(writerEnv); dir != "" {
		if err := writeForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if dir, point, ok := strings.Cut(os.Getenv(doubtEnv), ":"); ok {
		fmt.Fprintln(os.Stderr, failAndDie(dir, point))
		os.Exit(1)
	}
	if err := fewerChecks(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// fewerChecks has a property tried 60 times, unless the command line says how often.
func fewerChecks() error {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "rapid.checks" })
	if said {
		return nil
	}
	return flag.Set("rapid.checks", "60")
}

// writeForEver admits, notes and settles on several lanes, and says each seq
// only after the journal has.
func writeForEver(dir string) error {
	opts := options(dir)
	j, err := Open(opts)
	if err != nil {
		return err
	}
	var out sync.Mutex
	say := func(kind string, ticket int, seq uint64) {
		out.Lock()
		defer out.Unlock()
		fmt.Printf("%s %d %d\n", kind, ticket, seq)
	}
	ctx := context.Background()
	go j.Run(ctx)
	var wg sync.WaitGroup
	for lane := range 3 {
		wg.Go(func() {
			c := newClock()
			for {
				ticket := lane*10 + rand.IntN(10)
				m, err := j.Mark(scope, code(ticket))
				if err != nil {
					panic(err)
				}
				rec := record(c, ticket, scanner.FatePending)
				m.Entered, m.Last = true, scanner.SelfSeq
				m.Open++
				seq, err := j.Commit(ctx, scanner.Change{Record: rec, Mark: &m})
				if errors.Is(err, scanner.ErrChanged) {
					// Settled meanwhile: decide again.
					continue
				} else if err != nil {
					panic(err)
				}
				say("admit", ticket, seq)
				say("note", ticket, j.Note(refusal(c, ticket)))
			}
		})
	}
	wg.Go(func() {
		for {
			due, err := j.Outbox(5)
			if err != nil {
				panic(err)
			}
			for _, e := range due {
				if err := j.Settle(ctx, []scanner.Settlement{{Seq: e.Seq, To: scanner.FateTaken}}); err != nil {
					panic(err)
				}
				say("taken", 0, e.Seq)
			}
		}
	})
	wg.Wait()
	return nil
}

// told is what the writers said in all their lives.
type told struct {
	admitted map[uint64]int
	noted    map[uint64]bool
	taken    map[uint64]bool
}

// TestKill kills a writer again and again: every admission it spoke of is there
// exactly once, in order, every mark counts its entries, and no number is ever
// given twice, shown notes included.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	all := told{admitted: make(map[uint64]int), noted: make(map[uint64]bool), taken: make(map[uint64]bool)}
	var last uint64
	for range kills {
		life := runAndKill(t, dir)
		for _, line := range life {
			kind, ticket, seq := parse(t, line)
			if seq <= last && kind != "taken" {
				t.Fatalf("seq %d was given again (earlier lives came to %d)", seq, last)
			}
			switch kind {
			case "admit":
				all.admitted[seq] = ticket
			case "note":
				all.noted[seq] = true
			case "taken":
				all.taken[seq] = true
			}
		}
		for seq := range all.admitted {
			last = max(last, seq)
		}
		for seq := range all.noted {
			last = max(last, seq)
		}
		checkFile(t, dir)
	}
	if len(all.admitted) < kills {
		t.Fatalf("only %d admissions in %d lives", len(all.admitted), kills)
	}
	j := open(t, options(dir))
	entered := make(map[int]int)
	owed := make(map[int]int)
	var before uint64
	for _, e := range history(t, j) {
		if e.Seq <= before {
			t.Errorf("record %d comes after %d", e.Seq, before)
		}
		before = e.Seq
		if !e.Movement() {
			continue
		}
		ticket, err := strconv.Atoi(strings.TrimPrefix(string(e.Code), "TICKET-"))
		if err != nil {
			t.Fatal(err)
		}
		if want, ok := all.admitted[e.Seq]; ok && want != ticket {
			t.Errorf("record %d is of ticket %d, not %d", e.Seq, ticket, want)
		}
		delete(all.admitted, e.Seq)
		if all.taken[e.Seq] && e.Fate != scanner.FateTaken {
			t.Errorf("record %d was taken and is %q", e.Seq, e.Fate)
		}
		entered[ticket]++
		if e.Fate == scanner.FatePending {
			owed[ticket]++
		}
	}
	for seq, ticket := range all.admitted {
		t.Errorf("admission %d of ticket %d is lost", seq, ticket)
	}
	for ticket, n := range entered {
		if m := mark(t, j, ticket); !m.Entered || m.Open != owed[ticket] {
			t.Errorf("ticket %d entered %d times, %d open: mark %+v", ticket, n, owed[ticket], m)
		}
	}
	total := 0
	for _, n := range entered {
		total += n
	}
	if got := j.Status().Tallies[0].Entries; got != total {
		t.Errorf("%d entries are counted, %d are in the log", got, total)
	}
}

// runAndKill lets a writer live for a moment and gives the lines it got out.
func runAndKill(t *testing.T, dir string) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerEnv+"="+dir)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	in := bufio.NewReader(pipe)
	limit := 1 + rand.IntN(30)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			// A line that was cut off was not said.
			if err != io.EOF {
				t.Fatal(err)
			}
			break
		}
		lines = append(lines, line)
		if len(lines) == limit {
			time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, func() { cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the writer ended by itself: %v", err)
	}
	return lines
}

func parse(t *testing.T, line string) (kind string, ticket int, seq uint64) {
	t.Helper()
	if _, err := fmt.Sscanf(line, "%s %d %d", &kind, &ticket, &seq); err != nil {
		t.Fatalf("line %q: %v", line, err)
	}
	return kind, ticket, seq
}
