package screen

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usher/cmd/internal/control"
	"usher/scanner"
)

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// TestEveryLanguageSaysEverything: no key is missing, empty or twice, and every
// language has the same placeholders.
func TestEveryLanguageSaysEverything(t *testing.T) {
	english, err := WordsIn("en")
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range Languages() {
		w, err := WordsIn(language)
		if err != nil {
			t.Error(err)
			continue
		}
		if w.Language != language {
			t.Errorf("%s calls itself %q", language, w.Language)
		}
		have, want := reflect.ValueOf(w), reflect.ValueOf(english)
		for i := range have.NumField() {
			name, text := have.Type().Field(i).Tag.Get("json"), have.Field(i).String()
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s is missing", language, name)
			}
			got, all := placeholder.FindAllString(text, -1), placeholder.FindAllString(want.Field(i).String(), -1)
			slices.Sort(got)
			slices.Sort(all)
			if !slices.Equal(got, all) {
				t.Errorf("%s: %s has the placeholders %v, English %v", language, name, got, all)
			}
		}
		text, err := catalogue.ReadFile("words/" + language + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if n, keys := have.NumField(), keysOf(t, text); len(keys) != n {
			t.Errorf("%s has %d keys, not %d: one stands twice", language, len(keys), n)
		}
	}
	files, err := fs.Glob(catalogue, "words/*")
	if err != nil || len(files) != len(Languages()) {
		t.Errorf("%d files for %d languages, %v", len(files), len(Languages()), err)
	}
	if _, err := WordsIn("../en"); err == nil {
		t.Error("an unknown language is taken")
	}
}

// keysOf lists the keys as they stand in the file.
func keysOf(t *testing.T, text []byte) []string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	var keys []string
	for i := 0; ; i++ {
		token, err := decoder.Token()
		if err != nil {
			return keys
		}
		if text, ok := token.(string); ok && i%2 == 1 {
			keys = append(keys, text)
		}
	}
}

// TestNoWordIsUnused: what nobody says any more must leave the catalogue.
func TestNoWordIsUnused(t *testing.T) {
	used := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
			return err
		case strings.HasSuffix(path, "_test.go") || path == "words.go":
			return nil
		case strings.HasSuffix(path, ".go"):
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					used[s.Sel.Name] = true
				}
				return true
			})
		case strings.HasSuffix(path, ".html"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range regexp.MustCompile(`\.([A-Z][A-Za-z]+)`).FindAllSubmatch(text, -1) {
				used[string(m[1])] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range reflect.TypeFor[Words]().NumField() {
		if name := reflect.TypeFor[Words]().Field(i).Name; !used[name] {
			t.Errorf("nothing says %s", name)
		}
	}
}

// TestNothingButAnAdmissionReadsLikeOne: at a glance a word is not read to its end.
func TestNothingButAnAdmissionReadsLikeOne(t *testing.T) {
	for _, s := range speakers(t) {
		w := s.Words
		for _, kind := range []Kind{Refused, Reviewed, Repeated, Undone, Conflict, Lost} {
			for _, pass := range []string{w.Admit, w.Exit, w.DirectionEntry, w.DirectionExit} {
				if strings.Contains(strings.ToLower(s.word(kind)), strings.ToLower(pass)) {
					t.Errorf("%s: %s for %s holds %q", w.Language, s.word(kind), kind, pass)
				}
			}
		}
		for _, reason := range scanner.Reasons() {
			v := s.Event(control.Event{Verdict: scanner.Refuse, Reason: reason, At: control.At(now)})
			if text := v.Why + " " + v.Do; strings.Contains(strings.ToLower(text), strings.ToLower(w.Admit)) {
				t.Errorf("%s: %q, of a refusal, holds %q", w.Language, text, w.Admit)
			}
		}
	}
}
