//! How the properties choose operations and caches at random.

use crate::ops::{Answer, Op, SPANS, Setting, Terms, Unit, lifetime};
use pinyon::Policy;
use proptest::prelude::*;
use std::time::Duration;

fn key() -> impl Strategy<Value = u8> {
    prop_oneof![9 => 0u8..16, 1 => any::<u8>()]
}

fn size() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0u64..8, 2 => 0u64..60, 1 => Just(60_000u64)]
}

fn span() -> impl Strategy<Value = Duration> {
    proptest::sample::select(&SPANS[..])
}

fn terms() -> impl Strategy<Value = Terms> {
    let option = || proptest::option::of(span());
    let weight = proptest::option::weighted(0.2, prop_oneof![0u64..40, Just(u64::MAX)]);
    let tags = prop_oneof![1 => Just(0u8), 1 => 0u8..8];
    (option(), option(), prop::bool::weighted(0.1), weight, tags)
        .prop_map(|(ttl, tti, forever, weight, tags)| Terms { ttl, tti, forever, weight, tags })
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        Just(Answer::Put),
        terms().prop_map(Answer::PutWith),
        Just(Answer::Remove),
        Just(Answer::Keep)
    ]
}

fn write() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (key(), size()).prop_map(|(k, s)| Op::Insert(k, s)),
        4 => (key(), size(), terms()).prop_map(|(k, s, t)| Op::InsertWith(k, s, t)),
        1 => (key(), size()).prop_map(|(k, s)| Op::InsertIfAbsent(k, s)),
        1 => (key(), size()).prop_map(|(k, s)| Op::Replace(k, s)),
        1 => (key(), size(), 0u64..3).prop_map(|(k, s, r)| Op::ReplaceIf(k, s, r)),
        1 => (key(), size()).prop_map(|(k, s)| Op::GetOrInsert(k, s)),
        1 => (any::<u8>(), 1u8..80, 0u64..4).prop_map(|(k, n, s)| Op::Fill(k, n, s)),
        2 => (key(), size(), answer(), answer()).prop_map(|(k, s, a, b)| Op::Compute(k, s, a, b)),
    ]
}

fn read() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => key().prop_map(Op::Get),
        2 => key().prop_map(Op::Hold),
        1 => Just(Op::LetGo),
        1 => prop_oneof![Just(Op::Pin), Just(Op::Unpin)],
        1 => key().prop_map(Op::With),
        1 => key().prop_map(Op::Peek),
        1 => key().prop_map(Op::Contains),
        1 => prop::collection::vec(key(), 0..5).prop_map(Op::GetMany),
        1 => key().prop_map(Op::Metadata),
        1 => Just(Op::Iterate),
        2 => (1u8..40).prop_map(Op::IterateFurther),
    ]
}

fn other() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => key().prop_map(Op::Remove),
        1 => (key(), 0u64..3).prop_map(|(k, r)| Op::RemoveIf(k, r)),
        2 => key().prop_map(Op::Invalidate),
        2 => key().prop_map(Op::Touch),
        2 => (key(), any::<u64>()).prop_map(|(k, c)| Op::SetLifetime(k, lifetime(c))),
        1 => (0u64..3).prop_map(Op::Retain),
        1 => prop_oneof![1 => Just(Op::Clear), 3 => (0u64..1200).prop_map(Op::SetCapacity)],
        2 => prop_oneof![1 => Just(Op::InvalidateAll), 2 => (0u8..4).prop_map(Op::InvalidateTag)],
        2 => prop_oneof![0usize..20, Just(1000), Just(usize::MAX)].prop_map(Op::Maintain),
        4 => prop_oneof![9 => span(), 1 => Just(SPANS[7] * 64)].prop_map(Op::Advance),
    ]
}

/// Boxed, because the trees of all the choices would be moved about with every operation.
pub fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(
        prop_oneof![3 => write().boxed(), 2 => read().boxed(), 2 => other().boxed()],
        1..most,
    )
}

pub fn setting() -> impl Strategy<Value = Setting> {
    let capacity = prop_oneof![
        (prop_oneof![1u64..8, 8u64..40, 200u64..300]).prop_map(|n| (Unit::Entries, n)),
        (prop_oneof![1u64..80, 1000u64..2000]).prop_map(|n| (Unit::Weight, n)),
        (1024u64..8192).prop_map(|n| (Unit::Bytes, n)),
    ];
    let policy = prop_oneof![Just(Policy::ClockTinyLfu), Just(Policy::Clock)];
    let life = || proptest::option::weighted(0.4, span());
    let mask = prop_oneof![4 => Just(u64::MAX), 1 => Just(7 | 1 << 63), 1 => Just(0u64)];
    let flags = (prop::bool::weighted(0.3), prop::bool::weighted(0.7), prop::bool::weighted(0.3));
    (proptest::sample::select(vec![1usize, 3, 8]), capacity, policy, life(), life(), flags, mask).prop_map(
        |(shards, (unit, capacity), policy, ttl, tti, (rule, listener, dated), mask)| Setting {
            shards,
            unit,
            capacity,
            policy,
            ttl,
            tti,
            rule,
            listener,
            dated,
            mask,
        },
    )
}
