//! When an entry dies: the transition table of its deadlines.
//!
//! # What there is
//!
//! An entry has two deadlines. The **hard** one is set by writes: the entry's own time-to-live if
//! it was given one, else the answer of the [`Expiry`] rule, else the builder's `time_to_live`.
//! The **idle** one is the last use plus the idle time: the entry's own, else the builder's
//! `time_to_idle`. Whichever comes first kills the entry, and from that nanosecond on it is not
//! returned by anything (G06); the `wheel` gives its memory back later (G08).
//!
//! What each event does to them is the table in the docs of [`Lifetime`] (G07), where users find
//! it; the functions here are its rows, and each of its cells has an assertion below.
//!
//! What other caches got wrong and the table is tested for: a "for ever" that overflowed into
//! the past (caffeine #217, moka #472), an update that kept the old entry's deadline (moka #549:
//! "expired" and "never" were the same `None`; here an expired entry is never shown to
//! `after_update`, so `None` means never), a reloaded entry without a lifetime (otter #154).
//!
//! # Layout
//!
//! Times are nanoseconds in a `u64` since the origin of the cache's `ticker`; `u64::MAX` is
//! `NEVER` and no ticker ever reads it. What the table says of one entry is a
//! `Deadline`; the shard keeps it in atomic words beside the entry, and keeps none for an entry
//! that cannot expire, whose reader asks for no time at all.
//!
//! # Costs
//!
//! Every function here is a few integer operations. The rule is user code: only `Terms::ask`
//! and the callers of `after_read` run it, never under a lock.
//!
//! An event that brings a deadline **forward** (`Deadline::is_earlier_than`) must tell the
//! wheel; one that moves it back need not, because the wheel asks before it fires.

use std::time::Duration;

mod ticker;
mod wheel;

pub use ticker::{CoarseTicker, ManualTicker, PreciseTicker, Ticker};
pub(crate) use ticker::{NEVER, Time, nanos};
pub(crate) use wheel::{NODE_BYTES, Wheel};

/// The time left until `deadline`: `None` if it never comes, zero if it has come.
#[inline]
pub(crate) fn remaining(deadline: u64, now: u64) -> Option<Duration> {
    (deadline != NEVER).then(|| Duration::from_nanos(deadline.saturating_sub(now)))
}

/// How long an entry may live, counted from now.
///
/// # What an event does to the deadlines of an entry
///
/// An entry dies at the earlier of its hard and its idle deadline.
/// *ttl* is the first of these that is not [`Lifetime::Default`]: the option of this call, the
/// rule's answer, `time_to_live`. *tti* is the option of this call, else `time_to_idle`.
///
/// | event | no entry | live: hard deadline | live: idle deadline | expired |
/// |---|---|---|---|---|
/// | create (insert, load) | now + ttl, rule asked by `after_create`; idle now + tti | is an update | is an update | is a create: nothing of the old entry counts |
/// | update (replace, compute, refresh) | is a create | now + ttl, rule asked by `after_update`: the old deadline is gone | now + tti, the new write's: the old idle time is gone | is a create |
/// | update that keeps the lifetime | is a create | unchanged; the rule's answer does not count | now + the entry's idle time: it is a use | is a create |
/// | read | nothing | unchanged, or what `after_read` says: never, or now + its answer | now + the entry's idle time | a miss: unchanged, the rule is not asked |
/// | touch | nothing | unchanged; the rule is not asked | now + the entry's idle time | a miss: unchanged |
/// | set lifetime | nothing | never, now + the given time, or for `Default` now + `time_to_live` | now + the entry's idle time: it is a use | a miss: unchanged |
/// | peek, contains, iterate | nothing | unchanged | unchanged | unchanged |
///
/// A ttl or tti of zero expires at once; one that is *never*, or reaches beyond the end of time
/// (584 years after the ticker's origin), gives a deadline that never comes. Nothing overflows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lifetime {
    /// No opinion. After a create or an update, and when a lifetime is set: the cache's
    /// `time_to_live`, or for ever if it has none. After a read: what it was.
    #[default]
    Default,
    /// For ever; the entry may still be evicted, or die of idleness.
    Never,
    /// This long. Zero expires at once: the entry is never returned. Beyond 584 years it is for
    /// ever.
    After(Duration),
}

