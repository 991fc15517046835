package pagetest

import (
	"fmt"
	"strings"
	"testing"

	"usher/cmd/internal/browser"
	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
	"usher/scanner"
)

// TestPageSpeaksTheGatesLanguage: nothing on it is left in English, and every
// language's words fit on the smallest screen.
func TestPageSpeaksTheGatesLanguage(t *testing.T) {
	for language, want := range map[string]struct{ ready, refused, why, code, last, direction string }{
		"es": {"Listo: lea una entrada", "DENEGADO", "Ya ha entrado por Gate 2, 19:03.", "Escribir un código", "Últimas lecturas", "entrada"},
		"fr": {"Prêt : scannez un billet", "REFUSÉ", "Déjà entré par Gate 2, 19:03.", "Saisir un code", "Derniers passages", "entrée"},
		"de": {"Bereit: Ticket scannen", "ABGELEHNT", "Schon eingetreten bei Gate 2, 19:03.", "Code eintippen", "Letzte Scans", "Eingang"},
	} {
		t.Run(language, func(t *testing.T) {
			g := newGate(t)
			g.language = language
			g.change(func(s *control.Status) { s.Screen.Language = language })
			tab := g.visit("")
			tab.Size(320, 480)
			calm(tab)
			text := func(id string) string {
				return browser.Get[string](tab, fmt.Sprintf(`document.querySelector(%q).textContent`, id))
			}
			if got := browser.Get[string](tab, "document.documentElement.lang"); got != language {
				t.Errorf("the page says that it is in %q", got)
			}
			if text("#why") != want.ready || text("#open-code") != want.code || text("#open-scans") != want.last || !strings.HasPrefix(text("#bar"), "Gate 7, "+want.direction) {
				t.Errorf("the calm page says %q", browser.Get[string](tab, "document.body.innerText"))
			}
			g.tell(tab, refused(scanner.AlreadyEntered), screen.Refused)
			if text("#word") != want.refused || text("#why") != want.why {
				t.Errorf("a refusal is %q, %q", text("#word"), text("#why"))
			}
			for _, s := range scenes() {
				e := g.tell(tab, s.event, s.kind)
				v := g.speaker().Event(e)
				if got := browser.Get[seen](tab, readSurface); got.Word != v.Word || got.Why != v.Why || got.Do != v.Do {
					t.Errorf("%s: the page shows %+v, and the view is %+v", s.name, got, v)
				}
				readable(t, s.name, tab, "#word", "#why", "#do")
			}
			english, err := screen.WordsIn("en")
			if err != nil {
				t.Fatal(err)
			}
			all := browser.Get[string](tab, "look.everything()")
			for _, word := range []string{english.TypeCode, english.LastScans, english.SearchHint, english.YourName, english.NoConnection, english.DoNotTrust, english.LetIn, english.TakeBack} {
				if strings.Contains(all, word) {
					t.Errorf("%q is left in English", word)
				}
			}
		})
	}
}
