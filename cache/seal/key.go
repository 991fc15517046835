package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"log/slog"

	"usher/scanner"
)

// Size is the length of the device key in bytes.
const Size = 32

// IndexSize is the length of a ticket's index in bytes.
const IndexSize = sha256.Size

// ErrOpen is returned when a value was sealed under another key, belongs to
// another record, or was changed.
var ErrOpen = errors.New("sealed value cannot be opened")

// Key is the device key, ready for use. It is safe for concurrent use, never
// changes, and shows nothing of itself in a log.
type Key struct {
	secret []byte
	index  []byte
	check  []byte
	values cipher.AEAD
}

var _ scanner.Sealer = (*Key)(nil)

// New makes a Key of its 32 secret bytes. Other lengths are an error.
func New(secret []byte) (*Key, error) {
	if len(secret) != Size {
		return nil, fmt.Errorf("device key of %d bytes, want %d", len(secret), Size)
	}
	k := &Key{secret: append([]byte(nil), secret...)}
	var err error
	if k.index, err = k.derive(nil, "usher index", sha256.Size); err != nil {
		return nil, err
	}
	if k.check, err = k.derive(nil, "usher check", 16); err != nil {
		return nil, err
	}
	if k.values, err = k.aead(nil, "usher values"); err != nil {
		return nil, err
	}
	return k, nil
}

// Check tells whether a store was written under this key, without telling the
// key: 16 bytes, the same for the same key.
func (k *Key) Check() []byte { return append([]byte(nil), k.check...) }

// Seal encrypts and authenticates the value (AES-256-GCM, random nonce in
// front; 28 bytes longer than plain).
func (k *Key) Seal(plain []byte) []byte { return k.values.Seal(nil, nil, plain, nil) }

// Open gives back what Seal was given. Errors: ErrOpen.
func (k *Key) Open(sealed []byte) ([]byte, error) {
	plain, err := k.values.Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// Records gives the cipher for the records of one generation of a list. Each
// generation has a salt of its own: a random nonce is good for 2^32 values
// under one key, which a device that refreshes a million tickets every half
// hour would pass within a year.
func (k *Key) Records(salt []byte) (cipher.AEAD, error) { return k.aead(salt, "usher records") }

// Index is where the code's ticket is found in a list of the scope.
func (k *Key) Index(scope scanner.Scope, code scanner.Code) [IndexSize]byte {
	return k.Indexer(scope).Index(code)
}

// Indexer computes many indexes of one scope without allocating. It serves one
// goroutine.
type Indexer struct {
	mac    hash.Hash
	prefix []byte
	buf    []byte
}

// Indexer gives an Indexer for the scope.
func (k *Key) Indexer(scope scanner.Scope) *Indexer {
	// No scope key holds the separator 0x1E, so that no code can move into it.
	return &Indexer{mac: hmac.New(sha256.New, k.index), prefix: []byte(scope.Key() + "\x1e")}
}

// Index is where the code's ticket is found.
func (x *Indexer) Index(code scanner.Code) (index [IndexSize]byte) {
	x.buf = append(append(x.buf[:0], x.prefix...), code...)
	x.mac.Reset()
	x.mac.Write(x.buf)
	x.mac.Sum(index[:0])
	return index
}

// LogValue keeps the key out of every log.
func (k *Key) LogValue() slog.Value { return slog.StringValue("device key") }

// String keeps the key out of every message.
func (k *Key) String() string { return "device key" }

// GoString keeps the key out of %#v.
func (k *Key) GoString() string { return "device key" }

func (k *Key) derive(salt []byte, use string, size int) ([]byte, error) {
	return hkdf.Key(sha256.New, k.secret, salt, use, size)
}

func (k *Key) aead(salt []byte, use string) (cipher.AEAD, error) {
	secret, err := k.derive(salt, use, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
