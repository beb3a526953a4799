//! Reclamation: when may memory be freed that a reader without a lock may still see?
//!
//! # What it is
//!
//! Epoch-based reclamation with an asymmetric barrier, and hazard words for references that are
//! held. A reader pays two plain stores; a writer pays a system call per *batch* of what it
//! unlinked. (Epochs: Fraser, *Practical lock-freedom*, 2004. Hazard words: Michael, *Hazard
//! pointers*, 2004. The asymmetric barrier: `membarrier(2)`, as in userspace RCU.)
//!
//! # The protocol
//!
//! There is one counter, the *epoch*, and one [`Reader`] per thread in a list that only grows.
//!
//! * **enter** ([`Pin::new`]): `reader.epoch = epoch`, light barrier, then loads of the structure.
//! * **leave** (drop of the outermost [`Pin`]): `reader.epoch = IDLE`, release.
//! * **protect** ([`Pin::protect`]): under a pin, write the address of one thing into a hazard word
//!   of the reader; from then on the pin may go and that one thing stays.
//! * **seal** ([`seal`]): after a batch was unlinked, `tag = epoch++`. A reader that enters with an
//!   epoch above `tag` read it from this increment or a later one, so it sees the batch unlinked.
//! * **horizon** ([`horizon`]): read the epoch, heavy barrier, then read every reader. A thing of a batch
//!   may be freed if the batch's tag is below that epoch (it was sealed before), no reader is inside with
//!   an epoch of at most the tag, and no hazard word holds the thing's address.
//! * **latest** ([`latest`]): what the horizons before have shown, without a barrier. It is kept as one number, below
//!   which every batch is out of sight of all pins.
//!
//! # Why it is right
//!
//! Let reader R hold a thing X of a sealed batch when the collector frees it.
//!
//! 1. R loaded the pointer to X before it was unlinked (in the order of that slot), after it had
//!    stored its epoch `e`. The heavy barrier runs a full fence on R somewhere between the seal and
//!    the scan. Either that fence is after R's store, so the scan sees `e` or what R stored later;
//!    or it is before it, so R's loads come after the unlink and cannot return X.
//! 2. If `e > tag`, R's acquire load of the epoch read the seal's increment (or a later one), so the
//!    unlink happens before R's loads: R cannot have X. So `e <= tag` and the scan refuses, unless R
//!    has left.
//! 3. If R has left, its hazard word was stored before the store of `IDLE`, or of the epoch of a later
//!    pin, which is a release and was read with acquire; the scan reads the hazard words after the
//!    epoch and sees it.
//!
//! An epoch read long before it is stored is only too old, which delays frees and nothing else.
//!
//! What a horizon has shown of a batch stays true, because nobody comes to see what is unlinked: so a thread that reads the
//! kept number with acquire may conclude what the one that stored it did. Hazard words are looked at again. One that holds a
//! thing of such a batch was stored before that horizon's look, which the number comes after; so it is seen while it is there.
//!
//! # Costs and limits
//!
//! A [`Pin`] holds back everything unlinked while it lives; a [`Hazard`] holds back one thing. If no
//! other thread ever registered, no barrier is needed and none is made. Where `membarrier` is
//! missing the light barrier is a full fence, decided once per process. Should the kernel begin to
//! refuse it later, nothing is freed any more: memory grows, but no reader is harmed.
//!
//! After `fork` the child has one thread. A handler run in the child forgets the readers of the
//! threads that did not come along.
//!
//! # Invariants (each `unsafe` block names one)
//!
//! * **R1** A `Reader` is allocated once and never freed while the process (the model) lives.
//! * **R2** `Reader::owner` fields are touched only by the thread that owns the reader, or in the
//!   child of a fork before any other thread exists.

use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use crate::sync::{self, Padded, owner};

/// Hazard words of a thread; a reference beyond them keeps a pin instead.
const HAZARDS: usize = if sync::MODEL { 1 } else { 7 };

/// The epoch of a reader that is outside.
const IDLE: u64 = 0;

/// How readers order their epoch before their loads.
const UNDECIDED: u32 = 0;
const ASYMMETRIC: u32 = 1;
const FENCED: u32 = 2;

/// What the threads of a process share.
struct Domain {
    front: Padded<Front>,
    /// Newest first; grows only.
    readers: AtomicPtr<Reader>,
    /// How many readers there are: the next one's number.
    count: AtomicUsize,
    /// Batches with lower tags are out of sight of all pins: the greatest that a horizon has shown. Raised with release, after
    /// the look at the readers; read with acquire.
    passed: AtomicU64,
}

