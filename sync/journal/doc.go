// Package journal is the precious store of a device: gate state, the outbox,
// the history of every verdict, attempts and what vendors must remember, in one
// bbolt file, journal.db.
//
// # What a commit means
//
// [Journal.Commit] returns nil only after the fdatasync of its write returned.
// Commits in flight together share one transaction (see writer.go); a lone one
// never waits for others. After any commit error the file is closed, opened
// again and everything the failed transaction may have left is put back, in a
// transaction of its own, before the next commit is taken; until then reads
// answer from the state that was known to be good. What failed is noted beside the
// journal first (doubt.go), so that a death before the repair does not make it
// count.
//
// # A full disk
//
// The file is given its blocks ahead of its commits, and a part of them is kept for
// what ends things: on a full disk nothing new is stored, and all that was stored
// can be sent, settled and acknowledged (room.go). Before it comes to that, the
// oldest settled history gives way, never what is owed, parked or kept, nor a mark
// (giveway.go). With room again, work goes on by itself.
//
// # Promises and their tests
//
//	answers as its model does, whatever fails       TestModel
//	every green is there once after SIGKILL         TestKill
//	a failed commit counts for nothing, also after
//	a death before its repair                       TestFaultAtEveryCall, TestKilledInDoubt, TestAnOldNoteOfDoubt
//	what was stored can be ended on a full disk     TestReserve
//	history gives way before a scan does            TestHistoryGivesWay, TestNothingToGive, TestGivenWithItsMark
//	room returns and work goes on                   TestRoomReturns
//	a file cut off under it never blocks a caller   TestCutOffUnderARunningJournal
//	a bad sector costs what is in it                TestScanReadsOnBehindABadSector, TestABadSectorIsDamage
//	a disk that refuses does not keep usher away    TestDamagedAndNoRoom, TestReadOnlyFileSystem, TestNoRoomForTheNote
//
// # The file
//
//	meta      what the file is, reserved numbers, counts not to be made again
//	log       seq -> record; append-only, never modified: outbox and history
//	state     sha256(scope, code) -> mark, as of a recent record
//	fate      seq -> what became of the record since
//	attempts  id -> a vendor's call that has no answer yet
//	memory    name -> what a vendor must remember
//
// An admission appends to the log and writes nothing else: its record carries
// the mark that it leaves. Those marks are kept in memory and moved to the state
// tree by Run; opening reads the log's tail for the rest.
//
// Every value is a frame with a magic, a version and a checksum that covers its
// key (frame.go), and every bucket counts its keys in its own header, so that a
// flipped bit is an error and never an absent mark. Which records are pending,
// parked or in conflict is kept in memory and rebuilt at [Open].
//
// # Damage
//
// The pages are looked at before bbolt meets them (pages.go): it would follow a
// branch that leads back until the process dies, write over pages that are in use,
// and go on with the older meta page as if the last commit had never been. One
// wrong byte, wherever it is, costs nothing (TestAnyFlipCostsNothing): a record of
// which one byte is wrong is mended by its checksum (mend.go).
//
// A file that cannot be read is moved aside as journal.db.damaged-TIME and
// never deleted. A new one is made of what its trees, and failing those a scan
// of its bytes, still give (rescue.go); [Status], and [Damage] for a device that
// is not running, say what was carried over and which numbers are missing for as
// long as the damaged file lies in the directory. As long, where it cannot be
// proven that every mark was carried over, a ticket without one is Unproven: for a
// supervisor, where the vendor does not answer. A person who moves the file away
// ends that.
//
// What the disk refuses to a rescue, or to opening at all, keeps nobody from starting
// (hindered.go).
//
// A file that is deleted or replaced while it is open is written anew under its
// name before the next commit, from the descriptor that still has it.
//
// # Whole codes
//
// The records hold codes in the clear: support must find them at the vendor,
// and marks must outlive the device key. Names and seats are sealed.
package journal
