package pagetest

import (
	"bytes"
	"flag"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/cmd/internal/browser"
	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
	"usher/scanner"
)

var update = flag.Bool("update", false, "take the README's pictures of the page anew")

// pictures is where the README's links lead, and the largest that one may be, in
// bytes.
const (
	pictures    = "../testdata"
	mostPicture = 40 << 10
)

// TestPicturesOfThePage: the README's pictures are of this page. Fonts differ
// between machines: here it counts that each can be taken and is there. Run with
// -update, and look at them.
func TestPicturesOfThePage(t *testing.T) {
	g := newGate(t)
	tab := g.visit("?scanner=lane-1")
	tab.Size(640, 400)
	calm(tab)
	for _, p := range []struct {
		file   string
		event  control.Event
		kind   screen.Kind
		change func(*control.Status)
	}{
		{"admit.png", admitted(), screen.Admitted, func(*control.Status) {}},
		{"refuse.png", refused(scanner.AlreadyEntered), screen.Refused, func(*control.Status) {}},
		{"offline.png", offline(), screen.Admitted, func(s *control.Status) {
			s.Link, s.Outbox.Pending = control.LinkStatus{State: control.LinkOffline, Since: control.At(time.Now())}, 18
		}},
	} {
		g.change(p.change)
		g.tell(tab, p.event, p.kind)
		tab.Wait(`document.querySelector("#bar").textContent.includes("` + map[bool]string{true: "Offline", false: "Online"}[p.file == "offline.png"] + `")`)
		browser.Get[bool](tab, `Promise.all(document.getAnimations().map((a) => a.finished)).then(() => true)`)
		path, taken := filepath.Join(pictures, p.file), tab.Picture()
		if *update {
			if err := os.WriteFile(path, taken, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for what, raw := range map[string][]byte{"taken": taken, "kept": kept} {
			picture, err := png.Decode(bytes.NewReader(raw))
			if err != nil || picture.Bounds().Dx() != 640 || picture.Bounds().Dy() != 400 || len(raw) > mostPicture {
				t.Errorf("%s as %s is %d bytes, %v", p.file, what, len(raw), err)
			}
		}
	}
}
