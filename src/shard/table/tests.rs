use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

#[test]
fn a_slot_holds_an_index_or_nothing() {
    for index in [0, 1, u32::MAX - 1] {
        assert_eq!(unpack(pack(index)), Some(index));
    }
    assert_eq!(unpack(0), None);
}

#[test]
fn a_table_takes_its_header_its_buckets_and_one_line() {
    for buckets in [1, 2, 1000] {
        assert_eq!(Table::new(buckets).bytes(), (1 + buckets + 1) * 64);
    }
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u32),
    Remove(u8),
    RemoveEntry(u8),
    Replace(u8),
    Copy,
}

fn hash() -> impl Strategy<Value = u32> {
    prop_oneof![
        0u32..8,
        (0u32..64).prop_map(|h| h << 26),
        any::<u32>(),
        Just(u32::MAX),
        Just(u32::MAX - 0xFF00)
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => hash().prop_map(Op::Insert),
        2 => any::<u8>().prop_map(Op::Remove),
        1 => any::<u8>().prop_map(Op::RemoveEntry),
        1 => any::<u8>().prop_map(Op::Replace),
        1 => Just(Op::Copy),
    ];
    proptest::collection::vec(op, 0..300)
}

/// What a walk from home to home comes across.
fn walked(tables: &Tables, hashes: &[u32]) -> Vec<u32> {
    let (mut from, mut walked) = (Some(0), Vec::new());
    while let Some(at) = from {
        from = tables.each_of_home(at, |index| hashes[index as usize], |index| walked.push(index));
        assert!(from.is_none_or(|next| next > at));
    }
    walked.sort_unstable();
    walked.dedup();
    walked
}

proptest! {
    /// The table against a map of index to hash, through growth at every size.
    #[test]
    #[allow(unsafe_code)]
    fn agrees_with_a_map(ops in ops(), expected in 0usize..200) {
        let mut tables = Tables::new(expected);
        let root = tables.root();
        let mut model: HashMap<u32, u32> = HashMap::new();
        let mut hashes = Vec::new();
        let pick = |model: &HashMap<u32, u32>, n: u8| {
            let mut all: Vec<_> = model.iter().map(|(&index, &hash)| (index, hash)).collect();
            all.sort_unstable();
            (!all.is_empty()).then(|| all[n as usize % all.len()])
        };
        let mut retired = Vec::new();
        for op in ops {
            match op {
                Op::Insert(hash) => {
                    if tables.is_full() {
                        tables.grow();
                    }
                    retired.extend(tables.copy(&root, COPIED_PER_WRITE, |index| hashes[index as usize]));
                    tables.insert(hash, hashes.len() as u32);
                    model.insert(hashes.len() as u32, hash);
                    hashes.push(hash);
                }
                Op::Remove(n) => if let Some((index, hash)) = pick(&model, n) {
                    let place = tables.place_of(hash, index).expect("stored");
                    tables.remove(hash, &place);
                    model.remove(&index);
                },
                Op::RemoveEntry(n) => if let Some((index, hash)) = pick(&model, n) {
                    prop_assert!(tables.remove_entry(hash, index));
                    prop_assert!(!tables.remove_entry(hash, index), "it is gone");
                    model.remove(&index);
                },
                Op::Replace(n) => if let Some((index, hash)) = pick(&model, n) {
                    let place = tables.place_of(hash, index).expect("stored");
                    tables.replace(&place, hashes.len() as u32);
                    model.remove(&index);
                    model.insert(hashes.len() as u32, hash);
                    hashes.push(hash);
                },
                Op::Copy => retired.extend(tables.copy(&root, 1, |index| hashes[index as usize])),
            }
            tables.check(|index| hashes[index as usize]).map_err(TestCaseError::fail)?;
            prop_assert_eq!(tables.len(), model.len());
            let mut each = Vec::new();
            tables.each(|index| each.push(index));
            each.sort_unstable();
            let mut stored: Vec<_> = model.keys().copied().collect();
            stored.sort_unstable();
            prop_assert_eq!(each, stored);
            for (&index, &hash) in &model {
                // SAFETY: one thread.
                prop_assert_eq!(unsafe { root.find(hash, |i| (i == index).then_some(i)) }, Some(index));
            }
        }
        let mut stored: Vec<_> = model.keys().copied().collect();
        stored.sort_unstable();
        prop_assert_eq!(walked(&tables, &hashes), stored, "a walk from home to home comes across everything");
        let mut from = Some(0u32);
        let mut seen = Vec::new();
        while let Some(at) = from {
            let mut found = Vec::new();
            // SAFETY: one thread.
            let Some(hash) = (unsafe { root.next_hash(at, |index| hashes[index as usize], &mut found) }) else { break };
            found.sort_unstable();
            found.dedup();
            seen.extend(found.iter().map(|&index| (index, hash)));
            from = hash.checked_add(1);
        }
        let mut all: Vec<_> = model.into_iter().collect();
        all.sort_unstable();
        seen.sort_unstable();
        prop_assert_eq!(seen, all);
    }
}

