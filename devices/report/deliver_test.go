package report

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestFloodingIsToldUntilItIsOver(t *testing.T) {
	const layout = "set layout: fr"
	type step struct {
		after time.Duration
		do    func(*Adviser)
		want  string
	}
	look := func(*Adviser) {}
	for name, steps := range map[string][]step{
		"calm for a minute": {
			{0, look, layout},
			{0, (*Adviser).Dropped, Flooding},
			{time.Minute - 1, look, Flooding},
			{1, look, layout},
			{time.Hour, (*Adviser).Dropped, Flooding},
		},
		"still at it": {
			{0, (*Adviser).Dropped, Flooding},
			{50 * time.Second, (*Adviser).Dropped, Flooding},
			{50 * time.Second, look, Flooding},
		},
		"some get through": {
			{0, (*Adviser).Dropped, Flooding},
			{time.Second, (*Adviser).Taken, Flooding},
			{5*time.Second - time.Second, (*Adviser).Taken, layout},
			{time.Second, (*Adviser).Taken, layout},
		},
		"another advice meanwhile": {
			{0, (*Adviser).Dropped, Flooding},
			{0, func(a *Adviser) { a.Advise("") }, Flooding},
			{time.Minute, look, ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a Adviser
				a.Advise(layout)
				for i, s := range steps {
					time.Sleep(s.after)
					s.do(&a)
					if got := a.Advice(); got != s.want {
						t.Errorf("step %d: %q, want %q", i, got, s.want)
					}
				}
			})
		})
	}
}

func TestAMissingSuffixIsToldWhereThereIsNoOtherAdvice(t *testing.T) {
	var a Adviser
	for i, s := range []struct {
		do   func()
		want string
	}{
		{func() { a.Unended(false) }, ""},
		{func() { a.Unended(true) }, NoSuffix},
		{func() { a.Advise("set layout: fr") }, "set layout: fr"},
		{func() { a.Advise("") }, NoSuffix},
		{a.Dropped, Flooding},
		{func() { a.Unended(false) }, Flooding},
	} {
		if s.do(); a.Advice() != s.want {
			t.Errorf("step %d: %q, want %q", i, a.Advice(), s.want)
		}
	}
}
