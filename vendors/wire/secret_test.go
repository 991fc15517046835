package wire_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/vendors/wire"
)

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file("credentials/password", "from systemd\n", 0o400)
	good := file("good", "from the file\r\n", 0o640)
	credentials := "CREDENTIALS_DIRECTORY=" + filepath.Join(dir, "credentials")
	none := "CREDENTIALS_DIRECTORY=" + dir
	variable := "USHER_VENDOR_PASSWORD=from the environment"
	for _, tt := range []struct {
		name, file string
		environ    []string
		want, err  string
	}{
		{"credential first", good, []string{credentials, variable}, "from systemd", ""},
		{"then the variable", good, []string{none, variable}, "from the environment", ""},
		{"then the file", good, []string{none}, "from the file", ""},
		{"nothing", "", nil, "", "no password: give the service a credential"},
		{"missing", filepath.Join(dir, "gone"), nil, "", "does not exist: write the password into it"},
		{"for everybody", file("open", "hush", 0o644), nil, "", "can be read by everybody"},
		{"empty", file("empty", "\n", 0o600), nil, "", "is empty"},
		{"lines", file("lines", "hush\nhush\n", 0o600), nil, "", "more than one line"},
		{"long", file("long", strings.Repeat("hush", 2000), 0o600), nil, "", "longer than 4 KiB"},
		{"a directory", dir, nil, "", "is no file"},
	} {
		got, err := wire.Secret{Name: "password", File: tt.file, Environ: tt.environ}.Read()
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %q, %v", tt.name, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the error tells the secret", tt.name)
		}
	}
	if os.Geteuid() != 0 {
		if _, err := (wire.Secret{Name: "password", File: file("locked", "hush", 0)}).Read(); err == nil || !strings.Contains(err.Error(), "permission denied: chown") {
			t.Errorf("unreadable: %v", err)
		}
	}
}
