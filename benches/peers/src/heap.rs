//! An allocator that counts what is allocated, when it is told to, and the memory that the process has in use.
//!
//! Nothing is counted in the timed workloads: there it is the system's allocator and one load of a constant word.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

pub struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Set once, before the first thread is started.
static ON: AtomicBool = AtomicBool::new(false);
static ASKED: AtomicI64 = AtomicI64::new(0);
static TAKEN: AtomicI64 = AtomicI64::new(0);
static BLOCKS: AtomicI64 = AtomicI64::new(0);

/// What lives on the heap.
#[derive(Clone, Copy)]
pub struct Heap {
    /// Bytes that were asked for.
    pub asked: i64,
    /// The same as glibc rounds them.
    pub taken: i64,
    pub blocks: i64,
}

impl Heap {
    /// Begins to count, if that has not begun yet, and reads the counters.
    pub fn now() -> Self {
        ON.store(true, Relaxed);
        Heap { asked: ASKED.load(Relaxed), taken: TAKEN.load(Relaxed), blocks: BLOCKS.load(Relaxed) }
    }
}

/// What glibc needs for a block: a header of 8 bytes, in steps of 16, at least 32; of its own pages if it is large.
fn rounded(size: usize) -> usize {
    match size {
        0..131_072 => (size + 8).next_multiple_of(16).max(32),
        _ => (size + 16).next_multiple_of(4096),
    }
}

fn count(size: usize, sign: i64) {
    if ON.load(Relaxed) {
        ASKED.fetch_add(sign * size as i64, Relaxed);
        TAKEN.fetch_add(sign * rounded(size) as i64, Relaxed);
        BLOCKS.fetch_add(sign, Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), -1);
        count(size, 1);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// Bytes of the process that are in memory: now, and at most so far. Zero where the system does not say.
pub fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let read = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    (read("VmRSS").unwrap_or(0) << 10, read("VmHWM").unwrap_or(0) << 10)
}
