//! `Root`: the readers' half: where a search begins.
//!
//! Invariants: those of the module above (T1 to T3).

use super::{Header, Table, View, home};
use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// The table of a shard as readers find it: the oldest one that still holds entries, and how many buckets it has.
///
/// A reader loads the number first, the writer stores it last, and tables only grow: so the number is that of the table
/// or of a smaller one before it, and a home made with it is within the table. Where it is the smaller one, a hit
/// is a hit, since the key decides; a miss counts only with the table's own number.
#[derive(Debug)]
pub(crate) struct Root {
    buckets: AtomicUsize,
    table: AtomicPtr<Header>,
}

impl Root {
    pub(crate) fn new(table: &Table) -> Self {
        Root { buckets: AtomicUsize::new(table.buckets()), table: AtomicPtr::new(table.0.as_ptr()) }
    }

    /// Sends readers to a larger table.
    pub(super) fn turn_to(&self, table: &Table) {
        self.table.store(table.0.as_ptr(), Ordering::Release);
        self.buckets.store(table.buckets(), Ordering::Release);
    }

    /// # Safety
    ///
    /// As for `find`.
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn view(&self) -> View<'_> {
        // SAFETY: T2 by the caller.
        View { header: unsafe { &*self.table.load(Ordering::Acquire) } }
    }

    /// Calls `matches` for every index stored under `hash` until it has an answer. May ask about an index twice, and about
    /// entries of other hashes.
    ///
    /// # Safety
    ///
    /// The caller is inside a pin, or holds the shard's lock, or excludes all others (T2).
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn find<T>(&self, hash: u32, mut matches: impl FnMut(u32) -> Option<T>) -> Option<T> {
        let buckets = self.buckets.load(Ordering::Acquire);
        // SAFETY: the caller.
        let view = unsafe { self.view() };
        view.header.track.read();
        // Nearly all searches end here, one way or the other.
        let home = view.bucket(home(hash, buckets));
        let meta = home.meta();
        for slot in meta.candidates(hash) {
            let answer = home.index(slot).and_then(&mut matches);
            if answer.is_some() {
                return answer;
            }
        }
        let done = meta.passed() == 0 && view.header.buckets == buckets && view.next().is_none();
        if done { None } else { view.search_on(hash, matches) }
    }

    /// The indices with the least hash that is at least `from`: that hash, each index in `found`. `hash_of` looks at an entry.
    /// `None` if there is none. Weakly consistent while others write; may tell an index twice.
    ///
    /// # Safety
    ///
    /// As for `find`.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn next_hash(
        &self,
        from: u32,
        hash_of: impl Fn(u32) -> u32,
        found: &mut Vec<u32>,
    ) -> Option<u32> {
        // SAFETY: the caller.
        let first = unsafe { self.view() };
        let mut least = None;
        let mut view = Some(first);
        while let Some(table) = view {
            if let Some(hash) = table.least_hash(from, &hash_of) {
                least = Some(least.map_or(hash, |other: u32| other.min(hash)));
            }
            view = table.next();
        }
        let hash = least?;
        // SAFETY: as above.
        unsafe {
            self.find(hash, |index| {
                if hash_of(index) == hash {
                    found.push(index);
                }
                None::<()>
            })
        };
        Some(hash)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    #[allow(unsafe_code)]
    fn readers_begin_where_the_writer_sends_them() {
        let (old, new) = (Table::new(1), Table::new(3));
        new.view().insert(u32::MAX, 5);
        let root = Root::new(&old);
        // SAFETY: one thread, and both tables live.
        let find = |root: &Root| unsafe { root.find(u32::MAX, Some) };
        assert_eq!(find(&root), None);
        root.turn_to(&new);
        assert_eq!(find(&root), Some(5));
    }
}