#[test]
fn a_walk_looks_at_a_home_and_at_no_bucket_that_none_of_its_entries_can_be_in() {
    let table = Table::new(8);
    let view = table.view();
    let of_home = |home: usize| view.first_hash(home) as u32;
    let at = |home: usize| {
        let mut told = Vec::new();
        view.each_from(home, |index| told.push(index));
        told
    };
    (0..SLOTS as u32).for_each(|index| view.insert(of_home(3), index));
    view.insert(of_home(4), 100);
    assert_eq!((at(3).len(), at(4), at(5)), (SLOTS, vec![100], vec![]));
    // One that finds its home full goes on to the next bucket.
    view.insert(of_home(3), 200);
    assert_eq!((at(3).len(), at(4), at(5)), (SLOTS + 2, vec![100, 200], vec![]));
    assert!(view.remove(of_home(3), 200) && !view.remove(of_home(3), 200));
    assert_eq!((at(3).len(), at(4)), (SLOTS, vec![100]));
}

proptest! {
    /// A search of all entries by hash goes from home to home.
    #[test]
    fn homes_are_in_the_order_of_hashes_and_each_has_its_share(buckets in 1usize..2000, one: u32, other: u32) {
        let (low, high) = (one.min(other), one.max(other));
        prop_assert!(home(low, buckets) <= home(high, buckets) && home(high, buckets) < buckets);
        // The first and the last hash of a bucket.
        let table = Table::new(buckets);
        let first = |at: usize| table.view().first_hash(at);
        let at = low as usize % buckets;
        prop_assert_eq!(home(first(at) as u32, buckets), at);
        prop_assert_eq!(home((first(at + 1) - 1) as u32, buckets), at);
    }
}

/// Inserts entries, whose indices count from 0, until `enough` says so of the number of buckets. The sizes the table had,
/// the last one included.
fn grown(tables: &mut Tables, enough: impl Fn(usize) -> bool) -> Vec<usize> {
    let root = tables.root();
    // From 0 evenly over all the hashes there are, in no order.
    let hash_of = |index: u32| index.wrapping_mul(0x9E37_79B1);
    let mut sizes = vec![1];
    let mut retired: Vec<Table> = Vec::new();
    for index in 0.. {
        let (now, before) = (sizes[sizes.len() - 1], tables.bytes());
        let growing = tables.is_growing();
        assert_eq!(
            before > Table::layout(now).size(),
            growing,
            "both tables count while one is copied to the other"
        );
        assert_eq!(tables.is_full(), !growing && tables.len() >= now * SLOTS * FULL / 16);
        if tables.is_full() {
            tables.grow();
            assert!(tables.is_growing() && !tables.is_full() && tables.bytes() > before);
        }
        let before = tables.bytes();
        if let Some(old) = tables.copy(&root, COPIED_PER_WRITE, hash_of) {
            assert!(!tables.is_growing());
            assert_eq!(before - tables.bytes(), old.bytes());
            sizes.push((tables.bytes() - Table::layout(0).size()) / size_of::<Bucket>());
            retired.push(old);
            if enough(sizes[sizes.len() - 1]) {
                break;
            }
        }
        tables.insert(hash_of(index), index);
    }
    sizes
}

