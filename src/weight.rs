//! Weights: what an entry costs, and the one budget that all shards share.
//!
//! # The bound (G01)
//!
//! `used` is the sum of the weights of the live entries and of what writers hold in reserve. A writer
//! raises it *before* it publishes an entry and only if the sum stays within `capacity`; it lowers it
//! *after* an entry can no longer be found. So at every moment the live entries weigh at most `capacity`,
//! whatever the number of shards.
//!
//! A writer that evicts to make room does not give the weight back for others to snatch: it keeps it in
//! its [`Room`], which belongs to the call and returns what is left when it ends. Two writers that hold
//! parts of what both need cannot block each other for ever: one that finds nothing to evict gives its
//! part back and queues at [`Budget::patience`], whose holder alone may keep on collecting.
//!
//! Sums saturate; a weight of zero is legal: such an entry takes no room and is never evicted for it.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, Padded};
use std::mem::{size_of, size_of_val};

/// The shared sum of weights.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Raised by compare-and-swap within `capacity` (acquire), lowered by subtraction (release): what made
    /// room is gone for everyone who finds what took it.
    used: Padded<AtomicU64>,
    /// Constant but for `set_capacity`.
    capacity: AtomicU64,
    /// Seven eighths of the part of the capacity that falls to each of `shards`: one that has less takes its victims from
    /// others. Follows `capacity`.
    fair: AtomicU64,
    shards: u64,
    /// Held by a writer that found neither room nor victims, while it waits for other writers.
    pub(crate) patience: Mutex<()>,
}

impl Budget {
    pub(crate) fn new(capacity: u64, shards: usize) -> Self {
        let shards = shards.max(1) as u64;
        Budget {
            used: Padded(AtomicU64::new(0)),
            capacity: AtomicU64::new(capacity),
            fair: AtomicU64::new(fair_share(capacity, shards)),
            shards,
            patience: Mutex::new(()),
        }
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity.load(Ordering::Relaxed)
    }

    pub(crate) fn set_capacity(&self, capacity: u64) {
        self.capacity.store(capacity, Ordering::Relaxed);
        self.fair.store(fair_share(capacity, self.shards), Ordering::Relaxed);
    }

    /// Does a shard of this weight hold its part of the capacity, or nearly so?
    #[inline]
    pub(crate) fn is_fair(&self, weight: u64) -> bool {
        weight >= self.fair.load(Ordering::Relaxed)
    }

    /// Live weight and reserves.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Is there more than there may be? Only after the capacity became smaller.
    pub(crate) fn is_over(&self) -> bool {
        self.used() > self.capacity()
    }

    /// Takes `weight` if that stays within the capacity. `alone`: nobody else takes or gives meanwhile.
    #[inline]
    fn take(&self, weight: u64, alone: bool) -> bool {
        let mut used = self.used();
        loop {
            match used.checked_add(weight) {
                Some(sum) if sum <= self.capacity() => {
                    if alone {
                        self.used.store(sum, Ordering::Relaxed);
                        return true;
                    }
                    match self.used.compare_exchange_weak(used, sum, Ordering::Acquire, Ordering::Relaxed) {
                        Ok(_) => return true,
                        Err(now) => used = now,
                    }
                }
                _ => return false,
            }
        }
    }

    #[inline]
    fn give_back(&self, weight: u64, alone: bool) {
        match weight {
            0 => {}
            _ if alone => self.used.store(self.used() - weight, Ordering::Relaxed),
            _ => _ = self.used.fetch_sub(weight, Ordering::Release),
        }
    }

    #[inline(always)]
    pub(crate) fn room(&self) -> Room<'_> {
        Room { budget: self, held: 0, alone: false }
    }

    /// As [`room`](Self::room), while nobody else takes or gives: without locked instructions.
    #[inline(always)]
    pub(crate) fn room_alone(&self) -> Room<'_> {
        Room { budget: self, held: 0, alone: true }
    }
}

fn fair_share(capacity: u64, shards: u64) -> u64 {
    (u128::from(capacity) * 7).div_ceil(u128::from(shards) * 8) as u64
}

/// Weight that one call holds in reserve.
#[derive(Debug)]
pub(crate) struct Room<'b> {
    budget: &'b Budget,
    held: u64,
    alone: bool,
}

