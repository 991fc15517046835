package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestACheckByHandHasTheServicesSecrets: what only systemd hands over is no missing
// password.
func TestACheckByHandHasTheServicesSecrets(t *testing.T) {
	etc, run := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(etc, "usher.password"): "first\n", filepath.Join(run, "usher.password"): "second", filepath.Join(run, "usher.api_key"): "key\r\n",
		filepath.Join(etc, "usher.admission_token"): "A0F9GG8D\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name          string
		environ, want []string
	}{
		{"none", nil, []string{"USHER_VENDOR_PASSWORD=first", "USHER_VENDOR_API_KEY=key", "USHER_VENDOR_ADMISSION_TOKEN=A0F9GG8D"}},
		{"by hand", []string{"USHER_VENDOR_PASSWORD=mine"}, []string{"USHER_VENDOR_PASSWORD=mine", "USHER_VENDOR_API_KEY=key", "USHER_VENDOR_ADMISSION_TOKEN=A0F9GG8D"}},
		{"of systemd", []string{"CREDENTIALS_DIRECTORY=/run/c"}, []string{"CREDENTIALS_DIRECTORY=/run/c"}},
	} {
		if got := withCredentials(tt.environ, []string{filepath.Join(etc, "absent"), etc, run}); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
