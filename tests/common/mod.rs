//! What the tests share: caches that are validated at the end, chance, drop counting, a metered allocator.

#![allow(dead_code, unsafe_code)]

use pinyon::{Builder, Cache, RandomState};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

/// A cache whose structure is validated when the test is over.
pub struct Checked<K: Eq + Hash, V, S: BuildHasher = RandomState>(Cache<K, V, S>);

pub fn checked<K: Eq + Hash, V, S: BuildHasher>(builder: Builder<K, V, S>) -> Checked<K, V, S> {
    Checked(builder.build().expect("a good description"))
}

impl<K: Eq + Hash, V, S: BuildHasher> Deref for Checked<K, V, S> {
    type Target = Cache<K, V, S>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Drop for Checked<K, V, S> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.validate();
        }
    }
}

/// The tests of a file that must not see each other's pins and allocations run one at a time.
pub fn alone() -> MutexGuard<'static, ()> {
    static GATE: Mutex<()> = Mutex::new(());
    GATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a test that hangs if the promise is broken, in a process of its own, so that a hang fails it and disturbs
/// nobody else.
pub fn finishes(what: &str, test: impl FnOnce()) {
    assert_eq!(in_child(test), Fate::Exited(0), "{what}: killed by 14 is a hang");
}

/// splitmix64.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng(seed ^ 0x5EED);
        Rng(rng.next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// The keys of a cache, each seen once.
pub fn keys<K: Eq + Hash + Clone + fmt::Debug, V, S: BuildHasher>(cache: &Cache<K, V, S>) -> HashSet<K> {
    let mut seen = HashSet::new();
    for entry in cache {
        assert!(seen.insert(entry.key().clone()), "{:?} was seen twice", entry.key());
    }
    seen
}

/// Every key has the same hash.
#[derive(Clone, Copy, Debug, Default)]
pub struct Constant(pub u64);

impl BuildHasher for Constant {
    type Hasher = Self;
    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for Constant {
    fn write(&mut self, _: &[u8]) {}
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Counts the tokens that live.
#[derive(Clone, Debug, Default)]
pub struct Census(Arc<AtomicIsize>);

impl Census {
    pub fn token(&self, id: u64) -> Token {
        self.0.fetch_add(1, Ordering::SeqCst);
        Token { id, canary: Cell::new(ALIVE), census: self.clone() }
    }

    pub fn alive(&self) -> isize {
        self.0.load(Ordering::SeqCst)
    }
}

const ALIVE: u64 = 0xA11F_E000_A11F_E000;

/// Something whose drop is noticed, and whose use after it as well.
pub struct Token {
    id: u64,
    canary: Cell<u64>,
    census: Census,
}

// SAFETY: the canary is written by drop alone, when nobody else can see the token.
unsafe impl Sync for Token {}

impl Token {
    pub fn id(&self) -> u64 {
        assert_eq!(self.canary.get(), ALIVE, "a dead value was read");
        self.id
    }
}

impl Clone for Token {
    fn clone(&self) -> Self {
        self.census.token(self.id())
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        assert_eq!(self.canary.replace(0), ALIVE, "dropped twice");
        self.census.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.id())
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}
impl Eq for Token {}
impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

/// The message of a panic that a test made itself.
pub const FUSE: &str = "the fuse of a test";

/// Keeps expected panics out of the output.
pub fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&FUSE) {
                loud(info);
            }
        }));
    });
}

/// An allocator that knows how much is in use, how often each thread asked, and can put what a thread allocates
/// into one range of memory.
pub struct Meter;

static IN_USE: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static IN_ARENA: Cell<bool> = const { Cell::new(false) };
}

/// The bytes of the arena: enough for the caches of a test.
pub const ARENA: usize = 16 << 20;
static ARENA_START: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static ARENA_USED: AtomicUsize = AtomicUsize::new(0);
static ARENA_OPEN: AtomicBool = AtomicBool::new(false);

