//! The user's code that the cache runs: it stops now and then for a while, at the places where another thread's operation
//! hurts most.

use pinyon::{ManualTicker, Ticker};
use std::cell::Cell;
use std::hash::{BuildHasher, Hash, Hasher};
use std::thread;
use std::time::Duration;

/// A small generator (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

pub fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

thread_local! {
    /// Whence the pauses of this thread come; none: it never stops.
    static PAUSES: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Lets this thread stop now and then, or not.
pub fn set_pauses(seed: Option<u64>) {
    PAUSES.set(seed);
}

/// Stops for a while, now and then.
pub fn pause() {
    let Some(seed) = PAUSES.get() else { return };
    let mut random = Random(seed);
    match random.below(256) {
        0 => thread::yield_now(),
        1..=16 => (0..random.below(300)).for_each(|_| std::hint::spin_loop()),
        _ => {}
    }
    PAUSES.set(Some(random.0));
}

/// A key whose equality takes its time.
#[derive(Clone, Copy, Debug, Eq)]
pub struct Key(pub u64);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        pause();
        self.0 == other.0
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.0);
    }
}

/// A value on the heap, so that the address sanitizer sees who reads it too late; its clone takes its time.
#[derive(Debug)]
pub struct Value(Box<u64>);

impl Value {
    pub fn new(number: u64) -> Self {
        Value(Box::new(number))
    }
    pub fn number(&self) -> u64 {
        *self.0
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        pause();
        Value::new(*self.0)
    }
}

/// Hashes of a few values only, or of all.
#[derive(Clone, Copy, Debug)]
pub struct Hashing {
    pub collide: bool,
}

pub struct Mixed(u64, bool);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        if self.1 { mix(self.0 % COLLIDING) } else { mix(self.0) }
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers");
    }
    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }
}

/// How many hashes there are where keys collide.
pub const COLLIDING: u64 = 8;

impl BuildHasher for Hashing {
    type Hasher = Mixed;
    fn build_hasher(&self) -> Mixed {
        Mixed(0, self.collide)
    }
}

/// A ticker that takes its time.
pub struct Slow(pub ManualTicker);

impl Ticker for Slow {
    fn now(&self) -> Duration {
        pause();
        self.0.now()
    }
}