/// The line every reader loads.
struct Front {
    /// Grows by one at each seal; starts above `IDLE`.
    epoch: AtomicU64,
    /// `UNDECIDED` until the first reader registers, then constant.
    barrier: AtomicU32,
}

impl Domain {
    #[cfg(not(any(loom, shuttle)))]
    const fn new() -> Self {
        Domain {
            front: Padded(Front { epoch: AtomicU64::new(IDLE + 1), barrier: AtomicU32::new(UNDECIDED) }),
            readers: AtomicPtr::new(std::ptr::null_mut()),
            count: AtomicUsize::new(0),
            passed: AtomicU64::new(IDLE),
        }
    }
    #[cfg(any(loom, shuttle))]
    fn new() -> Self {
        Domain {
            front: Padded(Front { epoch: AtomicU64::new(IDLE + 1), barrier: AtomicU32::new(UNDECIDED) }),
            readers: AtomicPtr::new(std::ptr::null_mut()),
            count: AtomicUsize::new(0),
            passed: AtomicU64::new(IDLE),
        }
    }
}

#[cfg(not(any(loom, shuttle)))]
static DOMAIN: Domain = Domain::new();

#[cfg(any(loom, shuttle))]
sync::model_static! {
    static ref DOMAIN: Domain = Domain::new();
}

/// One thread's place in the registry.
#[repr(align(128))]
struct Reader {
    /// `IDLE`, or the epoch at which the owner entered. Written by the owner (release; on entering
    /// the barrier orders it before the loads that follow), read by collectors (acquire).
    epoch: AtomicU64,
    /// Addresses the owner looks at without a pin; 0 = none. Written by the owner (release), read by
    /// collectors after `epoch` (acquire).
    hazards: [AtomicUsize; HAZARDS],
    /// 1 while a thread owns this reader. Taken by compare-and-swap, given back with release.
    owned: AtomicU32,
    /// The owner's alone: how many pins are alive.
    depth: owner::AtomicU32,
    /// The owner's alone: a bit for each hazard word in use.
    taken: owner::AtomicU32,
    /// The owner's alone: 1 if the reader must be given back when its last pin or hazard goes,
    /// because the thread's own destructor has already run.
    transient: owner::AtomicU32,
    /// The reader's number, for statistics that keep a line per thread.
    number: usize,
    /// Set before the reader is published, constant after.
    next: AtomicPtr<Reader>,
}

sync::thread_local_cell! {
    /// The calling thread's reader, or null.
    static LOCAL: std::cell::Cell<*const Reader> = std::cell::Cell::new(std::ptr::null());
}

/// Gives the thread's reader back when the thread ends.
#[cfg(not(any(loom, shuttle)))]
struct Farewell;

#[cfg(not(any(loom, shuttle)))]
impl Drop for Farewell {
    fn drop(&mut self) {
        let local = LOCAL.get();
        if !local.is_null() {
            deref(local).retire_thread();
        }
    }
}

#[cfg(not(any(loom, shuttle)))]
sync::thread_local_cell! {
    /// Dropped when the thread ends.
    static FAREWELL: Farewell = Farewell;
}

#[allow(unsafe_code)]
fn deref(reader: *const Reader) -> &'static Reader {
    // SAFETY: R1; pointers come from the registry only.
    unsafe { &*reader }
}

impl Reader {
    fn new(number: usize) -> Self {
        Reader {
            epoch: AtomicU64::new(IDLE),
            hazards: std::array::from_fn(|_| AtomicUsize::new(0)),
            owned: AtomicU32::new(1),
            depth: owner::AtomicU32::new(0),
            taken: owner::AtomicU32::new(0),
            transient: owner::AtomicU32::new(0),
            number,
            next: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// The calling thread's reader.
    #[inline(always)]
    fn local() -> &'static Reader {
        let local = LOCAL.with(std::cell::Cell::get);
        if local.is_null() { Self::register() } else { deref(local) }
    }

    #[cold]
    #[inline(never)]
    fn register() -> &'static Reader {
        decide_barrier();
        let reader = Self::reuse().unwrap_or_else(Self::publish);
        // From here on a collector that does not see this reader in its scan has unlinked what it
        // frees before this fence: our loads come after it (the fence of `horizon` is the partner).
        fence(Ordering::SeqCst);
        LOCAL.with(|local| local.set(reader));
        #[cfg(not(any(loom, shuttle)))]
        if FAREWELL.try_with(|_| ()).is_err() {
            reader.transient.store(1, owner::Ordering::Relaxed);
        }
        reader
    }

