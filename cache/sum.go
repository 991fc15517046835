package cache

import "crypto/sha256"

// sum is a sum of hashes of records, whatever their order: two lists of the same sum
// say the same.
type sum [sha256.Size]byte

// add adds the hash of a record as appendTicket writes it.
func (s *sum) add(plain []byte) {
	hash := sum(sha256.Sum256(plain))
	s.plus(&hash)
}

func (s *sum) plus(other *sum) {
	carry := uint16(0)
	for i, b := range other {
		carry += uint16(s[i]) + uint16(b)
		s[i] = byte(carry)
		carry >>= 8
	}
}

func (s *sum) minus(other *sum) {
	borrow := uint16(0)
	for i, b := range other {
		rest := uint16(s[i]) - uint16(b) - borrow
		s[i] = byte(rest)
		borrow = rest >> 15
	}
}