impl From<Duration> for Lifetime {
    fn from(duration: Duration) -> Self {
        Lifetime::After(duration)
    }
}

impl Lifetime {
    /// In nanoseconds; `default` if there is no opinion.
    #[inline]
    fn nanos_or(self, default: u64) -> u64 {
        match self {
            Lifetime::Default => default,
            Lifetime::Never => NEVER,
            Lifetime::After(duration) => nanos(duration),
        }
    }
}

/// A rule that gives every entry its own lifetime.
///
/// The rule decides the hard deadline only; idle time is counted beside it, and the earlier of
/// the two ends the entry. A time-to-live given with the write itself comes before the rule, the
/// rule before the cache's `time_to_live`.
///
/// No method ever runs under a lock of the cache, so each may call the cache again. When writers
/// race for a key, a method may run more than once for one write, and answers of writes that lost
/// are thrown away: a rule should not count on the number of its calls. A panic leaves the cache
/// as it was before the call that asked.
///
/// `remaining` is what is left of the hard deadline: `None` is *never*. An expired entry is shown
/// to no method; writing over one is a create.
///
/// ```
/// use std::time::Duration;
/// use pinyon::{Expiry, Lifetime};
///
/// /// Errors are kept for a second, answers for an hour, and a read adds nothing.
/// struct ByOutcome;
///
/// impl Expiry<String, Result<u64, String>> for ByOutcome {
///     fn after_create(&self, _key: &String, value: &Result<u64, String>) -> Lifetime {
///         match value {
///             Ok(_) => Lifetime::After(Duration::from_secs(3600)),
///             Err(_) => Lifetime::After(Duration::from_secs(1)),
///         }
///     }
/// }
/// let failed = ByOutcome.after_create(&"key".into(), &Err("refused".into()));
/// assert_eq!(failed, Lifetime::After(Duration::from_secs(1)));
/// ```
pub trait Expiry<K, V>: Send + Sync {
    /// Asked when a key that was absent or expired gets a value. [`Lifetime::Default`]: the
    /// cache's `time_to_live`.
    fn after_create(&self, key: &K, value: &V) -> Lifetime {
        let _ = (key, value);
        Lifetime::Default
    }

    /// Asked when a live entry gets a new value, which is `value`. The answer replaces the old
    /// deadline, so [`Lifetime::Default`] is the cache's `time_to_live` counted anew; answer
    /// `remaining` to keep the old deadline. Unless overridden, an update is a create.
    fn after_update(&self, key: &K, value: &V, remaining: Option<Duration>) -> Lifetime {
        let _ = remaining;
        self.after_create(key, value)
    }

    /// Asked when a live entry is read. [`Lifetime::Default`], the answer unless overridden,
    /// leaves the deadline where it is.
    fn after_read(&self, key: &K, value: &V, remaining: Option<Duration>) -> Lifetime {
        let _ = (key, value, remaining);
        Lifetime::Default
    }
}

/// The builder's `time_to_live` and `time_to_idle`, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) ttl: u64,
    pub(crate) idle: u64,
}

impl Span {
    /// Entries live for ever unless they say otherwise.
    pub(crate) const NEVER: Span = Span { ttl: NEVER, idle: NEVER };

    /// `None` is never.
    pub(crate) fn new(ttl: Option<Duration>, idle: Option<Duration>) -> Self {
        Span { ttl: ttl.map_or(NEVER, nanos), idle: idle.map_or(NEVER, nanos) }
    }
}

impl Default for Span {
    fn default() -> Self {
        Span::NEVER
    }
}

/// What one write says about the lifetime of the entry it makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The hard deadline; `Default` leaves it to the rule, then to the builder.
    pub(crate) ttl: Lifetime,
    /// The idle time; `Default` leaves it to the builder.
    pub(crate) idle: Lifetime,
}

impl Terms {
    /// Completes the terms with the rule's answer, if they leave room for one: `after_update` if
    /// `previous` is a live entry, else `after_create`. Runs user code: call it under no lock.
    pub(crate) fn ask<K, V, R: Expiry<K, V> + ?Sized>(
        self,
        rule: &R,
        key: &K,
        value: &V,
        previous: Option<Deadline>,
        now: u64,
    ) -> Terms {
        if self.ttl != Lifetime::Default {
            return self;
        }
        let ttl = match previous {
            Some(old) if !old.is_expired(now) => rule.after_update(key, value, remaining(old.hard, now)),
            _ => rule.after_create(key, value),
        };
        Terms { ttl, ..self }
    }

