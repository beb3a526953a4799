//! Can it race: two or three threads on one very small cache, each with its own list of operations.
//!
//! Values and keys own heap memory, so AddressSanitizer sees one that is freed too early; or they own nothing, and a
//! row that is used again too early shows in the checksum. A value read is whole and its key's own, the bound holds
//! at every look, a listener hears of every value once, and in the end nothing is left.

#![no_main]

#[path = "threads/payload.rs"]
mod payload;
#[path = "threads/program.rs"]
mod program;
#[path = "threads/worker.rs"]
mod worker;

use libfuzzer_sys::fuzz_target;
use payload::{Alive, Hashing, Heap, HeapKey, Key, Plain, Value};
use pinyon::{Cache, Cause, ManualTicker};
use program::Program;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use worker::Worker;

fuzz_target!(|program: Program| {
    let alive = Alive::default();
    if program.plain {
        race::<u8, Plain>(&program, &alive);
    } else {
        race::<HeapKey, Heap>(&program, &alive);
    }
    assert_eq!(alive.load(Ordering::Relaxed), 0, "keys and values that nobody dropped");
});

/// What a listener was told of each value.
type Told = Arc<Mutex<BTreeMap<u64, Vec<Cause>>>>;

fn race<K: Key, V: Value>(program: &Program, alive: &Alive) {
    let (told, ticker) = (Told::default(), ManualTicker::new());
    let cache = build::<K, V>(program, &told, &ticker);
    let (ids, waiting) = (AtomicUsize::new(0), AtomicUsize::new(program.lists.len()));
    let stored: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let spawn = |list| {
            let (cache, ids, ticker, waiting) = (&cache, &ids, &ticker, &waiting);
            scope.spawn(move || {
                let worker = Worker::new(cache, program, alive, ids, ticker);
                // All begin at once.
                waiting.fetch_sub(1, Ordering::AcqRel);
                while waiting.load(Ordering::Acquire) > 0 {
                    std::hint::spin_loop();
                }
                worker.run(list)
            })
        };
        let threads: Vec<_> = program.lists.iter().map(|list| spawn(list.as_slice())).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread panicked")).collect()
    });
    settle(&cache, program, &stored.concat(), &told);
}

fn build<K: Key, V: Value>(program: &Program, told: &Told, ticker: &ManualTicker) -> Cache<K, V, Hashing> {
    let builder = Cache::builder().policy(program.policy).shards(program.shards).ticker(ticker.clone());
    let mut builder = match program.weighted {
        true => builder.capacity_weight(program.capacity).weigher(|_, value: &V| value.id() % 4),
        false => builder.capacity(program.capacity),
    };
    if program.listener {
        let told = told.clone();
        builder = builder.listener(move |key: &K, value: &V, cause| {
            value.check(key.number());
            told.lock().unwrap().entry(value.id()).or_default().push(cause);
        });
    }
    builder.hasher(Hashing(program.mask)).build().expect("a good description")
}

/// When all is quiet again: the structure is whole, and every value that was stored is there, or the listener was
/// told of it; once, either way.
fn settle<K: Key, V: Value>(cache: &Cache<K, V, Hashing>, program: &Program, stored: &[u64], told: &Told) {
    cache.validate();
    assert!(cache.maintain(usize::MAX).done);
    cache.validate();
    let there: BTreeSet<u64> = cache.iter().map(|entry| entry.value().id()).collect();
    if program.listener {
        let told = std::mem::take(&mut *told.lock().unwrap());
        for (id, causes) in &told {
            assert!(causes.len() == 1 && !there.contains(id), "value {id} was told of: {causes:?}");
        }
        for id in stored {
            assert!(there.contains(id) || told.contains_key(id), "value {id} left, and nobody was told");
        }
    }
    cache.clear();
    assert_eq!((cache.len(), cache.weight()), (0, 0));
    cache.validate();
}
