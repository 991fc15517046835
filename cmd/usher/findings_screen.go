package main

import (
	"context"

	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
	"usher/configs"
)

// inspectScreen tells where the gate screen is, and what keeps it from being there.
// A running daemon has the address, and its status says what is wrong.
func inspectScreen(ctx context.Context, f *findings, cfg *configs.Config, status *control.Status) {
	const what = "status.screen"
	addr := cfg.Status.Screen
	switch {
	case addr == configs.ScreenOff:
		f.add(what, gradeOK, "off: there is no gate screen in a browser; `usher watch` is one in a terminal")
	case status != nil && status.Screen.URL == screen.URL(addr):
		f.add(what, gradeOK, "%s", screen.URL(addr))
	case status != nil:
		f.add(what, gradeWarn, "%s after `usher reload`", screen.URL(addr))
	default:
		listener, err := screen.Listen(ctx, addr)
		if err != nil {
			f.add(what, gradeFail, "%s", screen.ProblemOf(addr, err))
			return
		}
		_ = listener.Close()
		f.add(what, gradeOK, "%s, once usher runs", screen.URL(addr))
	}
}