    fn reuse() -> Option<&'static Reader> {
        readers().find(|reader| {
            reader.owned.load(Ordering::Relaxed) == 0
                && reader.owned.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })
    }

    fn publish() -> &'static Reader {
        let number = DOMAIN.count.fetch_add(1, Ordering::Relaxed);
        let reader: *mut Reader = Box::leak(Box::new(Reader::new(number)));
        let mut head = DOMAIN.readers.load(Ordering::Acquire);
        loop {
            deref(reader).next.store(head, Ordering::Relaxed);
            match DOMAIN.readers.compare_exchange(head, reader, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return deref(reader),
                Err(now) => head = now,
            }
        }
    }

    /// The thread ends: give the reader back, or let the last guard do so.
    #[cfg(not(any(loom, shuttle)))]
    fn retire_thread(&'static self) {
        self.transient.store(1, owner::Ordering::Relaxed);
        self.give_back_if_unused();
    }

    #[cold]
    fn give_back_if_unused(&self) {
        let busy = self.depth.load(owner::Ordering::Relaxed) | self.taken.load(owner::Ordering::Relaxed);
        if busy == 0 {
            self.transient.store(0, owner::Ordering::Relaxed);
            LOCAL.with(|local| local.set(std::ptr::null()));
            self.owned.store(0, Ordering::Release);
        }
    }

    #[inline(always)]
    fn enter(&self) {
        let depth = self.depth.load(owner::Ordering::Relaxed);
        self.depth.store(depth + 1, owner::Ordering::Relaxed);
        if depth == 0 {
            // Release: a collector that reads this epoch has not seen the `IDLE` before it, and must know of
            // the loads, and of the hazard words, of the pin that ended with it.
            self.epoch.store(DOMAIN.front.epoch.load(Ordering::Acquire), Ordering::Release);
            if DOMAIN.front.barrier.load(Ordering::Relaxed) != ASYMMETRIC {
                full_barrier();
            }
            sync::light_barrier();
        }
    }

    #[inline(always)]
    fn leave(&self) {
        let depth = self.depth.load(owner::Ordering::Relaxed) - 1;
        self.depth.store(depth, owner::Ordering::Relaxed);
        if depth == 0 {
            self.epoch.store(IDLE, Ordering::Release);
            if self.transient.load(owner::Ordering::Relaxed) != 0 {
                self.give_back_if_unused();
            }
        }
    }
}

/// Where the other side cannot help.
#[cold]
#[inline(never)]
fn full_barrier() {
    fence(Ordering::SeqCst);
}

fn readers() -> impl Iterator<Item = &'static Reader> {
    let mut at = DOMAIN.readers.load(Ordering::Acquire);
    std::iter::from_fn(move || {
        if at.is_null() {
            return None;
        }
        let reader = deref(at);
        at = reader.next.load(Ordering::Relaxed);
        Some(reader)
    })
}

/// Chooses the barrier once, and asks to be told of forks.
fn decide_barrier() {
    if DOMAIN.front.barrier.load(Ordering::Acquire) != UNDECIDED {
        return;
    }
    let choice = if sync::register_heavy_barrier() { ASYMMETRIC } else { FENCED };
    let first =
        DOMAIN.front.barrier.compare_exchange(UNDECIDED, choice, Ordering::AcqRel, Ordering::Acquire).is_ok();
    #[cfg(all(unix, not(any(loom, shuttle))))]
    if first {
        at_fork::listen();
    }
    let _ = first;
}

#[cfg(all(unix, not(any(loom, shuttle))))]
mod at_fork {
    use super::*;

    #[allow(unsafe_code)]
    pub(super) fn listen() {
        // SAFETY: `child` is a plain function that lives as long as this code is loaded. A refusal
        // (out of memory) leaves the child with readers that never leave: memory grows there.
        unsafe { libc::pthread_atfork(None, None, Some(child)) };
    }

    /// Only the forking thread is here: the readers of all others are left behind.
    extern "C" fn child() {
        let own = LOCAL.try_with(std::cell::Cell::get).unwrap_or(std::ptr::null());
        for reader in readers().filter(|reader| !std::ptr::eq(*reader, own)) {
            // R2: no other thread exists.
            reader.depth.store(0, owner::Ordering::Relaxed);
            reader.taken.store(0, owner::Ordering::Relaxed);
            reader.transient.store(0, owner::Ordering::Relaxed);
            reader.hazards.iter().for_each(|hazard| hazard.store(0, Ordering::Relaxed));
            reader.epoch.store(IDLE, Ordering::Release);
            reader.owned.store(0, Ordering::Release);
        }
    }
}

