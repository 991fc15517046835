package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/google/renameio/v2" // a file appears whole or not at all
)

// errDamaged says that the file is there and is not one of ours.
var errDamaged = errors.New("damaged")

// errUnreadable says that the disk does not give the file back any more, and will
// not at any later start.
var errUnreadable = fmt.Errorf("%w: it cannot be read off the disk", errDamaged)

// file is what the state directory holds.
type file struct {
	ID string `json:"id"`
	binding
	// Sum is the CRC-32C of the rest, so that a flipped bit is no other id; files of
	// earlier versions have none.
	Sum string `json:"sum,omitempty"`
}

// sum is what Sum has to be.
func (f file) sum() (string, error) {
	f.Sum = ""
	raw, err := json.Marshal(f)
	return fmt.Sprintf("%08x", crc32.Checksum(raw, crc32.MakeTable(crc32.Castagnoli))), err
}

// usable is what an id may look like; a file that holds anything else is damaged.
var usable = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// store keeps the file.
type store struct{ dir string }

// openStore makes sure of the state directory.
func openStore(dir string) (store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return store{}, advise(err)
	}
	return store{dir}, nil
}

// read gives the file and its bytes. Errors: fs.ErrNotExist, errDamaged (with the
// bytes), errUnreadable, or that the file cannot be read.
func (s store) read() (file, []byte, error) {
	if info, err := os.Stat(s.path()); err == nil && info.Mode()&fs.ModeType != 0 && !info.IsDir() {
		return file{}, nil, errDamaged // reading a FIFO would wait for ever
	}
	raw, err := os.ReadFile(s.path())
	if errors.Is(err, fs.ErrNotExist) {
		return file{}, nil, err
	}
	if errors.Is(err, syscall.EIO) {
		return file{}, nil, errUnreadable
	}
	if err != nil {
		return file{}, nil, advise(err)
	}
	var f file
	if json.Unmarshal(raw, &f) != nil || !usable.MatchString(f.ID) {
		return file{}, raw, errDamaged
	}
	if sum, err := f.sum(); err != nil || f.Sum != "" && f.Sum != sum {
		return file{}, raw, errDamaged
	}
	return f, raw, nil
}

// write stores the file; it is on the disk when write returns.
func (s store) write(f file) error {
	var err error
	if f.Sum, err = f.sum(); err != nil {
		return err
	}
	raw, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return s.put(s.path(), append(raw, '\n'))
}

// keepAside stores the bytes of a file that is about to be replaced beside it and
// gives the name. It never replaces another one kept before.
func (s store) keepAside(why string, raw []byte, now time.Time) (string, error) {
	return s.aside(why, now, func(path string) error { return s.put(path, raw) })
}

// moveAside renames a file that cannot be read and gives the name.
func (s store) moveAside(why string, now time.Time) (string, error) {
	return s.aside(why, now, func(path string) error {
		if err := os.Rename(s.path(), path); err != nil {
			return advise(err)
		}
		return nil
	})
}

// aside has a name that nothing has filled.
func (s store) aside(why string, now time.Time, fill func(path string) error) (string, error) {
	name := fmt.Sprintf("%s.%s-%s", FileName, why, now.UTC().Format("20060102T150405Z"))
	for n := 2; ; n++ {
		path := filepath.Join(s.dir, name)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return name, fill(path)
		} else if err != nil {
			return "", advise(err)
		}
		name = fmt.Sprintf("%s.%s-%s-%d", FileName, why, now.UTC().Format("20060102T150405Z"), n)
	}
}

func (s store) put(path string, raw []byte) error {
	if err := renameio.WriteFile(path, raw, 0o600, renameio.WithTempDir(s.dir)); err != nil {
		return advise(err)
	}
	dir, err := os.Open(s.dir)
	if err != nil {
		return advise(err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return advise(err)
	}
	return nil
}

// advise adds what to do to an error of the file system, which names the path.
func advise(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("device id: %w; give the state directory and all in it to the user that runs usher (chown -R usher)", err)
	}
	return fmt.Errorf("device id: %w; the state directory must be on a disk that can be written", err)
}