impl Room<'_> {
    /// Makes sure that `weight` is held, taking the rest from the budget if it is there.
    #[inline]
    pub(crate) fn cover(&mut self, weight: u64) -> bool {
        if self.held < weight {
            let taken = self.budget.take(weight - self.held, self.alone);
            self.held = if taken { weight } else { self.held };
            return taken;
        }
        // What was kept before the capacity became smaller may be more than there is now.
        if weight > 0 && self.budget.is_over() {
            self.budget.give_back(std::mem::replace(&mut self.held, weight) - weight, self.alone);
            return !self.budget.is_over();
        }
        true
    }

    /// Would what is left when everything held is given back weigh no more than this?
    pub(crate) fn rest_fits(&self, weight: u64) -> bool {
        self.budget.used().saturating_sub(self.held) <= weight
    }

    /// Keeps the weight of an entry that is gone.
    pub(crate) fn keep(&mut self, weight: u64) {
        self.held = self.held.saturating_add(weight);
    }

    /// An entry takes `weight` of what is held.
    pub(crate) fn spend(&mut self, weight: u64) {
        debug_assert!(weight <= self.held);
        self.held -= weight;
    }

    /// Gives everything back.
    #[inline]
    pub(crate) fn release(&mut self) {
        self.budget.give_back(std::mem::take(&mut self.held), self.alone);
    }

    pub(crate) fn held(&self) -> u64 {
        self.held
    }
}

impl Drop for Room<'_> {
    #[inline]
    fn drop(&mut self) {
        self.release();
    }
}

/// How entries are weighed.
pub(crate) enum Weigher<K, V> {
    /// Every entry weighs 1: the capacity is a number of entries.
    One,
    /// The user's units.
    Units(Weigh<K, V>),
    /// The bytes that key and value own on the heap; the library's own are added.
    Bytes(Weigh<K, V>),
}

/// A function of the user that weighs an entry.
pub(crate) type Weigh<K, V> = Arc<dyn Fn(&K, &V) -> u64 + Send + Sync>;

impl<K, V> Clone for Weigher<K, V> {
    fn clone(&self) -> Self {
        match self {
            Weigher::One => Weigher::One,
            Weigher::Units(weigh) => Weigher::Units(weigh.clone()),
            Weigher::Bytes(weigh) => Weigher::Bytes(weigh.clone()),
        }
    }
}

impl<K, V> Weigher<K, V> {
    /// The least capacity there is in these units, and how an error says so.
    pub(crate) fn least(&self) -> (u64, &'static str) {
        match self {
            Weigher::Bytes(_) => (1024, "1024 bytes or more"),
            Weigher::One | Weigher::Units(_) => (1, "1 or more"),
        }
    }

    /// The weight of a pair. Runs user code. `overhead` is what the library needs for an entry.
    #[inline]
    pub(crate) fn weigh(&self, key: &K, value: &V, overhead: impl FnOnce() -> u64) -> u64 {
        match self {
            Weigher::One => 1,
            Weigher::Units(weigh) => weigh(key, value),
            Weigher::Bytes(weigh) => weigh(key, value).saturating_add(overhead()),
        }
    }
}

/// The bytes a value owns on the heap, as an allocator gives them out.
///
/// [`Builder::capacity_bytes`](crate::Builder::capacity_bytes) needs it of keys and values. It is
/// implemented for the types of `std`; for your own, add up the fields:
///
/// ```
/// use pinyon::HeapSize;
///
/// struct Page { url: String, body: Vec<u8>, status: u16 }
///
/// impl HeapSize for Page {
///     fn heap_bytes(&self) -> usize {
///         self.url.heap_bytes() + self.body.heap_bytes()
///     }
/// }
/// let page = Page { url: "/".into(), body: vec![0; 1000], status: 200 };
/// assert!(page.heap_bytes() >= 1001);
/// # assert_eq!(page.status, 200);
/// ```
///
/// A counted pointer (`Arc`, `Rc`) is counted in full wherever it stands, so what several entries share is
/// counted several times: the budget then errs on the safe side.
#[diagnostic::on_unimplemented(
    note = "implement `pinyon::HeapSize` for it, or give `capacity_bytes_with` a function that tells its bytes on the heap"
)]
pub trait HeapSize {
    /// Bytes on the heap, beside the value itself: its blocks with what the allocator adds to each.
    fn heap_bytes(&self) -> usize;
}

