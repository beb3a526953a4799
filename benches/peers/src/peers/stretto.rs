//! stretto: ten counters for each entry, every entry of cost 1, one hash for a key (which it never compares).

use super::Fold;
use crate::peer::{Key, Peer, Size, Value};
use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::time::Duration;
use stretto::{Cache, KeyBuilder};

/// One hash of a key, by the hasher that the others have.
pub struct OneHash<K> {
    hasher: Fold,
    keys: PhantomData<fn(K)>,
}

impl<K: Hash + Eq> KeyBuilder for OneHash<K> {
    type Key = K;

    #[inline]
    fn hash_index<Q>(&self, key: &Q) -> u64
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.hasher.hash_one(key)
    }
}

pub struct Stretto<K: Key, V: Value> {
    cache: Cache<K, V, OneHash<K>>,
    ttl: Option<Duration>,
}

impl<K: Key, V: Value> Stretto<K, V> {
    fn build(size: Size, ttl: Option<Duration>) -> Self {
        let keys = OneHash { hasher: Fold::default(), keys: PhantomData };
        let builder = Cache::builder(10 * size.capacity, size.capacity as i64).set_key_builder(keys);
        Stretto {
            cache: builder.set_ignore_internal_cost(true).finalize().expect("the settings are fine"),
            ttl,
        }
    }
}

impl<K: Key, V: Value> Peer<K, V> for Stretto<K, V> {
    type Reader<'a> = &'a Cache<K, V, OneHash<K>>;

    fn new(size: Size) -> Self {
        Self::build(size, None)
    }

    fn with_ttl(size: Size, ttl: Duration) -> Option<Self> {
        Some(Self::build(size, Some(ttl)))
    }

    fn reader(&self) -> Self::Reader<'_> {
        &self.cache
    }

    #[inline]
    fn look<R>(reader: &Self::Reader<'_>, key: &K, look: impl FnOnce(&V) -> R) -> Option<R> {
        reader.get(key).map(|value| look(value.as_ref()))
    }

    #[inline]
    fn insert(&self, key: K, value: V) {
        match self.ttl {
            Some(ttl) => self.cache.insert_with_ttl(key, value, 1, ttl),
            None => self.cache.insert(key, value, 1),
        };
    }

    fn settle(&self) {
        self.cache.wait().expect("its worker runs");
    }

    fn held(&self) -> usize {
        self.cache.len()
    }
}
