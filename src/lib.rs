//! Pinyon: an in-process cache with lock-free reads.
//!
//! Named after the jay that hides tens of thousands of seeds and remembers where each one is.
//!
//! ```
//! use std::time::Duration;
//! use pinyon::Cache;
//!
//! let cache: Cache<String, String> = Cache::builder()
//!     .capacity(10_000)
//!     .time_to_live(Duration::from_secs(300))
//!     .build()?;
//!
//! cache.insert("jay".into(), "pinyon".into());
//! assert_eq!(cache.get("jay").as_deref(), Some("pinyon"));
//! # Ok::<(), pinyon::BuildError>(())
//! ```
//!
//! # The story
//!
//! A [`Cache`] is a set of shards under one exact budget. A read hashes the key, goes to a bucket of one cache line, from
//! there to the entry, compares the key, and is done: no lock, no clock for an entry without a lifetime, no write to shared
//! memory once the entry's small use counter is full. A write locks one shard, moves a bounded amount of upkeep along,
//! makes room by the [`Policy`], and publishes with one store. What it removes is dropped when no reader can see it any
//! more, which the reclaimer finds out without the readers' help. All code of yours runs under no lock.
//!
//! The promises are numbered in `docs/guarantees.md`, the structure is drawn in `docs/design.md`, and the decisions, with
//! what lost against them, are in `docs/why.md`.
//!
//! # Features
//!
//! None is on by default.
//!
//! * `future`: `Cache::get_or_load_async` and its kin, for tasks of any executor.
//! * `capi`: the C ABI, module `ffi`; `make install` in the repository makes libraries of it.
//!
//! # The modules, lowest first
//!
//! `sync` (the door to atomics and locks), `error`, `hash`, `weight`, `pages`, `arena`; `tags` (groups of entries, by name), `reclaim` (when may memory go), `listener`, `stats`,
//! `expiry` (tickers, deadlines, the wheel), `policy` (what to evict); `shard` (table, slab, entries, the write path);
//! `adapt`, `load` (who loads, who waits), `store` and `settle` (shards under one budget); `cache`, `builder`, `options`, `writer`, `insert`,
//! `compute`, `guard`, `iter`, [`exclusive`] (the public face).
//!
//! # Unsafe code
//!
//! Only these files hold any; each names its invariants at its head and in front of every block:
//!
//! * `src/sync/real.rs`
//! * `src/sync/unseen.rs`
//! * `src/arena.rs`
//! * `src/reclaim.rs`
//! * `src/expiry/ticker.rs`
//! * `src/shard/slab.rs`
//! * `src/shard/slab/models.rs`
//! * `src/shard/table.rs`
//! * `src/shard/table/meta.rs`
//! * `src/shard/table/root.rs`
//! * `src/shard/table/models.rs`
//! * `src/shard/table/tests.rs`
//! * `src/shard/mod.rs`
//! * `src/shard/weights.rs`
//! * `src/shard/write.rs`
//! * `src/shard/write/alone.rs`
//! * `src/shard/write/rows.rs`
//! * `src/store/alone.rs`
//! * `src/settle.rs`
//! * `src/guard.rs`
//! * `src/cache.rs`
//! * `src/iter.rs`
//! * `src/exclusive.rs`
//! * `src/ffi/block.rs`
//! * `src/ffi/block/models.rs`
//! * `src/ffi/block/tests.rs`
//! * `src/ffi/boundary.rs`
//! * `src/ffi/cache.rs`
//! * `src/ffi/entry.rs`
//! * `src/ffi/iterate.rs`
//! * `src/ffi/lease.rs`
//! * `src/ffi/many.rs`
//! * `src/ffi/read.rs`
//! * `src/ffi/removal.rs`
//! * `src/ffi/write.rs`

#![cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::print_stdout,
        clippy::print_stderr,
        clippy::unwrap_used
    )
)]

mod adapt;
mod arena;
mod builder;
mod cache;
mod compute;
mod error;
pub mod exclusive;
mod expiry;
#[cfg(feature = "capi")]
pub mod ffi;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod hash;
mod insert;
mod iter;
mod listener;
mod load;
mod options;
mod pages;
mod policy;
// Under the model checker also the most eager reclaimer that is legal; it needs no barriers.
#[cfg_attr(all(loom, eager), path = "reclaim/eager.rs")]
mod reclaim;
mod settle;
mod shard;
mod stats;
mod store;
#[cfg_attr(eager, allow(dead_code, unused_imports))]
mod sync;
mod tags;
mod weight;
mod writer;

pub use ahash::RandomState;
pub use builder::Builder;
pub use cache::Cache;
pub use compute::{Computed, KeyEntry};
pub use equivalent::Equivalent;
pub use error::BuildError;
pub use expiry::{CoarseTicker, Expiry, Lifetime, ManualTicker, PreciseTicker, Ticker};
pub use guard::{Pinned, ValueRef};
pub use iter::{Cursor, Iter, Page};
pub use listener::Cause;
pub use load::lease::{Acquired, Completed, LeaseOptions, Ticket, Token, Waited};
pub use load::{LoadError, LoadOptions, Loaded};
pub use options::{Compute, InsertOptions, Inserted, InsertedMany, Maintained, Metadata};
pub use policy::{Policy, replay};
pub use stats::Stats;
pub use weight::{HeapSize, block_bytes};
