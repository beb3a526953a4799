//! scc's `HashCache` through `get_sync`, the call that moves recency. It rounds its capacity up to a power of two.

use super::Fold;
use crate::peer::{Key, Peer, Size, Value};
use scc::HashCache;

pub struct Scc<K: Key, V: Value>(HashCache<K, V, Fold>);

impl<K: Key, V: Value> Peer<K, V> for Scc<K, V> {
    type Reader<'a> = &'a HashCache<K, V, Fold>;

    fn new(size: Size) -> Self {
        Scc(HashCache::with_capacity_and_hasher(size.capacity, size.capacity, Fold::default()))
    }

    fn reader(&self) -> Self::Reader<'_> {
        &self.0
    }

    #[inline]
    fn look<R>(reader: &Self::Reader<'_>, key: &K, look: impl FnOnce(&V) -> R) -> Option<R> {
        reader.get_sync(key).map(|entry| look(entry.get()))
    }

    #[inline]
    fn insert(&self, key: K, value: V) {
        // A pair that is given back was there already, and only in races of this workload: then the value is as good.
        drop(self.0.put_sync(key, value));
    }

    fn held(&self) -> usize {
        self.0.len()
    }
}
