// Package terminal is the gate screen for a terminal: a Linux console, a window, a
// session over ssh. It draws what the page draws, [screen.View] and [screen.State],
// in the language, for the time and in the venue's zone that the daemon's status
// tells.
//
// What it can rely on is little. Colours may be 256, 8 or none, characters UTF-8 or
// ASCII, and the screen one cell large: verdict and shape come before all else.
// Foreign text is cleaned ([Clean]) before it is measured or drawn.
//
// No name outlives the verdict that it came with. The picture is drawn in place and
// never scrolls, and it is wiped line by line before the terminal is given back, when
// the program ends and when it is stopped: clearing the whole screen at once would
// keep it in the scrollback of some terminals.
package terminal
