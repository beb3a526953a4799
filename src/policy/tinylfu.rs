//! `TinyLfu`: a window of new entries, a CLOCK of admitted ones, and a sketch that decides who passes.
//!
//! ```text
//!  insert -> [ window: FIFO ] -- duel --> [ main: CLOCK ] -> victim
//!                                 `-> victim (the loser)
//! ```
//!
//! The idea that makes reads free: **the entry counts its own hits, the sketch only remembers what is not in the cache
//! any more.** A hit raises the 2-bit counter of the entry; the sketch is written at a miss, when the hand passes an
//! entry and takes its counter down, and when an entry with uses is evicted.
//!
//! The **duel**: the window's oldest entry, with its estimate and its own uses, against the one the hand has chosen.
//! The winner stays in (or enters) main, the other is evicted; a tie goes to the one in main. What it takes to win is
//! the rule of the current [`Plan`]:
//! - `Strict`: a lead of two; a lead of one suffices one time in `NARROW`. The candidate has just been counted for the
//!   request that brought it here, the incumbent waits for its next one: without this a loop larger than the cache
//!   evicts every key just before it comes again.
//! - `Used`: any lead, or one use since it came (as in S3-FIFO).
//! - `Ghosts`: that too, and a key that comes back soon after losing goes to main without a trial (S3-FIFO's ghost
//!   queue; ours lies in the blocks of the sketch).
//!
//! Under every rule a candidate with a record of `WARM` is admitted one time in `JITTER`, by a seeded generator, so
//! that no pattern of requests freezes the filter for good.
//!
//! The **window's target** is a fraction of the weight held now, so it follows a budget that moves between shards.
//! Nothing is moved when the fraction changes: a window that is too large hands over a few entries at each operation
//! until it is not, one that is too small grows as victims come from main.
//!
//! Costs: `insert`, `replace`, `remove` O(1) with at most `HANDOVER` entries moved; `victim` that plus at most
//! 256 steps of the hand (see `hand`), one or two on average. Memory: 8 bytes of links, 8 of sketch an entry.
//!
//! Sources: TinyLFU (Einziger, Friedman, Manes 2017), its window (W-TinyLFU, the same), CLOCK with a small FIFO before
//! it (S3-FIFO, Yang et al. 2023).

use super::Residents;
use super::hand::turn;
use super::plan::{Plan, Rule};
use super::queue::{Links, Queue, Tag};
use super::sketch::Sketch;

/// One warm candidate in so many is admitted although it lost.
const JITTER: u64 = 128;
/// What makes a candidate warm: above the noise of the sketch, below what half a period gives a steady key.
const WARM: u32 = 6;
/// One candidate in so many passes the strict rule with a lead of one.
const NARROW: u64 = 32;
/// Entries handed from a window far too large to main by one operation.
const HANDOVER: usize = 4;
/// The plan before anything is known of the workload.
pub(crate) const INITIAL: Plan = Plan { rule: Rule::Strict, window: 0.1 };
/// What a fraction of one is as an integer.
const ONE: u64 = 1 << 16;

/// The policy's state.
#[derive(Debug)]
pub(crate) struct TinyLfu {
    links: Links,
    window: Queue,
    main: Queue,
    sketch: Sketch,
    /// The window's share in parts of [`ONE`].
    share: u64,
    rule: Rule,
    /// The generator's state (splitmix64).
    random: u64,
}

impl TinyLfu {
    pub(crate) fn new(seed: u64) -> Self {
        let mut policy = Self {
            links: Links::new(),
            window: Queue::new(Tag::Window),
            main: Queue::new(Tag::Main),
            sketch: Sketch::new(),
            share: 0,
            rule: INITIAL.rule,
            random: seed,
        };
        policy.set_plan(INITIAL);
        policy
    }

    pub(crate) fn insert(&mut self, index: u32, r: &impl Residents) {
        self.links.reserve(index);
        self.sketch.follow(self.len() + 1);
        let returned = self.sketch.miss(r.hash(index)) && self.rule == Rule::Ghosts;
        let queue = if returned { &mut self.main } else { &mut self.window };
        queue.push_front(&mut self.links, index, r.weight(index));
        self.hand_over(r);
    }

    pub(crate) fn replace(&mut self, old: u32, new: u32, old_weight: u64, r: &impl Residents) {
        self.links.reserve(new);
        let weight = r.weight(new);
        let queue = match self.links.tag(old) {
            Some(Tag::Window) => &mut self.window,
            Some(Tag::Main) => &mut self.main,
            None => return,
        };
        queue.replace(&mut self.links, (old, old_weight), (new, weight));
    }

    pub(crate) fn remove(&mut self, index: u32, weight: u64) {
        match self.links.tag(index) {
            Some(Tag::Window) => self.window.unlink(&mut self.links, index, weight),
            Some(Tag::Main) => self.main.unlink(&mut self.links, index, weight),
            None => {}
        }
    }

    pub(crate) fn victim(&mut self, r: &impl Residents) -> Option<u32> {
        self.hand_over(r);
        let candidate = self.window.back().filter(|_| self.window.weight() > self.target());
        let sketch = &mut self.sketch;
        let settled = turn(&mut self.main, &mut self.links, r, |index| sketch.add(r.hash(index), 1));
        match (candidate, settled) {
            (Some(candidate), Some(settled)) if self.admits(candidate, settled, r) => {
                self.promote(candidate, r);
                Some(self.evict(settled, r))
            }
            (Some(candidate), _) => {
                self.sketch.bury(r.hash(candidate));
                Some(self.evict(candidate, r))
            }
            (None, Some(settled)) => Some(self.evict(settled, r)),
            (None, None) => self.window.back().map(|oldest| self.evict(oldest, r)),
        }
    }

