//! `Queue`: a doubly linked list of slab indices; the links of all queues of one policy lie in one `Links`.
//!
//! An entry is in at most one queue at a time, so two words an entry serve every queue: 8 bytes. The two
//! topmost bits that a slab index does not need hold what would otherwise be a third word:
//!
//! ```text
//! prev: [ queue: 1 | index of the neighbour nearer the front, NIL at the front : 31 ]
//! next: [ linked: 1 | index of the neighbour nearer the back,  NIL at the back  : 31 ]
//! ```
//!
//! Entries join at the front and leave at the back, or from anywhere (a removal). All operations are O(1); none
//! allocates but `Links::reserve`, which the insertion of an entry calls.
//!
//! Invariants (checked by `Queue::check`): following `next` from the front and `prev` from the back visits the same
//! `len` linked entries tagged with this queue; their weights sum to `weight`.
//!
//! Not promised: a caller that unlinks an index from the wrong queue, or one that is in none, corrupts nothing in
//! memory but the lists; debug builds assert.

use super::Residents;
use crate::pages::Pages;

const TAG: u32 = 1 << 31;
const NIL: u32 = TAG - 1;

/// The largest slab index a policy can hold.
pub(crate) const MAX_INDEX: u32 = NIL - 1;

#[derive(Debug, Clone, Copy)]
struct Link {
    prev: u32,
    next: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self { prev: NIL, next: NIL }
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

/// The links of every entry of a policy.
#[derive(Debug, Clone)]
pub(crate) struct Links(Pages<Link>);

impl Links {
    /// No links yet; allocates nothing.
    pub(crate) const fn new() -> Self {
        Self(Pages::new(12))
    }

    /// Makes room for the links of `index`.
    pub(crate) fn reserve(&mut self, index: u32) {
        debug_assert!(index <= MAX_INDEX);
        self.0.grow_to(index as usize + 1);
    }

    /// The queue that `index` is in, if any.
    pub(crate) fn tag(&self, index: u32) -> Option<Tag> {
        let link = self.0.get(index as usize)?;
        match (link.next & TAG, link.prev & TAG) {
            (0, _) => None,
            (_, 0) => Some(Tag::Window),
            _ => Some(Tag::Main),
        }
    }

    fn prev(&self, index: u32) -> u32 {
        self.0[index as usize].prev & NIL
    }

    fn next(&self, index: u32) -> u32 {
        self.0[index as usize].next & NIL
    }

    fn set_prev(&mut self, index: u32, to: u32) {
        let link = &mut self.0[index as usize];
        link.prev = (link.prev & TAG) | to;
    }

    fn set_next(&mut self, index: u32, to: u32) {
        let link = &mut self.0[index as usize];
        link.next = (link.next & TAG) | to;
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

    /// Adds an entry that is in no queue.
    pub(crate) fn push_front(&mut self, links: &mut Links, index: u32, weight: u64) {
        debug_assert_eq!(links.tag(index), None, "{index} is in a queue already");
        links.0[index as usize] = Link { prev: self.tag.bit() | NIL, next: TAG | self.front };
        match self.front {
            NIL => self.back = index,
            front => links.set_prev(front, index),
        }
        self.front = index;
        self.len += 1;
        self.weight = self.weight.saturating_add(weight);
    }

    /// Takes an entry of this queue out of it.
    pub(crate) fn unlink(&mut self, links: &mut Links, index: u32, weight: u64) {
        debug_assert_eq!(links.tag(index), Some(self.tag), "{index} is not in this queue");
        let (prev, next) = (links.prev(index), links.next(index));
        self.join(links, prev, next);
        links.0[index as usize] = Link::default();
        self.len = self.len.saturating_sub(1);
        self.weight = self.weight.saturating_sub(weight);
    }

    /// Moves the oldest entry to the front: one step of a CLOCK's hand.
    pub(crate) fn rotate(&mut self, links: &mut Links) {
        let back = self.back;
        if back == self.front {
            return;
        }
        let prev = links.prev(back);
        self.join(links, prev, NIL);
        links.set_prev(back, NIL);
        links.set_next(back, self.front);
        links.set_prev(self.front, back);
        self.front = back;
    }

    /// Puts `new`, which is in no queue, where `old` was, and gives it its weight.
    pub(crate) fn replace(
        &mut self,
        links: &mut Links,
        (old, old_weight): (u32, u64),
        (new, new_weight): (u32, u64),
    ) {
        self.weight = self.weight.saturating_sub(old_weight).saturating_add(new_weight);
        if old == new {
            return;
        }
        debug_assert_eq!(links.tag(old), Some(self.tag), "{old} is not in this queue");
        debug_assert_eq!(links.tag(new), None, "{new} is in a queue already");
        let (prev, next) = (links.prev(old), links.next(old));
        links.0[new as usize] = links.0[old as usize];
        links.0[old as usize] = Link::default();
        self.join(links, prev, new);
        self.join(links, new, next);
    }

    /// Makes `prev` and `next` neighbours; NIL stands for the end of the queue.
    fn join(&mut self, links: &mut Links, prev: u32, next: u32) {
        match prev {
            NIL => self.front = next,
            _ => links.set_next(prev, next),
        }
        match next {
            NIL => self.back = prev,
            _ => links.set_prev(next, prev),
        }
    }

    /// The entries from the front to the back.
    pub(crate) fn iter<'a>(&self, links: &'a Links) -> impl Iterator<Item = u32> + use<'a> {
        let first = (self.front != NIL).then_some(self.front);
        std::iter::successors(first, |&index| Some(links.next(index)).filter(|&next| next != NIL))
    }

