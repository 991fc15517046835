// Package control is the daemon's local socket: what support tools, the
// commands and the screens of this machine see and ask of a running usher.
//
// It speaks HTTP/1.1 and JSON over a unix socket. Everything under /v1/ is
// stable: names are added, never changed. Times are RFC 3339, UTC, with
// milliseconds, and null where unknown; durations are numbers named *_s or
// *_ms. Every error is {"error": "..."} with a fitting status code.
//
// The room has three parts. The wire types say what travels. [Server] answers
// through the [House] interface, which the daemon implements, and hands out the
// [Feed] of events; it is told what to do, never decides. [Client] is the typed
// other end.
//
// Who may open the socket may admit a ticket and read whole codes: the socket
// is 0660 and its directory 0750, both of group usher.
//
//	GET  /v1/status                       Status
//	GET  /v1/scans?limit=50&after=SEQ     []Event, newest first
//	GET  /v1/scans?follow=true&after=SEQ  Event per line, as they happen
//	POST /v1/scans                        ScanRequest -> Event
//	POST /v1/scans/{seq}/admit            ByRequest -> Event
//	POST /v1/scans/{seq}/undo             ByRequest -> Event
//	GET  /v1/tickets/{code}               TicketView
//	GET  /v1/tickets?q=TEXT&limit=50      []Ticket
//	POST /v1/tickets/import?name=FILE     a manifest -> ImportResult
//	GET  /v1/events?from=DATE&to=DATE     VendorEvents
//	POST /v1/sync                         SyncRequest, or nothing -> SyncResult
//	GET  /v1/outbox?limit=1000            []OutboxEntry, oldest first
//	GET  /v1/parked?limit=1000            []ParkedEntry, oldest first
//	POST /v1/parked/{seq}/requeue         ByRequest -> Moved
//	POST /v1/parked/{seq}/acknowledge     ByRequest -> Moved
//	POST /v1/parked/requeue               ByRequest -> Moved
//	GET  /v1/export?format=csv|jsonl      every record in history
//	POST /v1/reload                       Reloaded, or 422 with the faults
//	GET  /metrics                         Prometheus
//	GET  /healthz                         Health
package control
