package report

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Usages are a page in the upper and an id in the lower 16 bits (HID Usage
// Tables 1.5).
const (
	usageKeyboard  = 0x0001_0006
	usageKeypad    = 0x0001_0007
	usageByteCount = 0x0001_003b

	pageKeys     = 0x07
	usageFirstID = 0x008c_00fb
	usageLastID  = 0x008c_00fd
	usageData    = 0x008c_00fe
	usageMore    = 0x008c_00ff
	pagePOS      = 0x8c
)

// Kind is which way a field of a report goes.
type Kind byte

// The kinds, by the tags of their main items.
const (
	Input   Kind = 0x8
	Output  Kind = 0x9
	Feature Kind = 0xb
)

// Field is one main item: Count values of Size bits each, from Offset on, in
// reports that begin with the ID, where it is not zero.
type Field struct {
	Kind Kind
	ID   byte
	// Application is the usage of the outermost collection.
	Application uint32
	// Usages name the values in turn; the last one names all that follow.
	Usages []uint32
	// Min is the logical minimum, the first usage's value in an array.
	Min int32
	// Offset counts bits, the byte of the ID included.
	Offset, Size, Count int
	// Array: the values are usages themselves. Constant: padding.
	Array, Constant bool
}

// usage gives the name of the n-th value.
func (f Field) usage(n int) uint32 {
	if len(f.Usages) == 0 {
		return 0
	}
	return f.Usages[min(n, len(f.Usages)-1)]
}

// Descriptor is what a device says its reports look like.
type Descriptor struct{ Fields []Field }

// The bounds of what a descriptor may claim; real ones stay far below.
const (
	maxDescriptor = 4096
	maxUsages     = 1024
	maxReportBits = 8 * 4096
	maxDepth      = 16
)

// globals are the items that last until changed (HID 1.11, 6.2.2.7).
type globals struct {
	page        uint32
	min         int32
	size, count int
	id          byte
}

// parser holds what the items read so far amount to.
type parser struct {
	globals
	stack []globals
	// collections are the usages of the open ones.
	collections []uint32
	// locals, which end with each main item (6.2.2.8).
	usages  []uint32
	from    uint32
	hasFrom bool
	bits    map[uint16]int
	out     Descriptor
}

// Parse reads a report descriptor (HID 1.11, 6.2.2), such as the file
// report_descriptor of the kernel's sysfs holds. Errors say where it breaks off
// or what it claims.
func Parse(raw []byte) (Descriptor, error) {
	if len(raw) > maxDescriptor {
		return Descriptor{}, fmt.Errorf("report descriptor of %d bytes: longer than any device may have", len(raw))
	}
	p := parser{bits: map[uint16]int{}}
	for at := 0; at < len(raw); {
		prefix := raw[at]
		if prefix == 0xfe { // a long item, which nobody ever defined
			if at+2 >= len(raw) || at+3+int(raw[at+1]) > len(raw) {
				return Descriptor{}, fmt.Errorf("report descriptor: cut off at byte %d", at)
			}
			at += 3 + int(raw[at+1])
			continue
		}
		size := [4]int{0, 1, 2, 4}[prefix&3]
		if at+1+size > len(raw) {
			return Descriptor{}, fmt.Errorf("report descriptor: cut off at byte %d", at)
		}
		if err := p.item(prefix>>2&3, prefix>>4, raw[at+1:at+1+size]); err != nil {
			return Descriptor{}, fmt.Errorf("report descriptor: byte %d: %w", at, err)
		}
		at += 1 + size
	}
	return p.out, nil
}

func (p *parser) item(kind, tag byte, data []byte) error {
	const main, global, local = 0, 1, 2
	value := unsigned(data)
	switch kind {
	case main:
		return p.main(tag, value)
	case global:
		return p.global(tag, value, data)
	case local:
		return p.local(tag, value, len(data))
	}
	return nil
}

func (p *parser) main(tag byte, value uint32) error {
	const collection, end = 0xa, 0xc
	defer func() { p.usages, p.hasFrom = nil, false }()
	switch tag {
	case collection:
		if len(p.collections) == maxDepth {
			return errors.New("collections nested too deep")
		}
		usage := uint32(0)
		if len(p.usages) > 0 {
			usage = p.usages[0]
		}
		p.collections = append(p.collections, usage)
	case end:
		if len(p.collections) == 0 {
			return errors.New("a collection ends that never began")
		}
		p.collections = p.collections[:len(p.collections)-1]
	case byte(Input), byte(Output), byte(Feature):
		return p.field(Kind(tag), value)
	}
	return nil
}

func (p *parser) field(kind Kind, flags uint32) error {
	const constant, variable = 1, 2
	key := uint16(kind)<<8 | uint16(p.id)
	offset, known := p.bits[key]
	if !known && p.id != 0 {
		offset = 8
	}
	end := offset + p.size*p.count
	if end > maxReportBits {
		return fmt.Errorf("a report of %d bits", end)
	}
	p.bits[key] = end
	f := Field{
		Kind: kind, ID: p.id, Usages: p.usages, Min: p.min,
		Offset: offset, Size: p.size, Count: p.count,
		Array: flags&variable == 0, Constant: flags&constant != 0,
	}
	if len(p.collections) > 0 {
		f.Application = p.collections[0]
	}
	p.out.Fields = append(p.out.Fields, f)
	return nil
}

func (p *parser) global(tag byte, value uint32, data []byte) error {
	const page, minimum, size, id, count, push, pop = 0x0, 0x1, 0x7, 0x8, 0x9, 0xa, 0xb
	switch tag {
	case page:
		p.page = value
	case minimum:
		p.min = signed(data)
	case size:
		if value > 32 {
			return fmt.Errorf("values of %d bits", value)
		}
		p.size = int(value)
	case id:
		if value == 0 || value > 255 {
			return fmt.Errorf("report ID %d", value)
		}
		p.id = byte(value)
	case count:
		if value > maxReportBits {
			return fmt.Errorf("%d values", value)
		}
		p.count = int(value)
	case push:
		if len(p.stack) == maxDepth {
			return errors.New("too much pushed")
		}
		p.stack = append(p.stack, p.globals)
	case pop:
		if len(p.stack) == 0 {
			return errors.New("nothing to pop")
		}
		p.globals = p.stack[len(p.stack)-1]
		p.stack = p.stack[:len(p.stack)-1]
	}
	return nil
}

func (p *parser) local(tag byte, value uint32, size int) error {
	const usage, from, to = 0x0, 0x1, 0x2
	if size < 4 {
		value |= p.page << 16
	}
	switch tag {
	case usage:
		p.usages = append(p.usages, value)
	case from:
		p.from, p.hasFrom = value, true
	case to:
		if !p.hasFrom || value < p.from {
			return fmt.Errorf("usages from %#x to %#x", p.from, value)
		}
		// A maker's keys beside the keyboard's may claim a whole page in one range: what
		// is kept of it names more values than any report of theirs has.
		for u := p.from; u <= value && u-p.from < maxUsages; u++ {
			p.usages = append(p.usages, u)
		}
		p.hasFrom = false
	}
	if len(p.usages) > maxUsages {
		return errors.New("too many usages")
	}
	return nil
}

func unsigned(data []byte) uint32 {
	var full [4]byte
	copy(full[:], data)
	return binary.LittleEndian.Uint32(full[:])
}

func signed(data []byte) int32 {
	switch len(data) {
	case 1:
		return int32(int8(data[0]))
	case 2:
		return int32(int16(binary.LittleEndian.Uint16(data)))
	}
	return int32(unsigned(data))
}

// bits takes a value out of a report; zero beyond its end.
func bits(report []byte, offset, size int) uint32 {
	var value uint32
	for i := range size {
		at := offset + i
		if at/8 < len(report) && report[at/8]>>(at%8)&1 == 1 {
			value |= 1 << i
		}
	}
	return value
}
