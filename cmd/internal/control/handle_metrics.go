package control

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	// client_golang is the format's reference implementation: it escapes labels,
	// negotiates and measures the Go runtime.
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"usher/scanner"
)

// metrics serves Prometheus from registries of its own: nothing is global. Each
// scrape shows one status, so that its numbers belong together.
func (a *api) metrics() http.Handler {
	process := prometheus.NewRegistry()
	process.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		house := prometheus.NewRegistry()
		house.MustRegister(statusMetrics(a.house.Status()))
		promhttp.HandlerFor(prometheus.Gatherers{house, process}, promhttp.HandlerOpts{
			ErrorHandling: promhttp.ContinueOnError,
		}).ServeHTTP(w, r)
	})
}

// snapshot is a collector of metrics that are made already.
type snapshot []prometheus.Metric

// Describe gives nothing: the metrics describe themselves.
func (s *snapshot) Describe(chan<- *prometheus.Desc) {}

// Collect gives the metrics.
func (s *snapshot) Collect(ch chan<- prometheus.Metric) {
	for _, m := range *s {
		ch <- m
	}
}

// labels name a metric's labels and their values, in pairs.
type labels []string

// add makes one metric. What cannot be a label's value shows as an error in the
// scrape, never as a panic.
func (s *snapshot) add(kind prometheus.ValueType, name, help string, value float64, pairs labels) {
	var names, values []string
	for i := 0; i < len(pairs); i += 2 {
		names = append(names, pairs[i])
		values = append(values, label(pairs[i+1]))
	}
	desc := prometheus.NewDesc("usher_"+name, help, names, nil)
	m, err := prometheus.NewConstMetric(desc, kind, value, values...)
	if err != nil {
		m = prometheus.NewInvalidMetric(desc, err)
	}
	*s = append(*s, m)
}

// label makes foreign text (an event of the vendor's list) a label's value:
// whoever reads the scrape at a terminal must not have it obeyed there.
func label(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

func (s *snapshot) gauge(name, help string, value float64, pairs ...string) {
	s.add(prometheus.GaugeValue, name, help, value, pairs)
}

func (s *snapshot) count(name, help string, value int, pairs ...string) {
	s.add(prometheus.CounterValue, name, help, float64(value), pairs)
}

func (s *snapshot) yes(name, help string, fact bool, pairs ...string) {
	value := 0.0
	if fact {
		value = 1
	}
	s.gauge(name, help, value, pairs...)
}

// moment and number leave out what is unknown.
func (s *snapshot) moment(name, help string, t Time) {
	if !t.IsZero() {
		s.gauge(name+"_timestamp_seconds", help, float64(t.UnixMilli())/1000)
	}
}

func (s *snapshot) number(name, help string, n *int64, unit float64) {
	if n != nil {
		s.gauge(name, help, float64(*n)*unit)
	}
}

func statusMetrics(st Status) *snapshot {
	s := &snapshot{}
	s.gauge("info", "Always 1; the labels name the device.", 1,
		"version", st.Version, "device", st.Device.ID, "name", st.Device.Name, "gate", st.Device.Gate, "vendor", st.Vendor.Name)
	for _, state := range []State{Ready, Degraded, NotReady} {
		s.yes("state", "1 for the daemon's present state.", st.State == state, "state", string(state))
	}
	s.gauge("problems", "Problems that a person should look at.", float64(len(st.Problems)))
	s.yes("link_online", "1 while the vendor is asked.", st.Link.State == LinkOnline)
	s.moment("link_since", "When the link's state began.", st.Link.Since)
	s.moment("session_expires", "When the vendor's session ends.", st.Vendor.SessionExpiresAt)
	s.moment("password_expires", "When the vendor's password ends.", st.Vendor.PasswordExpiresAt)
	s.gauge("tickets", "Tickets in the list.", float64(st.Tickets.Count))
	s.number("tickets_age_seconds", "Age of the list.", st.Tickets.AgeS, 1)
	s.yes("tickets_stale", "1 while the list is too old to refuse by.", st.Tickets.Stale)
	s.gauge("outbox_pending", "Movements that the vendor has not acknowledged.", float64(st.Outbox.Pending))
	s.number("outbox_oldest_age_seconds", "Age of the oldest of them.", st.Outbox.OldestAgeS, 1)
	s.moment("outbox_deadline", "When the vendor stops taking the oldest of them.", st.Outbox.DeadlineAt)
	s.gauge("parked", "Movements that the vendor will not take.", float64(st.Parked))
	s.gauge("conflicts", "Movements that the vendor contradicts.", float64(st.Conflicts))
	for _, sc := range st.Scanners {
		s.yes("scanner_connected", "1 while the scanner is connected.", sc.State == ScannerConnected,
			"scanner", sc.Name, "driver", sc.Driver)
		s.count("scanner_scans_total", "Codes read by the scanner since the start.", sc.Scans,
			"scanner", sc.Name, "driver", sc.Driver)
	}
	for verdict, n := range map[scanner.Verdict]int{
		scanner.Admit: st.Counts.Admit, scanner.Refuse: st.Counts.Refuse, scanner.Review: st.Counts.Review,
	} {
		s.count("scans_total", "Verdicts since the start.", n, "verdict", string(verdict))
	}
	s.count("repeats_total", "Repeated readings since the start.", st.Counts.Repeat)
	s.count("offline_scans_total", "Verdicts given by this device since the start.", st.Counts.Offline)
	for _, e := range st.Events {
		s.gauge("event_entries", "Entries into the event, from the journal.", float64(e.Entries), "event", e.Event)
		s.gauge("event_exits", "Exits from the event, from the journal.", float64(e.Exits), "event", e.Event)
		s.gauge("event_inside", "People inside, as far as this device knows.", float64(e.Inside), "event", e.Event)
		s.gauge("event_refused", "Refusals, from the journal.", float64(e.Refused), "event", e.Event)
		s.gauge("event_overridden", "Admissions by a supervisor, from the journal.", float64(e.Overridden), "event", e.Event)
		s.gauge("event_undone", "Movements taken back, from the journal.", float64(e.Undone), "event", e.Event)
	}
	s.yes("clock_trusted", "1 while the time is known.", st.Clock.Trusted)
	s.number("clock_offset_seconds", "True time minus the device's clock.", st.Clock.OffsetMS, 0.001)
	if st.LastScan != nil {
		s.moment("last_scan", "When the newest scan was.", st.LastScan.At)
	}
	return s
}