    /// Walks the whole queue and says what is wrong with it. O(n).
    pub(crate) fn check(&self, links: &Links, r: &impl Residents) -> Result<(), String> {
        let (mut len, mut weight, mut prev) = (0, 0_u64, NIL);
        for index in self.iter(links).take(self.len + 1) {
            if links.tag(index) != Some(self.tag) {
                return Err(format!("{index} in {:?} is tagged {:?}", self.tag, links.tag(index)));
            }
            if links.prev(index) != prev {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    /// Entry `i` weighs what the list says.
    struct Weights(Vec<u64>);

    impl Residents for Weights {
        fn hash(&self, _: u32) -> u32 {
            0
        }
        fn weight(&self, index: u32) -> u64 {
            self.0[index as usize]
        }
        fn uses(&self, _: u32) -> u8 {
            0
        }
        fn take_use(&self, _: u32) {}
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
        let (mut links, mut queue) = (Links::new(), Queue::new(Tag::Main));
        assert_eq!(links.tag(3), None);
        links.reserve(3);
        assert_eq!(links.tag(3), None);
        queue.push_front(&mut links, 3, 1);
        assert_eq!((links.tag(3), queue.back()), (Some(Tag::Main), Some(3)));
        queue.unlink(&mut links, 3, 1);
        assert_eq!((links.tag(3), queue.back(), queue.len()), (None, None, 0));
    }

    proptest! {
        #[test]
        fn two_queues_on_the_same_links_match_two_deques(ops in prop::collection::vec(op(), 1..200)) {
            let mut links = Links::new();
            links.reserve(23);
            let mut queues = [Queue::new(Tag::Window), Queue::new(Tag::Main)];
            let mut models = [VecDeque::new(), VecDeque::new()];
            let mut r = Weights((0..24).collect());
            let held = |models: &[VecDeque<u32>; 2], index| models.iter().position(|model| model.contains(&index));
            for op in ops {
                match op {
                    Op::Push(index, main) if held(&models, index).is_none() => {
                        queues[usize::from(main)].push_front(&mut links, index, r.weight(index));
                        models[usize::from(main)].push_front(index);
                    }
                    Op::Unlink(index) => if let Some(at) = held(&models, index) {
                        queues[at].unlink(&mut links, index, r.weight(index));
                        models[at].retain(|&other| other != index);
                    },
                    Op::Rotate(main) => {
                        queues[usize::from(main)].rotate(&mut links);
                        models[usize::from(main)].rotate_right(usize::from(!models[usize::from(main)].is_empty()));
                    }
                    Op::Replace(old, new, weight) => if let Some(at) = held(&models, old)
                        && (old == new || held(&models, new).is_none()) {
                            let before = r.weight(old);
                            r.0[new as usize] = weight;
                            queues[at].replace(&mut links, (old, before), (new, weight));
                            models[at].iter_mut().filter(|index| **index == old).for_each(|index| *index = new);
                        },
                    Op::Push(..) => {}
                }
                for (queue, model) in queues.iter().zip(&models) {
                    prop_assert_eq!(queue.check(&links, &r), Ok(()));
                    prop_assert!(queue.iter(&links).eq(model.iter().copied()));
                    prop_assert_eq!(queue.back(), model.back().copied());
                }
            }
        }
    }
}
