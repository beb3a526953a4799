//! `Queue`: a doubly linked list of entries, threaded through the entries themselves.
//!
//! An entry is in at most one queue at a time, so one [`Link`] an entry serves every queue of a policy: 8 bytes, in the
//! cache line that the policy reads the use counter from. The two topmost bits that a slab index does not need hold
//! what would otherwise be a third word:
//!
//! ```text
//! prev: [ queue: 1 | index of the neighbour nearer the front, NIL at the front : 31 ]
//! next: [ linked: 1 | index of the neighbour nearer the back,  NIL at the back  : 31 ]
//! ```
//!
//! Entries join at the front and leave at the back, or from anywhere (a removal). All operations are O(1); none
//! allocates.
//!
//! Invariants (checked by `Queue::check`): following `next` from the front and `prev` from the back visits the same
//! `len` linked entries tagged with this queue; their weights sum to `weight`.
//!
//! Not promised: a caller that unlinks an index from the wrong queue, or one that is in none, corrupts nothing in
//! memory but the lists; debug builds assert.

use super::Residents;
use crate::sync::owner::{AtomicU32, Ordering::Relaxed};

const TAG: u32 = 1 << 31;
const NIL: u32 = TAG - 1;

/// The largest slab index a policy can hold.
pub(crate) const MAX_INDEX: u32 = NIL - 1;

/// An entry's place in a queue. Touched by its policy alone, under the lock of the shard; atomic words only because
/// readers look at the rest of the entry meanwhile.
#[derive(Debug)]
pub(crate) struct Link {
    prev: AtomicU32,
    next: AtomicU32,
}

impl Default for Link {
    /// In no queue.
    fn default() -> Self {
        Self { prev: AtomicU32::new(NIL), next: AtomicU32::new(NIL) }
    }
}

/// Which of a policy's queues an entry is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    /// New entries, on trial.
    Window,
    /// Entries that were admitted.
    Main,
}

impl Tag {
    const fn bit(self) -> u32 {
        match self {
            Self::Window => 0,
            Self::Main => TAG,
        }
    }
}

impl Link {
    /// The queue that the entry is in, if any.
    #[inline]
    pub(crate) fn tag(&self) -> Option<Tag> {
        match (self.next.load(Relaxed) & TAG, self.prev.load(Relaxed) & TAG) {
            (0, _) => None,
            (_, 0) => Some(Tag::Window),
            _ => Some(Tag::Main),
        }
    }

    #[inline]
    fn prev(&self) -> u32 {
        self.prev.load(Relaxed) & NIL
    }

    #[inline]
    fn next(&self) -> u32 {
        self.next.load(Relaxed) & NIL
    }

    #[inline]
    fn set_prev(&self, to: u32) {
        self.prev.store((self.prev.load(Relaxed) & TAG) | to, Relaxed);
    }

    #[inline]
    fn set_next(&self, to: u32) {
        self.next.store((self.next.load(Relaxed) & TAG) | to, Relaxed);
    }

    /// Both words, as they stand.
    #[inline]
    fn set(&self, prev: u32, next: u32) {
        self.prev.store(prev, Relaxed);
        self.next.store(next, Relaxed);
    }
}

/// A list of entries with its length and weight.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    tag: Tag,
    front: u32,
    back: u32,
    len: usize,
    weight: u64,
}

impl Queue {
    /// An empty queue.
    pub(crate) const fn new(tag: Tag) -> Self {
        Self { tag, front: NIL, back: NIL, len: 0, weight: 0 }
    }

    /// How many entries it holds.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The sum of their weights.
    pub(crate) const fn weight(&self) -> u64 {
        self.weight
    }

    /// The entry that has been in the queue longest.
    pub(crate) fn back(&self) -> Option<u32> {
        (self.back != NIL).then_some(self.back)
    }

    /// The neighbour that the oldest entry will leave behind.
    #[inline]
    pub(crate) fn prefetch_before(&self, index: u32, r: &impl Residents) {
        match r.link(index).prev() {
            NIL => {}
            prev => crate::sync::prefetch(r.link(prev)),
        }
    }

    /// Adds an entry that is in no queue.
    #[inline]
    pub(crate) fn push_front(&mut self, index: u32, r: &impl Residents) {
        debug_assert_eq!(r.link(index).tag(), None, "{index} is in a queue already");
        r.link(index).set(self.tag.bit() | NIL, TAG | self.front);
        match self.front {
            NIL => self.back = index,
            front => r.link(front).set_prev(index),
        }
        self.front = index;
        self.len += 1;
        self.weight = self.weight.saturating_add(r.weight(index));
    }

