//! The only door to atomics, locks, thread-locals and fences.
//!
//! Nothing else in `src` names `std::sync::atomic`, `parking_lot` or `loom`, so one `cfg` decides
//! whether the whole crate runs on the real primitives or inside the model checker
//! (`RUSTFLAGS="--cfg loom"`). Constants that only matter for speed shrink under the checker, so
//! that a model reaches every branch with a handful of operations.
//!
//! What differs between the two bodies:
//!
//! | here | real build | model |
//! |---|---|---|
//! | [`light_barrier`] | a compiler fence (or a full fence, see `reclaim`) | a full fence |
//! | [`heavy_barrier`] | `membarrier` | a full fence |
//! | [`Track`] | nothing | an access that the checker orders against frees |
//! | [`Mutex`] | one byte, no poisoning | the checker's mutex |

#[cfg(not(loom))]
mod real;
#[cfg(not(loom))]
pub(crate) use real::*;

#[cfg(loom)]
mod model;
#[cfg(loom)]
pub(crate) use model::*;

pub(crate) use std::sync::Arc;

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
