package screen

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
)

//go:embed page
var assets embed.FS

// page is the page's files, in one language.
type page struct {
	// files by their path on the server.
	files map[string]http.Handler
	// print tells one version from another, so that a page which was loaded from an
	// older daemon, or in another language, loads itself anew.
	print string
}

var contentTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
}

func newPage(s Speaker) (page, error) {
	texts := map[string][]byte{}
	entries, err := fs.ReadDir(assets, "page")
	if err != nil {
		return page{}, err
	}
	for _, entry := range entries {
		if texts[entry.Name()], err = assets.ReadFile("page/" + entry.Name()); err != nil {
			return page{}, err
		}
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q", s.Words)
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		sum.Write(texts[name])
	}
	p := page{files: map[string]http.Handler{}, print: hex.EncodeToString(sum.Sum(nil)[:8])}
	for name, text := range texts {
		where := "/" + name
		if name == index {
			if text, err = s.index(text, p.print); err != nil {
				return page{}, err
			}
			where = "/{$}"
		}
		p.files[where] = file{kind: contentTypes[path.Ext(name)], text: text}
	}
	return p, nil
}

const index = "screen.html"

// index puts the words into the page.
func (s Speaker) index(text []byte, print string) ([]byte, error) {
	t, err := template.New(index).Parse(string(text))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		W     Words
		Lost  State
		Print string
	}{s.Words, s.LostState(s.Words.Connecting), print})
	return b.Bytes(), err
}

type file struct {
	kind string
	text []byte
}

func (f file) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(f.text)))
	_, _ = w.Write(f.text)
}
