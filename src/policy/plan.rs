//! `Plan`: how a TinyLFU treats new entries: how large their window is, and how hard it is to get past it.
//!
//! No single rule serves every workload. Loops larger than the cache want a tiny window and a strict rule, so that what
//! is in stays; mixed popularity wants a larger window; recency wants whatever is used again to stay at once. The
//! shadows (`adapt`) try some plans, the cache runs the best.
//!
//! A plan travels as one number, so that it fits an atomic word: the whole part is the rule, the fraction the window.
//! Whoever carries it need not look inside.

/// How an entry gets from the window to main.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// By a clear lead in frequency; a use in the window counts as one.
    Strict,
    /// By any lead in frequency, or by one use in the window.
    Used,
    /// The same; a key that comes back soon after its eviction goes to main at once.
    Ghosts,
}

/// A rule and a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Plan {
    /// The rule of admission.
    pub(crate) rule: Rule,
    /// The window's share of the weight, below 1.
    pub(crate) window: f32,
}

impl Plan {
    /// The plan that a number stands for. Every number stands for one.
    pub(crate) fn from_number(number: f32) -> Self {
        let number = if number.is_finite() { number.max(0.0) } else { 0.0 };
        let (rule, base) = match number {
            n if n < 1.0 => (Rule::Strict, 0.0),
            n if n < 2.0 => (Rule::Used, 1.0),
            _ => (Rule::Ghosts, 2.0),
        };
        Self { rule, window: (number - base).min(MAX_WINDOW) }
    }

    /// The number that stands for this plan.
    pub(crate) fn number(self) -> f32 {
        f32::from(self.rule as u8) + self.window.clamp(0.0, MAX_WINDOW)
    }
}

/// The largest window there is: a fraction that stays below 1 when a rule is added.
const MAX_WINDOW: f32 = 0.999;

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_the_way_through_its_number() {
        for rule in [Rule::Strict, Rule::Used, Rule::Ghosts] {
            for window in [0.0, 0.01, 0.5, MAX_WINDOW] {
                let back = Plan::from_number(Plan { rule, window }.number());
                assert_eq!(back.rule, rule);
                assert!((back.window - window).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn any_number_is_a_plan() {
        for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, 1e9] {
            let plan = Plan::from_number(number);
            assert!((0.0..1.0).contains(&plan.window), "{number}: {plan:?}");
        }
    }
}
