package journal

import (
	"io"
)

// patientBlock is what a storage that fails loses at least, in bytes.
const patientBlock = 4096

// patient reads a file on behind what the storage does not give back: zeros stand
// for a block that cannot be read.
type patient struct {
	file io.ReaderAt
	// at is where Read goes on.
	at int64
}

func (p *patient) Read(b []byte) (int, error) {
	n, err := p.ReadAt(b, p.at)
	p.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (p *patient) ReadAt(b []byte, at int64) (n int, err error) {
	for n < len(b) {
		var got int
		got, err = p.file.ReadAt(b[n:], at+int64(n))
		n += got
		if !isUnreadable(err) {
			return n, err
		}
		here := at + int64(n)
		skip := min(int64(len(b)-n), patientBlock-here%patientBlock)
		clear(b[n : n+int(skip)])
		n += int(skip)
	}
	return n, nil
}
