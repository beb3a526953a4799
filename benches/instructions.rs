//! One operation of the cache, a given number of times: for callgrind, which counts the instructions of a whole process.
//!
//!     cargo bench --bench instructions --no-run
//!     BINARY OPERATION TIMES
//!
//! `.ci/25-instructions.sh` runs each operation twice, with different numbers of times; the difference, divided, is what
//! one operation costs, whatever the process did before and after.

use pinyon::Cache;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

/// Entries that are there to be hit.
const RESIDENT: u64 = 10_000;
/// Entries that fit where something must be evicted.
const FULL: u64 = 100_000;

/// ahash with seeds of its own would count a little differently each time.
fn hasher() -> impl BuildHasher + Clone {
    pinyon::RandomState::with_seeds(1, 2, 3, 4)
}

fn key(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn filled(
    capacity: u64,
    lifetime: Option<Duration>,
    entries: u64,
) -> Cache<u64, u64, impl BuildHasher + Clone> {
    let mut builder = Cache::builder().capacity(capacity).shards(8);
    if let Some(lifetime) = lifetime {
        builder = builder.time_to_live(lifetime);
    }
    let cache = builder.hasher(hasher()).build().expect("valid");
    for n in 0..entries {
        cache.insert(key(n), n);
    }
    cache
}

fn hit(lifetime: Option<Duration>, times: u64) {
    let cache = filled(2 * RESIDENT, lifetime, RESIDENT);
    // A use counter is full after three hits.
    for n in 0..4 * RESIDENT {
        black_box(cache.get(&key(n % RESIDENT)));
    }
    for n in 0..times {
        assert!(black_box(cache.get(&key(n % RESIDENT))).is_some());
    }
}

fn pinned_hit(times: u64) {
    let cache = filled(2 * RESIDENT, None, RESIDENT);
    for n in 0..4 * RESIDENT {
        black_box(cache.get(&key(n % RESIDENT)));
    }
    let pinned = cache.pin();
    for n in 0..times {
        assert!(black_box(pinned.get(&key(n % RESIDENT))).is_some());
    }
}

fn load_hit(times: u64) {
    let cache = filled(2 * RESIDENT, None, RESIDENT);
    for n in 0..4 * RESIDENT {
        black_box(cache.get(&key(n % RESIDENT)));
    }
    for n in 0..times {
        assert!(black_box(cache.get_or_load(&key(n % RESIDENT), || 0)).is_ok());
    }
}

fn miss(times: u64) {
    let cache = filled(2 * RESIDENT, None, RESIDENT);
    for n in 0..times {
        assert!(black_box(cache.get(&key(RESIDENT + n))).is_none());
    }
}

fn insert(times: u64) {
    let cache = filled(FULL, None, 2 * FULL);
    for n in 2 * FULL..2 * FULL + times {
        black_box(cache.insert(key(n), n));
    }
}

fn overwrite(times: u64) {
    let cache = filled(2 * RESIDENT, None, RESIDENT);
    for n in 0..times {
        black_box(cache.insert(key(n % RESIDENT), n));
    }
}

/// A name, and what does it so many times.
type Operation = (&'static str, fn(u64));

const OPERATIONS: [Operation; 7] = [
    ("get-hit", |times| hit(None, times)),
    ("get-hit-ttl", |times| hit(Some(Duration::from_secs(3600)), times)),
    ("get-hit-pinned", pinned_hit),
    ("get-or-load-hit", load_hit),
    ("get-miss", miss),
    ("insert", insert),
    ("overwrite", overwrite),
];

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [operation, times] = &arguments[..] else {
        println!("usage: instructions OPERATION TIMES; now each of them once");
        OPERATIONS.iter().for_each(|(_, run)| run(1));
        return ExitCode::SUCCESS;
    };
    match (OPERATIONS.iter().find(|(name, _)| name == operation), times.parse()) {
        (Some((_, run)), Ok(times)) => {
            run(times);
            ExitCode::SUCCESS
        }
        (None, _) => {
            eprintln!("instructions: no operation is called {operation}");
            ExitCode::from(2)
        }
        (_, Err(error)) => {
            eprintln!("instructions: {times} times: {error}");
            ExitCode::from(2)
        }
    }
}
