use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

#[test]
fn a_word_holds_hash_and_index() {
    for (hash, index) in [(0, 0), (u32::MAX, NONE - 1), (5, 9)] {
        assert_eq!(unpack(pack(hash, index)), (hash, index));
    }
    assert_eq!(unpack(0).1, NONE);
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u32),
    Remove(u8),
    Replace(u8),
    Copy,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let hash = prop_oneof![0u32..8, (0u32..64).prop_map(|h| h << 26), any::<u32>(), Just(u32::MAX)];
    let op = prop_oneof![
        4 => hash.prop_map(Op::Insert),
        2 => any::<u8>().prop_map(Op::Remove),
        1 => any::<u8>().prop_map(Op::Replace),
        1 => Just(Op::Copy),
    ];
    proptest::collection::vec(op, 0..300)
}

proptest! {
    /// The table against a map of index to hash, through growth at every size.
    #[test]
    #[allow(unsafe_code)]
    fn agrees_with_a_map(ops in ops(), expected in 0usize..200) {
        let mut tables = Tables::new(expected);
        let root = tables.root();
        let mut model: HashMap<u32, u32> = HashMap::new();
        let mut fresh = 0u32;
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
                    retired.extend(tables.copy(&root, COPIED_PER_WRITE));
                    tables.insert(hash, fresh);
                    model.insert(fresh, hash);
                    fresh += 1;
                }
                Op::Remove(n) => if let Some((index, hash)) = pick(&model, n) {
                    let place = tables.place_of(hash, index).expect("stored");
                    tables.remove(&place);
                    model.remove(&index);
                },
                Op::Replace(n) => if let Some((index, hash)) = pick(&model, n) {
                    let place = tables.place_of(hash, index).expect("stored");
                    tables.replace(&place, hash, fresh);
                    model.remove(&index);
                    model.insert(fresh, hash);
                    fresh += 1;
                },
                Op::Copy => retired.extend(tables.copy(&root, 1)),
            }
            tables.check().map_err(TestCaseError::fail)?;
            prop_assert_eq!(tables.len(), model.len());
            for (&index, &hash) in &model {
                // SAFETY: one thread.
                prop_assert_eq!(unsafe { root.find(hash, |i| i == index) }, Some(index));
            }
        }
        let mut from = Some(0u32);
        let mut seen = Vec::new();
        while let Some(at) = from {
            let mut found = Vec::new();
            // SAFETY: one thread.
            let Some(hash) = (unsafe { root.next_hash(at, &mut found) }) else { break };
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
