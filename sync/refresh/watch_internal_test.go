package refresh

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
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
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for seen := false; !seen; {
			select {
			case event := <-w.events:
				seen = event.Name == path
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