    /// Takes an entry of this queue, which weighs `weight`, out of it.
    #[inline]
    pub(crate) fn unlink(&mut self, index: u32, weight: u64, r: &impl Residents) {
        debug_assert_eq!(r.link(index).tag(), Some(self.tag), "{index} is not in this queue");
        let link = r.link(index);
        self.join(link.prev(), link.next(), r);
        link.set(NIL, NIL);
        self.len = self.len.saturating_sub(1);
        self.weight = self.weight.saturating_sub(weight);
    }

    /// Moves the oldest entry to the front: one step of a CLOCK's hand.
    pub(crate) fn rotate(&mut self, r: &impl Residents) {
        let back = self.back;
        if back == self.front {
            return;
        }
        let link = r.link(back);
        self.join(link.prev(), NIL, r);
        link.set_prev(NIL);
        link.set_next(self.front);
        r.link(self.front).set_prev(back);
        self.front = back;
    }

    /// Puts `new`, which is in no queue, where `old`, which weighed `old_weight`, was.
    pub(crate) fn replace(&mut self, old: u32, old_weight: u64, new: u32, r: &impl Residents) {
        self.weight = self.weight.saturating_sub(old_weight).saturating_add(r.weight(new));
        if old == new {
            return;
        }
        debug_assert_eq!(r.link(old).tag(), Some(self.tag), "{old} is not in this queue");
        debug_assert_eq!(r.link(new).tag(), None, "{new} is in a queue already");
        let (before, after) = (r.link(old), r.link(new));
        let (prev, next) = (before.prev(), before.next());
        after.set(before.prev.load(Relaxed), before.next.load(Relaxed));
        before.set(NIL, NIL);
        self.join(prev, new, r);
        self.join(new, next, r);
    }

    /// Makes `prev` and `next` neighbours; NIL stands for the end of the queue.
    #[inline]
    fn join(&mut self, prev: u32, next: u32, r: &impl Residents) {
        match prev {
            NIL => self.front = next,
            _ => r.link(prev).set_next(next),
        }
        match next {
            NIL => self.back = prev,
            _ => r.link(next).set_prev(prev),
        }
    }

