// Package acme speaks ACME Ticketing's API: will-call check-in by each of its
// documented paths, its undo, event instances with their check-in window, and the
// whole event calendar (B2C event templates).
//
// # Documents
//
//	Event Calendar APIs (B2C), the templates' document  catalogue.go, template*.go
//	Check-in Management (33000281154)                   checkin.go, undo.go, upload.go
//	Event instances (33000250719), their clients' types instance.go, window.go, listing.go
//	Header Parameters, Requesting an API key            call.go, session.go
//	Scanning Tickets, Automatic Rebooking (help pages)  status.go, window.go
//
// The session of the document (an e-mail and a password for some hours) is not for
// production by its own words and is left out: each call carries the API key.
//
// # Assumptions
//
// Where the documents are silent or contradict each other, this is what is assumed:
//
//   - The values of checkInStatus are not public. Only those that the site names in
//     admit_statuses let somebody in, by default none; those in refuse_statuses refuse
//     with a reason; any other is amber, since ACME may have checked the ticket in,
//     and is shown, logged and told in status with its number.
//   - checkInDate is the time of the check-in that stands, be it this one or an
//     earlier one. A status that admits lets nobody in where that is more than a minute
//     before the call, both by ACME's own clock (the Date of the answer; without one by
//     the device's, where that is trusted): it is another entry then. Without an offset
//     from UTC it is read as the tenant's time or UTC, whichever is later. A status that nobody named is not taken for "already used" by its
//     date alone.
//   - An HTTP status but 2xx is no verdict on a ticket, whatever is in the body: its
//     form is not public. 401 means the key; 403 the key's role for that call.
//   - checkinexternal checks the ticket in, as checkinticketsexternal does; what its
//     one public client says of it can be read both ways. checkintickets has no
//     status: a ticket that it gives back with a checkInDate was checked in by this
//     call. One that it does not give back was used before or is unknown, and is
//     refused as restricted: taking it for used could turn an unknown ticket into one
//     whose green light got lost. At an upload it counts as used, by the document's
//     word.
//   - terminalId is sent as it is written in the configuration, a number or a text.
//   - The barcode of a ticket is its UUID, for undo and for the two paths that want
//     one, unless an answer to the check-in told a UUID (ticketUUID). An undo counts
//     only where ACME answers with that very ticket and no checkInDate; otherwise this
//     device keeps a permit for the next entry.
//   - Rebooking: ticketEventName is what was bought, checkedInEventName what is shown.
//   - Both edges of a check-in window are counted from the start of the event, as the
//     templates' document and the help pages say (not from its end); a minute that is
//     missing or null is that of the template, and so are two zeroes, the values of a
//     form that nobody filled in; where the template has none the edge is open. ticketDurationDays and the expiry of single
//     tickets are ACME's to judge online; offline only a manifest knows them.
//   - A startTime without an offset from UTC tells no instant: no window is known by
//     it, though the event is listed and can be scanned into; status tells it.
//   - A field that is for people only may have any form. The id of an event, the
//     status, date and ticket of a check-in may not.
//   - How to ask for the next page of a list is not said: what is listed is then a
//     part, with an error.
//   - Events are listed by the B2B call, a day in each, from a week before the span on
//     for what is on still: the calendar for buyers lists
//     none that is sold out. A state but "active" and "published" is shown as it came.
//   - ACME takes no time of a scan: an upload is stamped with its own, which is kept
//     beside ours, and the window is judged by it as well. What is too late by then
//     is parked, for a person; with late_uploads: unvalidated it is checked in with
//     validate false, which is read as Back Office's check-in by hand: at any time.
package acme