proptest! {
    /// A table goes to the size that was asked for in steps that are neither small nor large, and not beyond it.
    #[test]
    fn growth_ends_at_what_is_expected(entries in 10usize..3000, late: bool) {
        let mut tables = Tables::new(if late { 0 } else { entries });
        if late {
            tables.expect(entries);
        }
        let buckets = Table::buckets_for(entries);
        prop_assert!(buckets * SLOTS * FULL / 16 >= entries && (buckets - 1) * SLOTS * FULL / 16 < entries);
        let sizes = grown(&mut tables, |now| now >= buckets);
        prop_assert_eq!(sizes[sizes.len() - 1], buckets);
        for step in sizes.windows(2) {
            prop_assert!(step[0] * 3 <= step[1] * 2 && step[1] <= step[0] * 3, "{:?}", sizes);
        }
    }

    /// What a search found is still so, or is not, as the entries say one by one.
    #[test]
    fn a_writer_knows_whether_what_a_search_found_is_still_so(
        hashes in prop::collection::vec(hash(), 1..60),
        known in any::<u64>(),
    ) {
        let mut tables = Tables::new(0);
        let root = tables.root();
        let hash_of = |index: u32| hashes[index as usize];
        let mut retired = Vec::new();
        for (index, &hash) in hashes.iter().enumerate() {
            if tables.is_full() {
                tables.grow();
            }
            retired.extend(tables.copy(&root, 1, hash_of));
            tables.insert(hash, index as u32);
        }
        let known = |index: u32| known >> index & 1 == 1;
        let rejected: Vec<u32> = (0..hashes.len() as u32).filter(|&index| known(index)).collect();
        for (index, &hash) in hashes.iter().enumerate() {
            let strange = (0..hashes.len()).any(|other| hashes[other] == hash && !known(other as u32));
            prop_assert_eq!(tables.has_stranger(hash, &rejected, hash_of), strange);
            let changed = match tables.locate(hash, None, &rejected, hash_of) {
                Located::Changed => Some(true),
                Located::Absent => Some(false),
                Located::Here(_) => None,
            };
            prop_assert_eq!(changed, Some(strange));
            let Located::Here(place) = tables.locate(hash, Some(index as u32), &[], hash_of) else {
                return Err(TestCaseError::fail("an entry is not where it was put"));
            };
            tables.remove(hash, &place);
            let gone = tables.locate(hash, Some(index as u32), &[], hash_of);
            prop_assert!(matches!(gone, Located::Changed));
            tables.insert(hash, index as u32);
        }
    }
}

#[test]
fn beyond_what_is_expected_a_table_grows_by_a_quarter() {
    for expected in [0, 200] {
        let mut sizes = grown(&mut Tables::new(expected), |now| now > 300);
        sizes.retain(|&now| now >= Table::buckets_for(expected));
        assert!(
            sizes.windows(2).all(|step| step[0] * 5 < step[1] * 4 && step[1] * 4 <= step[0] * 5 + 4),
            "{sizes:?}"
        );
    }
}

#[test]
fn the_validator_sees_an_entry_whose_hash_is_another() {
    let mut tables = Tables::new(0);
    tables.insert(7, 0);
    assert_eq!(tables.check(|_| 7), Ok(()));
    assert!(tables.check(|_| 8).is_err());
}

/// A full table where entries come and go for long: the part of them that stand past their home, and the lines that a search for what is not there
/// looks at.
fn churned(buckets: usize) -> (f64, f64) {
    let table = Table::new(buckets);
    let (view, entries) = (table.view(), table.limit() as u32);
    // A walk over all 32 bits by the golden ratio would fill the buckets too evenly.
    let hash_of = |number: u32| {
        let mixed = (u64::from(number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32) as u32
    };
    let mut present: Vec<u32> = (0..entries).collect();
    present.iter().for_each(|&number| view.insert(hash_of(number), number));
    for number in entries..20 * entries {
        let leaving = hash_of(!number) as usize % present.len();
        let old = std::mem::replace(&mut present[leaving], number);
        assert!(view.remove(hash_of(old), old));
        view.insert(hash_of(number), number);
    }
    let at =
        |number: &u32| view.search(hash_of(*number), |bucket, _, there| (there == *number).then_some(bucket));
    let displaced = present.iter().filter(|number| at(number) != Some(view.home(hash_of(**number)))).count();
    let mut lines = 0;
    for home in 0..buckets {
        let mut at = home;
        lines += 1;
        while view.bucket(at).meta().passed() > 0 {
            at = view.after(at);
            lines += 1;
        }
    }
    (displaced as f64 / f64::from(entries), lines as f64 / buckets as f64)
}

#[test]
fn where_entries_come_and_go_most_stand_at_home_and_a_miss_ends_soon() {
    let (displaced, lines) = churned(1000);
    assert!((0.03..0.07).contains(&displaced) && (1.2..1.6).contains(&lines), "{displaced} {lines}");
}
