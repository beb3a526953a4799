//! Can it be broken as others were: the failing sequences of other caches' reports, one test a thread.
//!
//! A test is named by the project and the number of the thread. Its comment says what happened there and what is
//! asserted here.

mod bounds;
mod calls;
#[path = "../common/mod.rs"]
mod common;
mod time;

use common::{Census, Constant, FUSE, Rng, Token, alone, checked, finishes, hush};
use pinyon::{
    Cache, Cause, Compute, Computed, Expiry, InsertOptions, Inserted, Lifetime, ManualTicker, Policy,
};
use std::cell::{Cell, RefCell};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const S: Duration = Duration::from_secs(1);
const POLICIES: [Policy; 2] = [Policy::ClockTinyLfu, Policy::Clock];

fn ttl(time: Duration) -> InsertOptions {
    InsertOptions::new().ttl(time)
}

fn weighing(weight: u64) -> InsertOptions {
    InsertOptions::new().weight(weight)
}
