package configs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tool gives the path of a system tool, or skips the test, saying what is
// missing.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("missing: %s", name)
	}
	return path
}

func run(t *testing.T, environ []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), environ...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// settings gives the values of each setting of the unit.
func settings(t *testing.T, unit string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for line := range strings.Lines(read(t, unit)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") {
			out[name] = append(out[name], value)
		}
	}
	return out
}

// unit copies the unit to a place of its own, with a program that exists.
func unit(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	command := regexp.MustCompile(`(?m)^ExecStart=/usr/(bin|libexec)/usher.*$`)
	text := command.ReplaceAllString(read(t, name), "ExecStart="+tool(t, "true"))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSystemdUnderstandsTheUnits(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	for _, name := range []string{"usher.service", "usher-kiosk.service", "usher-screen@.service"} {
		if out := run(t, nil, analyze, "verify", unit(t, name)); strings.Contains(out, "usher") {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func TestTheUnitsAreHardened(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	if !strings.Contains(run(t, nil, analyze, "--help"), "--offline") {
		t.Skip("missing: systemd-analyze security --offline (systemd 250)")
	}
	// Tenths of the exposure level: 2.2, 4.3 and 1.1 with systemd 252. A browser
	// compiles at run time and makes namespaces.
	for name, threshold := range map[string]string{"usher.service": "25", "usher-kiosk.service": "45", "usher-screen@.service": "15"} {
		run(t, nil, analyze, "security", "--offline=true", "--threshold="+threshold, unit(t, name))
	}
}

// What must hold for scanners and clocks to stay readable, see the unit's own
// comments.
func TestTheUnitLetsScannersAndTheClockThrough(t *testing.T) {
	s := settings(t, "usher.service")
	for _, name := range []string{"ProtectClock", "PrivateDevices", "DynamicUser", "PrivateUsers", "ProcSubset", "PrivateNetwork"} {
		if s[name] != nil {
			t.Errorf("%s=%v hides what usher reads", name, s[name])
		}
	}
	for name, want := range map[string]string{
		"Type": "notify", "Restart": "always", "StartLimitIntervalSec": "0", "User": "usher", "Group": "usher",
		"StateDirectory": "usher", "StateDirectoryMode": "0700", "RuntimeDirectory": "usher", "RuntimeDirectoryMode": "0750",
		"ExecReload": "kill -HUP $MAINPID", "DevicePolicy": "closed", "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6 AF_NETLINK",
	} {
		if len(s[name]) != 1 || s[name][0] != want {
			t.Errorf("%s: got %q, want %s", name, s[name], want)
		}
	}
	for _, group := range []string{"usb_device", "hidraw", "input", "ttyACM", "ttyUSB", "ttyS"} {
		if !slices.Contains(s["DeviceAllow"], "char-"+group+" rw") {
			t.Errorf("DeviceAllow lacks char-%s", group)
		}
	}
	// Groups of drivers that are modules must be known before the service starts.
	for _, module := range []string{"usbserial", "cdc_acm", "hid"} {
		name := "modprobe@" + module + ".service"
		if !strings.Contains(strings.Join(s["Wants"], " "), name) || !strings.Contains(strings.Join(s["After"], " "), name) {
			t.Errorf("%s is not loaded first", module)
		}
	}
}

func TestTheSystemCallFilterAllowsReadingTheClock(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	filter := strings.Fields(strings.Join(settings(t, "usher.service")["SystemCallFilter"], " "))
	var allowed []string
	for _, f := range filter {
		allowed = append(allowed, f)
		if strings.HasPrefix(f, "@") {
			allowed = append(allowed, expand(t, analyze, f)...)
		}
	}
	for _, call := range []string{"adjtimex", "clock_adjtime", "clock_gettime", "ioctl", "flock", "fdatasync", "msync", "mmap", "epoll_pwait", "clock_settime"} {
		want := call != "clock_settime"
		if got := slices.Contains(allowed, call); got != want {
			t.Errorf("%s: allowed is %v", call, got)
		}
	}
}

// expand lists the system calls of a set, the sets in it included.
func expand(t *testing.T, analyze, set string) []string {
	t.Helper()
	var calls []string
	for line := range strings.Lines(run(t, nil, analyze, "syscall-filter", "--no-pager", set)) {
		name := strings.TrimSpace(line)
		switch {
		case name == set || strings.HasPrefix(name, "#"):
		case strings.HasPrefix(name, "@"):
			calls = append(calls, expand(t, analyze, name)...)
		default:
			calls = append(calls, name)
		}
	}
	return calls
}

func TestSysusersMakesTheUser(t *testing.T) {
	sysusers := tool(t, "systemd-sysusers")
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	// Without a directory, systemd-sysusers would look into its own.
	file, err := filepath.Abs("usher.sysusers.conf")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		run(t, nil, sysusers, "--root="+root, file)
	}
	passwd, group := read(t, filepath.Join(root, "etc/passwd")), read(t, filepath.Join(root, "etc/group"))
	for _, user := range []string{"usher", "usher-screen"} {
		if !regexp.MustCompile(`(?m)^` + user + `:.*nologin$`).MatchString(passwd) {
			t.Errorf("no user %s that cannot log in:\n%s", user, passwd)
		}
	}
	members := map[string][]string{}
	for _, line := range regexp.MustCompile(`(?m)^([a-z-]+):.*:([a-z,-]*)$`).FindAllStringSubmatch(group, -1) {
		members[line[1]] = strings.Split(line[2], ",")
	}
	for name, want := range map[string]string{"dialout": "usher", "audio": "usher-screen", "video": "usher-screen", "render": "usher-screen"} {
		if !slices.Equal(members[name], []string{want}) {
			t.Errorf("group %s: got %v, want %s", name, members[name], want)
		}
	}
	// The browser's user opens no scanner, no keyboard and no local socket.
	for _, name := range []string{"usher", "input", "dialout", "plugdev"} {
		if slices.Contains(members[name], "usher-screen") {
			t.Errorf("usher-screen is in the group %s", name)
		}
	}
}

// udev ignores a line that it does not understand, with a note in a log nobody
// reads.
func TestUdevUnderstandsTheRules(t *testing.T) {
	const file = "70-usher-scanner.rules"
	if file >= "73" {
		t.Error("too late for uaccess, which runs at 73")
	}
	token := regexp.MustCompile(`^(?:(?:ACTION|SUBSYSTEM|KERNEL|DEVPATH|ENV\{[A-Z_]+\}|ATTRS?\{(?:idVendor|id/bustype|id/vendor|capabilities/snd|capabilities/key)\})==|(?:GROUP|MODE|LABEL|GOTO|ENV\{[A-Z_]+\})=|(?:SYMLINK|RUN)\+=)"[^"]+"$`)
	subsystems := map[string]bool{}
	makers := map[string]bool{}
	for line := range strings.Lines(read(t, file)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		for part := range strings.SplitSeq(line, ", ") {
			if !token.MatchString(part) {
				t.Errorf("not a rule: %s", part)
			}
		}
		match := regexp.MustCompile(`^SUBSYSTEM=="(\w+)".*ATTRS?\{(?:idVendor|id/vendor)\}=="([^"]+)"`).FindStringSubmatch(line)
		if match == nil {
			continue
		}
		subsystems[match[1]], makers[match[2]] = true, true
		if !regexp.MustCompile(`^[0-9a-f]{4}(\|[0-9a-f]{4})*$`).MatchString(match[2]) {
			t.Errorf("maker ids: %s", match[2])
		}
	}
	if len(makers) != 1 {
		t.Errorf("the lines know different makers: %v", makers)
	}
	for _, s := range []string{"usb", "hidraw", "input", "tty"} {
		if !subsystems[s] {
			t.Errorf("no rule for %s", s)
		}
	}
	for _, rule := range []string{
		`SUBSYSTEM=="leds", KERNEL=="input\*", DEVPATH=="[^"]*/usb[^"]*", GOTO=`,
		`SUBSYSTEM=="leds", .*chgrp usher /sys%p/brightness`,
		`ATTRS{capabilities/snd}=="[^"]+", ATTRS{capabilities/key}=="0", GROUP="usher"`,
		`SUBSYSTEM=="input", .*ATTRS{id/bustype}=="0005", ATTRS{id/vendor}=="[^"]+", GROUP="usher"`,
	} {
		if !regexp.MustCompile(rule).MatchString(read(t, file)) {
			t.Errorf("no rule %s", rule)
		}
	}
	udevadm := tool(t, "udevadm")
	if exec.Command(udevadm, "verify", "--help").Run() != nil {
		t.Skip("missing: udevadm verify (systemd 254)")
	}
	if group := exec.Command("getent", "group", "usher"); group.Run() != nil {
		t.Skip("missing: the group usher, which udevadm verify asks for")
	}
	run(t, nil, udevadm, "verify", file)
}
