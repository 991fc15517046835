package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sample is what the daemon uses at a moment.
type sample struct {
	life       int
	age        time.Duration
	anonymous  int // KiB
	goroutines int
	files      int
}

// gauges watch the daemon's use of the machine, and the machine's own hiccups: on
// a busy one everybody waits.
type gauges struct {
	*world
	http *http.Client

	mu      sync.Mutex // guards what follows
	samples []sample
	worst   time.Duration
	hiccups []span
}

func newGauges(w *world) *gauges {
	return &gauges{world: w, http: &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", w.rig.Client.Path)
		},
	}}}
}

func (g *gauges) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { g.watchMachine(ctx) })
	var life int
	var since time.Time
	for sleep(ctx, 500*time.Millisecond) {
		now, pid, up := g.keeper.running()
		if !up {
			continue
		}
		if now != life {
			life, since = now, time.Now()
		}
		s, err := g.take(ctx, pid)
		if err != nil {
			continue // it died meanwhile
		}
		s.life, s.age = life, time.Since(since)
		g.mu.Lock()
		g.samples = append(g.samples, s)
		g.mu.Unlock()
	}
	wg.Wait()
}

// watchMachine notes how late this process itself wakes up.
func (g *gauges) watchMachine(ctx context.Context) {
	const tick = 10 * time.Millisecond
	for {
		from := time.Now()
		if !sleep(ctx, tick) {
			return
		}
		late := time.Since(from) - tick
		g.mu.Lock()
		g.worst = max(g.worst, late)
		if late > 50*time.Millisecond {
			g.hiccups = append(g.hiccups, span{what: late.String(), from: from, to: time.Now()})
		}
		g.mu.Unlock()
	}
}

// hiccup is how late the machine was in all during a time.
func (g *gauges) hiccup(from, to time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	var sum time.Duration
	for _, h := range g.hiccups {
		if h.overlaps(from, to) {
			sum += h.to.Sub(h.from)
		}
	}
	return sum
}

func (g *gauges) take(ctx context.Context, pid int) (sample, error) {
	var s sample
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			s.anonymous, err = strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				return s, err
			}
		}
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return s, err
	}
	s.files = len(files)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://usher/metrics", nil)
	if err != nil {
		return s, err
	}
	resp, err := g.http.Do(req)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			s.goroutines, err = strconv.Atoi(rest)
			return s, err
		}
	}
	return s, fmt.Errorf("no go_goroutines in /metrics")
}

// usage compares the first third of the longest life with its last, by the least
// that was used in each: what is busy comes and goes, what leaks stays.
type usage struct {
	life        int
	lasted      time.Duration
	first, last sample
}

func (g *gauges) usage() (usage, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	byLife := map[int][]sample{}
	for _, s := range g.samples {
		byLife[s.life] = append(byLife[s.life], s)
	}
	var u usage
	for life, list := range byLife {
		if lasted := list[len(list)-1].age; lasted > u.lasted {
			u.life, u.lasted = life, lasted
		}
	}
	list := byLife[u.life]
	if len(list) < 9 {
		return u, false
	}
	third := len(list) / 3
	u.first, u.last = least(list[:third]), least(list[len(list)-third:])
	return u, true
}

func least(list []sample) sample {
	by := func(of func(sample) int) int {
		return of(slices.MinFunc(list, func(a, b sample) int { return of(a) - of(b) }))
	}
	return sample{
		anonymous:  by(func(s sample) int { return s.anonymous }),
		goroutines: by(func(s sample) int { return s.goroutines }),
		files:      by(func(s sample) int { return s.files }),
	}
}
