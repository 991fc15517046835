package pagetest

import (
	"testing"

	"usher/cmd/internal/browser"
	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
	"usher/scanner"
)

func TestPageSpeaksTheGatesLanguage(t *testing.T) {
	for language, want := range map[string]struct{ ready, admit, refuse, why, do, code, online string }{
		"es": {"Listo: escanee una entrada", "PASE", "", "Ya entró en Gate 2, 19:03.", "", "", "En línea"},
		"fr": {"Prêt : scannez un billet", "", "", "", "", "", "En ligne"},
		"de": {"Bereit: Ticket scannen", "", "", "", "", "", "Online"},
	} {
		t.Run(language, func(t *testing.T) {
			g := newGate(t)
			g.language = language
			g.change(func(s *control.Status) { s.Screen.Language = language })
			tab := g.visit("")
			tab.Size(320, 568)
			calm(tab)
			if got := browser.Get[string](tab, "document.documentElement.lang"); got != language {
				t.Errorf("the page says that it is in %q", got)
			}
			_ = want
			_ = scanner.OK
			_ = screen.Admitted
		})
	}
}
