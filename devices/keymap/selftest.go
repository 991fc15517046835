package keymap

import "fmt"

// SelfTest is the text of a code to print and scan: its characters lie on
// different keys in every layout, and its letters tell inverted case.
const SelfTest = "USHER-SELF-TEST aAzZqQwWyYmM 0123456789 /+:;.,!#%\\"

// Finding is what a reading of the self-test tells.
type Finding struct {
	// Layout is the one that the scanner is set to.
	Layout string
	// Inverted: its letters come in the wrong case.
	Inverted bool
}

// OK tells whether text scanned under the layout is the self-test, read right.
func (f Finding) OK(layout *Layout) bool { return f.Layout == layout.name && !f.Inverted }

// Advice says in words what to change; empty where nothing is wrong.
func (f Finding) Advice(layout *Layout) string {
	switch {
	case f.OK(layout):
		return ""
	case f.Layout != layout.name:
		return fmt.Sprintf("the self-test shows that this scanner types as a keyboard of layout %s and is read as %s; set layout: %s", f.Layout, layout.name, f.Layout)
	}
	return "the self-test shows letters in the wrong case; switch the scanner's CapsLock handling off"
}

// Tester knows every way in which the self-test may be read under a layout.
type Tester struct {
	layout *Layout
	as     map[string]Finding
}

// NewTester prepares for readings under the layout.
func NewTester(layout *Layout) *Tester {
	t := &Tester{layout: layout, as: map[string]Finding{}}
	for _, name := range append(Names(), layout.name) { // the right one wins
		for _, inverted := range []bool{true, false} {
			if text, ok := misread(layouts()[name].layout(name), layout, inverted); ok {
				t.as[text] = Finding{Layout: name, Inverted: inverted}
			}
		}
	}
	return t
}

// Diagnose tells whether a text is the self-test, typed by a scanner of any
// layout.
func (t *Tester) Diagnose(text string) (Finding, bool) {
	found, ok := t.as[text]
	return found, ok
}

// misread is the self-test typed in one layout and read in another.
func misread(typing, reading *Layout, inverted bool) (string, bool) {
	strokes, ok := typing.Strokes(SelfTest)
	if !ok {
		return "", false
	}
	t := NewTypist(reading)
	t.caps = inverted
	var text string
	for _, s := range strokes {
		text += t.Hold(s.Mods)
		text += t.Press(s.Key)
	}
	text += t.Hold(0)
	return text + t.Silence(), true
}
