//! moka, and mini-moka: `get`.

use super::Fold;
use crate::peer::{Key, Peer, Size, Value};
use mini_moka::sync::ConcurrentCacheExt;
use std::time::Duration;

/// moka's `sync::Cache`.
pub struct Moka<K, V>(moka::sync::Cache<K, V, Fold>);

impl<K: Key, V: Value> Peer<K, V> for Moka<K, V> {
    type Reader<'a> = &'a moka::sync::Cache<K, V, Fold>;

    fn new(size: Size) -> Self {
        let builder = moka::sync::Cache::builder().max_capacity(size.capacity as u64);
        Moka(builder.build_with_hasher(Fold::default()))
    }

    fn with_ttl(size: Size, ttl: Duration) -> Option<Self> {
        let builder = moka::sync::Cache::builder().max_capacity(size.capacity as u64);
        Some(Moka(builder.time_to_live(ttl).build_with_hasher(Fold::default())))
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

    fn settle(&self) {
        self.0.run_pending_tasks();
    }

    fn held(&self) -> usize {
        self.0.entry_count() as usize
    }

    fn weight(&self) -> u64 {
        self.0.weighted_size()
    }
}

/// mini-moka's `sync::Cache`.
pub struct MiniMoka<K, V>(mini_moka::sync::Cache<K, V, Fold>);

impl<K: Key, V: Value> Peer<K, V> for MiniMoka<K, V> {
    type Reader<'a> = &'a mini_moka::sync::Cache<K, V, Fold>;

    fn new(size: Size) -> Self {
        let builder = mini_moka::sync::Cache::builder().max_capacity(size.capacity as u64);
        MiniMoka(builder.build_with_hasher(Fold::default()))
    }

    fn with_ttl(size: Size, ttl: Duration) -> Option<Self> {
        let builder = mini_moka::sync::Cache::builder().max_capacity(size.capacity as u64);
        Some(MiniMoka(builder.time_to_live(ttl).build_with_hasher(Fold::default())))
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

    fn settle(&self) {
        self.0.sync();
    }

    fn held(&self) -> usize {
        self.0.entry_count() as usize
    }

    fn weight(&self) -> u64 {
        self.0.weighted_size()
    }
}
