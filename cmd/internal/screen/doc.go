// Package screen is what gate staff look at: the page for a browser on the device
// and the view for a terminal. Both draw the same [View], a pure function of an
// event and of the words of one language, so that they never say different things.
//
// The page listens on loopback only. Whoever can run a program on the device can
// reach it, as they could reach a keyboard: it shows what the gate's screen shows,
// and no code is whole in anything it sends.
package screen
