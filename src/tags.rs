//! `Tags`: the groups that entries belong to by name, and when each was last invalidated.
//!
//! One count for the whole cache, `sequence`, numbers the invalidations. A [`Tag`] has the number of its last one; a
//! [`Membership`] has the tags of one entry, and what the count was when its write, or its load, began. The entry is current
//! as long as none of its tags has a higher number. So an invalidation touches one word, whatever has the tag, and from
//! that store on everything that has it is outdated, what is still being written or loaded as well.
//!
//! # Invariants
//!
//! * **N1** A number is drawn (release) and given to its tag while the tag's part is locked, and who joins takes that lock. `since` is read
//!   (acquire) before what the entry is made from. So who reads a count that includes an invalidation sees all that was done
//!   before it, and when it has joined, the tag's number; who does not, makes what is outdated.
//! * **N2** The number of a name never falls, though its tag is forgotten: a new tag of any name begins with the highest number of
//!   those that were forgotten.
//!
//! # What is forgotten
//!
//! Names may be made up by the million, so tags that no entry has are forgotten: each new name looks at the next few in the order of
//! names, round and round. One that was invalidated is kept for a whole round more: what was being loaded then might have
//! it. By N2 a load that takes still longer may count as stale though its tags were not invalidated, which costs the cache one value.
//!
//! # Costs
//!
//! A tagged write locks a part of the registry for each of its names, and looks the name up in a tree, no step of which is long (G15); a
//! tagged read compares one word for each. A membership is 24 bytes and a pointer for each tag, on the heap, and counted where bytes are.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, Padded};
use crate::weight::block_bytes;
use ahash::RandomState;
use std::collections::BTreeMap;
use std::mem::size_of;
use std::ops::Bound;

/// Names as the user gives them. `None`: none, which costs nothing.
pub(crate) type Names = Option<Arc<[Box<[u8]>]>>;

/// What an entry belongs to.
pub(crate) type Group = Option<Arc<Membership>>;

/// Below so many in a part none are forgotten.
const LEAST: usize = 128;
/// Tags that a new name looks at.
const LOOKED: usize = 4;
/// Parts of a registry, at most.
const PARTS: usize = 16;

/// A name that something has, or had not long ago.
#[derive(Debug)]
pub(crate) struct Tag {
    /// The number of the last invalidation. Written under the lock of its part (release), read by everyone (acquire).
    invalidated: AtomicU64,
}

/// The tags of one entry.
#[derive(Debug)]
pub(crate) struct Membership {
    since: u64,
    tags: Box<[Arc<Tag>]>,
}

impl Membership {
    /// Was none of the tags invalidated since?
    #[inline]
    pub(crate) fn is_current(&self) -> bool {
        self.tags.iter().all(|tag| tag.invalidated.load(Ordering::Acquire) <= self.since)
    }

    /// What it takes on the heap, with its place beside the entry.
    pub(crate) fn bytes(&self) -> u64 {
        let (own, tags) =
            (size_of::<Self>() + 2 * size_of::<usize>(), size_of::<Arc<Tag>>() * self.tags.len());
        (size_of::<Group>() + block_bytes(own) + block_bytes(tags)) as u64
    }
}

/// Is a group current? No group always is.
#[inline]
pub(crate) fn is_current(group: &Group) -> bool {
    group.as_ref().is_none_or(|membership| membership.is_current())
}

/// One of the tags was invalidated since.
#[derive(Debug)]
pub(crate) struct Outdated;

/// The registry. See the module's head.
#[derive(Debug)]
pub(crate) struct Tags {
    sequence: AtomicU64,
    hasher: RandomState,
    parts: Box<[Padded<Mutex<Part>>]>,
}

#[derive(Debug, Default)]
struct Part {
    tags: BTreeMap<Box<[u8]>, Arc<Tag>>,
    /// The highest number of a tag that was forgotten (N2).
    forgotten: u64,
    /// The last name that this round has looked at.
    reached: Option<Box<[u8]>>,
    /// What the count was when this round began, and the one before.
    began: u64,
    before: u64,
}

impl Tags {
    pub(crate) fn new(parts: usize) -> Self {
        let parts = (0..parts.clamp(1, PARTS)).map(|_| Padded(Mutex::new(Part::default()))).collect();
        Tags { sequence: AtomicU64::new(0), hasher: RandomState::new(), parts }
    }

