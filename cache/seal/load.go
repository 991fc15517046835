package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// The places a key may come from.
const (
	// Credential is a systemd credential.
	Credential Source = "credential"
	// File is device.key in the state directory.
	File Source = "file"
	// Created is device.key, made just now.
	Created Source = "created"
)

const (
	credentialName = "device_key"
	fileName       = "device.key"
)

// Source is where the key came from.
type Source string

// Origin tells where the key came from and what a person should know of it.
type Origin struct {
	Source Source
	Path   string
	// Warnings are faults that do not stop usher, with what to do.
	Warnings []string
}

// Load reads the device key: the systemd credential device_key in
// credentialDir ($CREDENTIALS_DIRECTORY; empty: none), else device.key in
// stateDir, which is created and synced when it does not exist. Both hold 32
// raw bytes or 64 hexadecimal digits.
//
// A key file whose content is no key, or cannot be read off the disk, is moved aside as device.key.damaged-TIME
// and replaced, with a warning: a gate opens without its old list rather than
// not at all. A credential that cannot be used and a file that may not be read
// are errors that say what to do: those a person can put right.
func Load(credentialDir, stateDir string) (*Key, Origin, error) {
	if credentialDir != "" {
		path := filepath.Join(credentialDir, credentialName)
		key, err := read(path)
		if err == nil {
			return key, Origin{Source: Credential, Path: path}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, Origin{}, fmt.Errorf("device key: %w; give the unit a credential %s of 32 bytes, or take it out to use %s",
				err, credentialName, filepath.Join(stateDir, fileName))
		}
	}
	path := filepath.Join(stateDir, fileName)
	key, err := read(path)
	switch {
	case err == nil:
		return key, Origin{Source: File, Path: path, Warnings: rights(path)}, nil
	case errors.Is(err, fs.ErrNotExist):
		key, err = create(path)
		if err != nil {
			return nil, Origin{}, fmt.Errorf("device key: %w; make %s writable for the service", err, stateDir)
		}
		return key, Origin{Source: Created, Path: path}, nil
	case errors.Is(err, errNoKey):
		return replace(path, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, Origin{}, fmt.Errorf("device key: %w; make the service the owner of the file (chown usher, chmod 600)", err)
	}
	return nil, Origin{}, fmt.Errorf("device key: %w", err)
}

// Find gives the key that Load would, and changes nothing: there is none before
// the first start.
func Find(credentialDir, stateDir string) (*Key, Source, error) {
	if credentialDir != "" {
		if key, err := read(filepath.Join(credentialDir, credentialName)); !errors.Is(err, fs.ErrNotExist) {
			return key, Credential, err
		}
	}
	key, err := Read(stateDir)
	return key, File, err
}

// Read reads device.key in a state directory and changes nothing there, whatever
// is wrong with it: for the directory of a device that is not running, or a copy.
func Read(stateDir string) (*Key, error) {
	key, err := read(filepath.Join(stateDir, fileName))
	if err != nil {
		return nil, fmt.Errorf("device key: %w", err)
	}
	return key, nil
}

// errNoKey says that a file's content cannot be a key.
var errNoKey = errors.New("no device key")

// replace moves a file that holds no key aside and makes a new key.
func replace(path string, why error) (*Key, Origin, error) {
	aside := path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000Z")
	if err := os.Rename(path, aside); err != nil {
		return nil, Origin{}, fmt.Errorf("device key: %w (%w); make its directory writable for the service", why, err)
	}
	key, err := create(path)
	if err != nil {
		return nil, Origin{}, fmt.Errorf("device key: %w; make %s writable for the service", err, filepath.Dir(path))
	}
	warning := fmt.Sprintf("device key: %v; it was moved to %s and a new key made: the ticket list is loaded anew, names in the history stay unreadable, scans are not touched", why, aside)
	return key, Origin{Source: Created, Path: path, Warnings: []string{warning}}, nil
}

func read(path string) (*Key, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: it is no file but %s", path, errNoKey, info.Mode()) // a FIFO would wait for ever
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, syscall.EIO) {
		// The sector is gone and comes back by no restart.
		return nil, fmt.Errorf("%w: %w: the storage is failing, replace it", errNoKey, err)
	}
	if err != nil {
		return nil, err
	}
	secret, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return New(secret)
}

func parse(data []byte) ([]byte, error) {
	secret := data
	if len(data) != Size {
		text := bytes.TrimSpace(data)
		secret = make([]byte, hex.DecodedLen(len(text)))
		if n, err := hex.Decode(secret, text); err != nil || n != Size {
			return nil, fmt.Errorf("%w: holds %d bytes, want %d raw bytes or %d hexadecimal digits", errNoKey, len(data), Size, 2*Size)
		}
	}
	// A file system that lost the content after a power cut gives zeros.
	if bytes.Count(secret, secret[:1]) == Size {
		return nil, fmt.Errorf("%w: holds one byte repeated", errNoKey)
	}
	return secret, nil
}

// create writes a new key, the whole of it or nothing, and syncs it with its
// directory before it is used, so that nothing is ever sealed under a key that a
// power cut could take away. Where another process was faster, its key is used.
func create(path string) (*Key, error) {
	secret := make([]byte, Size)
	rand.Read(secret)
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	file, err := os.CreateTemp(dir.Name(), fileName+".*.tmp") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(append(hex.AppendEncode(nil, secret), '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return nil, err
	}
	// A link, unlike a rename, never replaces a key that is already there.
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := dir.Sync(); err != nil {
		return nil, fmt.Errorf("sync %s: %w", dir.Name(), err)
	}
	return read(path)
}

func rights(path string) []string {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return []string{fmt.Sprintf("device key: %s can be read by others (mode %04o); run chmod 600 on it, "+
		"and where somebody may have read it delete it and restart: a new key is made and the ticket list loaded anew",
		path, info.Mode().Perm())}
}
