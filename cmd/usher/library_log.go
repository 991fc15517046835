package main

import (
	"bytes"
	"log/slog"
)

// libraryLog takes what libraries say through the standard log, which goes to
// standard error otherwise: net/http quotes there the bytes of an answer that
// nobody asked for, and an answer names patrons and tokens. What is quoted is
// left out.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Write(p []byte) (int, error) {
	text, _, _ := bytes.Cut(bytes.TrimSpace(p), []byte{'"'})
	l.log.Warn("a library's remark: " + string(text))
	return len(p), nil
}
