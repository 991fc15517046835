package report

// Keyboard is where a keyboard's reports hold their keys.
type Keyboard struct {
	id         byte
	mods, keys []Field
}

// Keyboard finds the keyboard in a descriptor; false: there is none.
func (d Descriptor) Keyboard() (Keyboard, bool) {
	var k Keyboard
	for _, f := range d.Fields {
		if f.Kind != Input || f.Constant || f.Application != usageKeyboard && f.Application != usageKeypad {
			continue
		}
		if f.usage(0)>>16 != pageKeys || len(k.keys)+len(k.mods) > 0 && f.ID != k.id {
			continue
		}
		k.id = f.ID
		if !f.Array && f.usage(0)&0xffff == 0xe0 {
			k.mods = append(k.mods, f)
		} else {
			k.keys = append(k.keys, f)
		}
	}
	return k, len(k.keys) > 0
}

// BootKeyboard is a keyboard in the boot protocol (HID 1.11, appendix B.1), for
// devices whose descriptor cannot be read.
func BootKeyboard() Keyboard {
	return Keyboard{
		mods: []Field{{Usages: modifiers(), Size: 1, Count: 8}},
		keys: []Field{{Usages: []uint32{pageKeys << 16}, Offset: 16, Size: 8, Count: 6, Array: true}},
	}
}

func modifiers() []uint32 {
	var all []uint32
	for u := uint32(0xe0); u <= 0xe7; u++ {
		all = append(all, pageKeys<<16|u)
	}
	return all
}

// ID is the report ID that the keyboard's reports begin with; zero: none.
func (k Keyboard) ID() byte { return k.id }

// Read gives the modifiers, as the bits of a boot report, and the keys that are
// held, in the report's order; false: the report is another one.
func (k Keyboard) Read(report []byte) (mods byte, held []byte, ok bool) {
	if len(report) == 0 || k.id != 0 && report[0] != k.id {
		return 0, nil, false
	}
	for _, f := range k.mods {
		for i := range f.Count {
			if n := f.usage(i)&0xffff - 0xe0; n < 8 && bits(report, f.Offset+i*f.Size, f.Size) != 0 {
				mods |= 1 << n
			}
		}
	}
	for _, f := range k.keys {
		for i := range f.Count {
			value := bits(report, f.Offset+i*f.Size, f.Size)
			switch {
			case value == 0:
				continue
			case !f.Array:
				value = f.usage(i) & 0xffff
			case f.Size > 8 && f.Min != 0:
				value = uint32(int64(value) - int64(f.Min) + int64(f.usage(0)&0xffff))
			}
			if value > 0 && value < 0x100 {
				held = append(held, byte(value))
			}
		}
	}
	return mods, held, true
}
