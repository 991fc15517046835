package journal

import (
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

// checkIdentity proves that the file is a journal this usher can read.
func (j *Journal) checkIdentity(s *store) error {
	info, err := os.Stat(j.path)
	if err != nil {
		return err
	}
	return s.view(func(tx *bbolt.Tx) error {
		if tx.Size() > info.Size() {
			return damaged("the file is cut off: %d bytes of %d", info.Size(), tx.Size())
		}
		for _, name := range buckets() {
			if tx.Bucket(name) == nil {
				return damaged("bucket %s is missing", name)
			}
		}
		raw := tx.Bucket(bucketMeta).Get(keyIdentity)
		if raw == nil {
			return damaged("the identity record is missing")
		}
		var id identity
		err := decode(kindIdentity, keyIdentity, raw, &id)
		if errors.Is(err, ErrNewer) || err == nil && id.Schema > schema {
			return fmt.Errorf("%s: %w; install that version or a later one, nothing was changed", j.path, ErrNewer)
		}
		if err != nil {
			return err
		}
		j.created = id.Created
		j.keyDiffers = string(id.KeyCheck) != string(j.opts.KeyCheck)
		switch id.Schema {
		case schema:
			return nil
		}
		return damaged("schema %d was never written", id.Schema)
	})
}
