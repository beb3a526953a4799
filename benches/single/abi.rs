//! What the C ABI adds to a read: `cargo bench --manifest-path benches/single/Cargo.toml --bench abi`.
//!
//! One thread, 10,000 entries, keys of 16 bytes and values of 64, in an order that no prefetcher guesses. Each way of reading through
//! the ABI stands beside the same from Rust, with keys whose size the compiler does not know either.

use criterion::{Criterion, criterion_group, criterion_main};
use pinyon::Cache;
use pinyon::ffi::*;
use std::hint::black_box;
use std::mem::{size_of, zeroed};
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::time::Duration;

const ENTRIES: u64 = 10_000;

/// The keys in a strewn order.
fn key(at: &mut u64) -> [u8; 16] {
    *at = (*at + 7_368_787) % ENTRIES;
    let mut key = [0; 16];
    key[..8].copy_from_slice(&at.to_le_bytes());
    key
}

fn abi() -> *mut pinyon_cache {
    let mut cache = null_mut();
    // SAFETY: zeros are what the options begin with; all that is given is there.
    unsafe {
        let options =
            pinyon_options { struct_size: size_of::<pinyon_options>(), capacity: ENTRIES, ..zeroed() };
        assert_eq!(pinyon_create(&options, &mut cache, null_mut(), 0), PINYON_OK);
        let (mut at, value) = (0, [7u8; 64]);
        for _ in 0..ENTRIES {
            let key = key(&mut at);
            assert_eq!(
                pinyon_set(cache, key.as_ptr().cast(), 16, value.as_ptr().cast(), 64, null()),
                PINYON_OK
            );
        }
    }
    cache
}

fn rust<V: From<[u8; 64]>>() -> Cache<Box<[u8]>, V> {
    let cache = Cache::builder().capacity(ENTRIES).build().expect("the settings are fine");
    let mut at = 0;
    (0..ENTRIES).for_each(|_| _ = cache.insert(Box::from(key(&mut at)), V::from([7; 64])));
    cache
}

fn reads(criterion: &mut Criterion) {
    let (boxed, counted, c, mut at) = (rust::<Box<[u8]>>(), rust::<Arc<[u8]>>(), abi(), 0);
    let mut group = criterion.benchmark_group("64 bytes");
    group.bench_function("copy, Rust", |bench| {
        let mut to = [0; 64];
        bench.iter(|| {
            let found =
                boxed.with(black_box(&key(&mut at)[..]), |value| to[..value.len()].copy_from_slice(value));
            black_box(&mut to);
            found.is_some()
        });
    });
    group.bench_function("copy, C", |bench| {
        let (mut to, mut size) = ([0u8; 64], 0);
        bench.iter(|| {
            let key = key(&mut at);
            // SAFETY: all that is given is there.
            let code = unsafe {
                pinyon_get_copy(c, key.as_ptr().cast(), 16, to.as_mut_ptr().cast(), to.len(), &mut size)
            };
            black_box(&mut to);
            code
        });
    });
    group.bench_function("handle, Rust (Arc)", |bench| {
        bench.iter(|| counted.get(black_box(&key(&mut at)[..])).map(|value| value[0]));
    });
    group.bench_function("handle, C", |bench| {
        bench.iter(|| {
            let (key, mut handle, mut data, mut size) = (key(&mut at), null_mut(), null(), 0);
            // SAFETY: all that is given is there; the handle holds the bytes.
            unsafe {
                pinyon_get(c, key.as_ptr().cast(), 16, &mut handle, &mut data, &mut size);
                let first = data.cast::<u8>().read();
                pinyon_release(handle);
                first
            }
        });
    });
    group.finish();
    // SAFETY: made above.
    unsafe { pinyon_free(c) }
}

criterion_group! {
    name = abi_reads;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = reads
}
criterion_main!(abi_reads);
