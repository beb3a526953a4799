//! What a peer has to be able to do: one small trait, so that every loop that is timed is the same source for all.
//!
//! Everything is generic and inlined: an adapter costs nothing over the call that it wraps.

use std::hash::Hash;
use std::time::Duration;

/// How many reads share one reader, and how often the loops look at the clock.
pub const BATCH: usize = 1024;

/// Keys that all peers accept.
pub trait Key: Hash + Eq + Clone + Send + Sync + 'static {}
impl<K: Hash + Eq + Clone + Send + Sync + 'static> Key for K {}

/// Values that all peers accept.
pub trait Value: Clone + Send + Sync + 'static {}
impl<V: Clone + Send + Sync + 'static> Value for V {}

/// How large a cache is to be.
#[derive(Clone, Copy)]
pub struct Size {
    /// What a cache may hold.
    pub capacity: usize,
    /// What will be in it: a map, which has no bound, is made for this many.
    pub resident: usize,
}

impl Size {
    /// A cache that will be full.
    pub fn full(capacity: usize) -> Self {
        Size { capacity, resident: capacity }
    }
}

/// What takes part in which workloads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bounded, evicts: everything.
    Cache,
    /// Another way to read a cache that is in the list already: only where reads are measured.
    Reads,
    /// Without a bound: no workload that evicts.
    Map,
    /// As a map, and for one thread only.
    Bare,
}

/// A cache or map under test.
pub trait Peer<K: Key, V: Value>: Sync + Sized + 'static {
    /// Which workloads it takes part in.
    const KIND: Kind = Kind::Cache;

    /// What reads go through, made again every [`BATCH`] reads: a guard, or just the cache.
    type Reader<'a>
    where
        Self: 'a;

    fn new(size: Size) -> Self;

    /// The same with a time to live for every entry, if the peer knows lifetimes.
    fn with_ttl(_size: Size, _ttl: Duration) -> Option<Self> {
        None
    }

    fn reader(&self) -> Self::Reader<'_>;

    /// Reads by the peer's own best call for a value that may be cloned, and looks at what it returned.
    fn look<R>(reader: &Self::Reader<'_>, key: &K, look: impl FnOnce(&V) -> R) -> Option<R>;

    fn insert(&self, key: K, value: V);

    /// Fills: before other threads see the cache.
    fn put(&mut self, key: K, value: V) {
        self.insert(key, value);
    }

    /// Waits until what was inserted is in the cache, for peers that do it later.
    fn settle(&self) {}

    /// Entries, as the peer counts them.
    fn held(&self) -> usize;

    /// What stands against the capacity, as the peer counts it, with each entry of weight 1.
    fn weight(&self) -> u64 {
        self.held() as u64
    }
}
