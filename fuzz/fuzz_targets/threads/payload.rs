//! Keys and values that can tell whether they are whole, and a hash under which keys collide.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// How many keys and values on the heap are alive.
pub type Alive = Arc<AtomicI64>;

pub trait Key: Eq + Hash + Borrow<u8> + Send + Sync + 'static {
    fn new(number: u8, alive: &Alive) -> Self;
    fn number(&self) -> u8;
}

pub trait Value: Clone + Send + Sync + 'static {
    fn new(key: u8, id: u64, alive: &Alive) -> Self;
    fn id(&self) -> u64;
    /// Panics unless it is whole, and of this key.
    fn check(&self, key: u8);
}

/// The words of a value: its id, and others that follow from it, the key and their place.
fn word(key: u8, id: u64, place: usize) -> u64 {
    let mixed = (id ^ u64::from(key) << 56).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    if place == 0 { id } else { mixed.rotate_left(place as u32 * 7) }
}

fn check(words: &[u64], key: u8) {
    for (place, found) in words.iter().enumerate() {
        let expected = word(key, words[0], place);
        assert_eq!(*found, expected, "word {place} of the value {words:x?} of key {key}");
    }
}

/// A key that is looked at through a pointer.
pub struct HeapKey(Box<u8>, Alive);

impl Key for HeapKey {
    fn new(number: u8, alive: &Alive) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        HeapKey(Box::new(number), alive.clone())
    }
    fn number(&self) -> u8 {
        *self.0
    }
}

impl Drop for HeapKey {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

impl PartialEq for HeapKey {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for HeapKey {}
impl Hash for HeapKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl Borrow<u8> for HeapKey {
    fn borrow(&self) -> &u8 {
        &self.0
    }
}

/// A value on the heap, of different lengths.
pub struct Heap(Box<[u64]>, Alive);

impl Value for Heap {
    fn new(key: u8, id: u64, alive: &Alive) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Heap((0..2 + id as usize % 7).map(|place| word(key, id, place)).collect(), alive.clone())
    }
    fn id(&self) -> u64 {
        self.0[0]
    }
    fn check(&self, key: u8) {
        check(&self.0, key);
    }
}

impl Clone for Heap {
    fn clone(&self) -> Self {
        self.1.fetch_add(1, Ordering::Relaxed);
        Heap(self.0.clone(), self.1.clone())
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        assert_ne!(self.id(), u64::MAX, "dropped twice");
        self.0[0] = u64::MAX;
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Key for u8 {
    fn new(number: u8, _: &Alive) -> Self {
        number
    }
    fn number(&self) -> u8 {
        *self
    }
}

/// A value that owns nothing: its entry is dropped without a call, and its row used again.
#[derive(Clone)]
pub struct Plain([u64; 6]);

impl Value for Plain {
    fn new(key: u8, id: u64, _: &Alive) -> Self {
        Plain(std::array::from_fn(|place| word(key, id, place)))
    }
    fn id(&self) -> u64 {
        self.0[0]
    }
    fn check(&self, key: u8) {
        check(&self.0, key);
    }
}

/// The same in every run; of the hash only the bits of the mask are left.
#[derive(Clone, Copy)]
pub struct Hashing(pub u64);

impl BuildHasher for Hashing {
    type Hasher = Masked;
    fn build_hasher(&self) -> Masked {
        Masked { state: 0, mask: self.0 }
    }
}

pub struct Masked {
    state: u64,
    mask: u64,
}

impl Hasher for Masked {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state =
                (self.state ^ u64::from(*byte) ^ 0xA5).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        }
    }
    fn finish(&self) -> u64 {
        self.state & self.mask
    }
}
