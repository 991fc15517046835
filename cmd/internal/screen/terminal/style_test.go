package terminal

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

func decomposed(text string) string { return norm.NFD.String(text) }

// Text on its surface reaches 7:1 (WCAG 2.2, 1.4.6) wherever the colours are known.
func TestTextStandsOutFromItsSurface(t *testing.T) {
	for tone, ink := range cubeInks {
		parts := strings.Split(strings.Trim(ink, "\x1b[m"), ";")
		var fg, bg int
		for i := range parts {
			if i+2 < len(parts) && parts[i+1] == "5" {
				n, err := strconv.Atoi(parts[i+2])
				if err != nil {
					t.Fatal(err)
				}
				switch parts[i] {
				case "38":
					fg = n
				case "48":
					bg = n
				}
			}
		}
		if fg < 16 || bg < 16 {
			t.Errorf("tone %d: %q: colours that look alike nowhere", tone, ink)
		}
		if c := contrast(cubeRGB(fg), cubeRGB(bg)); c < 7 {
			t.Errorf("tone %d: %.2f:1", tone, c)
		}
	}
	colours := map[string]string{"0": "000000", "7": "aaaaaa", "bright": "ffffff"}
	for _, set := range strings.Split(palette, "\x1b]P")[1:] {
		colours[set[:1]] = set[1:]
	}
	for tone, ink := range eightInks {
		fg, bg := "7", "0"
		for _, part := range strings.Split(strings.Trim(ink, "\x1b[m"), ";") {
			switch {
			case part == "7":
				fg, bg = "0", "7"
			case part == "37":
				fg = "bright" // with the 1
			case strings.HasPrefix(part, "3"):
				fg = part[1:]
			case strings.HasPrefix(part, "4"):
				bg = part[1:]
			}
		}
		if c := contrast(hexRGB(t, colours[fg]), hexRGB(t, colours[bg])); c < 7 {
			t.Errorf("console, tone %d: %s on %s is %.2f:1", tone, fg, bg, c)
		}
	}
}

func cubeRGB(n int) [3]float64 {
	if n >= 232 {
		grey := float64(8 + 10*(n-232))
		return [3]float64{grey, grey, grey}
	}
	levels := []float64{0, 95, 135, 175, 215, 255}
	n -= 16
	return [3]float64{levels[n/36], levels[n/6%6], levels[n%6]}
}

func hexRGB(t *testing.T, text string) (rgb [3]float64) {
	t.Helper()
	var r, g, b int
	if _, err := fmt.Sscanf(text, "%02x%02x%02x", &r, &g, &b); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return [3]float64{float64(r), float64(g), float64(b)}
}

func contrast(a, b [3]float64) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(rgb [3]float64) float64 {
	var sum float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		c := rgb[i] / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func TestWhatATerminalCanDo(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, tt := range []struct {
		env  string
		want style
	}{
		{"TERM=xterm-256color LANG=de_DE.UTF-8", style{cube, true, true}},
		{"TERM=xterm COLORTERM=truecolor LC_ALL=C.utf8", style{cube, true, true}},
		{"TERM=screen LANG=en_US.UTF-8", style{eight, true, true}},
		{"TERM=linux LANG=C.UTF-8", style{console, true, false}},
		{"TERM=linux", style{console, false, false}},
		{"TERM=vt100 LANG=C.UTF-8", style{none, true, true}},
		{"TERM=vt220 LANG=de_DE.ISO-8859-1", style{none, false, false}},
		{"TERM=vte-256color LC_ALL=C LANG=C.UTF-8", style{cube, false, false}},
		{"TERM=xterm-mono LANG=C.UTF-8", style{none, true, true}},
		{"TERM=xterm-256color NO_COLOR=1 LANG=C.UTF-8", style{none, true, true}},
	} {
		if got := styleOf(null, environ(tt.env)); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.env, got, tt.want)
		}
	}
}

func environ(text string) func(string) string {
	return func(name string) string {
		for _, pair := range strings.Fields(text) {
			if key, value, _ := strings.Cut(pair, "="); key == name {
				return value
			}
		}
		return ""
	}
}

func TestTheLanguageIsGuessedUntilTheDaemonTells(t *testing.T) {
	for env, want := range map[string]string{
		"": "en", "LANG=C.UTF-8": "en", "LANG=fr_CH.UTF-8": "fr", "LANG=de": "de", "LC_ALL=es_MX LANG=de_DE": "es",
		"LC_MESSAGES=de_DE.UTF-8 LANG=fr_FR": "de", "LANG=it_IT.UTF-8": "en", "LANG=est_EE": "en", "LANG=fr.UTF-8": "fr",
	} {
		if got := language(environ(env)); got != want {
			t.Errorf("%q: %s, want %s", env, got, want)
		}
	}
}

func TestASCIIOnly(t *testing.T) {
	for text, want := range map[string]string{
		"REFUSÉ": "REFUSE", "À VÉRIFIER": "A VERIFIER", "PRÜFEN": "PRUFEN", "…0123": "...0123", "„Tor“": `"Tor"`,
		"¿Dejar pasar?": "Dejar pasar?", "Straße": "Strasse", "Łódź": "Lodz", "日本": "??", "fi": "fi", "": "",
	} {
		if got := (style{}).say(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