/// What an allocator spends on a block: its header, and rounding. The figures are those of glibc, which
/// others are near.
#[must_use]
pub fn block_bytes(size: usize) -> usize {
    match size {
        0 => 0,
        // Mapped on their own, in pages.
        131_072.. => (size.saturating_add(16)).div_ceil(4096).saturating_mul(4096),
        _ => (size + 8).next_multiple_of(16).max(32),
    }
}

macro_rules! no_heap {
    ($($ty:ty),*) => { $(impl HeapSize for $ty {
        #[inline]
        fn heap_bytes(&self) -> usize { 0 }
    })* };
}
no_heap!(
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    f32,
    f64,
    bool,
    char,
    (),
    &'static str
);
no_heap!(std::time::Duration, std::net::IpAddr, std::net::SocketAddr);

impl HeapSize for String {
    fn heap_bytes(&self) -> usize {
        block_bytes(self.capacity())
    }
}

impl HeapSize for Box<str> {
    fn heap_bytes(&self) -> usize {
        block_bytes(self.len())
    }
}

impl HeapSize for Arc<str> {
    fn heap_bytes(&self) -> usize {
        block_bytes(self.len() + 2 * size_of::<usize>())
    }
}

fn owned<T: HeapSize>(items: &[T]) -> usize {
    items.iter().fold(0, |sum, item| sum.saturating_add(item.heap_bytes()))
}

impl<T: HeapSize> HeapSize for Vec<T> {
    fn heap_bytes(&self) -> usize {
        block_bytes(self.capacity() * size_of::<T>()).saturating_add(owned(self))
    }
}

impl<T: HeapSize> HeapSize for Box<[T]> {
    fn heap_bytes(&self) -> usize {
        block_bytes(size_of_val(&**self)).saturating_add(owned(self))
    }
}

impl<T: HeapSize> HeapSize for Arc<[T]> {
    fn heap_bytes(&self) -> usize {
        block_bytes(size_of_val(&**self) + 2 * size_of::<usize>()).saturating_add(owned(self))
    }
}

impl<T: HeapSize> HeapSize for Box<T> {
    fn heap_bytes(&self) -> usize {
        block_bytes(size_of::<T>()).saturating_add((**self).heap_bytes())
    }
}

impl<T: HeapSize> HeapSize for Arc<T> {
    fn heap_bytes(&self) -> usize {
        block_bytes(size_of::<T>() + 2 * size_of::<usize>()).saturating_add((**self).heap_bytes())
    }
}

impl<T: HeapSize> HeapSize for Option<T> {
    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, HeapSize::heap_bytes)
    }
}

impl<T: HeapSize, E: HeapSize> HeapSize for Result<T, E> {
    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or_else(HeapSize::heap_bytes, HeapSize::heap_bytes)
    }
}

impl<T: HeapSize, const N: usize> HeapSize for [T; N] {
    fn heap_bytes(&self) -> usize {
        owned(self)
    }
}