/// A reader that is inside: what it can reach now stays until the pin is dropped. Pins nest; only the
/// outermost writes. Bound to its thread.
#[derive(Debug)]
pub(crate) struct Pin {
    reader: *const Reader,
}

impl Pin {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        let reader = Reader::local();
        reader.enter();
        Pin { reader }
    }

    /// A small number that no other living thread has.
    #[inline(always)]
    pub(crate) fn thread_number(&self) -> usize {
        deref(self.reader).number
    }

    /// Protects the thing at `address`, which was reached under this pin, beyond the pin's life.
    /// `None` if all hazard words of the thread are in use.
    #[inline]
    pub(crate) fn protect(&self, address: usize) -> Option<Hazard> {
        let reader = deref(self.reader);
        let taken = reader.taken.load(owner::Ordering::Relaxed);
        let word = taken.trailing_ones() as usize;
        if word >= HAZARDS {
            return None;
        }
        reader.taken.store(taken | 1 << word, owner::Ordering::Relaxed);
        reader.hazards[word].store(address, Ordering::Release);
        Some(Hazard { reader: self.reader, word })
    }

    /// Is it the only one of its thread?
    #[inline]
    pub(crate) fn is_outermost(&self) -> bool {
        deref(self.reader).depth.load(owner::Ordering::Relaxed) == 1
    }

    /// How many more things the thread can protect.
    pub(crate) fn words_left(&self) -> usize {
        HAZARDS - deref(self.reader).taken.load(owner::Ordering::Relaxed).count_ones() as usize
    }
}

impl Clone for Pin {
    #[inline]
    fn clone(&self) -> Self {
        deref(self.reader).enter();
        Pin { reader: self.reader }
    }
}

impl Drop for Pin {
    #[inline(always)]
    fn drop(&mut self) {
        deref(self.reader).leave();
    }
}

/// Does the calling thread hold a pin?
pub(crate) fn is_inside() -> bool {
    let local = LOCAL.with(std::cell::Cell::get);
    !local.is_null() && deref(local).depth.load(owner::Ordering::Relaxed) > 0
}

/// Keeps one thing. Bound to its thread.
#[derive(Debug)]
pub(crate) struct Hazard {
    reader: *const Reader,
    word: usize,
}

impl Drop for Hazard {
    #[inline]
    fn drop(&mut self) {
        let reader = deref(self.reader);
        #[cfg(not(seeded = "slot_not_cleared"))]
        reader.hazards[self.word].store(0, Ordering::Release);
        let taken = reader.taken.load(owner::Ordering::Relaxed) & !(1 << self.word);
        reader.taken.store(taken, owner::Ordering::Relaxed);
        if reader.transient.load(owner::Ordering::Relaxed) != 0 {
            reader.give_back_if_unused();
        }
    }
}

/// When a batch was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag(u64);

impl Tag {
    /// Before every epoch: for batches that no reader can have seen.
    pub(crate) const PAST: Tag = Tag(IDLE);
}

/// Closes a batch: everything the caller knows to be unlinked. Readers that enter later see it so.
pub(crate) fn seal() -> Tag {
    Tag(DOMAIN.front.epoch.fetch_add(1, Ordering::AcqRel))
}

/// What the readers of the process may still see. It speaks of what was sealed before it was taken.
#[derive(Debug)]
pub(crate) struct Horizon {
    /// Batches with lower tags are out of sight: the epoch when the horizon was taken, or the least epoch
    /// of a reader that was inside.
    oldest: u64,
    /// The addresses under protection.
    hazards: Vec<usize>,
}

impl Horizon {
    /// Can no pinned reader see the batch?
    #[inline]
    pub(crate) fn passed(&self, tag: Tag) -> bool {
        tag.0 < self.oldest || cfg!(seeded = "early_free")
    }

    /// May the thing at `address`, of a batch sealed with `tag`, be freed?
    #[inline]
    pub(crate) fn allows(&self, tag: Tag, address: usize) -> bool {
        self.passed(tag) && !self.hazards.contains(&address)
    }

    /// Frees nothing that the reader's hazard words hold.
    fn avoid(&mut self, reader: &Reader) {
        let held = reader.hazards.iter().map(|hazard| hazard.load(Ordering::Acquire));
        self.hazards.extend(held.filter(|&address| address != 0));
    }

