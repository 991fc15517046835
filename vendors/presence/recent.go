package presence

import (
	"slices"
	"sync"
	"time"

	"usher/scanner"
)

// duplicateWindow is how close two scans of a ticket are that Presence calls
// DUPLICATE (2 seconds), and a second for what the network adds.
const duplicateWindow = 3 * time.Second

// recent are this device's own questions of the last seconds: what DUPLICATE may
// speak of. It is safe for concurrent use.
type recent struct {
	mu  sync.Mutex // guards all
	all []*question
}

// question is one call for one ticket.
type question struct {
	code      scanner.Code
	direction scanner.Direction
	began     scanner.Stamp
	// ended is when it was answered or failed; running: it is not yet.
	ended   scanner.Stamp
	running bool
	// answer is what Presence said; nil: nobody knows.
	answer *scanner.Answer
}

// begin notes a question that is about to be asked.
func (r *recent) begin(code scanner.Code, direction scanner.Direction, now scanner.Stamp) *question {
	q := &question{code: code, direction: direction, began: now, running: true}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = slices.DeleteFunc(r.all, func(old *question) bool { return !old.within(now) })
	r.all = append(r.all, q)
	return q
}

// within tells whether the question may have reached Presence so shortly before.
func (q *question) within(now scanner.Stamp) bool {
	passed, known := now.Since(q.ended)
	return q.running || known && passed <= duplicateWindow
}

// failed notes that no answer came; one that was never sent explains nothing.
func (r *recent) failed(q *question, now scanner.Stamp, maybeSent bool) {
	if !maybeSent {
		r.drop(q)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	q.running, q.ended = false, now
}

func (r *recent) answered(q *question, now scanner.Stamp, a scanner.Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q.running, q.ended, q.answer = false, now, &a
}

func (r *recent) drop(q *question) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = slices.DeleteFunc(r.all, func(other *question) bool { return other == q })
}

// explain is the verdict on DUPLICATE, which says nothing of the ticket itself:
// what Presence answered to this device a moment ago, where that is known.
func (r *recent) explain(mine *question, said said, ask scanner.Ask) scanner.Answer {
	r.drop(mine)
	r.mu.Lock()
	defer r.mu.Unlock()
	ours := false
	for _, q := range slices.Backward(r.all) {
		if q.code != ask.Code || q.direction != ask.Direction || !q.within(mine.began) {
			continue
		}
		if q.answer != nil {
			return again(*q.answer, ask.Direction)
		}
		ours = true
	}
	if ours {
		return scanner.Answer{
			Verdict: scanner.Review, Reason: scanner.Restricted,
			Detail: "the answer to the scan a moment ago got lost: scan it once more · " + said.status.plain(),
		}
	}
	return said.verdict(ask.Direction, ask.Code)
}

// again is what an answer means to the same question a moment later.
func again(a scanner.Answer, direction scanner.Direction) scanner.Answer {
	if a.Verdict != scanner.Admit {
		return a
	}
	a.Verdict, a.Reason = scanner.Refuse, scanner.AlreadyEntered
	if direction == scanner.Exit {
		a.Reason = scanner.ExitNotPermitted
	}
	return a
}