macro_rules! tuples {
    ($(($($name:ident $at:tt),+))*) => { $(
        impl<$($name: HeapSize),+> HeapSize for ($($name,)+) {
            fn heap_bytes(&self) -> usize { 0usize$(.saturating_add(self.$at.heap_bytes()))+ }
        }
    )* };
}
tuples!((A 0)(A 0, B 1)(A 0, B 1, C 2)(A 0, B 1, C 2, D 3));

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn g01_a_room_never_takes_more_than_the_capacity() {
        let budget = Budget::new(10, 1);
        let (mut a, mut b) = (budget.room(), budget.room());
        assert!(a.cover(6) && !b.cover(5) && b.cover(4) && !a.cover(7));
        a.spend(6);
        drop((a, b));
        assert_eq!(budget.used(), 6, "what was spent stays, what was held is back");
    }

    #[test]
    fn g01_a_room_takes_what_is_missing_and_keeps_what_it_has() {
        let budget = Budget::new(10, 1);
        let mut room = budget.room();
        room.keep(0);
        assert!(room.cover(3) && room.cover(8) && room.cover(5));
        assert_eq!((room.held(), budget.used()), (8, 8), "only the difference was taken, nothing given back");
    }

    #[test]
    fn g05_a_smaller_capacity_takes_back_what_is_held_in_reserve() {
        let budget = Budget::new(10, 1);
        let mut room = budget.room();
        assert!(room.cover(8));
        budget.set_capacity(6);
        assert!(budget.is_over());
        assert!(room.cover(0), "nothing is wanted");
        assert_eq!(room.held(), 8, "nor given back");
        assert!(budget.room().cover(0), "by one who holds nothing, too");
        assert!(room.cover(5));
        assert_eq!((room.held(), budget.used()), (5, 5));
        budget.set_capacity(5);
        assert!(!budget.is_over() && room.cover(5));
        budget.set_capacity(4);
        assert!(!room.cover(5), "more than there is");
        room.spend(3);
        // Three live, two held.
        budget.set_capacity(3);
        assert!(room.rest_fits(budget.capacity()));
        budget.set_capacity(2);
        assert!(!room.rest_fits(budget.capacity()));
    }

    #[test]
    fn g05_a_fair_part_is_seven_eighths_of_a_shards_share() {
        let budget = Budget::new(100, 4);
        assert!(budget.is_fair(22) && !budget.is_fair(21));
        budget.set_capacity(1000);
        assert!(budget.is_fair(219) && !budget.is_fair(218));
        assert!(Budget::new(u64::MAX, 1).is_fair(u64::MAX / 8 * 7 + 7));
    }

    #[test]
    fn g02_g04_pairs_are_weighed_as_the_builder_was_told() {
        let weigh = || -> Weigh<u64, u64> { Arc::new(|key, value| key * value) };
        assert_eq!(Weigher::One.weigh(&3, &5, || 100), 1);
        assert_eq!(Weigher::Units(weigh()).weigh(&3, &5, || 100), 15);
        assert_eq!(Weigher::Bytes(weigh()).weigh(&3, &5, || 100), 115);
        assert_eq!(Weigher::Bytes(weigh()).clone().weigh(&1, &(u64::MAX), || 100), u64::MAX);
    }

    #[test]
    fn g04_sums_do_not_overflow() {
        let budget = Budget::new(u64::MAX, 1);
        let mut room = budget.room();
        assert!(room.cover(u64::MAX - 1) && !budget.room().cover(2));
        room.keep(u64::MAX);
        assert_eq!(room.held(), u64::MAX);
        room.spend(2);
        std::mem::forget(room);
    }

    #[test]
    fn g02_heap_sizes_count_blocks_and_what_they_own() {
        assert_eq!((0u64.heap_bytes(), String::new().heap_bytes()), (0, 0));
        assert_eq!("x".repeat(100).heap_bytes(), 112);
        assert_eq!(vec![String::from("a"); 3].heap_bytes(), block_bytes(72) + 3 * 32);
        assert_eq!(Some(Box::new(7u64)).heap_bytes(), 32);
        assert_eq!((Arc::<[u8]>::from([0u8; 100]), 1u8).heap_bytes(), block_bytes(116));
        assert_eq!(block_bytes(1 << 20), (1 << 20) + 4096);
        // Lengths at which an error in the header of a counted pointer shows after rounding.
        let (text, numbers) = ("x".repeat(105), [0u8; 105]);
        assert_eq!(Box::<str>::from(&*text).heap_bytes(), block_bytes(105));
        assert_eq!(Arc::<str>::from(&*text).heap_bytes(), block_bytes(105 + 16));
        assert_eq!(Arc::new(numbers).heap_bytes(), block_bytes(105 + 16));
        assert_eq!(Arc::<[u8]>::from(numbers).heap_bytes(), block_bytes(105 + 16));
        let words = || vec![text.clone(); 3];
        assert_eq!(words().into_boxed_slice().heap_bytes(), block_bytes(72) + 3 * block_bytes(105));
        assert_eq!(Arc::<[String]>::from(words()).heap_bytes(), block_bytes(88) + 3 * block_bytes(105));
        assert_eq!(Box::new(text.clone()).heap_bytes(), block_bytes(24) + block_bytes(105));
        assert_eq!(Arc::new(text.clone()).heap_bytes(), block_bytes(40) + block_bytes(105));
        assert_eq!([text.clone(), text.clone()].heap_bytes(), 2 * block_bytes(105));
        assert_eq!(Ok::<_, u8>(text.clone()).heap_bytes(), block_bytes(105));
        assert_eq!(Err::<u8, _>(text).heap_bytes(), block_bytes(105));
    }
}
