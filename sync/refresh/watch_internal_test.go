package refresh

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// TestTheWatchFollowsTheName: the directory of that name is another one after it
// was removed and made again, or a stick was mounted over it.
func TestTheWatchFollowsTheName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lists")
	path := filepath.Join(dir, "list.csv")
	w := New(Options{Manifest: path, Log: slog.New(slog.DiscardHandler)}).newWatch()
	defer w.close()
	for round := range 3 {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		w.follow()
		for _, name := range []string{path + ".part", path} {
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for seen := false; !seen; {
			select {
			case e := <-w.events:
				seen = w.noted(e)
			case <-time.After(10 * time.Second):
				t.Fatalf("round %d: the new file was not noticed", round)
			}
		}
		// Moved away, the old directory is still watched under its old name.
		if err := os.Rename(dir, dir+string(rune('a'+round))); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheWatchTellsAnOpenWriter: between a write and the close of the file its
// content is nobody's list.
func TestTheWatchTellsAnOpenWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.csv")
	w := New(Options{Manifest: path, Log: slog.New(slog.DiscardHandler)}).newWatch()
	defer w.close()
	wait := func(what string, writing bool) {
		t.Helper()
		for w.writing != writing {
			select {
			case e := <-w.events:
				w.noted(e)
			case <-time.After(10 * time.Second):
				t.Fatalf("%s: not noticed", what)
			}
		}
	}
	open := func() *os.File {
		t.Helper()
		file, err := os.Create(path)
		if err == nil {
			_, err = file.WriteString("code\n")
		}
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	file := open()
	wait("written", true)
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	wait("closed", false)
	file = open()
	defer file.Close()
	wait("written again", true)
	err := os.WriteFile(path+".part", []byte("code\n"), 0o600)
	if err := errors.Join(err, os.Rename(path+".part", path)); err != nil {
		t.Fatal(err)
	}
	wait("renamed over", false)
	third := open()
	defer third.Close()
	wait("written once more", true)
	w.noted(event{mask: unix.IN_Q_OVERFLOW, id: -1})
	if w.writing {
		t.Error("after lost events, a writer is waited for that may be gone")
	}
}

// TestAnImportMustGetOn: it holds up every other change of the list.
func TestAnImportMustGetOn(t *testing.T) {
	for name, c := range map[string]struct {
		piece int
		pause time.Duration
		want  string
		after time.Duration
	}{
		"a drip":          {1, 9 * time.Second, "the list came too slowly: 0 KiB in 30s; copy the file onto the device", 36 * time.Second},
		"just enough":     {22 << 10, 10 * time.Second, "the list was not whole after 10m0s; copy the file onto the device", 610 * time.Second},
		"a quick one":     {1 << 20, time.Second, "", 100 * time.Second},
		"one with pauses": {40 << 10, 20 * time.Second, "", 520 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				left := int(c.after / c.pause)
				if c.want != "" {
					left = 1000
				}
				body := &paced{r: readerFunc(func(b []byte) (int, error) {
					if left--; left < 0 {
						return 0, io.EOF
					}
					time.Sleep(c.pause)
					return min(c.piece, len(b)), nil
				})}
				var err error
				for buf := make([]byte, 1<<20); err == nil; {
					_, err = body.Read(buf)
				}
				if err == io.EOF {
					err = nil
				}
				if got := time.Since(begun); got != c.after || (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
					t.Errorf("after %s: %v", got, err)
				}
			})
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