    /// How many invalidations there have been: what a membership is `since`.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    fn part(&self, name: &[u8]) -> &Mutex<Part> {
        &self.parts[(self.hasher.hash_one(name) >> 32) as usize % self.parts.len()].0
    }

    /// The group of what was made since then, unless it is outdated already.
    pub(crate) fn join(&self, names: &Names, since: u64) -> Result<Group, Outdated> {
        let Some(names) = names else { return Ok(None) };
        let tags = names.iter().map(|name| self.part(name).lock().tag(name, || self.now())).collect();
        let membership = Membership { since, tags };
        if membership.is_current() { Ok(Some(Arc::new(membership))) } else { Err(Outdated) }
    }

    /// The group of what is made now.
    #[inline]
    pub(crate) fn enter(&self, names: &Names) -> Group {
        if names.is_none() { None } else { self.enter_named(names) }
    }

    #[cold]
    fn enter_named(&self, names: &Names) -> Group {
        loop {
            if let Ok(group) = self.join(names, self.now()) {
                return group;
            }
        }
    }

    /// Outdates everything that has this tag, and what is being made and will have it. False if nothing has it.
    pub(crate) fn invalidate(&self, name: &[u8]) -> bool {
        let mut part = self.part(name).lock();
        let tag = part.tag(name, || self.now());
        let number = self.sequence.fetch_add(1, Ordering::AcqRel) + 1;
        tag.invalidated.store(number, Ordering::Release);
        // The part's own, and the one in hand.
        Arc::strong_count(&tag) > 2
    }

    /// Tags that are remembered.
    #[cfg(all(test, not(any(loom, shuttle))))]
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.0.lock().tags.len()).sum()
    }
}

impl Part {
    fn tag(&mut self, name: &[u8], now: impl Fn() -> u64) -> Arc<Tag> {
        if let Some(tag) = self.tags.get(name) {
            return tag.clone();
        }
        if self.tags.len() >= LEAST {
            self.forget(now);
        }
        let tag = Arc::new(Tag { invalidated: AtomicU64::new(self.forgotten) });
        self.tags.insert(name.into(), tag.clone());
        tag
    }

