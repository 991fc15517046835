// Package seal holds the device key, and what is derived from it: the indexes
// under which tickets are found, and the seals on what a thief must not read.
//
// The key is 32 random bytes. It comes from the systemd credential device_key
// where there is one, else from the file device.key in the state directory,
// which is created on the first start.
//
// # What a thief of a powered-off device gets
//
// With a credential that is sealed by the device's TPM (systemd-creds encrypt
// --with-key=tpm2) the key is not on the disk in the clear. The ticket list
// tells neither a code nor a name, seat or order; it tells how many tickets
// there are, roughly how long each record is, which event the list is for and
// when it was made.
//
// Without such a credential the key lies beside the list, in device.key: who
// has the disk has the whole list. File rights (0600) keep out other users of a
// running system, not somebody who takes the storage out.
//
// In both cases the journal keeps the codes that were scanned in the clear, on
// purpose: a lost key must never lose an admission that the vendor has not
// heard of. The names in the journal are sealed. A manifest file is not usher's
// to seal either: it lies where the installer put it, as it is.
//
// A running device that is taken together with its power supply is not
// protected by any of this; full disk encryption and a locked session are.
//
// # Losing the key
//
// A list under another key counts as absent and is fetched again. Names in the
// journal's history stay unreadable. Gate state, outbox and codes are not
// touched.
//
// # Promises and their tests
//
//	one key a device, made once, whoever asks first TestLoadCreatesOnceAndKeeps, TestLoadAtOnceGivesOneKey
//	a file that is no key is moved aside, loudly    TestLoadFaults, TestWhatIsNoKeyFile
//	what was changed or sealed otherwise opens not  TestSealOpen, TestRecordsSalt
//	the key is in no log                            TestKeyStaysOutOfLogs
package seal
