package configs_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/configs"
)

type block struct {
	Port    string        `mapstructure:"port"`
	Baud    int           `mapstructure:"baud"`
	Vendor  uint16        `mapstructure:"vendor_id"`
	Idle    time.Duration `mapstructure:"idle"`
	Grab    bool          `mapstructure:"grab"`
	Rate    float64       `mapstructure:"rate"`
	Layouts []string      `mapstructure:"layouts"`
	Ignored string
}

func TestDecodeOverDefaults(t *testing.T) {
	got := block{Baud: 9600, Idle: 80 * time.Millisecond, Layouts: []string{"us", "de"}}
	cfg := load(t, least+`scanners: [{name: a, driver: d, port: /dev/x, vendor_id: 0x05e0, grab: true, rate: 2, layouts: [fr]}]`)
	if faults := cfg.Scanners[0].Block.Decode("scanners[a]", &got); len(faults) > 0 {
		t.Fatal(faults)
	}
	want := block{Port: "/dev/x", Baud: 9600, Vendor: 0x5e0, Idle: 80 * time.Millisecond, Grab: true, Rate: 2, Layouts: []string{"fr"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeIsStrict(t *testing.T) {
	for _, c := range []struct {
		name  string
		block configs.Block
		want  string
	}{
		{"a misspelt key", configs.Block{"prot": "x"}, "s.prot: unknown key: did you mean port?"},
		{"a field without tag", configs.Block{"ignored": "x"}, "s.ignored: unknown key: known here: baud, grab, idle, layouts, port, rate, vendor_id"},
		{"a number for text", configs.Block{"port": 5}, "s.port: must be text: put it in quotes"},
		{"text for a number", configs.Block{"baud": "9600"}, "s.baud: must be a whole number, without quotes"},
		{"a fraction", configs.Block{"baud": 9600.5}, "s.baud: must be a whole number, without quotes"},
		{"too large", configs.Block{"vendor_id": 0x105e0}, "s.vendor_id: is too large"},
		{"negative", configs.Block{"vendor_id": -1}, "s.vendor_id: must not be negative"},
		{"a duration without unit", configs.Block{"idle": 80}, "s.idle: must be a duration such as 80ms, 30s or 5m, with its unit"},
		{"no duration", configs.Block{"idle": "soon"}, "s.idle: must be a duration such as 80ms, 30s or 5m"},
		{"text for a flag", configs.Block{"grab": "true"}, "s.grab: must be true or false, without quotes"},
		{"text for a fraction", configs.Block{"rate": "2.5"}, "s.rate: must be a number, without quotes"},
		{"no list", configs.Block{"layouts": "us"}, "s.layouts: must be a list, such as [A, B], in the file"},
		{"a wrong entry", configs.Block{"layouts": []any{"us", 5}}, "s.layouts: entry 2 must be text: put it in quotes"},
		{"all at once", configs.Block{"port": 5, "baud": true}, "s.baud: must be a whole number, without quotes\ns.port: must be text: put it in quotes"},
	} {
		var got block
		if faults := c.block.Decode("s", &got); faults.Error() != c.want {
			t.Errorf("%s: got %q, want %q", c.name, faults.Error(), c.want)
		}
		if diff := cmp.Diff(block{}, got); diff != "" {
			t.Errorf("%s: set all the same:\n%s", c.name, diff)
		}
	}
}

func TestDecodeVariables(t *testing.T) {
	for _, c := range []struct{ env, want string }{
		{"BAUD=fast", "USHER_VENDOR_BAUD: must be a whole number, without quotes"},
		{"BAUD=0123", "USHER_VENDOR_BAUD: must be a whole number that does not begin with 0"},
		{"IDLE=80", "USHER_VENDOR_IDLE: must be a duration such as 80ms, 30s or 5m"},
		{"GRAB=yes", "USHER_VENDOR_GRAB: must be true or false, without quotes"},
		{"RATE=x", "USHER_VENDOR_RATE: must be a number"},
		{"LAYOUTS=us", "USHER_VENDOR_LAYOUTS: must be a list, such as [A, B], in the file"},
	} {
		check := func(cfg *configs.Config) configs.Faults { return cfg.Vendor.Block.Decode("vendor", &block{}) }
		_, err := configs.Load(write(t, least), []string{"USHER_VENDOR_" + c.env}, check)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.env, err, c.want)
		}
	}
	check := func(cfg *configs.Config) configs.Faults {
		var got block
		faults := cfg.Vendor.Block.Decode("vendor", &got)
		if want := (block{Baud: 19200, Vendor: 0x5e0, Rate: 2.5}); !cmp.Equal(want, got) {
			t.Error(cmp.Diff(want, got))
		}
		return faults
	}
	if _, err := configs.Load(write(t, least), []string{"USHER_VENDOR_BAUD=19200", "USHER_VENDOR_VENDOR_ID=0x05e0", "USHER_VENDOR_RATE=2.5"}, check); err != nil {
		t.Error(err)
	}
}
