package main

import (
	"bytes"
	"log"
	"log/slog"
	"strings"
	"testing"
)

// What a library quotes of an answer names patrons; it stays out of the log.
func TestLibraryLogQuotesNothing(t *testing.T) {
	var out bytes.Buffer
	library := log.New(libraryLog{slog.New(slog.NewTextHandler(&out, nil))}, "", 0)
	library.Printf("Unsolicited response received on idle HTTP channel starting with %q; err=%v", `{"firstName":"Jane"}`, nil)
	if text := out.String(); !strings.Contains(text, "Unsolicited response") || strings.Contains(text, "Jane") {
		t.Errorf("logged %s", text)
	}
}
