// Package screen is what gate staff look at: the page for a browser on the device
// and the view for a terminal. Both draw the same [View], a pure function of an
// event and of the words of one language, so that they never say different things.
//
// # Who can reach the page
//
// The page listens on loopback only and asks for no password. So nobody reaches it
// over the network, and everybody does who can run a program on the device: any
// local user, and whoever may forward a port to it by ssh. What a browser on the
// device loads from elsewhere does not: a request that names another host, or comes
// from another site, is refused.
//
// It shows what the gate's screen shows: a verdict with name and seat for as long as
// screen.hold, the last 20 scans, and, to whoever searches by name or order, the tickets
// that match. No code is whole in anything it sends, and no name is in an address
// or a log. What is done there is what gate staff do: type a code, let a refused
// person in, take an entry back. Each is in the journal with the name that was
// typed, which nobody checks.
//
// So a device's screen is as safe as its display and keyboard. Where people or
// programs run on it that must not see names or admit, set status.screen to off and
// use the terminal, which asks the local socket: only the group usher opens that.
package screen
