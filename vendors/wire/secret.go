package wire

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxSecret is the longest secret, in bytes.
const maxSecret = 4 << 10

// Secret is where a vendor's password or key comes from: a systemd credential,
// over the environment, over a file. It is read anew each time, so that a changed
// one is noticed.
type Secret struct {
	// Name is the credential's: password, api_key.
	Name string
	// File is the configured file; empty: none.
	File string
	// Environ is the environment as os.Environ gives it.
	Environ []string
}

// variable is the environment variable that holds the secret itself.
func (s Secret) variable() string { return "USHER_VENDOR_" + strings.ToUpper(s.Name) }

func (s Secret) env(name string) string {
	value := ""
	for _, e := range s.Environ {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

// Read gives the secret. The error says what to do, and never holds any of it.
func (s Secret) Read() (string, error) {
	if dir := s.env("CREDENTIALS_DIRECTORY"); dir != "" {
		path := filepath.Join(dir, s.Name)
		text, err := s.file(path, false)
		if !errors.Is(err, fs.ErrNotExist) {
			return text, err
		}
	}
	if text := s.env(s.variable()); text != "" {
		return s.clean("the variable "+s.variable(), text)
	}
	if s.File == "" {
		return "", fmt.Errorf("no %s: give the service a credential called %s, or name a file in vendor.%s_file", s.Name, s.Name, s.Name)
	}
	return s.file(s.File, true)
}

func (s Secret) file(path string, guarded bool) (string, error) {
	// A FIFO must not hold a sign-in up.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &cause{fmt.Sprintf("vendor.%s_file: %s does not exist: write the %s into it (owner root, group usher, mode 0640)", s.Name, path, s.Name), err}
	case errors.Is(err, fs.ErrPermission):
		return "", &cause{fmt.Sprintf("vendor.%s_file: %s: permission denied: chown root:usher %s; chmod 0640 %s", s.Name, path, path, path), err}
	case err != nil:
		return "", fmt.Errorf("vendor.%s_file: %w", s.Name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("vendor.%s_file: %w", s.Name, err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("vendor.%s_file: %s is no file", s.Name, path)
	case guarded && info.Mode().Perm()&0o007 != 0:
		return "", fmt.Errorf("vendor.%s_file: %s can be read by everybody on this device: chmod 0640 %s, and change the %s", s.Name, path, path, s.Name)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("vendor.%s_file: %w", s.Name, err)
	}
	return s.clean(path, string(raw))
}

// clean takes off the newline that editors put at the end.
func (s Secret) clean(from, text string) (string, error) {
	text = strings.TrimRight(text, "\r\n")
	switch {
	case text == "":
		return "", fmt.Errorf("%s is empty: write the %s into it", from, s.Name)
	case len(text) > maxSecret:
		return "", fmt.Errorf("%s is longer than 4 KiB: that is no %s", from, s.Name)
	case strings.ContainsAny(text, "\r\n\x00"):
		return "", fmt.Errorf("%s has more than one line: write the %s alone", from, s.Name)
	}
	return text, nil
}