    /// The entries from the front to the back.
    pub(crate) fn iter<'r>(&self, r: &'r impl Residents) -> impl Iterator<Item = u32> + 'r {
        let first = (self.front != NIL).then_some(self.front);
        std::iter::successors(first, |&index| Some(r.link(index).next()).filter(|&next| next != NIL))
    }

    /// Walks the whole queue and says what is wrong with it. O(n).
    pub(crate) fn check(&self, r: &impl Residents) -> Result<(), String> {
        let (mut len, mut weight, mut prev) = (0, 0_u64, NIL);
        for index in self.iter(r).take(self.len + 1) {
            let link = r.link(index);
            if link.tag() != Some(self.tag) {
                return Err(format!("{index} in {:?} is tagged {:?}", self.tag, link.tag()));
            }
            if link.prev() != prev {
                return Err(format!("{index} in {:?} does not point back to {prev}", self.tag));
            }
            (len, weight, prev) = (len + 1, weight.saturating_add(r.weight(index)), index);
        }
        if (len, weight, prev) != (self.len, self.weight, self.back) {
            return Err(format!(
                "{:?}: found {len} entries of weight {weight} ending in {prev}, noted {} of {} ending in {}",
                self.tag, self.len, self.weight, self.back
            ));
        }
        Ok(())
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    /// Entry `i` weighs what the list says; after the last one it begins anew.
    struct Weights(Vec<(u64, Link)>);

    impl Residents for Weights {
        fn hash(&self, _: u32) -> u32 {
            0
        }
        fn weight(&self, index: u32) -> u64 {
            self.row(index).0
        }
        fn uses(&self, _: u32) -> u8 {
            0
        }
        fn take_use(&self, _: u32) {}
        fn note(&self, _: u32) -> u8 {
            0
        }
        fn set_note(&self, _: u32, _: u8) {}
        fn link(&self, index: u32) -> &Link {
            &self.row(index).1
        }
    }

    impl Weights {
        fn row(&self, index: u32) -> &(u64, Link) {
            &self.0[index as usize % self.0.len()]
        }
    }

    #[derive(Debug, Clone)]
    enum Op {
        Push(u32, bool),
        Unlink(u32),
        Rotate(bool),
        Replace(u32, u32, u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        let index = 0..24_u32;
        prop_oneof![
            (index.clone(), any::<bool>()).prop_map(|(index, main)| Op::Push(index, main)),
            index.clone().prop_map(Op::Unlink),
            any::<bool>().prop_map(Op::Rotate),
            (index.clone(), index, 0..9_u64).prop_map(|(old, new, weight)| Op::Replace(old, new, weight)),
        ]
    }

    #[test]
    fn a_tag_is_none_before_and_after() {
        let r = Weights((0..4).map(|weight| (weight, Link::default())).collect());
        let mut queue = Queue::new(Tag::Main);
        assert_eq!(r.link(3).tag(), None);
        queue.push_front(3, &r);
        assert_eq!((r.link(3).tag(), queue.back()), (Some(Tag::Main), Some(3)));
        queue.unlink(3, 3, &r);
        assert_eq!((r.link(3).tag(), queue.back(), queue.len()), (None, None, 0));
    }

    #[test]
    fn the_largest_index_is_not_taken_for_an_end() {
        let r = Weights((0..5).map(|weight| (weight, Link::default())).collect());
        let other = (MAX_INDEX + 1) % 5;
        for tag in [Tag::Window, Tag::Main] {
            let mut queue = Queue::new(tag);
            queue.push_front(MAX_INDEX, &r);
            queue.push_front(other, &r);
            assert!(queue.iter(&r).eq([other, MAX_INDEX]));
            queue.rotate(&r);
            assert!(queue.iter(&r).eq([MAX_INDEX, other]));
            assert_eq!(queue.check(&r), Ok(()));
            for index in [other, MAX_INDEX] {
                assert_eq!(queue.back(), Some(index));
                queue.unlink(index, r.weight(index), &r);
            }
            assert_eq!(queue.back(), None);
        }
    }

    #[test]
    fn the_validator_sees_a_list_that_goes_on_after_its_back() {
        let r = Weights((0..3).map(|weight| (weight, Link::default())).collect());
        let mut queue = Queue::new(Tag::Main);
        (0..2).for_each(|index| queue.push_front(index, &r));
        assert_eq!(queue.check(&r), Ok(()));
        r.link(0).set_next(2);
        assert!(queue.check(&r).is_err());
    }

    proptest! {
        #[test]
        fn two_queues_on_the_same_links_match_two_deques(ops in prop::collection::vec(op(), 1..200)) {
            let mut queues = [Queue::new(Tag::Window), Queue::new(Tag::Main)];
            let mut models = [VecDeque::new(), VecDeque::new()];
            let mut r = Weights((0..24).map(|weight| (weight, Link::default())).collect());
            let held = |models: &[VecDeque<u32>; 2], index| models.iter().position(|model| model.contains(&index));
            for op in ops {
                match op {
                    Op::Push(index, main) if held(&models, index).is_none() => {
                        queues[usize::from(main)].push_front(index, &r);
                        models[usize::from(main)].push_front(index);
                    }
                    Op::Unlink(index) => if let Some(at) = held(&models, index) {
                        queues[at].unlink(index, r.weight(index), &r);
                        models[at].retain(|&other| other != index);
                    },
                    Op::Rotate(main) => {
                        queues[usize::from(main)].rotate(&r);
                        models[usize::from(main)].rotate_right(usize::from(!models[usize::from(main)].is_empty()));
                    }
                    Op::Replace(old, new, weight) => if let Some(at) = held(&models, old)
                        && (old == new || held(&models, new).is_none()) {
                            let before = r.weight(old);
                            r.0[new as usize].0 = weight;
                            queues[at].replace(old, before, new, &r);
                            models[at].iter_mut().filter(|index| **index == old).for_each(|index| *index = new);
                        },
                    Op::Push(..) => {}
                }
                for (queue, model) in queues.iter().zip(&models) {
                    prop_assert_eq!(queue.check(&r), Ok(()));
                    prop_assert!(queue.iter(&r).eq(model.iter().copied()));
                    prop_assert_eq!(queue.back(), model.back().copied());
                }
            }
        }
    }
}
