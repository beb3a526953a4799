//! `Tables`: the writer's half: what stands where, and how far the copying has come. Behind the shard's lock (T3).
//!
//! `hash_of` tells the hash of an entry that stands in a slot: it looks at the entry.

use super::{Root, SLOTS, Table, View, pack};
use crate::sync::atomic::Ordering;

/// The tables of a shard. See the module's head.
#[derive(Debug)]
pub(crate) struct Tables {
    /// The table readers start from.
    root: Table,
    /// The larger one being filled, and how many buckets of `root` have been copied.
    growing: Option<(Table, usize)>,
    len: usize,
    /// How many entries the shard is expected to hold: growth stops there before it goes beyond.
    expected: usize,
}

/// Where an entry stands.
#[derive(Debug)]
pub(crate) struct Place {
    grown: bool,
    bucket: usize,
    slot: usize,
}

/// What stands in the table under a hash, compared with what a reader's search had found.
#[derive(Debug)]
pub(crate) enum Located {
    /// The expected entry is still there.
    Here(Place),
    /// Nothing was expected and nothing new has come.
    Absent,
    /// Something else happened since; search again.
    Changed,
}

impl Tables {
    /// One bucket, and room to grow to `expected` entries in even steps.
    pub(crate) fn new(expected: usize) -> Self {
        Tables { root: Table::new(1), growing: None, len: 0, expected }
    }

    pub(crate) fn root(&self) -> Root {
        Root::new(&self.root)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn expect(&mut self, entries: usize) {
        self.expected = entries;
    }

    pub(crate) fn bytes(&self) -> usize {
        self.root.bytes() + self.growing.as_ref().map_or(0, |(table, _)| table.bytes())
    }

    /// The table new entries go to.
    fn newest(&self) -> View<'_> {
        self.growing.as_ref().map_or(self.root.view(), |(table, _)| table.view())
    }

