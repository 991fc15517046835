package link

import (
	"fmt"
	"time"

	"usher/scanner"
)

// callOf is the call error behind a failed call; nil is a call that was still
// under way when patience, or what is normal for the vendor, ran out.
func callOf(err error) *scanner.CallError {
	if err == nil {
		return &scanner.CallError{Trouble: scanner.Silent, MaybeSent: true}
	}
	return scanner.CallErrorOf(err)
}

// reason says in words why the vendor cannot be asked.
func (l *Link) reason(call *scanner.CallError) string {
	var text string
	switch call.Trouble {
	case scanner.Unreachable:
		text = "the vendor cannot be reached"
	case scanner.Nonsense:
		text = "what answers is not the vendor; look for a captive portal or a proxy"
	case scanner.Failing:
		text = "the vendor has a fault of its own"
	case scanner.Throttled:
		text = "the vendor wants fewer calls"
	case scanner.Denied:
		text = "the vendor refuses the sign-in or this call; check user, password and permissions"
	case scanner.Malformed:
		text = "the vendor calls the questions wrong"
	default:
		text = "the vendor does not answer in time"
	}
	if call.Status != 0 {
		text += fmt.Sprintf(" (HTTP %d)", call.Status)
	}
	if call.Err != nil {
		text += ": " + call.Err.Error()
	}
	if wait := time.Until(l.asked); wait > 0 {
		until := l.o.Clock.True(after(l.o.Clock.Now(), wait)).At
		text += "; it asks to be left alone until " + until.UTC().Format(time.RFC3339)
	}
	return text
}

func tooSlow(took, most time.Duration) string {
	return fmt.Sprintf("the vendor answers too slowly: %v, and %v is the most", took.Round(time.Millisecond), most)
}
