package main

import (
	"os"
	"path/filepath"
	"strings"
)

// credstores are where the service's unit has systemd look for its credentials
// (systemd.exec(5), LoadCredential=).
var credstores = []string{"/etc/credstore", "/run/credstore"}

// withCredentials adds to the environment what the service gets from the credential
// store, and a command by hand does not: a check must not miss a password that the
// daemon has. What is given by hand comes first.
func withCredentials(environ, stores []string) []string {
	for _, c := range []struct{ file, variable string }{
		{"usher.password", "USHER_VENDOR_PASSWORD"}, {"usher.api_key", "USHER_VENDOR_API_KEY"},
		{"usher.admission_token", "USHER_VENDOR_ADMISSION_TOKEN"},
	} {
		if given(environ, c.variable) || given(environ, "CREDENTIALS_DIRECTORY") {
			continue
		}
		for _, dir := range stores {
			if secret, err := os.ReadFile(filepath.Join(dir, c.file)); err == nil {
				environ = append(environ, c.variable+"="+strings.TrimRight(string(secret), "\r\n"))
				break
			}
		}
	}
	return environ
}

func given(environ []string, variable string) bool {
	for _, e := range environ {
		if value, ok := strings.CutPrefix(e, variable+"="); ok && value != "" {
			return true
		}
	}
	return false
}
