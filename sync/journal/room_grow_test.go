package journal

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/scanner"
)

// TestScansWhileTheFileGrows: a step of Run's is done in slices, with scans between
// them; none waits for all of it.
func TestScansWhileTheFileGrows(t *testing.T) {
	j := open(t, options(stateDir(t)))
	ctx := t.Context()
	if err := j.grow(j.current(), 20<<20); err != nil {
		t.Fatal(err)
	}
	scan := func(n int) time.Duration {
		start := time.Now()
		admit(t, j, n, scanner.FatePending)
		return time.Since(start)
	}
	var quiet, growing []time.Duration
	seen := map[int64]bool{}
	for n := range 100 {
		quiet = append(quiet, scan(n))
	}
	before := j.current().limit.Load()
	done := make(chan error, 1)
	go func() { done <- j.growAhead(ctx, j.current(), 0) }()
	for n, grows := 1000, true; grows; n++ {
		select {
		case err := <-done:
			if grows = false; err != nil {
				t.Error(err)
			}
		default:
			growing = append(growing, scan(n))
			seen[j.current().limit.Load()] = true
		}
	}
	slices.Sort(quiet)
	slices.Sort(growing)
	t.Logf("quiet p50 %v, max %v; while %d KiB were given: %d scans, p50 %v, max %v", quiet[50], quiet[99],
		(j.current().limit.Load()-before)>>10, len(growing), growing[len(growing)/2], growing[len(growing)-1])
	if got := j.current().limit.Load() - before; got != largestAhead {
		t.Errorf("%d bytes were given", got)
	}
	if len(seen) < 6 {
		t.Errorf("the scans saw %d sizes of the file: it did not grow between them", len(seen))
	}
}

// ext4Disk mounts a small ext4.
func ext4Disk(t *testing.T, size string) string {
	t.Helper()
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	for _, args := range [][]string{
		{"truncate", "-s", size, image},
		{"mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image},
		{"mount", "-o", "loop", image, dir},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("not shown here: ext4; needs root, loop devices and mkfs.ext4: %v: %v %s", args, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
	})
	return dir
}

// TestLeavesTheDiskToOthers: a step that the disk does not have takes nothing, and
// a fallocate that fails keeps nothing that no commit can use.
func TestLeavesTheDiskToOthers(t *testing.T) {
	dir := ext4Disk(t, "60M")
	j := open(t, options(dir))
	if err := j.grow(j.current(), 30<<20); err != nil {
		t.Fatal(err)
	}
	// All but 2 MiB.
	ballast := filepath.Join(dir, "ballast")
	fillDisk(t, ballast)
	info, err := os.Stat(ballast)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(ballast, info.Size()-2<<20); err != nil {
		t.Fatal(err)
	}
	unix.Sync()
	check := func(when string, least, most int64) {
		t.Helper()
		f, err := os.Open(j.path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if left, _ := diskLeft(f); left < least || left > most || info.Size() != j.current().limit.Load() {
			t.Errorf("%s: the disk has %d KiB left, the file has %d bytes, %d of them to write", when, left>>10, info.Size(), j.current().limit.Load())
		}
	}
	check("before", 1<<20, 3<<20)
	if err := j.growAhead(context.Background(), j.current(), 0); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("ahead: %v", err)
	}
	check("a step ahead", 1<<20, 3<<20)
	if p := j.Status().Problems; len(p) != 1 || !strings.Contains(p[0], "KiB are left") {
		t.Errorf("status: %q", p)
	}
	if err := j.grow(j.current(), 8<<20); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("what is needed: %v", err)
	}
	check("what is needed", 0, stepLeast)
}

// TestHolesAreFilled: a journal that was copied with holes, or that an earlier
// version let grow, gets its blocks at the next start.
func TestHolesAreFilled(t *testing.T) {
	opts := options(stateDir(t))
	j := reopen(t, opts)
	admit(t, j, 1, scanner.FatePending)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	const size = 20 << 20
	if err := os.Truncate(filepath.Join(opts.Dir, fileName), size); err != nil {
		t.Fatal(err)
	}
	j = open(t, opts)
	if got := j.current().limit.Load(); got != size {
		t.Errorf("%d bytes can be written, want %d", got, size)
	}
	info, err := os.Stat(j.path)
	if err != nil {
		t.Fatal(err)
	}
	if held, err := j.held(j.current(), 4096); err != nil || held != info.Size() {
		t.Errorf("held %d of %d, %v", held, info.Size(), err)
	}
	if len(history(t, j)) != 1 {
		t.Error("the record is gone")
	}
}

// TestReplacedIsNotFull: a file that lost its name while Run wanted it to grow says
// nothing of the disk.
func TestReplacedIsNotFull(t *testing.T) {
	j := open(t, options(stateDir(t)))
	aside := j.path + ".aside"
	if err := os.Rename(j.path, aside); err != nil {
		t.Fatal(err)
	}
	if err := j.grow(j.current(), 1<<20); !errors.Is(err, errReplaced) {
		t.Errorf("grow: %v", err)
	}
	if p := j.Status().Problems; len(p) != 0 {
		t.Errorf("status: %q", p)
	}
	if err := os.Rename(aside, j.path); err != nil {
		t.Fatal(err)
	}
}
