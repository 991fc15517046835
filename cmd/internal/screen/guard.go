package screen

import (
	"fmt"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"usher/cmd/internal/control"
)

// policy lets the page load and reach nothing but this server, and nobody frame it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guarded answers what comes from this device's own page, and nothing else: any
// site that a browser on the device visits can send requests here, under any name
// that it lets point to the loopback address.
func (a *app) guarded(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	// The connection still has the deadlines of the request before.
	now, deadlines := time.Now(), http.NewResponseController(w)
	_ = deadlines.SetWriteDeadline(now.Add(writeTimeout))
	if r.ContentLength != 0 {
		_ = deadlines.SetReadDeadline(now.Add(bodyTimeout))
	}
	_, route := mux.Handler(r)
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				a.log.Error("a request of the gate screen failed", "route", route, "panic", fmt.Sprint(p))
			}
			panic(http.ErrAbortHandler)
		}
	}()
	if status, why := a.refused(r); why != "" {
		refuse(w, status, why)
		return
	}
	if route == "" {
		refuse(w, http.StatusNotFound, "no such path, or not with this method")
		return
	}
	mux.ServeHTTP(w, r)
}

func refuse(w http.ResponseWriter, status int, why string) {
	control.WriteJSON(w, status, control.ErrorBody{Error: why})
}

// refused says why a request is not answered; "": it is.
func (a *app) refused(r *http.Request) (status int, why string) {
	if !slices.Contains(a.hosts, strings.ToLower(r.Host)) {
		return http.StatusMisdirectedRequest, "this page has another address"
	}
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	// A person may come to the page itself from anywhere; nothing else is for
	// other sites, other ports of this device included.
	visit := r.URL.Path == "/" && r.Header.Get("Sec-Fetch-Mode") == "navigate"
	switch {
	case site != "" && site != "same-origin" && site != "none" && !visit,
		origin != "" && origin != "http://"+r.Host:
		return http.StatusForbidden, "only the gate screen's own page may ask this"
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return 0, ""
	case origin == "" && site != "same-origin":
		// Every browser names one of them.
		return http.StatusForbidden, "only the gate screen's own page may ask this; programs ask usher's socket"
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return http.StatusUnsupportedMediaType, "Content-Type must be application/json"
	}
	return 0, ""
}

// hostsOf lists the Host headers that mean the address: itself and the usual
// names of the loopback interface.
func hostsOf(addr string) []string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil
	}
	hosts := []string{strings.ToLower(addr)}
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		hosts = append(hosts, net.JoinHostPort(host, port))
	}
	if port == "80" {
		for _, h := range slices.Clone(hosts) {
			hosts = append(hosts, strings.TrimSuffix(h, ":80"))
		}
	}
	return hosts
}
