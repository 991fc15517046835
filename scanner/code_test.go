package scanner_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"usher/scanner"
)

func TestClean(t *testing.T) {
	for raw, want := range map[string]scanner.Code{
		"\r\nABC\t \r": "ABC", " \t\r\n": "", "A B": "A B", "\x1dA\x1d": "\x1dA\x1d", "": "",
	} {
		if got := scanner.Clean(raw); got != want {
			t.Errorf("Clean(%q) = %q, want %q", raw, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, ok := range []scanner.Code{"A", "]C101040\x1d21AB", "ÄÖ", scanner.Code(strings.Repeat("x", 4096))} {
		if err := ok.Check(); err != nil {
			t.Errorf("%q: %v", ok.Mask(), err)
		}
	}
	for why, bad := range map[string]scanner.Code{
		"longer than 4 KiB": scanner.Code(strings.Repeat("x", 4097)), "not text": "A\xffB", "control characters inside": "A\x1bB",
	} {
		err := bad.Check()
		if !errors.Is(err, scanner.ErrUnreadable) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: got %v", why, err)
		}
	}
}

func TestForms(t *testing.T) {
	for code, want := range map[scanner.Code][]scanner.Code{
		"ABC":               {"ABC"},
		"]C1ABC":            {"]C1ABC", "ABC"},
		`\000026ABC`:        {`\000026ABC`, "ABC"},
		`]Q2\000026ABC`:     {`]Q2\000026ABC`, `\000026ABC`, "ABC"},
		"]C1":               {"]C1"},
		"]!1ABC":            {"]!1ABC"},
		`\00002ABC`:         {`\00002ABC`},
		`\000026`:           {`\000026`},
		"https://x.example": {"https://x.example"},
	} {
		if got := code.Forms(); !slices.Equal(got, want) {
			t.Errorf("Forms(%q) = %q, want %q", code, got, want)
		}
	}
}

func TestMaskNeverShowsMoreThanAThird(t *testing.T) {
	if got := scanner.Code("TICKET-123456").Mask(); got != "…3456" {
		t.Errorf("mask %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		code := scanner.Code(rapid.String().Draw(t, "code"))
		mask := strings.TrimPrefix(code.Mask(), "…")
		shown := utf8.RuneCountInString(mask)
		if shown > 4 || shown*3 > utf8.RuneCountInString(string(code)) {
			t.Fatalf("%q shows %q", code, mask)
		}
		if strings.ContainsFunc(mask, func(r rune) bool { return r < ' ' }) {
			t.Fatalf("control character in mask %q", mask)
		}
	})
}

func TestCodesNeverReachALogWhole(t *testing.T) {
	var b strings.Builder
	log := slog.New(slog.NewTextHandler(&b, nil))
	log.Info("scan", "code", scanner.Code("SECRET-TICKET-0042"), "err", fmt.Errorf("x"))
	if strings.Contains(b.String(), "SECRET") {
		t.Errorf("log holds the code: %s", b.String())
	}
}