    fn view(&self, grown: bool) -> View<'_> {
        if grown { self.newest() } else { self.root.view() }
    }

    /// Is the outcome of a reader's search, `expected` found after it `rejected` others, still true?
    /// Indices are not reused under the searcher's pin, so an index names an entry.
    #[inline]
    pub(crate) fn locate(
        &self,
        hash: u32,
        expected: Option<u32>,
        rejected: &[u32],
        hash_of: impl Fn(u32) -> u32,
    ) -> Located {
        match expected {
            Some(index) => self.place_of(hash, index).map_or(Located::Changed, Located::Here),
            None if self.has_stranger(hash, rejected, hash_of) => Located::Changed,
            None => Located::Absent,
        }
    }

    /// Is there an entry of this hash that is not among the `known`?
    #[inline]
    pub(crate) fn has_stranger(&self, hash: u32, known: &[u32], hash_of: impl Fn(u32) -> u32) -> bool {
        let stranger = |view: View<'_>| {
            let is_one = |index| hash_of(index) == hash && !known.contains(&index);
            view.search(hash, |_, _, index| is_one(index).then_some(())).is_some()
        };
        stranger(self.root.view()) || self.growing.as_ref().is_some_and(|(table, _)| stranger(table.view()))
    }

    /// The place of an entry, if it is there.
    #[inline]
    pub(crate) fn place_of(&self, hash: u32, index: u32) -> Option<Place> {
        let place = |grown, view: View<'_>| {
            view.search(hash, |bucket, slot, there| (there == index).then_some(Place { grown, bucket, slot }))
        };
        let grown = || self.growing.as_ref().and_then(|(table, _)| place(true, table.view()));
        place(false, self.root.view()).or_else(grown)
    }

    /// A write that touches the home of this hash is coming.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u32) {
        let view = self.root.view();
        crate::sync::prefetch(view.bucket(view.home(hash)));
    }

    /// Makes `index` readable. The entry's bytes are written.
    pub(crate) fn insert(&mut self, hash: u32, index: u32) {
        self.newest().insert(hash, index);
        self.len += 1;
    }

    /// Puts `index` in the place of another entry of the same hash, in one store.
    pub(crate) fn replace(&mut self, place: &Place, index: u32) {
        let slot = &self.view(place.grown).bucket(place.bucket).slots[place.slot];
        slot.store(pack(index), Ordering::Release);
    }

    /// Makes an entry unreadable whose place is not known. False if it is not there.
    #[inline]
    pub(crate) fn remove_entry(&mut self, hash: u32, index: u32) -> bool {
        let removed = self.root.view().remove(hash, index)
            || self.growing.as_ref().is_some_and(|(table, _)| table.view().remove(hash, index));
        self.len -= usize::from(removed);
        removed
    }

    /// Makes an entry of this hash unreadable.
    #[inline]
    pub(crate) fn remove(&mut self, hash: u32, place: &Place) {
        self.view(place.grown).clear(hash, place.bucket, place.slot);
        self.len -= 1;
    }

    /// Tells of every entry whose hash is at least `from` and has the same home in the root table; the hash to go on from, unless that was
    /// the last home. The order of hashes is the same in every table, so a walk by this misses nothing that stays while the table grows.
    pub(crate) fn each_of_home(
        &self,
        from: u32,
        hash_of: impl Fn(u32) -> u32,
        mut each: impl FnMut(u32),
    ) -> Option<u32> {
        let root = self.root.view();
        let next = u32::try_from(root.first_hash(root.home(from) + 1)).ok();
        let last = next.map_or(u32::MAX, |next| next - 1);
        for table in std::iter::once(root).chain(self.growing.as_ref().map(|(table, _)| table.view())) {
            for home in table.home(from)..=table.home(last) {
                table.each_from(home, |index| {
                    let hash = hash_of(index);
                    if (from..=last).contains(&hash) && table.home(hash) == home {
                        each(index);
                    }
                });
            }
        }
        next
    }

    /// Must the table grow before the next insert?
    pub(crate) fn is_full(&self) -> bool {
        self.growing.is_none() && self.len >= self.root.limit()
    }

    pub(crate) fn is_growing(&self) -> bool {
        self.growing.is_some()
    }

    /// Links a larger table behind the full one; `copy` fills it step by step.
    pub(crate) fn grow(&mut self) {
        let now = self.root.buckets();
        let expected = Table::buckets_for(self.expected);
        let buckets = if now < expected {
            // The step that would come close to the expected size goes all the way.
            if now * 3 >= expected { expected } else { now * 2 }
        } else {
            now + now / 4 + 1
        };
        let table = Table::new(buckets.max(now + 1));
        self.root.view().header.next.store(table.0.as_ptr(), Ordering::Release);
        self.growing = Some((table, 0));
    }

    /// Copies up to `buckets` buckets to the grown table. When all are copied, readers are sent there and
    /// the old table is returned, to be retired.
    pub(crate) fn copy(
        &mut self,
        root: &Root,
        buckets: usize,
        hash_of: impl Fn(u32) -> u32,
    ) -> Option<Table> {
        let (table, done) = self.growing.as_mut()?;
        let old = self.root.view();
        let end = (*done + buckets).min(old.header.buckets);
        for at in *done..end {
            let bucket = old.bucket(at);
            for (slot, index) in bucket.meta().used().filter_map(|slot| Some((slot, bucket.index(slot)?))) {
                let hash = hash_of(index);
                table.view().insert(hash, index);
                old.clear(hash, at, slot);
            }
        }
        *done = end;
        if end < old.header.buckets {
            return None;
        }
        let (grown, _) = self.growing.take()?;
        root.turn_to(&grown);
        Some(std::mem::replace(&mut self.root, grown))
    }

    /// Every index, for the validator and for dropping. Single writer.
    pub(crate) fn each(&self, mut visit: impl FnMut(u32)) {
        for table in [Some(&self.root), self.growing.as_ref().map(|(table, _)| table)].into_iter().flatten() {
            for at in 0..table.buckets() {
                (0..SLOTS).filter_map(|slot| table.view().bucket(at).index(slot)).for_each(&mut visit);
            }
        }
    }

    /// Checks the tags, the counts of entries that went past each bucket, and the length.
    pub(crate) fn check(&self, hash_of: impl Fn(u32) -> u32) -> Result<(), String> {
        let mut total = 0;
        for table in [Some(&self.root), self.growing.as_ref().map(|(table, _)| table)].into_iter().flatten() {
            let view = table.view();
            let mut passed = vec![0u64; table.buckets()];
            for at in 0..table.buckets() {
                let (bucket, meta) = (view.bucket(at), view.bucket(at).meta());
                for slot in 0..SLOTS {
                    let hash = bucket.index(slot).map(&hash_of);
                    if meta != hash.map_or(meta.empty(slot), |hash| meta.fill(slot, hash)) {
                        return Err(format!(
                            "bucket {at}: the tag of slot {slot} does not fit what is in it"
                        ));
                    }
                    let Some(hash) = hash else { continue };
                    total += 1;
                    let mut step = view.home(hash);
                    while step != at {
                        passed[step] += 1;
                        step = view.after(step);
                    }
                }
            }
            for (at, &expected) in passed.iter().enumerate() {
                let stored = view.bucket(at).meta().passed();
                if stored != expected {
                    return Err(format!("bucket {at}: {stored} counted past it, {expected} went past"));
                }
            }
        }
        if total == self.len { Ok(()) } else { Err(format!("{total} slots in use, {} counted", self.len)) }
    }
}
