package wire_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"usher/scanner"
	"usher/vendors/wire"
)

// nested is what FuzzDecode reads: names at two levels, in a list too.
type nested struct {
	Error  *bool   `json:"error"`
	Text   *string `json:"text"`
	Number *int64  `json:"number"`
	Inner  *nested `json:"inner"`
	Many   []entry `json:"many"`
}

// What is taken is whole JSON that every other reader takes for the same: text in
// UTF-8, no name twice in an object whatever its case, no known name in another
// case.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		var got nested
		if err := wire.Decode(data, &got); err != nil {
			if text := err.Error(); len(text) > 200 || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("the error shows the data: %q", text)
			}
			return
		}
		if !utf8.Valid(data) || !json.Valid(data) {
			t.Fatalf("taken: %q", data)
		}
		known := []string{"error", "text", "number", "inner", "many", "id", "name"}
		dec := json.NewDecoder(bytes.NewReader(data))
		var walk func() // one value
		walk = func() {
			token, err := dec.Token()
			if err != nil {
				t.Fatal(err)
			}
			switch token {
			case json.Delim('{'):
				var names []string
				for dec.More() {
					key, _ := dec.Token()
					name := key.(string)
					if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
						t.Errorf("a name twice in %q", data)
					}
					if i := slices.IndexFunc(known, func(n string) bool { return strings.EqualFold(n, name) }); i >= 0 && known[i] != name {
						t.Errorf("%q for %q in %q", name, known[i], data)
					}
					names = append(names, name)
					walk()
				}
				_, _ = dec.Token()
			case json.Delim('['):
				for dec.More() {
					walk()
				}
				_, _ = dec.Token()
			}
		}
		walk()
		again, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var second nested
		if err := wire.Decode(again, &second); err != nil {
			t.Errorf("%s: %v", again, err)
		}
	})
}

// A stream that was read to its end is whole JSON, and the other way round,
// however its bytes came in.
func FuzzStream(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte, size uint16) {
		whole, piecemeal := readAll(t, body, len(body)+1), readAll(t, body, int(size)+1)
		if (whole == nil) != (piecemeal == nil) {
			t.Fatalf("whole: %v; in pieces of %d: %v", whole, size, piecemeal)
		}
		if whole != nil {
			if call := scanner.CallErrorOf(whole); call.Trouble != scanner.Nonsense || !call.MaybeSent {
				t.Errorf("%v is %+v", whole, call)
			}
		}
		object := len(bytes.TrimLeft(body, " \t\r\n")) > 0 && bytes.TrimLeft(body, " \t\r\n")[0] == '{'
		valid := json.Valid(body) && object
		if whole == nil && !valid {
			t.Errorf("taken: %q", body)
		}
		if whole != nil && valid && utf8.Valid(body) && deepest(body) < 90 && len(body) < 200<<10 {
			t.Errorf("refused: %q: %v", body, whole)
		}
	})
}

// deepest is how deeply brackets are nested, texts included.
func deepest(body []byte) int {
	deep, most := 0, 0
	for _, b := range body {
		switch b {
		case '{', '[':
			deep++
			most = max(most, deep)
		case '}', ']':
			deep--
		}
	}
	return most
}

// readAll reads past everything.
func readAll(t *testing.T, body []byte, size int) error {
	s, err := streamOf(t, func(context.Context) io.Reader { return &pieces{string(body), size} }, 0)
	if err != nil {
		return err
	}
	if err := s.Object(func(string) error { return s.Skip() }); err != nil {
		return err
	}
	return s.End()
}

// A vendor's text becomes one line that can be shown anywhere.
func FuzzPlainText(f *testing.F) {
	f.Fuzz(func(t *testing.T, markup string) {
		for name, got := range map[string]string{"PlainText": wire.PlainText(markup), "Plain": wire.Plain(markup)} {
			if utf8.RuneCountInString(got) > 200 || !utf8.ValidString(got) {
				t.Errorf("%s: %d characters: %q", name, utf8.RuneCountInString(got), got)
			}
			if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
				t.Errorf("%s: %q holds what does not print", name, got)
			}
			if strings.TrimSpace(got) != got || strings.Contains(got, "  ") {
				t.Errorf("%s: blanks in %q", name, got)
			}
		}
		if once := wire.Plain(markup); wire.Plain(once) != once {
			t.Errorf("%q becomes %q the second time", once, wire.Plain(once))
		}
	})
}

// A secret is one short line, and what is wrong with a file never shows it.
func FuzzSecretFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "password")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := wire.Secret{Name: "password", File: path}.Read()
		if err != nil {
			word := strings.TrimSpace(string(content))
			if got != "" || len(word) > 8 && !strings.Contains(path, word) && strings.Contains(err.Error(), word) {
				t.Errorf("%q, %v", got, err)
			}
			return
		}
		if got == "" || len(got) > 4<<10 || strings.ContainsAny(got, "\r\n\x00") || !strings.HasPrefix(string(content), got) {
			t.Errorf("%q out of %q", got, content)
		}
	})
}
