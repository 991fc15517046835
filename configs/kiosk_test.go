package configs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// kiosk is the launcher on a device that has nothing but these programs. Its cage
// writes what it was asked to show, one argument a line.
func kiosk(t *testing.T, url string, programs ...string) (cmd *exec.Cmd, dir string) {
	t.Helper()
	sh := tool(t, "sh")
	dir = t.TempDir()
	for _, name := range []string{"grep", "sleep"} {
		if err := os.Symlink(tool(t, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!"+sh+"\nprintf '%s\\n' \"HOME=$HOME\" \"$@\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// It waits for ever where nothing listens.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, sh, "usher-kiosk")
	cmd.WaitDelay = time.Second
	cmd.Env = []string{"PATH=" + dir, "RUNTIME_DIRECTORY=/run/usher-kiosk", "USHER_SCREEN_URL=" + url}
	return cmd, dir
}

// page listens where the daemon's page would.
func page(t *testing.T, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestTheKioskStartsABrowser(t *testing.T) {
	address := page(t, "127.0.0.1:0")
	url := "http://" + address + "/?scanner=lane-1"
	for _, c := range []struct {
		programs []string
		own      string // USHER_SCREEN_BROWSER
		browser  string
		flags    []string
	}{
		// Sound without a click; nothing kept; no bar, bubble or gesture in the way.
		{[]string{"cage", "cog", "chromium"}, "", "chromium", []string{
			"--kiosk", "--autoplay-policy=no-user-gesture-required", "--incognito", "--user-data-dir=/run/usher-kiosk/profile",
			"--disable-features=Translate", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE [::1]"}},
		{[]string{"cage", "cog"}, "", "cog", []string{"--platform=wl", "--webprocess-failure=restart"}},
		{[]string{"cage", "cog", "chromium"}, "/opt/cog", "/opt/cog", []string{"--platform=wl"}},
	} {
		cmd, dir := kiosk(t, url, c.programs...)
		cmd.Env = append(cmd.Env, "USHER_SCREEN_BROWSER="+c.own)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v", c.programs, err)
		}
		got := strings.Split(strings.TrimSpace(string(out)), "\n")
		browser := c.browser
		if c.own == "" {
			browser = filepath.Join(dir, c.browser)
		}
		if want := []string{"HOME=/run/usher-kiosk", "-d", "--", browser}; !slices.Equal(got[:4], want) {
			t.Errorf("%v: got %q, want %q", c.programs, got[:4], want)
		}
		if last := got[len(got)-1]; last != url {
			t.Errorf("%v: shows %s, want %s", c.programs, last, url)
		}
		for _, flag := range c.flags {
			if !slices.Contains(got, flag) {
				t.Errorf("%v: no %s in %q", c.programs, flag, got)
			}
		}
	}
}

// A browser that came first would show an error page of its own all night.
func TestTheKioskWaitsForThePage(t *testing.T) {
	another := page(t, "127.0.0.1:0")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	wanted := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	cmd, dir := kiosk(t, "http://"+wanted+"/", "cage", "chromium")
	// The look after the second pause finds the page: so it was waited for.
	pauses := filepath.Join(dir, "pauses")
	os.Remove(filepath.Join(dir, "sleep"))
	script := fmt.Sprintf("#!%s\necho >>%s\nexec %s 0.05\n", tool(t, "sh"), pauses, tool(t, "sleep"))
	if err := os.WriteFile(filepath.Join(dir, "sleep"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		raw, err := os.ReadFile(pauses)
		if err == nil && len(raw) >= 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not wait: it wrote %q while only %s was there", out.String(), another)
		}
	}
	page(t, wanted)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "http://"+wanted+"/") {
		t.Errorf("started %q", out.String())
	}
}

func TestTheKioskSaysWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		url      string
		programs []string
		want     string
	}{
		{"http://127.0.0.1:8680/", nil, "no cage: apt install"},
		{"http://127.0.0.1:8680/", []string{"cage"}, "no browser: apt install"},
		{"http://gate.example.org:8680/", []string{"cage", "chromium"}, "must be http://127.0.0.1:PORT/"},
		{"http://127.0.0.1:8680@gate.example.org/", []string{"cage", "chromium"}, "no port"},
		{"https://127.0.0.1:8680/", []string{"cage", "chromium"}, "must be http://127.0.0.1:PORT/"},
		{"http://127.0.0.1/", []string{"cage", "chromium"}, "must be http://127.0.0.1:PORT/"},
		{"http://127.0.0.1:/", []string{"cage", "chromium"}, "no port"},
	} {
		cmd, _ := kiosk(t, c.url, c.programs...)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 69 || !strings.Contains(string(out), c.want) {
			t.Errorf("%s with %v: got %v, %q; want exit 69 and %q", c.url, c.programs, err, out, c.want)
		}
	}
	// Else systemd would try for ever what a person has to mend.
	if got := settings(t, "usher-kiosk.service")["RestartPreventExitStatus"]; !slices.Equal(got, []string{"69"}) {
		t.Errorf("RestartPreventExitStatus=%v", got)
	}
}

// What must hold for a screen that nobody logs in to start.
func TestTheScreensTakeTheConsole(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"usher-kiosk.service": {
			"User": "usher-screen", "TTYPath": "/dev/tty1", "StandardInput": "tty-fail",
			"RuntimeDirectory": "usher-kiosk", "RuntimeDirectoryMode": "0700", "RestrictNamespaces": "user pid net",
			"IPAddressDeny": "any", "IPAddressAllow": "localhost",
		},
		"usher-screen@.service": {
			"User": "usher-screen", "Group": "usher", "TTYPath": "/dev/%I", "StandardInput": "tty", "StandardOutput": "tty",
			"DevicePolicy": "closed", "RestrictAddressFamilies": "AF_UNIX",
		},
	} {
		s := settings(t, name)
		for key, value := range want {
			if !slices.Equal(s[key], []string{value}) {
				t.Errorf("%s: %s=%q, want %s", name, key, s[key], value)
			}
		}
		for key, value := range map[string]string{"Restart": "always", "StartLimitIntervalSec": "0", "TTYVTDisallocate": "yes", "LimitCORE": "0"} {
			if !slices.Equal(s[key], []string{value}) {
				t.Errorf("%s: %s=%q, want %s", name, key, s[key], value)
			}
		}
		// It outlives the daemon, so that it can say that the daemon is gone.
		for _, key := range []string{"Requires", "BindsTo", "PartOf", "Requisite"} {
			if s[key] != nil {
				t.Errorf("%s: %s=%v", name, key, s[key])
			}
		}
		conflicts := strings.Join(s["Conflicts"], " ")
		if !strings.Contains(conflicts, "getty@") || !strings.Contains(strings.Join(s["After"], " "), "usher.service") {
			t.Errorf("%s: Conflicts=%s After=%v", name, conflicts, s["After"])
		}
	}
	for _, key := range []string{"Group", "SupplementaryGroups", "PAMName"} {
		if got := settings(t, "usher-kiosk.service")[key]; got != nil {
			t.Errorf("usher-kiosk.service: %s=%v opens more than the display, or takes the browser out of its limits", key, got)
		}
	}
	// These would keep the browser, or its sandbox, from starting.
	for _, key := range []string{"MemoryDenyWriteExecute", "PrivateDevices", "DevicePolicy", "ProtectClock", "PrivateNetwork"} {
		if got := settings(t, "usher-kiosk.service")[key]; got != nil {
			t.Errorf("usher-kiosk.service: %s=%v", key, got)
		}
	}
}
