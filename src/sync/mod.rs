//! The only door to atomics, locks, thread-locals and fences.
//!
//! Nothing else in `src` names `std::sync::atomic`, `parking_lot`, `loom` or `shuttle`, so one `cfg` decides
//! whether the whole crate runs on the real primitives, inside the model checker
//! (`RUSTFLAGS="--cfg loom"`) or under the random scheduler (`RUSTFLAGS="--cfg shuttle"`). Constants that only
//! matter for speed shrink under those two, so that they reach every branch with a handful of operations.
//!
//! What differs between the three bodies:
//!
//! | here | real build | model | random schedules |
//! |---|---|---|---|
//! | [`light_barrier`] | a compiler fence (or a full fence, see `reclaim`) | a full fence | nothing: all is ordered |
//! | [`heavy_barrier`] | `membarrier` | a full fence | nothing |
//! | [`Track`] | nothing | an access that the checker orders against frees | nothing |
//! | [`Mutex`], [`lock_soon`] | one byte, no poisoning; looks for longer before it sleeps | the checker's mutex | the scheduler's mutex |
//! | [`hold_alone`] | takes no lock | takes it | takes it |

#[cfg(not(any(loom, shuttle)))]
mod real;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use real::*;

#[cfg(all(shuttle, not(loom)))]
mod random;
#[cfg(all(shuttle, not(loom)))]
pub(crate) use random::*;

#[cfg(loom)]
mod model;
#[cfg(loom)]
pub(crate) use model::*;

#[cfg(any(loom, shuttle))]
mod unseen;
#[cfg(any(loom, shuttle))]
pub(crate) use unseen::*;

pub(crate) use std::sync::Arc;
#[cfg(feature = "future")]
pub(crate) use std::sync::Weak;

/// Atomics that only one thread at a time touches: the checker need not look at them.
pub(crate) mod owner {
    pub(crate) use std::sync::atomic::{AtomicU32, Ordering};
}

/// A value alone on its cache lines: two, because neighbouring lines are fetched in pairs.
#[repr(align(128))]
#[derive(Debug, Default)]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> std::ops::Deref for Padded<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}
