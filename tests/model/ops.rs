//! What may happen to a cache, and how it may be built: the vocabulary of the properties and of the fuzzer.

use pinyon::{Cause, Expiry, InsertOptions, Lifetime, Policy, RandomState};
use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// How many keys and values of one run are alive.
pub type Alive = Arc<AtomicI64>;

/// A key: told apart by its number, counted while it lives.
#[derive(Debug)]
pub struct Key(pub u8, Alive);

impl Key {
    pub fn new(number: u8, alive: &Alive) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Key(number, alive.clone())
    }
}
impl Drop for Key {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Key {}
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl Borrow<u8> for Key {
    fn borrow(&self) -> &u8 {
        &self.0
    }
}

/// A value: `id` is its own for the whole run, `size` is for the weigher. Counted, clones too.
#[derive(Debug)]
pub struct Val {
    pub id: u64,
    pub size: u64,
    alive: Alive,
}

/// The id of a value that was dropped: whoever reads it read freed memory.
pub const DROPPED: u64 = 0xDEAD_DEAD_DEAD_DEAD;

impl Val {
    pub fn new(id: u64, size: u64, alive: &Alive) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Val { id, size, alive: alive.clone() }
    }
}
impl Clone for Val {
    fn clone(&self) -> Self {
        Val::new(self.id, self.size, &self.alive)
    }
}
impl Drop for Val {
    fn drop(&mut self) {
        assert_ne!(self.id, DROPPED, "dropped twice");
        self.id = DROPPED;
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Hashes with fewer bits than are needed, so that keys collide in part or in full.
#[derive(Clone, Debug)]
pub struct Hashing {
    seeded: RandomState,
    mask: u64,
}

impl Hashing {
    pub fn new(mask: u64) -> Self {
        Hashing { seeded: RandomState::with_seeds(1, 2, 3, 4), mask }
    }
}
impl BuildHasher for Hashing {
    type Hasher = Masked<<RandomState as BuildHasher>::Hasher>;
    fn build_hasher(&self) -> Self::Hasher {
        Masked(self.seeded.build_hasher(), self.mask)
    }
}
pub struct Masked<H>(H, u64);
impl<H: Hasher> Hasher for Masked<H> {
    fn finish(&self) -> u64 {
        self.0.finish() & self.1
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
}

/// Lengths of time worth trying: around the wheel's tick (2^20 ns), the entry's coarse unit (2^30 ns), and the ends.
pub const SPANS: [Duration; 14] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_micros(1),
    Duration::from_nanos((1 << 20) - 1),
    Duration::from_nanos(1 << 20),
    Duration::from_millis(50),
    Duration::from_nanos((1 << 30) - 1),
    Duration::from_nanos(1 << 30),
    Duration::from_nanos((1 << 30) + 1),
    Duration::from_secs(3),
    Duration::from_secs(100),
    Duration::from_secs(86_400),
    Duration::from_secs(300 * 366 * 86_400),
    Duration::MAX,
];

/// The lifetime that a number stands for.
pub fn lifetime(code: u64) -> Lifetime {
    match code % (SPANS.len() as u64 + 2) {
        0 => Lifetime::Default,
        1 => Lifetime::Never,
        n => Lifetime::After(SPANS[n as usize - 2]),
    }
}

/// A rule that says of every value what its id says, so that the model can say it too.
pub struct Rule;

impl Rule {
    pub fn created(key: u8, id: u64) -> Lifetime {
        lifetime(id * 7 + u64::from(key))
    }
    pub fn updated(id: u64, remaining: Option<Duration>) -> Lifetime {
        match id % 3 {
            0 => remaining.map_or(Lifetime::Never, Lifetime::After),
            _ => lifetime(id * 5 + 1),
        }
    }
    pub fn was_read(id: u64, remaining: Option<Duration>) -> Lifetime {
        match id % 4 {
            0 => Lifetime::After(remaining.unwrap_or(SPANS[9]) / 2),
            1 => lifetime(id / 4),
            _ => Lifetime::Default,
        }
    }
}
impl Expiry<Key, Val> for Rule {
    fn after_create(&self, key: &Key, value: &Val) -> Lifetime {
        Rule::created(key.0, value.id)
    }
    fn after_update(&self, _: &Key, value: &Val, remaining: Option<Duration>) -> Lifetime {
        Rule::updated(value.id, remaining)
    }
    fn after_read(&self, _: &Key, value: &Val, remaining: Option<Duration>) -> Lifetime {
        Rule::was_read(value.id, remaining)
    }
}

/// The options of one write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    pub ttl: Option<Duration>,
    pub tti: Option<Duration>,
    pub forever: bool,
    pub weight: Option<u64>,
    /// A bit for each of three.
    pub tags: u8,
}

/// How the tags of the bits are called.
pub const TAGS: [&str; 3] = ["a", "b", "c"];

impl Terms {
    pub fn is_timed(self) -> bool {
        self.ttl.is_some() || self.tti.is_some() || self.forever
    }

    pub fn options(self) -> InsertOptions {
        let mut options = InsertOptions::new();
        if self.forever {
            options = options.forever();
        }
        if let Some(ttl) = self.ttl {
            options = options.ttl(ttl);
        }
        if let Some(tti) = self.tti {
            options = options.tti(tti);
        }
        if let Some(weight) = self.weight {
            options = options.weight(weight);
        }
        options
            .tags(TAGS.iter().enumerate().filter(|(bit, _)| self.tags >> bit & 1 != 0).map(|(_, name)| name))
    }
}

/// What the closure of a compute answers.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Put,
    PutWith(Terms),
    Remove,
    Keep,
}

/// Which values a closure accepts: those whose id leaves another rest than this by 3.
pub type Refuses = u64;

#[derive(Clone, Debug)]
pub enum Op {
    Insert(u8, u64),
    InsertWith(u8, u64, Terms),
    InsertIfAbsent(u8, u64),
    Replace(u8, u64),
    ReplaceIf(u8, u64, Refuses),
    GetOrInsert(u8, u64),
    /// Consecutive keys, from the first.
    Fill(u8, u8, u64),
    Get(u8),
    /// Holds the value over the operations to come.
    Hold(u8),
    LetGo,
    /// Looks at all there is through a pin, and keeps both until the next `Unpin`.
    Pin,
    Unpin,
    With(u8),
    Peek(u8),
    Contains(u8),
    GetMany(Vec<u8>),
    Metadata(u8),
    Iterate,
    IterateFurther(u8),
    Remove(u8),
    RemoveIf(u8, Refuses),
    Invalidate(u8),
    Compute(u8, u64, Answer, Answer),
    Touch(u8),
    SetLifetime(u8, Lifetime),
    Retain(Refuses),
    Clear,
    InvalidateAll,
    /// By its bit; beyond those there are, a tag that nothing has.
    InvalidateTag(u8),
    /// Thousandths of the capacity it was built with.
    SetCapacity(u64),
    Maintain(usize),
    Advance(Duration),
}

/// The units of a capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Entries,
    Weight,
    Bytes,
}

#[derive(Clone, Debug)]
pub struct Setting {
    pub shards: usize,
    pub unit: Unit,
    pub capacity: u64,
    pub policy: Policy,
    pub ttl: Option<Duration>,
    pub tti: Option<Duration>,
    pub rule: bool,
    pub listener: bool,
    pub dated: bool,
    pub mask: u64,
}

/// One thing a listener was told.
pub type Told = (u8, u64, Cause);
