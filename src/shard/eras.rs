//! `Eras`: how often a shard was invalidated as a whole, and how far the outdated entries have been swept out.
//!
//! Every invalidation of all begins an era. An entry has the era of its writing in its state word, the shard the present one in a
//! word that readers compare with it: who is of another era is outdated. There are only [`Era::KINDS`] numbers for eras, so one is used again
//! when nothing of its last use is in the table any more, which the sweep sees to.
//!
//! # The sweep
//!
//! It goes over the table in the order of hashes, a bucket with each write, and takes out what is outdated, by era or by tag. Where it has
//! come to is a hash, so growth does not disturb it. What is outdated behind it while it goes lets it go round once more.
//!
//! # Invariants
//!
//! * **E1** Entries in the table are of an era from `oldest` to `present`, and those are fewer than there are numbers.
//! * **E2** If anything in the table may be outdated, there is a sweep that will come to it.

use super::entry::Era;

/// See the module's head. Eras are counted; an entry has the count modulo [`Era::KINDS`].
#[derive(Debug, Default)]
pub(crate) struct Eras {
    present: u64,
    oldest: u64,
    /// Something was written in the present era.
    written: bool,
    sweep: Option<Sweep>,
    /// Something was outdated since the sweep began.
    again: bool,
}

#[derive(Clone, Copy, Debug)]
struct Sweep {
    /// The least hash that it has not come to.
    from: u32,
    /// The era it began in: when it ends there is nothing of an older one.
    began: u64,
}

impl Eras {
    /// An entry of the present era is written.
    #[inline]
    pub(crate) fn write(&mut self) {
        self.written = true;
    }

    /// Outdates everything: the era to come. `None` if there is no number for one: sweep first.
    pub(crate) fn invalidate(&mut self) -> Option<Era> {
        // Else everything is of an older era already.
        if self.written {
            if self.present + 1 - self.oldest >= Era::KINDS {
                return None;
            }
            self.present += 1;
            self.written = false;
            self.outdate();
        }
        Some(Era::nth(self.present))
    }

    /// Something in the table is outdated.
    pub(crate) fn outdate(&mut self) {
        if self.sweep.is_some() {
            self.again = true;
        } else {
            self.sweep = Some(Sweep { from: 0, began: self.present });
        }
    }

    #[inline]
    pub(crate) fn is_sweeping(&self) -> bool {
        self.sweep.is_some()
    }

    /// The hash from which the sweep goes on.
    pub(crate) fn sweeps_from(&self) -> Option<u32> {
        self.sweep.map(|sweep| sweep.from)
    }

    /// The sweep has come so far; `None` is the end of the table.
    pub(crate) fn swept_to(&mut self, next: Option<u32>) {
        let Some(sweep) = &mut self.sweep else { return };
        if let Some(from) = next {
            sweep.from = from;
            return;
        }
        self.oldest = sweep.began;
        self.sweep = None;
        if std::mem::take(&mut self.again) {
            self.outdate();
        }
    }

    /// There is nothing in the table.
    pub(crate) fn all_gone(&mut self) {
        *self = Eras { present: self.present, oldest: self.present, ..Eras::default() };
    }

    /// May an entry in the table be of this era (E1)?
    pub(crate) fn may_have(&self, era: Era) -> bool {
        (self.oldest..=self.present).any(|count| Era::nth(count) == era)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_era_to_come_is_none_that_an_entry_may_be_of() {
        let eras = Eras::default();
        assert!(eras.may_have(Era::nth(eras.present)) && !eras.may_have(Era::nth(eras.present + 1)));
    }
    use std::collections::BTreeMap;

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Write(u32),
        Remove(u32),
        Invalidate,
        /// By a tag: those whose hash leaves this rest.
        Outdate(u32),
        Sweep(u32),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => (0..40u32).prop_map(Op::Write),
            1 => (0..40u32).prop_map(Op::Remove),
            3 => Just(Op::Invalidate),
            1 => (0..3u32).prop_map(Op::Outdate),
            4 => (1..20u32).prop_map(Op::Sweep),
        ]
    }

    /// A table of hashes below 40, with the era of each and whether it is current.
    #[derive(Default)]
    struct World {
        eras: Eras,
        era: Option<Era>,
        table: BTreeMap<u32, (Era, bool)>,
    }

    impl World {
        fn era(&self) -> Era {
            self.era.unwrap_or(Era::nth(0))
        }

        /// Goes over so many hashes.
        fn sweep(&mut self, hashes: u32) {
            let Some(from) = self.eras.sweeps_from() else { return };
            if self.table.is_empty() {
                return self.eras.all_gone();
            }
            let to = from.saturating_add(hashes);
            let era = self.era();
            self.table.retain(|hash, (of, current)| !(from..to).contains(hash) || (*of == era && *current));
            self.eras.swept_to((to < 40).then_some(to));
        }

        fn invalidate(&mut self) -> usize {
            let mut sweeps = 0;
            self.era = loop {
                match self.eras.invalidate() {
                    Some(era) => break Some(era),
                    None => self.sweep(7),
                }
                sweeps += 1;
                assert!(sweeps < 20, "two rounds do at the most");
            };
            self.table.values_mut().for_each(|entry| entry.1 = false);
            sweeps
        }
    }

    proptest! {
        /// What the eras say of an entry is what happened to it, unless a tag is what outdated it.
        #[test]
        fn what_was_invalidated_is_of_another_era_until_it_is_swept_out(ops in prop::collection::vec(op(), 0..300)) {
            let mut world = World::default();
            for op in ops {
                match op {
                    Op::Write(hash) => {
                        world.table.insert(hash, (world.era(), true));
                        world.eras.write();
                    }
                    Op::Remove(hash) => _ = world.table.remove(&hash),
                    Op::Invalidate => _ = world.invalidate(),
                    Op::Outdate(rest) => {
                        world.table.iter_mut().filter(|(hash, _)| *hash % 3 == rest).for_each(|entry| entry.1.1 = false);
                        world.eras.outdate();
                    }
                    Op::Sweep(hashes) => world.sweep(hashes),
                }
                let era = world.era();
                for (of, current) in world.table.values() {
                    prop_assert!(world.eras.may_have(*of));
                    prop_assert!(!*current || *of == era, "a current entry of another era");
                }
                let outdated = world.table.values().any(|entry| !entry.1);
                prop_assert!(!outdated || world.eras.is_sweeping(), "nobody will come to it");
            }
            while world.eras.is_sweeping() {
                world.sweep(7);
            }
            prop_assert!(world.table.values().all(|entry| entry.1));
            world.table.insert(1, (world.era(), true));
            world.eras.write();
            world.invalidate();
            prop_assert!(world.table.values().all(|entry| entry.0 != world.era()), "an old number came back");
        }
    }

    #[test]
    fn an_era_in_which_nothing_was_written_costs_no_number() {
        let mut eras = Eras::default();
        eras.write();
        let first = eras.invalidate();
        assert!((0..100).all(|_| eras.invalidate() == first));
        for _ in 1..Era::KINDS - 1 {
            eras.write();
            assert!(eras.invalidate().is_some());
        }
        eras.write();
        assert_eq!(eras.invalidate(), None, "all numbers are in use");
    }
}
