//! The reclaimer by hand: the most eager legal one, in place of `reclaim.rs` (`--cfg loom --cfg eager`).
//!
//! It promises what `reclaim.rs` promises and nothing more: under one lock it lists the pins that live, with the time
//! at which each began, and the addresses under protection. A thing may be freed in the instant in which no pin is left
//! that lived when the thing's batch was sealed, and no hazard word names it. A horizon is not a look at the readers that
//! grows old, but asks them anew each time; a pin within a pin counts for itself, and from its own beginning; a reader that
//! left is forgotten at once. So whoever looks at a thing longer than a pin or a hazard of its own allows is found out by
//! the models, also where the epochs happen to hold the thing for longer.
//!
//! The lock orders more than epochs do (each pin comes after every horizon before it), so it is no substitute for
//! the models of the real one: both are run.

use crate::sync::{self, Mutex};
use std::cell::Cell;

/// Hazard words of a thread.
const HAZARDS: usize = 1;

#[derive(Default)]
struct Registry {
    /// Grows by one at each seal.
    now: u64,
    threads: usize,
    /// Of each pin its thread, and when it began.
    pins: Vec<(usize, u64)>,
    /// Of each hazard word in use its thread, and the address.
    hazards: Vec<(usize, usize)>,
}

sync::model_static! {
    static ref REGISTRY: Mutex<Registry> = Mutex::new(Registry { now: 1, ..Registry::default() });
}

sync::thread_local_cell! {
    /// The calling thread's number, from 1.
    static NUMBER: Cell<usize> = Cell::new(0);
}

/// Takes one out; it is there.
fn take<T: PartialEq>(list: &mut Vec<T>, one: &T) {
    let at = list.iter().position(|other| other == one).expect("listed");
    list.swap_remove(at);
}

/// What was reachable when it began stays until it is dropped. Bound to its thread.
#[derive(Debug)]
pub(crate) struct Pin {
    thread: usize,
    since: u64,
}

impl Pin {
    pub(crate) fn new() -> Self {
        let mut registry = REGISTRY.lock();
        if NUMBER.with(Cell::get) == 0 {
            registry.threads += 1;
            NUMBER.with(|number| number.set(registry.threads));
        }
        let pin = Pin { thread: NUMBER.with(Cell::get), since: registry.now };
        registry.pins.push((pin.thread, pin.since));
        pin
    }

    pub(crate) fn thread_number(&self) -> usize {
        self.thread - 1
    }

    /// Protects the thing at `address` beyond the pin's life, if a word is free.
    pub(crate) fn protect(&self, address: usize) -> Option<Hazard> {
        let mut registry = REGISTRY.lock();
        let taken = registry.hazards.iter().filter(|(thread, _)| *thread == self.thread).count();
        (taken < HAZARDS).then(|| {
            registry.hazards.push((self.thread, address));
            Hazard { thread: self.thread, address }
        })
    }

    /// Is it the only one of its thread?
    pub(crate) fn is_outermost(&self) -> bool {
        REGISTRY.lock().pins.iter().filter(|(thread, _)| *thread == self.thread).count() == 1
    }

    /// How many more things the thread can protect.
    pub(crate) fn words_left(&self) -> usize {
        HAZARDS - REGISTRY.lock().hazards.iter().filter(|(thread, _)| *thread == self.thread).count()
    }
}

impl Clone for Pin {
    /// Keeps what the first one keeps.
    fn clone(&self) -> Self {
        REGISTRY.lock().pins.push((self.thread, self.since));
        Pin { thread: self.thread, since: self.since }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        take(&mut REGISTRY.lock().pins, &(self.thread, self.since));
    }
}

/// Does the calling thread hold a pin?
pub(crate) fn is_inside() -> bool {
    let own = NUMBER.with(Cell::get);
    REGISTRY.lock().pins.iter().any(|(thread, _)| *thread == own)
}

/// Keeps one thing. Bound to its thread.
#[derive(Debug)]
pub(crate) struct Hazard {
    thread: usize,
    address: usize,
}

impl Drop for Hazard {
    fn drop(&mut self) {
        take(&mut REGISTRY.lock().hazards, &(self.thread, self.address));
    }
}

/// When a batch was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag(u64);

impl Tag {
    /// Before every pin: for batches that no reader can have seen.
    pub(crate) const PAST: Tag = Tag(0);
}

/// Closes a batch of what is unlinked.
pub(crate) fn seal() -> Tag {
    let mut registry = REGISTRY.lock();
    registry.now += 1;
    Tag(registry.now - 1)
}

/// What the readers may still see, at any moment at which it is asked.
#[derive(Debug)]
pub(crate) struct Horizon {
    /// The caller vouches that nobody reads.
    alone: bool,
}

impl Horizon {
    pub(crate) fn passed(&self, tag: Tag) -> bool {
        self.alone || REGISTRY.lock().pins.iter().all(|(_, since)| *since > tag.0)
    }

    pub(crate) fn allows(&self, tag: Tag, address: usize) -> bool {
        self.passed(tag) && (self.alone || !REGISTRY.lock().hazards.iter().any(|(_, held)| *held == address))
    }

    pub(crate) fn limit(&self) -> u64 {
        0
    }

    pub(crate) fn seems_old(&self) -> bool {
        false
    }

    pub(crate) fn clear() -> Self {
        Horizon { alone: true }
    }
}

pub(crate) fn horizon() -> Horizon {
    Horizon { alone: false }
}

/// Has everybody left who may see the batch?
pub(crate) fn seems_passed(tag: Tag) -> bool {
    horizon().passed(tag)
}

/// Does anybody protect the thing at `address`?
pub(crate) fn seems_held(address: usize) -> bool {
    REGISTRY.lock().hazards.iter().any(|(_, held)| *held == address)
}

/// What could be known.
pub(crate) fn latest() -> Horizon {
    horizon()
}

#[cfg(test)]
mod models;
