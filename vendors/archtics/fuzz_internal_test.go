package archtics

import (
	"testing"

	"usher/vendors/vendortest"
)

// Whatever lies on the disk, reading it ends, and what was read can be written.
func FuzzKept(f *testing.F) {
	f.Add(encodeChunk(linesOf(0, 3, evening), 7), []byte("0"), []byte(`{"boot":"boot 0","up_ns":5,"minutes":[1,2],"before":[3,4],"aside":5}`))
	f.Add([]byte("AE1\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), []byte("-1"), []byte("{"))
	f.Add([]byte("AE1"), []byte("x"), []byte(`{"minutes":[1,-9223372036854775808],"recent":9223372036854775807}`))
	f.Fuzz(func(t *testing.T, chunk, head, count []byte) {
		disk := &vendortest.Memory{Kept: map[string][]byte{headKey + "/0/0": chunk, headKey: head, quotaKey: count}}
		w := watchOf(newTestClock(), disk)
		w.ready()
		one := lineOf(1, evening)
		w.seats.add(one)
		w.unsaved = []line{one}
		w.save()
		if _, ok := watchOf(newTestClock(), disk).attended(one.seat); !ok {
			t.Error("what was written over it is not read")
		}
		q := quotaOf(80, 5000, newTestClock(), disk)
		_, _ = q.take(t.Context(), scans, "x")
		if err := q.book.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