/// What the allocator spends on a block: its usable size and its header. What it skips for an alignment beyond a page is
/// address space that nobody touches.
fn block(at: *mut u8, layout: Layout) -> isize {
    // SAFETY: a live block of malloc.
    let usable = unsafe { libc::malloc_usable_size(at.cast()) };
    (8 + if layout.align() > 4096 { layout.size() } else { usable }) as isize
}

fn is_in_arena(at: *mut u8) -> bool {
    let start = ARENA_START.load(Ordering::Relaxed);
    !start.is_null() && (at.addr().wrapping_sub(start.addr())) < ARENA
}

// SAFETY: everything is the system's allocator's, or a bump allocator that never reuses anything.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        if IN_ARENA.try_with(Cell::get).unwrap_or(false) {
            let at = ARENA_USED.fetch_add(layout.size() + layout.align(), Ordering::Relaxed);
            let at = at.next_multiple_of(layout.align());
            if at + layout.size() > ARENA {
                return std::ptr::null_mut();
            }
            // SAFETY: within the arena.
            return unsafe { ARENA_START.load(Ordering::Relaxed).add(at) };
        }
        // SAFETY: passed on.
        let at = unsafe { System.alloc(layout) };
        let size = block(at, layout);
        PEAK.fetch_max(IN_USE.fetch_add(size, Ordering::Relaxed) + size, Ordering::Relaxed);
        at
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if is_in_arena(at) {
            return;
        }
        IN_USE.fetch_sub(block(at, layout), Ordering::Relaxed);
        // SAFETY: passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Bytes on the heap now.
pub fn in_use() -> isize {
    IN_USE.load(Ordering::Relaxed)
}

/// The most bytes on the heap since the last call.
pub fn take_peak() -> isize {
    PEAK.swap(in_use(), Ordering::Relaxed)
}

/// How often the calling thread has allocated.
pub fn allocations() -> u64 {
    CALLS.get()
}

/// Runs `make`, and puts what it allocates on this thread into the arena, once in a process.
pub fn in_arena<T>(make: impl FnOnce() -> T) -> T {
    if !ARENA_OPEN.swap(true, Ordering::SeqCst) {
        let (read_write, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), ARENA, read_write, flags, -1, 0) };
        assert_ne!(at, libc::MAP_FAILED);
        ARENA_START.store(at.cast(), Ordering::SeqCst);
    }
    IN_ARENA.set(true);
    let made = make();
    IN_ARENA.set(false);
    made
}

/// Forbids or allows writes to the arena.
pub fn protect_arena(writable: bool) {
    let mode = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
    // SAFETY: the arena's own mapping.
    let status = unsafe { libc::mprotect(ARENA_START.load(Ordering::SeqCst).cast(), ARENA, mode) };
    assert_eq!(status, 0);
}

/// What became of a child.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    Exited(i32),
    Killed(i32),
}

/// Runs `work` in a forked child, which exits with 0 if it did not panic, and is killed if it hangs.
pub fn in_child(work: impl FnOnce()) -> Fate {
    // SAFETY: the child uses nothing that another thread of the parent may have locked: glibc's allocator is
    // made ready for the child by its own handlers, and nothing else is shared.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork failed");
    if child == 0 {
        // SAFETY: plain system calls.
        unsafe { libc::alarm(120) };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        if let Err(panic) = &outcome {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic in the child");
            // SAFETY: a plain system call.
            unsafe { libc::write(2, format!("in the child: {text}\n").as_ptr().cast(), text.len() + 15) };
        }
        // SAFETY: as above; no destructors of the parent's run in the child.
        unsafe { libc::_exit(i32::from(outcome.is_err())) };
    }
    let mut status = 0;
    // SAFETY: our own child.
    while unsafe { libc::waitpid(child, &raw mut status, 0) } != child {}
    if libc::WIFEXITED(status) {
        Fate::Exited(libc::WEXITSTATUS(status))
    } else {
        Fate::Killed(libc::WTERMSIG(status))
    }
}
