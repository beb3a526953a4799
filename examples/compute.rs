//! Read, decide and write as one step: a rate limiter.
//!
//! A `get` followed by an `insert` loses updates when two threads do it at once. `compute` does not: its closure
//! sees the value (or its absence), and what it answers is done only if nobody has written in between; else
//! it is asked again.
//!
//! ```text
//! cargo run --example compute
//! ```

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pinyon::{BuildError, Cache, Compute, Computed, InsertOptions, ManualTicker};

/// Calls a client may make in a minute.
const ALLOWED: u32 = 5;

/// Whether a client may make another call now.
fn admit(calls: &Cache<&'static str, u32>, client: &'static str) -> bool {
    let minute = || InsertOptions::new().ttl(Duration::from_secs(60));
    let done = calls.compute(client, |so_far| match so_far {
        None => Compute::PutWith(1, minute()),
        Some(&count) if count < ALLOWED => Compute::PutWith(count + 1, minute()),
        Some(_) => Compute::Keep,
    });
    // What is reported is what was done, not what was seen on the way.
    matches!(done, Computed::Added | Computed::Replaced)
}

fn main() -> Result<(), BuildError> {
    let time = ManualTicker::new();
    let calls: Cache<&str, u32> = Cache::builder().capacity(10_000).ticker(time.clone()).build()?;

    // Eight threads make 400 calls for one client, and exactly five come through.
    let admitted = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    admitted.fetch_add(u32::from(admit(&calls, "eager")), Ordering::Relaxed);
                }
            });
        }
    });
    println!("eager: {} of 400 calls admitted", admitted.into_inner());
    println!("calm:  {}", if admit(&calls, "calm") { "admitted" } else { "turned away" });

    time.advance(Duration::from_secs(61));
    println!("eager, a minute later: {}", if admit(&calls, "eager") { "admitted" } else { "turned away" });

    // The smaller relatives: a condition on the value that is there.
    println!("taken back if it is still 1: {}", calls.remove_if("eager", |&count| count == 1));
    println!("put only where there is none: {}", calls.insert_if_absent("calm", 9).is_stored());
    println!("the first to come, or this: {}", calls.get_or_insert("new", 7));
    Ok(())
}
