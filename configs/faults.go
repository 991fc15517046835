package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong, and what to do about it.
type Fault struct {
	// Path is the key (gate.direction, scanners[lane-1].port), the environment
	// variable, or the file itself.
	Path string `json:"path"`
	// Text is the rest of the sentence.
	Text string `json:"text"`
}

func (f Fault) String() string {
	if f.Path == "" {
		return f.Text
	}
	return f.Path + ": " + f.Text
}

// Faults is everything that is wrong, reported at once. As an error it has one
// line for each fault.
type Faults []Fault

// Add appends a fault.
func (f *Faults) Add(path, format string, args ...any) {
	*f = append(*f, Fault{Path: visible(path), Text: visible(fmt.Sprintf(format, args...))})
}

// visible keeps what a file or a variable holds from being obeyed where a fault is
// read.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unseen(r) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// Merge appends the faults of another part of the report.
func (f *Faults) Merge(more ...Fault) { *f = append(*f, more...) }

// Sort puts the faults in the order of their paths, those of one path as they
// came, and drops exact repeats.
func (f *Faults) Sort() {
	slices.SortStableFunc(*f, func(a, b Fault) int { return cmp.Compare(a.Path, b.Path) })
	*f = slices.Compact(*f)
}

// Has tells whether the path itself is at fault.
func (f Faults) Has(path string) bool {
	return slices.ContainsFunc(f, func(x Fault) bool { return x.Path == path })
}

// Err is the faults as an error, nil where there are none.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// Error has one line for each fault.
func (f Faults) Error() string { return strings.Join(f.Strings(), "\n") }

// Strings gives each fault as one line.
func (f Faults) Strings() []string {
	lines := make([]string, len(f))
	for i, x := range f {
		lines[i] = x.String()
	}
	return lines
}

// FaultsOf turns the error of the drivers or the vendor about the block at path
// into faults, one for each error that was joined into it (errors.Join). What such
// an error begins with ends the fault's path: a key ("port: missing") or a scanner
// ("scanner lane-1: port: missing").
func FaultsOf(path string, err error) Faults {
	if err == nil {
		return nil
	}
	if own, ok := err.(Faults); ok {
		return own
	}
	var out Faults
	for _, e := range joined(err) {
		out.Merge(FaultsOf(path, e)...)
	}
	if out != nil {
		return out
	}
	words := err.Error()
	if head, rest, ok := strings.Cut(words, ": "); ok {
		if name, ok := strings.CutPrefix(head, "scanner "); ok && printable(name) {
			path, words = "scanners["+name+"]", rest
		} else if strings.HasPrefix(head, "scanners[") {
			path, words = head, rest
		}
	}
	if head, rest, ok := strings.Cut(words, ": "); ok && plainName(head) {
		path, words = join(path, head), rest
	}
	return Faults{{Path: visible(path), Text: visible(words)}}
}

// joined gives the parts of an error that is nothing but its parts, one a line.
func joined(err error) []error {
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	parts := many.Unwrap()
	lines := make([]string, len(parts))
	for i, e := range parts {
		lines[i] = e.Error()
	}
	if strings.Join(lines, "\n") != err.Error() {
		return nil
	}
	return parts
}
