package cache

import (
	"os"

	"golang.org/x/sys/unix" // thread priorities, sync_file_range, statfs
)

// pace is how many bytes a build writes before it waits for the disk. Scans are
// committed to the same disk: what a build leaves in the page cache, the next
// commit may have to wait for.
const pace = 256 << 10

// pacedWriter writes a file from an offset on and keeps up with the disk.
type pacedWriter struct {
	file       *os.File
	at, synced int64
}

func (w *pacedWriter) Write(p []byte) (int, error) {
	n, err := w.file.WriteAt(p, w.at)
	w.at += int64(n)
	if err == nil && w.at-w.synced >= pace {
		writeOut(w.file, w.synced, w.at-w.synced)
		w.synced = w.at
	}
	return n, err
}

// writeOut hands the range to the disk and waits for it; size 0: to the end. No
// journal commit, no promise of durability; where the file system cannot, the
// kernel writes when it likes, as ever.
func writeOut(file *os.File, from, size int64) {
	const all = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	_ = unix.SyncFileRange(int(file.Fd()), from, size, all)
}

// lowerPriority makes the calling thread give way to every other: processor
// (nice 15) and disk (best effort, lowest). A service without rights may always
// lower itself; where it may not, the build is as loud as anything else.
func lowerPriority() {
	const (
		whoProcess     = 1
		bestEffortLast = 2<<13 | 7
		callingThread  = 0
	)
	_ = unix.Setpriority(unix.PRIO_PROCESS, callingThread, 15)
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, callingThread, bestEffortLast)
}

// freeSpace is what the service may still write in the directory, in bytes.
func freeSpace(dir string) (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(fs.Bavail) * int64(fs.Bsize), nil
}
