package devicetest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/devices/devicetest"
)

func TestReadLog(t *testing.T) {
	got, err := devicetest.ReadLog(strings.NewReader(`# Device: Honeywell 1902g
# Notes: two reads: one code
+0.000 68656c6c
+0.012 6f0d

+1 0a
`))
	if err != nil {
		t.Fatal(err)
	}
	want := devicetest.Log{
		Headers: map[string]string{"Device": "Honeywell 1902g", "Notes": "two reads: one code"},
		Reads: []devicetest.Read{
			{After: 0, Data: []byte("hell")},
			{After: 12 * time.Millisecond, Data: []byte("o\r")},
			{After: time.Second, Data: []byte("\n")},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if got := string(got.Bytes()); got != "hello\r\n" {
		t.Errorf("bytes %q", got)
	}
	again, err := devicetest.ReadLog(strings.NewReader(got.Text()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, again); diff != "" {
		t.Errorf("written and read again (-log +again):\n%s", diff)
	}
}

func TestCodes(t *testing.T) {
	got := devicetest.Codes([]string{"A\x1dB", "C\x03", strings.Repeat("x", 5000)})
	want := `"A\x1dB"` + "\n" + `"C\x03" (unreadable code: control characters inside)` + "\n(overlong: 5000 bytes)\n"
	if got != want {
		t.Errorf("got %s", got)
	}
}

func TestReadLogNamesTheLine(t *testing.T) {
	for _, bad := range []string{"0.1 00", "+x 00", "+0.1", "+0.1 0g", "+-1 00"} {
		if _, err := devicetest.ReadLog(strings.NewReader("# A: b\n" + bad)); err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestPtyKeepsItsPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scanner")
	pty, err := devicetest.NewPty(path)
	if err != nil {
		t.Fatal(err)
	}
	defer pty.Close()
	if err := pty.Plug(); err == nil {
		t.Error("plugged in twice")
	}
	for range 2 {
		target, err := filepath.EvalSymlinks(path)
		if err != nil || !strings.HasPrefix(target, "/dev/pts/") {
			t.Fatalf("%s leads to %q, %v", path, target, err)
		}
		if err := pty.Unplug(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", path, err)
		}
		if _, err := pty.Write([]byte("x")); err == nil {
			t.Error("an unplugged scanner took a write")
		}
		if err := pty.Unplug(); err != nil {
			t.Errorf("unplugged twice: %v", err)
		}
		if err := pty.Plug(); err != nil {
			t.Fatal(err)
		}
	}
}
