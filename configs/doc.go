// Package configs holds usher's configuration: its types and defaults, the
// reading of the file and of the environment over it, and the copy of the last
// configuration that ran.
//
// The file is YAML. Three layers are laid over each other by viper, in a
// registry of its own for each load: the defaults, the file, and environment
// variables named USHER_SECTION_KEY (USHER_GATE_NAME, USHER_STATE_DIR), one for
// every single value. An empty variable counts as not set, so that a forgotten
// value never widens what a gate admits. Lists and scanners are set in the file.
//
// What viper does loosely is done strictly before it sees a value: a misspelt or
// repeated key, a section with nothing under it, a text written as a number
// (0123 would be octal), a duration without a unit and a second document are
// faults, not guesses. Anchors, aliases and merge keys are refused as well: a
// configuration says what it means where it says it. All faults are reported at
// once, each with its path and what to do.
//
// A scanner's and a vendor's own keys stay raw, in a [Block], with their case
// and their types as written, until the driver or the vendor decodes them.
// USHER_VENDOR_KEY sets a key in the vendor's block: text where the file gives the
// key as text, else what YAML would read (quotes force text). Secrets are not part
// of the configuration: the file refuses them, and USHER_VENDOR_PASSWORD and
// USHER_VENDOR_API_KEY are left to whoever signs in.
//
// # The kept configuration
//
// [Keep] stores the file, as it was read, once the daemon runs on it;
// [LoadOrKept] falls back to it where the file is at fault, so that a typing
// error never closes a gate. Where the kept copy lies is itself configured, in
// state_dir. Where USHER_STATE_DIR is set, it lies there and nowhere else.
// Otherwise it is looked for in the state_dir that can still be made out in the
// faulty file, by its line alone if need be, and then in $STATE_DIRECTORY or, where
// that is not set, in /var/lib/usher; the first copy that is whole and valid runs. It holds nothing of the environment, which is laid over it anew;
// variables that are at fault are left out then, and listed.
package configs
