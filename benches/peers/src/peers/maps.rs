//! Maps without a bound: papaya with a guard for each read and with one for a batch; dashmap; a bare hashbrown.
//!
//! They are what a read costs when nothing is ever evicted.

use super::Fold;
use crate::peer::{Key, Kind, Peer, Size, Value};
use dashmap::DashMap;
use papaya::{HashMap, HashMapRef, LocalGuard};

/// A guard for each read.
pub struct Papaya<K, V>(HashMap<K, V, Fold>);

impl<K: Key, V: Value> Peer<K, V> for Papaya<K, V> {
    const KIND: Kind = Kind::Map;
    type Reader<'a> = &'a HashMap<K, V, Fold>;

    fn new(size: Size) -> Self {
        Papaya(HashMap::with_capacity_and_hasher(size.resident, Fold::default()))
    }

    fn reader(&self) -> Self::Reader<'_> {
        &self.0
    }

    #[inline]
    fn look<R>(reader: &Self::Reader<'_>, key: &K, look: impl FnOnce(&V) -> R) -> Option<R> {
        reader.pin().get(key).map(look)
    }

    #[inline]
    fn insert(&self, key: K, value: V) {
        self.0.pin().insert(key, value);
    }

    fn held(&self) -> usize {
        self.0.len()
    }
}

/// One guard for a batch of reads.
pub struct PapayaPinned<K, V>(Papaya<K, V>);

impl<K: Key, V: Value> Peer<K, V> for PapayaPinned<K, V> {
    const KIND: Kind = Kind::Map;
    type Reader<'a> = HashMapRef<'a, K, V, Fold, LocalGuard<'a>>;

    fn new(size: Size) -> Self {
        PapayaPinned(Papaya::new(size))
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

/// dashmap.
pub struct Dash<K, V>(DashMap<K, V, Fold>);

impl<K: Key, V: Value> Peer<K, V> for Dash<K, V> {
    const KIND: Kind = Kind::Map;
    type Reader<'a> = &'a DashMap<K, V, Fold>;

    fn new(size: Size) -> Self {
        Dash(DashMap::with_capacity_and_hasher(size.resident, Fold::default()))
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
}

/// hashbrown under nothing: one thread, and no writes once it is shared.
pub struct Bare<K, V>(hashbrown::HashMap<K, V, Fold>);

impl<K: Key, V: Value> Peer<K, V> for Bare<K, V> {
    const KIND: Kind = Kind::Bare;
    type Reader<'a> = &'a hashbrown::HashMap<K, V, Fold>;

    fn new(size: Size) -> Self {
        Bare(hashbrown::HashMap::with_capacity_and_hasher(size.resident, Fold::default()))
    }

    fn reader(&self) -> Self::Reader<'_> {
        &self.0
    }

    #[inline]
    fn look<R>(reader: &Self::Reader<'_>, key: &K, look: impl FnOnce(&V) -> R) -> Option<R> {
        reader.get(key).map(look)
    }

    fn insert(&self, _key: K, _value: V) {
        unreachable!("a bare map is only read once it is shared");
    }

    fn put(&mut self, key: K, value: V) {
        self.0.insert(key, value);
    }

    fn held(&self) -> usize {
        self.0.len()
    }
}