    /// Forgets those of the next few that nothing has and that were not invalidated since the last round began.
    fn forget(&mut self, now: impl Fn() -> u64) {
        let from = self.reached.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let looked: Vec<_> = self.tags.range::<[u8], _>((from, Bound::Unbounded)).take(LOOKED).collect();
        let (last, ended) = (looked.last().map(|(name, _)| (*name).clone()), looked.len() < LOOKED);
        let over = looked.into_iter().filter(|(_, tag)| {
            // Whoever gets one more takes it from here, under the lock.
            Arc::strong_count(tag) == 1 && tag.invalidated.load(Ordering::Relaxed) <= self.before
        });
        for name in over.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            let tag = self.tags.remove(&name);
            let number = tag.map_or(0, |tag| tag.invalidated.load(Ordering::Relaxed));
            self.forgotten = self.forgotten.max(number);
        }
        self.reached = last.filter(|_| !ended);
        if ended {
            (self.before, self.began) = (self.began, now());
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::Cause;
    use proptest::prelude::*;

    fn names(of: &[&str]) -> Names {
        Some(of.iter().map(|name| name.as_bytes().into()).collect())
    }

    #[test]
    fn a_group_is_outdated_by_any_of_its_tags_and_by_no_other() {
        let tags = Tags::new(4);
        let both = tags.enter(&names(&["a", "b"]));
        let other = tags.enter(&names(&["c"]));
        assert!(!tags.invalidate(b"d"), "nothing has it");
        assert!(is_current(&both) && is_current(&other) && is_current(&tags.enter(&None)));
        assert!(tags.invalidate(b"b"));
        assert!(!is_current(&both) && is_current(&other));
        assert!(is_current(&tags.enter(&names(&["a", "b"]))), "what comes after is another one");
    }

    #[test]
    fn g20_what_began_before_an_invalidation_does_not_join() {
        let tags = Tags::new(1);
        let since = tags.now();
        assert!(tags.join(&names(&["a"]), since).is_ok());
        tags.invalidate(b"a");
        assert!(tags.join(&names(&["x", "a"]), since).is_err());
        assert!(tags.join(&names(&["x"]), since).is_ok() && tags.join(&names(&["a"]), tags.now()).is_ok());
    }

    #[test]
    fn g26_g29_what_a_tag_has_outdated_has_not_expired_though_no_shard_has_been_told_yet() {
        let told = Arc::new(crate::sync::Mutex::new(Vec::new()));
        let notes = told.clone();
        let listener = move |key: &u32, _: &u32, cause| notes.lock().push((*key, cause));
        let builder = crate::Cache::builder().capacity(10).shards(1).listener(listener);
        let cache = builder.build().expect("a good description");
        let tagged = || crate::InsertOptions::new().tags(["a"]);
        (0..3).for_each(|key| assert!(cache.insert_with(key, 0, tagged()).is_stored()));
        assert!(cache.inner.store.tags.invalidate(b"a"));
        assert!(!cache.invalidate(&0) && cache.insert(1, 1).is_stored());
        assert_eq!(cache.retain(|_, _| true), 0);
        assert_eq!(*told.lock(), [0, 1, 2].map(|key| (key, Cause::Invalidated)));
        assert_eq!((cache.stats().expired, cache.stats().invalidated), (0, 3));
        cache.validate();
    }

    #[test]
    fn names_that_nothing_has_are_forgotten_and_their_numbers_are_not() {
        let tags = Tags::new(1);
        // Before all others in order, and after them.
        let held = |n: u32| format!("{} {n}", if n.is_multiple_of(2) { '!' } else { '~' });
        let held: Vec<Group> = (0..500).map(|n| tags.enter(&names(&[&held(n)]))).collect();
        let early = tags.now();
        tags.invalidate(b"early");
        for n in 0..50_000 {
            let name = format!("{n}");
            if n % 3 == 0 {
                tags.invalidate(name.as_bytes());
            } else {
                assert!(is_current(&tags.enter(&names(&[&name]))));
            }
            assert!(tags.len() <= 3 * 500, "{} tags, of which 500 are in use", tags.len());
        }
        assert!(tags.join(&names(&["early"]), early).is_err(), "though it was forgotten");
        assert!(held.iter().all(is_current));
        tags.invalidate(b"~ 7");
        assert_eq!(held.iter().filter(|group| is_current(group)).count(), 499);
        drop(held);
        (0..5000).for_each(|n| _ = tags.enter(&names(&[&format!("last {n}")])));
        assert!(tags.len() <= 2 * LEAST, "{} tags", tags.len());
    }

    #[test]
    fn g02_what_tags_take_is_counted() {
        let bytes = |count: usize| {
            let tags = Tags::new(1);
            let many: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            let many: Vec<&str> = many.iter().map(String::as_str).collect();
            tags.enter(&names(&many)).map_or(0, |group| group.bytes())
        };
        // A pointer beside the entry; a counted block with the list and a number; and the list.
        assert_eq!((bytes(0), bytes(1), bytes(20), bytes(40)), (8 + 48, 56 + 32, 56 + 176, 56 + 336));
    }

    #[derive(Clone, Debug)]
    enum Op {
        Enter(Vec<u8>),
        Begin,
        Join(usize, Vec<u8>),
        Leave(usize),
        Invalidate(u8),
        /// New names that nothing has.
        Flood(u16),
    }

    fn op() -> impl Strategy<Value = Op> {
        let some = || prop::collection::vec(0..6u8, 1..4);
        prop_oneof![
            3 => some().prop_map(Op::Enter),
            2 => Just(Op::Begin),
            2 => (any::<usize>(), some()).prop_map(|(pick, names)| Op::Join(pick, names)),
            2 => any::<usize>().prop_map(Op::Leave),
            3 => (0..6u8).prop_map(Op::Invalidate),
            1 => (1..200u16).prop_map(Op::Flood),
        ]
    }

    proptest! {
        /// The model remembers of each group which of its names were invalidated since it began.
        #[test]
        fn a_group_is_current_until_one_of_its_names_is_invalidated(ops in prop::collection::vec(op(), 0..150)) {
            let tags = Tags::new(2);
            let of = |numbers: &[u8]| Some(numbers.iter().map(|&n| Box::from([n])).collect::<Arc<[Box<[u8]>]>>());
            let (mut groups, mut begun) = (Vec::<(Group, Vec<u8>, bool)>::new(), Vec::<(u64, Vec<u8>)>::new());
            let mut flooded = 0u32;
            for op in ops {
                match op {
                    Op::Enter(names) => groups.push((tags.enter(&of(&names)), names, true)),
                    Op::Begin => begun.push((tags.now(), Vec::new())),
                    Op::Join(pick, names) if !begun.is_empty() => {
                        let (since, gone) = &begun[pick % begun.len()];
                        let current = !names.iter().any(|name| gone.contains(name));
                        match tags.join(&of(&names), *since) {
                            Ok(group) => {
                                prop_assert!(current, "an invalidation since it began was missed");
                                groups.push((group, names, true));
                            }
                            // Too careful is allowed, once names were forgotten.
                            Err(Outdated) => prop_assert!(!current || flooded > 0),
                        }
                    }
                    Op::Leave(pick) if !groups.is_empty() => _ = groups.swap_remove(pick % groups.len()),
                    Op::Join(..) | Op::Leave(_) => {}
                    Op::Invalidate(name) => {
                        tags.invalidate(&[name]);
                        groups.iter_mut().filter(|group| group.1.contains(&name)).for_each(|group| group.2 = false);
                        begun.iter_mut().for_each(|begun| begun.1.push(name));
                    }
                    Op::Flood(count) => for _ in 0..count {
                        flooded += 1;
                        let name = flooded.to_le_bytes();
                        if flooded.is_multiple_of(2) { _ = tags.invalidate(&name) } else { _ = tags.enter(&Some(Arc::from([Box::from(name)]))) }
                    },
                }
                for (group, names, current) in &groups {
                    prop_assert_eq!(is_current(group), *current, "{:?}", names);
                }
                prop_assert!(tags.len() <= 2 * 3 * (LEAST + groups.len() * 3), "{} tags", tags.len());
            }
        }
    }
}
