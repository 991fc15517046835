package refresh

import (
	"encoding/json"
	"time"
)

const (
	kindManifest = "manifest"
	kindImport   = "import"
)

// source is what a list remembers of where it came from.
type source struct {
	Kind string `json:"kind"`
	// Manifest is the SHA-256 of the manifest that the list was made of, or, for
	// an import, that it takes precedence over.
	Manifest string `json:"manifest,omitempty"`
	// At is when an import was made.
	At time.Time `json:"at,omitzero"`
}

func (s source) encode() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // texts and a time of this century
	}
	return string(text)
}

// stored is the present list's source; the zero source where there is no list,
// another usher's words, or a damaged list that the manifest can replace. A
// damaged import stays: the manifest is older.
func (r *Refresher) stored() source {
	text, _, ok := r.o.Store.Source(r.o.Scope)
	if !ok {
		return source{}
	}
	var s source
	if json.Unmarshal([]byte(text), &s) != nil || s.Kind == kindManifest && r.o.Store.Damaged(r.o.Scope) {
		return source{}
	}
	return s
}
