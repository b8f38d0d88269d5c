//! The times by which something is told or not.

/// A second, in milliseconds.
pub(super) const SECOND: i64 = 1000;
/// A minute, in milliseconds.
pub(super) const MINUTE: i64 = 60 * SECOND;
/// A day, in milliseconds.
pub(super) const DAY: i64 = 24 * 60 * MINUTE;

/// When the hub did not look for longer than this, it tells nothing until what it knows is current again. Another hub that takes
/// over needs less.
pub(super) const GAP: i64 = 30 * SECOND;

/// The time in which changes are counted.
pub(super) const FLAP_WINDOW: i64 = 60 * MINUTE;

/// How many changes within that time are flapping.
pub(super) const FLAPS: usize = 4;

/// How many changes are remembered at most.
pub(super) const MAX_FLIPS: usize = 1000;

/// How long something has to be stable to flap no longer.
pub(super) const STABLE: i64 = 30 * MINUTE;

/// How long nothing must be known about a node before that is told: a probe that ended is noticed within that time.
pub(super) const UNKNOWN_HOLD: i64 = 90 * SECOND;

/// How long a probe must be silent beyond its time before that is told: others that end with it are noticed within that time.
pub(super) const SILENT_HOLD: i64 = 60 * SECOND;

/// How long a node must report an old version, or a newer one, before that is told: two nodes may share an address. The same holds
/// for a certificate that does not expire soon any more.
pub(super) const VERSION_HOLD: i64 = 10 * MINUTE;

/// How long the hub must be blind before that is told: it is told together with silent probes.
pub(super) const BLIND_HOLD: i64 = 150 * SECOND;

/// The end of a trouble of the hub itself is told when it lasted longer than this.
pub(super) const LONG_BLINDNESS: i64 = 15 * MINUTE;

/// A probe that is still silent so long after the hub hears from another one is told as such.
pub(super) const LEFT_BEHIND: i64 = 150 * SECOND;

/// The longest time for which changes are gathered.
pub(super) const MAX_GROUP: i64 = 5 * MINUTE;

/// After so long without a message the next one is gathered for the usual time.
pub(super) const CALM: i64 = 10 * MINUTE;

/// How often something is looked at that is held up.
pub(super) const LOOK_AGAIN: i64 = 10 * SECOND;

/// How long something has to be well before that is told: three checks.
pub(super) fn steady(check_interval: i64) -> i64 {
    (3 * check_interval).clamp(30 * SECOND, 15 * MINUTE)
}