    /// Changes the plan; the queues follow in the steps of later calls.
    pub(crate) fn set_plan(&mut self, plan: Plan) {
        self.rule = plan.rule;
        self.share = (plan.window * ONE as f32) as u64;
    }

    pub(crate) fn tend(&mut self, budget: usize) {
        self.sketch.tend(budget);
    }

    pub(crate) const fn len(&self) -> usize {
        self.window.len() + self.main.len()
    }

    pub(crate) const fn weight(&self) -> u64 {
        self.window.weight().saturating_add(self.main.weight())
    }

    pub(crate) fn check(&self, r: &impl Residents) -> Result<(), String> {
        self.window.check(&self.links, r)?;
        self.main.check(&self.links, r)?;
        self.sketch.check()
    }

    /// The weight the window may have.
    fn target(&self) -> u64 {
        ((u128::from(self.weight()) * u128::from(self.share)) >> 16) as u64
    }

    /// Whether the window's candidate is worth more than the entry the hand has chosen.
    fn admits(&mut self, candidate: u32, settled: u32, r: &impl Residents) -> bool {
        let challenger = self.sketch.estimate(r.hash(candidate)) + u32::from(r.uses(candidate));
        let incumbent = self.sketch.estimate(r.hash(settled)) + u32::from(r.uses(settled));
        if self.rule > Rule::Strict && r.uses(candidate) > 0 {
            return true;
        }
        let wins = match challenger.saturating_sub(incumbent) {
            0 => false,
            1 => self.rule > Rule::Strict || self.one_in(NARROW),
            _ => true,
        };
        wins || (challenger >= WARM && self.one_in(JITTER))
    }

    /// Moves an entry from the window to main.
    fn promote(&mut self, index: u32, r: &impl Residents) {
        let weight = r.weight(index);
        self.window.unlink(&mut self.links, index, weight);
        self.main.push_front(&mut self.links, index, weight);
    }

    /// Forgets an entry; the sketch keeps the uses it still had.
    fn evict(&mut self, index: u32, r: &impl Residents) -> u32 {
        self.sketch.add(r.hash(index), u32::from(r.uses(index)));
        self.remove(index, r.weight(index));
        index
    }

    /// Hands over entries to main without a duel while the window is well beyond its target: at first filling, and
    /// after its share was lowered.
    fn hand_over(&mut self, r: &impl Residents) {
        for _ in 0..HANDOVER {
            let excess = self.window.weight().saturating_sub(self.target());
            if excess == 0 || excess <= self.slack() {
                return;
            }
            let Some(oldest) = self.window.back() else { return };
            self.promote(oldest, r);
        }
    }

    /// What the window may be beyond its target before entries pass without a duel: some entries, and some percent.
    fn slack(&self) -> u64 {
        let mean = self.weight() / (self.len() as u64).max(1);
        (self.weight() / 64).saturating_add(mean.saturating_mul(4))
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).is_multiple_of(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::Table;

    /// A policy with the plan, filled with the first `n` entries of the table.
    fn filled(n: u32, plan: Plan, table: &Table) -> TinyLfu {
        let mut policy = TinyLfu::new(3);
        policy.set_plan(plan);
        (0..n).for_each(|index| policy.insert(index, table));
        policy
    }

    #[test]
    fn g28_a_new_policy_allocates_nothing() {
        let policy = TinyLfu::new(0);
        assert_eq!((policy.len(), policy.weight()), (0, 0));
        policy.check(&Table::new(0)).unwrap();
    }

    #[test]
    fn filling_leaves_the_window_near_its_target() {
        let table = Table::new(1000);
        let policy = filled(1000, Plan { rule: Rule::Strict, window: 0.1 }, &table);
        assert!((100..=130).contains(&policy.window.len()), "{}", policy.window.len());
        policy.check(&table).unwrap();
    }

    #[test]
    fn g15_a_smaller_share_is_reached_in_bounded_steps() {
        let table = Table::new(2000);
        let mut policy = filled(1000, Plan { rule: Rule::Used, window: 0.9 }, &table);
        policy.set_plan(INITIAL);
        let mut before = policy.window.len();
        for index in 1000..1400 {
            policy.victim(&table);
            policy.insert(index, &table);
            assert!(before.saturating_sub(policy.window.len()) <= 2 * HANDOVER + 1);
            before = policy.window.len();
        }
        assert!(before < 130, "{before}");
        policy.check(&table).unwrap();
    }

    #[test]
    fn a_key_that_returns_from_the_ghosts_goes_to_main() {
        let table = Table::new(200);
        for (rule, expected) in [(Rule::Strict, Tag::Window), (Rule::Ghosts, Tag::Main)] {
            let mut policy = filled(100, Plan { rule, window: 0.2 }, &table);
            let loser = policy.victim(&table).unwrap();
            policy.insert(loser, &table);
            assert_eq!(policy.links.tag(loser), Some(expected));
        }
    }

    #[test]
    fn a_use_in_the_window_is_enough_unless_the_rule_is_strict() {
        let table = Table::new(200);
        let mut policy = filled(100, Plan { rule: Rule::Used, window: 0.2 }, &table);
        let candidate = policy.window.back().unwrap();
        table.set_uses(candidate, 1);
        assert_ne!(policy.victim(&table), Some(candidate));
        assert_eq!(policy.links.tag(candidate), Some(Tag::Main));
    }

    #[test]
    fn g15_there_is_a_victim_although_every_entry_stays_hot() {
        let table = Table::new(3000);
        let mut policy = filled(3000, INITIAL, &table);
        table.stay_hot();
        for left in (0..3000).rev() {
            assert!(policy.victim(&table).is_some());
            assert_eq!(policy.len(), left);
        }
        assert_eq!(policy.victim(&table), None);
    }
}