    /// The epoch below which batches are out of sight.
    pub(crate) fn limit(&self) -> u64 {
        self.oldest
    }

    /// Have the readers that set its limit gone on, so that a new one may allow more? Asked without a barrier, and
    /// therefore only a hint: nothing may be freed for it.
    pub(crate) fn seems_old(&self) -> bool {
        let inside =
            readers().map(|reader| reader.epoch.load(Ordering::Relaxed)).filter(|&epoch| epoch != IDLE);
        // One without a limit was refused its barrier, and so would be the next.
        self.oldest != IDLE && inside.min().is_none_or(|epoch| epoch > self.oldest)
    }

    /// A horizon for a caller who vouches that nobody else reads.
    pub(crate) fn clear() -> Self {
        Horizon { oldest: u64::MAX, hazards: Vec::new() }
    }
}

/// Has everybody left who may see the batch? Asked without a barrier, and therefore only a hint: nothing may be freed for it.
pub(crate) fn seems_passed(tag: Tag) -> bool {
    readers().map(|reader| reader.epoch.load(Ordering::Relaxed)).all(|epoch| epoch == IDLE || epoch > tag.0)
}

/// Does anybody protect the thing at `address`? A hint, too.
pub(crate) fn seems_held(address: usize) -> bool {
    let holds = |reader: &Reader| reader.hazards.iter().any(|held| held.load(Ordering::Relaxed) == address);
    readers().any(holds)
}

/// What is known already: as [`horizon`], without a barrier, and it speaks only of what was sealed before the last one of the
/// process was taken. O(threads).
pub(crate) fn latest() -> Horizon {
    let mut horizon = Horizon { oldest: DOMAIN.passed.load(Ordering::Acquire), hazards: Vec::new() };
    readers().for_each(|reader| horizon.avoid(reader));
    horizon
}

/// Looks at every reader, after a barrier on all of them. O(threads), one system call unless the
/// calling thread is the only one that ever registered.
pub(crate) fn horizon() -> Horizon {
    #[cfg(all(test, not(any(loom, shuttle))))]
    TAKEN.with(|taken| taken.set(taken.get() + 1));
    // Batches sealed from here on are unknown to this horizon.
    let mut horizon = Horizon { oldest: DOMAIN.front.epoch.load(Ordering::Acquire), hazards: Vec::new() };
    // Partner of the fence in `Reader::register`, and of the readers' own fences in fenced mode. After the
    // load of the epoch, because what other threads sealed before it was unlinked before this fence, too.
    fence(Ordering::SeqCst);
    let own = LOCAL.with(std::cell::Cell::get);
    let others =
        || readers().any(|reader| !std::ptr::eq(reader, own) && reader.owned.load(Ordering::Acquire) != 0);
    let asymmetric = DOMAIN.front.barrier.load(Ordering::Relaxed) == ASYMMETRIC;
    if asymmetric && others() && !sync::heavy_barrier() {
        return Horizon { oldest: IDLE, hazards: Vec::new() };
    }
    for reader in readers() {
        // The epoch before the hazards: see point 3 above.
        match reader.epoch.load(Ordering::Acquire) {
            IDLE => {}
            epoch => horizon.oldest = horizon.oldest.min(epoch),
        }
        horizon.avoid(reader);
    }
    raise_passed(horizon.oldest);
    horizon
}

/// Makes known what a horizon has shown, unless more is known. By exchanges, and not by `fetch_max`, which ThreadSanitizer does not
/// see: it would take for a race what is freed by another thread's horizon.
fn raise_passed(to: u64) {
    let mut known = DOMAIN.passed.load(Ordering::Relaxed);
    while known < to {
        match DOMAIN.passed.compare_exchange_weak(known, to, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => known = now,
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
sync::thread_local_cell! {
    /// How many horizons the thread took.
    static TAKEN: std::cell::Cell<usize> = std::cell::Cell::new(0);
}

#[cfg(all(test, not(any(loom, shuttle))))]
pub(crate) fn horizons_taken() -> usize {
    TAKEN.with(std::cell::Cell::get)
}

#[cfg(any(loom, shuttle))]
impl Drop for Domain {
    fn drop(&mut self) {
        let mut at = self.readers.load(Ordering::Relaxed);
        while !at.is_null() {
            let next = deref(at).next.load(Ordering::Relaxed);
            // SAFETY: the model is over; R1 ends here.
            #[allow(unsafe_code, clippy::disallowed_methods)]
            drop(unsafe { Box::from_raw(at) });
            at = next;
        }
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
