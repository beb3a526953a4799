//! `Soft`: when a value that is still good is due to be loaded again (G22).
//!
//! Two rules, each of which may be asked of any call:
//!
//! * **refresh-ahead**: the value is older than so much;
//! * **early recomputation** at random, so that callers of a value that will expire do not all come at once: due if
//!   `now - gap * beta * ln(u) >= deadline`, where `gap` is how long a load takes, `u` is chance from above 0 to 1, and
//!   `beta` 1 is the best for exponential arrivals (XFetch: Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache
//!   Stampede Prevention, VLDB 2015). In the paper `gap` is kept with each value; here it is the mean over all loads of the
//!   cache, which costs an entry nothing.

use crate::expiry::{NEVER, nanos};
use std::time::Duration;

/// See the module's head. `None`: nothing was said of a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Soft {
    /// In nanoseconds since the value was written.
    age: Option<u64>,
    /// The factor `beta`.
    beta: Option<f64>,
}

impl Soft {
    /// A value of this age is due, beside what another rule says.
    pub(crate) fn of_age(age: Duration, other: Option<Soft>) -> Soft {
        Soft { age: Some(nanos(age)), ..other.unwrap_or_default() }
    }

    /// With this factor, beside what another rule says.
    pub(crate) fn early(beta: f64, other: Option<Soft>) -> Soft {
        Soft { beta: Some(beta.max(0.0)), ..other.unwrap_or_default() }
    }

    /// The rules of a call: its own, and the cache's where it says nothing.
    pub(crate) fn either(own: Option<Soft>, cache: Option<Soft>) -> Soft {
        let (own, cache) = (own.unwrap_or_default(), cache.unwrap_or_default());
        Soft { age: own.age.or(cache.age), beta: own.beta.or(cache.beta) }
    }

    /// May chance make a value due?
    pub(crate) fn has_chance(self) -> bool {
        self.beta.is_some_and(|beta| beta > 0.0)
    }

    /// May its age make a value due?
    pub(crate) fn asks_age(self) -> bool {
        self.age.is_some_and(|age| age != NEVER)
    }

    /// May a value be due at all?
    pub(crate) fn is_any(self) -> bool {
        self.has_chance() || self.asks_age()
    }
}

/// The rules of one call, with its chance: a value that was due to it is so until it is written anew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawn {
    pub(crate) soft: Soft,
    /// What a load takes, in nanoseconds.
    pub(crate) gap: f64,
    /// From above 0 to 1.
    pub(crate) chance: f64,
}

impl Drawn {
    pub(crate) fn is_due(self, created: Option<u64>, deadline: u64, now: u64) -> bool {
        let Drawn { soft: Soft { age, beta }, gap, chance } = self;
        let old = |age| created.is_some_and(|created| now.saturating_sub(created) >= age);
        let early = |beta| (now as f64) - gap * beta * chance.ln() >= deadline as f64;
        let expires = deadline != NEVER && gap > 0.0;
        age.is_some_and(|age| age != NEVER && old(age))
            || beta.is_some_and(|beta| beta > 0.0 && expires && early(beta))
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    const MINUTE: f64 = 60e9;

    #[test]
    fn g22_a_value_is_due_at_its_age_and_not_before() {
        let soft = Soft::of_age(Duration::from_nanos(100), None);
        let drawn = |soft| Drawn { soft, gap: 1.0, chance: 0.5 };
        let due = |created, now| drawn(soft).is_due(created, NEVER, now);
        assert!(!due(Some(50), 149) && due(Some(50), 150) && due(Some(50), 1000));
        assert!(!due(None, 1000), "of which no age is known");
        assert!(!due(Some(1000), 50), "time went back");
        assert!(!drawn(Soft::default()).is_due(Some(0), 1, u64::MAX - 1));
    }

    #[test]
    fn g22_early_recomputation_comes_as_often_as_the_rule_says() {
        let soft = Soft::early(1.0, None);
        let deadline = MINUTE as u64;
        let drawn = |gap, chance| Drawn { soft, gap, chance };
        // Due with probability exp(-(deadline - now) / gap).
        for (left, share) in [(0.0, 1.0), (10e9, 0.3679), (30e9, 0.0498)] {
            let now = (MINUTE - left) as u64;
            let due =
                (1..=10_000).filter(|&n| drawn(10e9, f64::from(n) / 1e4).is_due(None, deadline, now)).count();
            assert!((due as f64 / 1e4 - share).abs() < 1e-3, "{due} of 10000 with {left} left");
        }
        assert!(!drawn(10e9, 1e-9).is_due(None, NEVER, u64::MAX - 1), "it does not expire");
        assert!(!drawn(0.0, 1e-9).is_due(None, deadline, deadline - 1), "nothing was loaded yet");
    }
}