    /// The deadline of an entry created or updated now. Nothing of an older entry goes into it.
    #[inline]
    pub(crate) fn deadline(self, span: Span, now: u64) -> Deadline {
        let hard = now.saturating_add(self.ttl.nanos_or(span.ttl));
        Deadline::new(hard, self.idle.nanos_or(span.idle), now)
    }
}

/// When one entry dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    /// The hard deadline.
    pub(crate) hard: u64,
    /// How long the entry may go unused: a duration.
    pub(crate) idle: u64,
    /// The earlier of `hard` and the last use plus `idle`: from then on the entry is dead.
    pub(crate) at: u64,
}

impl Deadline {
    /// Of an entry that only eviction ends.
    pub(crate) const NEVER: Deadline = Deadline { hard: NEVER, idle: NEVER, at: NEVER };

    /// Of an entry that was last used at `used`: `hard` is a moment, `idle` a duration.
    #[inline]
    pub(crate) fn new(hard: u64, idle: u64, used: u64) -> Self {
        Deadline { hard, idle, at: hard.min(used.saturating_add(idle)) }
    }

    /// True from the deadline on.
    #[inline]
    pub(crate) fn is_expired(self, now: u64) -> bool {
        self.at <= now
    }

    /// After a read for which the rule answered `answer`: `Default` where there is no rule, and
    /// for a touch, which asks none.
    #[inline]
    pub(crate) fn read(self, answer: Lifetime, now: u64) -> Self {
        let hard = match answer {
            Lifetime::Default => self.hard,
            given => now.saturating_add(given.nanos_or(NEVER)),
        };
        self.used(hard, now)
    }

    /// After the owner gave the entry another lifetime.
    #[inline]
    pub(crate) fn set_lifetime(self, lifetime: Lifetime, span: Span, now: u64) -> Self {
        self.used(now.saturating_add(lifetime.nanos_or(span.ttl)), now)
    }

    /// Used now, with this hard deadline; but what is dead stays dead.
    #[inline]
    fn used(self, hard: u64, now: u64) -> Self {
        if self.is_expired(now) { self } else { Deadline::new(hard, self.idle, now) }
    }

