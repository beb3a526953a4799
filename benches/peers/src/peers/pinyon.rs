//! Pinyon: `get`; `pin` made again every batch; `with`.

use super::Fold;
use crate::peer::{Key, Kind, Peer, Size, Value};
use pinyon::Cache;
use std::hash::BuildHasher;
use std::time::Duration;

/// Read by `get`, which clones.
pub struct Pinyon<K, V, S>(pub Cache<K, V, S>);

impl<K: Key, V: Value, S: BuildHasher + Default + Send + Sync + 'static> Peer<K, V> for Pinyon<K, V, S> {
    type Reader<'a> = &'a Cache<K, V, S>;

    fn new(size: Size) -> Self {
        let builder = Cache::builder().capacity(size.capacity as u64).hasher(S::default());
        Pinyon(builder.build().expect("the settings are fine"))
    }

    fn with_ttl(size: Size, ttl: Duration) -> Option<Self> {
        let builder = Cache::builder().capacity(size.capacity as u64).hasher(S::default());
        Some(Pinyon(builder.time_to_live(ttl).build().expect("the settings are fine")))
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

/// The same cache through `pin`.
pub struct Pinned<K, V>(Pinyon<K, V, Fold>);

impl<K: Key, V: Value> Peer<K, V> for Pinned<K, V> {
    const KIND: Kind = Kind::Reads;
    type Reader<'a> = pinyon::Pinned<'a, K, V, Fold>;

    fn new(size: Size) -> Self {
        Pinned(Pinyon::new(size))
    }

    fn with_ttl(size: Size, ttl: Duration) -> Option<Self> {
        Pinyon::with_ttl(size, ttl).map(Pinned)
    }

    fn reader(&self) -> Self::Reader<'_> {
        self.0.0.pin()
    }

    #[inline]
    fn look<R>(reader: &Self::Reader<'_>, key: &K, look: impl FnOnce(&V) -> R) -> Option<R> {
        reader.get(key).map(look)
    }

    #[inline]
    fn insert(&self, key: K, value: V) {
        self.0.insert(key, value);
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}

/// The same cache through `with`, a guard for each read.
pub struct With<K, V>(Pinyon<K, V, Fold>);

impl<K: Key, V: Value> Peer<K, V> for With<K, V> {
    const KIND: Kind = Kind::Reads;
    type Reader<'a> = &'a Cache<K, V, Fold>;

    fn new(size: Size) -> Self {
        With(Pinyon::new(size))
    }

    fn with_ttl(size: Size, ttl: Duration) -> Option<Self> {
        Pinyon::with_ttl(size, ttl).map(With)
    }

    fn reader(&self) -> Self::Reader<'_> {
        &self.0.0
    }

    #[inline]
    fn look<R>(reader: &Self::Reader<'_>, key: &K, look: impl FnOnce(&V) -> R) -> Option<R> {
        reader.with(key, look)
    }

    #[inline]
    fn insert(&self, key: K, value: V) {
        self.0.insert(key, value);
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}
