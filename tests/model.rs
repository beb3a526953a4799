//! Does it match the model: random operations on caches of all kinds, each compared with a naive map.
//!
//! `PROPTEST_CASES` sets how many cases each property tries. A case that fails is kept in `proptest-regressions/`.

#[path = "model/leases.rs"]
mod leases;
#[path = "model/ops.rs"]
mod ops;
#[path = "model/reference.rs"]
mod reference;
#[path = "model/run.rs"]
mod run;
#[path = "model/strategies.rs"]
mod strategies;

mod common;

use pinyon::Cache;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use run::{Door, run};

fn config(kept: &'static str) -> ProptestConfig {
    let failure_persistence = Some(Box::new(FileFailurePersistence::Direct(kept)) as _);
    ProptestConfig { failure_persistence, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config("proptest-regressions/model-shared.txt"))]

    #[test]
    fn g10_the_cache_does_what_a_map_does(setting in strategies::setting(), ops in strategies::ops(60)) {
        run(&setting, &ops, Door::Shared);
    }
}

proptest! {
    #![proptest_config(config("proptest-regressions/model-exclusive.txt"))]

    #[test]
    fn g10_the_exclusive_door_does_what_a_map_does(setting in strategies::setting(), ops in strategies::ops(60)) {
        run(&setting, &ops, Door::Exclusive);
    }

    #[test]
    fn g10_the_door_by_which_nobody_comes_back_does_what_a_map_does(setting in strategies::setting(), ops in strategies::ops(60)) {
        run(&setting, &ops, Door::NonReentrant);
    }
}

proptest! {
    #![proptest_config(config("proptest-regressions/model-leases.txt"))]

    #[test]
    fn g18_g19_g20_leases_do_what_an_account_of_flights_does(
        ops in prop::collection::vec(any::<[u8; 2]>().prop_map(leases::Op::of), 0..leases::MOST)
    ) {
        leases::run(ops);
    }
}

/// Found by the property: a whole step was evicted for a capacity that shrank by one.
#[test]
fn g05_a_shrink_evicts_no_more_than_it_must() {
    for shards in [1, 4] {
        let cache = Cache::builder().capacity(100).shards(shards).build().unwrap();
        (0..100).for_each(|n| _ = cache.insert(n, n));
        for capacity in (1..100).rev() {
            cache.set_capacity(capacity).unwrap();
            assert_eq!(
                (cache.len() as u64, cache.stats().evicted),
                (capacity, 100 - capacity),
                "{shards} shards"
            );
        }
    }
}

/// Found by the property: what a guard holds back was taken up again and again while a listener was being told.
#[test]
fn g14_maintenance_ends_though_a_guard_is_held_and_a_listener_is_there() {
    common::finishes("maintain", || {
        let cache = Cache::builder().capacity(10).listener(|_: &u32, _: &u32, _| ()).build().unwrap();
        cache.insert(1, 1);
        let held = cache.get_ref(&1).unwrap();
        cache.invalidate(&1);
        cache.maintain(100);
        cache.clear();
        assert_eq!(*held, 1);
        let _pin = cache.pin();
        cache.insert(2, 2);
        cache.invalidate(&2);
        cache.maintain(100);
    });
}