    /// True if the wheel, told of `old`, has to be told of this one: it looks at the entry when
    /// `old` comes, which would be too late.
    #[inline]
    pub(crate) fn is_earlier_than(self, old: Deadline) -> bool {
        self.at < old.at
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    //! One test a row of the table, and within it one assertion a cell.
    use super::*;

    const S: u64 = 1_000_000_000;
    const NOW: u64 = 1_000 * S;
    /// Last used 2 seconds ago.
    const LIVE: Deadline = Deadline { hard: NOW + 10 * S, idle: 4 * S, at: NOW + 2 * S };
    /// The same, last used 4 seconds ago.
    const DEAD: Deadline = Deadline { at: NOW, ..LIVE };
    const BUILDER: Span = Span { ttl: 60 * S, idle: 20 * S };

    fn after(seconds: u64) -> Lifetime {
        Lifetime::After(Duration::from_secs(seconds))
    }

    /// Answers at creation only.
    struct Creation;

    impl Expiry<u8, u8> for Creation {
        fn after_create(&self, _: &u8, _: &u8) -> Lifetime {
            after(100)
        }
    }

    /// Says which method was asked, and with what, by the lifetime it answers.
    struct Rule;

    impl Expiry<u8, u8> for Rule {
        fn after_create(&self, _: &u8, _: &u8) -> Lifetime {
            after(100)
        }
        fn after_update(&self, _: &u8, _: &u8, remaining: Option<Duration>) -> Lifetime {
            remaining.map_or(Lifetime::Never, |left| Lifetime::After(left + Duration::from_secs(200)))
        }
    }

    /// Leaves everything as it is.
    struct Silent;
    impl Expiry<u8, u8> for Silent {}

    fn write(terms: Terms, previous: Option<Deadline>) -> Deadline {
        terms.ask(&Rule, &1, &1, previous, NOW).deadline(BUILDER, NOW)
    }

    const NO_TERMS: Terms = Terms { ttl: Lifetime::Default, idle: Lifetime::Default };

    #[test]
    fn g07_create_takes_the_option_then_the_rule_then_the_builder() {
        let own = Terms { ttl: after(7), idle: after(3) };
        let written = Deadline { hard: NOW + 7 * S, idle: 3 * S, at: NOW + 3 * S };
        assert_eq!(write(own, None), written);
        assert_eq!(write(NO_TERMS, None), Deadline::new(NOW + 100 * S, 20 * S, NOW));
        let silent = NO_TERMS.ask(&Silent, &1, &1, None, NOW);
        assert_eq!(silent, NO_TERMS);
        assert_eq!(silent.deadline(BUILDER, NOW), Deadline::new(NOW + 60 * S, 20 * S, NOW));
        assert_eq!(silent.deadline(Span::NEVER, NOW), Deadline::NEVER);
        let never = Terms { ttl: Lifetime::Never, idle: Lifetime::Never };
        assert_eq!(write(never, None), Deadline::NEVER);
    }

    #[test]
    fn g07_update_replaces_the_old_deadline_entirely() {
        // The rule is told what is left of the hard deadline, not of the idle one.
        assert_eq!(write(NO_TERMS, Some(LIVE)).hard, NOW + 210 * S);
        assert_eq!(write(NO_TERMS, Some(LIVE)).idle, 20 * S);
        // "Never" is shown as None and can be answered.
        let endless = Deadline::new(NEVER, 4 * S, NOW);
        assert_eq!(write(NO_TERMS, Some(endless)), Deadline::new(NEVER, 20 * S, NOW));
        // An option comes first, and leaves nothing of the old deadline either.
        let never = Terms { ttl: Lifetime::Never, idle: Lifetime::Never };
        assert_eq!(write(never, Some(LIVE)), Deadline::NEVER);
        // A rule without opinion: the builder's lifetime counted anew.
        let silent = NO_TERMS.ask(&Silent, &1, &1, Some(LIVE), NOW).deadline(BUILDER, NOW);
        assert_eq!(silent.hard, NOW + 60 * S);
        assert_eq!(NO_TERMS.deadline(Span::NEVER, NOW), Deadline::NEVER);
        // One that knows creation only: an update is one.
        let created = NO_TERMS.ask(&Creation, &1, &1, Some(LIVE), NOW).deadline(BUILDER, NOW);
        assert_eq!(created.hard, NOW + 100 * S);
    }

    #[test]
    fn g07_update_of_an_expired_entry_is_a_create() {
        assert_eq!(write(NO_TERMS, Some(DEAD)), write(NO_TERMS, None));
        let own = Terms { ttl: after(7), idle: Lifetime::Default };
        assert_eq!(write(own, Some(DEAD)), write(own, None));
        let by_hard = Deadline::new(NOW, NEVER, NOW - S);
        assert_eq!(write(NO_TERMS, Some(by_hard)), write(NO_TERMS, None));
    }

    #[test]
    fn g07_read_moves_the_idle_deadline_and_the_rule_the_hard_one() {
        let unchanged = Deadline { at: NOW + 4 * S, ..LIVE };
        assert_eq!(LIVE.read(Lifetime::Default, NOW), unchanged);
        assert_eq!(LIVE.read(after(3), NOW), Deadline::new(NOW + 3 * S, 4 * S, NOW));
        assert_eq!(LIVE.read(Lifetime::Never, NOW), Deadline::new(NEVER, 4 * S, NOW));
        assert_eq!(LIVE.read(after(0), NOW).at, NOW);
        // The hard deadline is not moved by idleness: the earlier wins.
        assert_eq!(
            LIVE.read(Lifetime::Default, NOW + S).read(Lifetime::Default, NOW + 4 * S).at,
            NOW + 8 * S
        );
        let late = Deadline { at: NOW + 9 * S, ..LIVE };
        assert_eq!(late.read(Lifetime::Default, NOW + 8 * S).at, NOW + 10 * S);
        assert_eq!(Deadline::NEVER.read(Lifetime::Default, NOW), Deadline::NEVER);
        assert_eq!(Deadline::NEVER.read(after(1), NOW).at, NOW + S);
        for answer in [Lifetime::Default, Lifetime::Never, after(5)] {
            assert_eq!(DEAD.read(answer, NOW), DEAD);
        }
    }

    #[test]
    fn g07_touch_moves_the_idle_deadline_only() {
        assert_eq!(LIVE.read(Lifetime::Default, NOW), Deadline { at: NOW + 4 * S, ..LIVE });
        assert_eq!(Deadline::NEVER.read(Lifetime::Default, NOW), Deadline::NEVER);
        assert_eq!(DEAD.read(Lifetime::Default, NOW), DEAD);
    }

    #[test]
    fn g07_set_lifetime_replaces_the_hard_deadline_and_is_a_use() {
        let set = |deadline: Deadline, lifetime| deadline.set_lifetime(lifetime, BUILDER, NOW);
        assert_eq!(set(LIVE, after(3)), Deadline::new(NOW + 3 * S, 4 * S, NOW));
        assert_eq!(set(LIVE, Lifetime::Never), Deadline::new(NEVER, 4 * S, NOW));
        assert_eq!(set(LIVE, Lifetime::Default), Deadline::new(NOW + 60 * S, 4 * S, NOW));
        assert_eq!(set(Deadline::NEVER, after(3)).at, NOW + 3 * S);
        assert_eq!(LIVE.set_lifetime(Lifetime::Default, Span::NEVER, NOW).hard, NEVER);
        for lifetime in [Lifetime::Default, Lifetime::Never, after(5)] {
            assert_eq!(set(DEAD, lifetime), DEAD);
        }
    }

    #[test]
    fn g07_durations_saturate_to_never() {
        let century = Duration::from_secs(100 * 366 * 86_400);
        for long in [Duration::MAX, Duration::from_nanos(u64::MAX), century * 6] {
            let terms = Terms { ttl: Lifetime::After(long), idle: Lifetime::After(long) };
            for now in [0, NOW, NEVER - 1] {
                let deadline = terms.deadline(BUILDER, now);
                assert!(!deadline.is_expired(NEVER - 1), "{long:?} from {now}");
            }
            assert_eq!(Span::new(Some(long), Some(long)), Span::NEVER);
            assert_eq!(LIVE.read(Lifetime::After(long), NOW).hard, NEVER);
            assert_eq!(LIVE.set_lifetime(Lifetime::After(long), BUILDER, NOW).hard, NEVER);
        }
        // One nanosecond before the end of time is still a deadline.
        let last = Terms { ttl: Lifetime::After(Duration::from_nanos(NEVER - 1)), idle: Lifetime::Never };
        assert!(last.deadline(Span::NEVER, 0).is_expired(NEVER - 1));
        assert!(!last.deadline(Span::NEVER, 1).is_expired(NEVER - 1));
    }

    #[test]
    fn g06_zero_expires_at_once_and_a_deadline_on_its_tick() {
        let zero = Terms { ttl: after(0), idle: Lifetime::Never };
        assert!(zero.deadline(BUILDER, NOW).is_expired(NOW));
        let idle = Terms { ttl: Lifetime::Never, idle: after(0) };
        assert!(idle.deadline(BUILDER, NOW).is_expired(NOW));
        let one = Terms { ttl: after(1), idle: Lifetime::Never }.deadline(BUILDER, NOW);
        assert!(!one.is_expired(NOW + S - 1));
        assert!(one.is_expired(NOW + S));
    }

    #[test]
    fn g07_the_wheel_is_told_of_earlier_deadlines_only() {
        assert!(LIVE.set_lifetime(after(1), BUILDER, NOW).is_earlier_than(LIVE));
        assert!(!LIVE.read(Lifetime::Default, NOW).is_earlier_than(LIVE));
        assert!(Deadline::NEVER.read(after(1), NOW).is_earlier_than(Deadline::NEVER));
        assert!(!Deadline::NEVER.is_earlier_than(LIVE));
        assert!(!LIVE.is_earlier_than(LIVE));
    }

    #[test]
    fn g07_remaining_tells_never_from_expired() {
        assert_eq!(remaining(NEVER, NOW), None);
        assert_eq!(remaining(NOW, NOW + 1), Some(Duration::ZERO));
        assert_eq!(remaining(NOW + 5, NOW), Some(Duration::from_nanos(5)));
        assert_eq!(Lifetime::from(Duration::ZERO), Lifetime::After(Duration::ZERO));
    }
}
