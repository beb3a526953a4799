//! TinyUFO: keeps a hash instead of the key, and its own hasher (ahash).

use crate::peer::{Key, Peer, Size, Value};
use std::sync::atomic::{AtomicUsize, Ordering};
use tinyufo::TinyUfo;

pub struct Ufo<K, V> {
    cache: TinyUfo<K, V>,
    /// It does not count its entries: insertions less evictions, by one more counter a write.
    held: AtomicUsize,
}

impl<K: Key, V: Value> Peer<K, V> for Ufo<K, V> {
    type Reader<'a> = &'a TinyUfo<K, V>;

    fn new(size: Size) -> Self {
        Ufo { cache: TinyUfo::new(size.capacity, size.capacity), held: AtomicUsize::new(0) }
    }

    fn reader(&self) -> Self::Reader<'_> {
        &self.cache
    }

    #[inline]
    fn look<R>(reader: &Self::Reader<'_>, key: &K, look: impl FnOnce(&V) -> R) -> Option<R> {
        reader.get(key).map(|value| look(&value))
    }

    #[inline]
    fn insert(&self, key: K, value: V) {
        let out = self.cache.put(key, value, 1).len();
        self.held.fetch_add(1usize.wrapping_sub(out), Ordering::Relaxed);
    }

    fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}
