//! Does it match the model: random operations on caches of all kinds, each compared with a naive map.
//!
//! `PROPTEST_CASES` sets how many cases each property tries. A case that fails is kept in `proptest-regressions/`.

#[path = "model/ops.rs"]
mod ops;
#[path = "model/reference.rs"]
mod reference;
#[path = "model/run.rs"]
mod run;

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
    fn g10_the_cache_does_what_a_map_does(setting in ops::setting(), ops in ops::ops(60)) {
        run(&setting, &ops, Door::Shared);
    }
}

proptest! {
    #![proptest_config(config("proptest-regressions/model-exclusive.txt"))]

    #[test]
    fn g10_the_exclusive_door_does_what_a_map_does(setting in ops::setting(), ops in ops::ops(60)) {
        run(&setting, &ops, Door::Exclusive);
    }
}
