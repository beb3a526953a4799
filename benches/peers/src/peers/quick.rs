//! quick_cache: its default number of shards, `get`.

use crate::peer::{Key, Peer, Size, Value};
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use std::hash::BuildHasher;

pub struct Quick<K, V, S>(Cache<K, V, UnitWeighter, S>);

impl<K: Key, V: Value, S: BuildHasher + Default + Clone + Send + Sync + 'static> Peer<K, V>
    for Quick<K, V, S>
{
    type Reader<'a> = &'a Cache<K, V, UnitWeighter, S>;

    fn new(size: Size) -> Self {
        let (items, weight) = (size.capacity, size.capacity as u64);
        Quick(Cache::with(items, weight, UnitWeighter, S::default(), DefaultLifecycle::default()))
    }

    fn reader(&self) -> Self::Reader<'_> {
        &self.0
    }

    #[inline]
    fn look<R>(reader: &Self::Reader<'_>, key: &K, look: impl FnOnce(&V) -> R) -> Option<R> {
        reader.get(key).map(|value| look(&value))
    }

    #[inline]
    fn insert(&self, key: K, value: V) {
        self.0.insert(key, value);
    }

    fn held(&self) -> usize {
        self.0.len()
    }

    fn weight(&self) -> u64 {
        self.0.weight()
    }
}
