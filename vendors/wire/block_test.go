package wire_test

import (
	"errors"
	"strings"
	"testing"

	"usher/vendors/wire"
)

func TestABlocksFaultsComeAtOnce(t *testing.T) {
	var name, file string
	keys := map[string]func(any) error{"name": wire.Text(&name), "api_key_file": wire.Text(&file)}
	b := wire.ReadBlock(map[string]any{"name": " Ada ", "api_key_file": "key", "apikey": "s3cret", "password": "hidden", "nmae": 7}, keys)
	b.File("api_key_file", file)
	b.Fault("api_key_file", errors.New("a second fault of one key is not told"))
	b.Fault("name", nil)
	want := strings.Join([]string{
		`vendor.api_key_file: "key" is not an absolute path`,
		"vendor.apikey: a secret does not belong in this file: put it into a file of its own and name that in vendor.api_key_file",
		"vendor.nmae: unknown key; known here: api_key_file, name",
		"vendor.password: unknown key; known here: api_key_file, name",
	}, "\n")
	if err := b.Err(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if name != "Ada" || b.Faulty("name") || !b.Faulty("apikey") {
		t.Errorf("name %q", name)
	}
	if b = wire.ReadBlock(map[string]any{"name": 7}, keys); b.Err() == nil || b.Err().Error() != "vendor.name: 7 is not text; put it in quotes" {
		t.Errorf("got %v", b.Err())
	}
	if b = wire.ReadBlock(map[string]any{"name": ""}, keys); b.Err() != nil || name != "Ada" {
		t.Errorf("an empty text: %v, %q", b.Err(), name)
	}
}
