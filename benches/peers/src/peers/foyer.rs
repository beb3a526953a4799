//! foyer's memory cache by itself (8 shards, its default): with S3-FIFO, and with LRU.

use super::Fold;
use crate::peer::{Key, Peer, Size, Value};
use foyer_memory::{Cache, EvictionConfig, LruConfig, S3FifoConfig};
use std::marker::PhantomData;

/// One of its policies.
pub trait Eviction: Send + Sync + 'static {
    fn config() -> EvictionConfig;
}

pub struct S3Fifo;
impl Eviction for S3Fifo {
    fn config() -> EvictionConfig {
        S3FifoConfig::default().into()
    }
}

pub struct Lru;
impl Eviction for Lru {
    fn config() -> EvictionConfig {
        LruConfig::default().into()
    }
}

pub struct Foyer<K: Key, V: Value, E> {
    cache: Cache<K, V, Fold>,
    eviction: PhantomData<E>,
}

impl<K: Key, V: Value, E: Eviction> Peer<K, V> for Foyer<K, V, E> {
    type Reader<'a> = &'a Cache<K, V, Fold>;

    fn new(size: Size) -> Self {
        let builder = Cache::builder(size.capacity).with_eviction_config(E::config());
        Foyer { cache: builder.with_hash_builder(Fold::default()).build(), eviction: PhantomData }
    }

    fn reader(&self) -> Self::Reader<'_> {
        &self.cache
    }

    #[inline]
    fn look<R>(reader: &Self::Reader<'_>, key: &K, look: impl FnOnce(&V) -> R) -> Option<R> {
        reader.get(key).map(|entry| look(entry.value()))
    }

    #[inline]
    fn insert(&self, key: K, value: V) {
        self.cache.insert(key, value);
    }

    fn held(&self) -> usize {
        self.cache.entries()
    }

    fn weight(&self) -> u64 {
        self.cache.usage() as u64
    }
}
