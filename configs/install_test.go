package configs_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// installed lists what the script put below the directory: path, mode, content.
func installed(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		raw, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, root)] = info.Mode().String() + "\n" + string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestInstall(t *testing.T) {
	sh := tool(t, "sh")
	root := filepath.Join(t.TempDir(), "root")
	binary := filepath.Join(t.TempDir(), "built")
	if err := os.WriteFile(binary, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"DESTDIR=" + root, "PREFIX=/usr/local", "USHER_BINARY=" + binary}
	config := filepath.Join(root, "etc/usher/usher.yaml")

	out := run(t, environ, sh, "../scripts/install")
	for _, step := range []string{"edit " + config, "usher check", "systemctl enable --now usher", "enable --now usher-kiosk", "enable --now usher-screen@tty1"} {
		if !strings.Contains(out, step) {
			t.Errorf("does not say %q:\n%s", step, out)
		}
	}
	want := map[string]string{
		"/usr/local/bin/usher":                                "-rwxr-xr-x\nfirst",
		"/usr/local/lib/systemd/system/usher.service":         "-rw-r--r--\n" + strings.Replace(read(t, "usher.service"), "/usr/bin/usher", "/usr/local/bin/usher", 1),
		"/usr/local/lib/systemd/system/usher-kiosk.service":   "-rw-r--r--\n" + strings.Replace(read(t, "usher-kiosk.service"), "/usr/libexec/", "/usr/local/libexec/", 1),
		"/usr/local/lib/systemd/system/usher-screen@.service": "-rw-r--r--\n" + strings.ReplaceAll(read(t, "usher-screen@.service"), "/usr/bin/usher", "/usr/local/bin/usher"),
		"/usr/local/libexec/usher-kiosk":                      "-rwxr-xr-x\n" + read(t, "usher-kiosk"),
		"/usr/local/lib/sysusers.d/usher.conf":                "-rw-r--r--\n" + read(t, "usher.sysusers.conf"),
		"/usr/local/lib/udev/rules.d/70-usher-scanner.rules":  "-rw-r--r--\n" + read(t, "70-usher-scanner.rules"),
		"/etc/usher/usher.yaml":                               "-rw-r-----\n" + read(t, "usher.yaml"),
	}
	if diff := cmp.Diff(want, installed(t, root)); diff != "" {
		t.Fatal(diff)
	}
	if info, err := os.Stat(filepath.Dir(config)); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("/etc/usher: %v, %v", info.Mode(), err)
	}

	// Again: nothing changes.
	run(t, environ, sh, "../scripts/install")
	if diff := cmp.Diff(want, installed(t, root)); diff != "" {
		t.Error(diff)
	}

	// An upgrade over an edited configuration: the new sample stands beside it.
	overwrite(t, config, "vendor: {name: mine}\n")
	overwrite(t, binary, "second")
	out = run(t, environ, sh, "../scripts/install")
	if !strings.Contains(out, "left as it is") || !strings.Contains(out, "usher.yaml.new") {
		t.Errorf("does not say what became of the configuration:\n%s", out)
	}
	want["/etc/usher/usher.yaml.new"] = want["/etc/usher/usher.yaml"]
	want["/etc/usher/usher.yaml"] = "-rw-r-----\nvendor: {name: mine}\n"
	want["/usr/local/bin/usher"] = "-rwxr-xr-x\nsecond"
	if diff := cmp.Diff(want, installed(t, root)); diff != "" {
		t.Error(diff)
	}
}

func TestInstallRefuses(t *testing.T) {
	sh := tool(t, "sh")
	for _, c := range []struct{ environ, want string }{
		{"PREFIX=usr", "PREFIX=usr: must begin with /"},
		{"DESTDIR=here", "DESTDIR=here: must begin with /"},
		{"USHER_BINARY=/no/such", "USHER_BINARY=/no/such: no such file"},
	} {
		root := t.TempDir()
		cmd := exec.Command(sh, "../scripts/install")
		cmd.Env = append(os.Environ(), "DESTDIR="+root, c.environ)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: got %v, %s", c.environ, err, out)
		}
		if files := installed(t, root); len(files) > 0 {
			t.Errorf("%s: installed %v", c.environ, files)
		}
	}
}
