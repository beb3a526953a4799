//! Readers of a table against its one writer. Buckets have two slots here, and a write copies one bucket.
//! Tables that were outgrown are kept to the end: freeing them is the reclaimer's business.

use super::*;
use crate::sync::checker;
use crate::sync::{Arc, Mutex};

/// Homes in the first bucket of any table with up to four.
const LOW: [u32; 4] = [1, 2, 3, 4];
const HIGH: u32 = 0xF000_0000;

struct World {
    root: Root,
    tables: Mutex<Tables>,
    outgrown: Mutex<Vec<Table>>,
    /// The hash of each entry, by its index.
    hashes: &'static [u32],
}

impl World {
    /// A table of two buckets that holds the first `there` of these hashes, each under its place in the list.
    fn new(hashes: &'static [u32], there: u32) -> Arc<Self> {
        let mut tables = Tables::new(0);
        let root = tables.root();
        tables.grow();
        drop(tables.copy(&root, 1, |_| unreachable!("it is empty")));
        for index in 0..there {
            tables.insert(hashes[index as usize], index);
        }
        Arc::new(World { root, tables: Mutex::new(tables), outgrown: Mutex::new(Vec::new()), hashes })
    }

    fn hash_of(&self, index: u32) -> u32 {
        self.hashes[index as usize]
    }

    #[allow(unsafe_code)]
    fn find(&self, hash: u32) -> Option<u32> {
        // SAFETY: no table is freed before the model ends.
        unsafe { self.root.find(hash, |index| (self.hash_of(index) == hash).then_some(index)) }
    }

    #[allow(unsafe_code)]
    fn each(&self) -> Vec<u32> {
        let (mut from, mut all) = (Some(0), Vec::new());
        while let Some(at) = from {
            // SAFETY: as above.
            let Some(hash) =
                (unsafe { self.root.next_hash(at, |index| self.hash_of(index), &mut Vec::new()) })
            else {
                break;
            };
            all.push(hash);
            from = hash.checked_add(1);
        }
        all
    }

    fn write(&self, change: impl FnOnce(&mut Tables)) {
        let mut tables = self.tables.lock();
        change(&mut tables);
        assert_eq!(tables.check(|index| self.hash_of(index)), Ok(()));
    }

    fn copy(&self) {
        self.write(|tables| {
            let outgrown = tables.copy(&self.root, COPIED_PER_WRITE, |index| self.hash_of(index));
            self.outgrown.lock().extend(outgrown);
        });
    }

    fn insert(&self, index: u32) {
        self.write(|tables| tables.insert(self.hash_of(index), index));
    }

    fn remove(&self, index: u32) {
        self.write(|tables| {
            let hash = self.hash_of(index);
            let place = tables.place_of(hash, index).expect("stored");
            tables.remove(hash, &place);
        });
    }
}

/// The first `there` of these hashes are in the table from the start.
fn model(hashes: &'static [u32], there: u32, write: fn(&World), read: fn(&World)) {
    checker::check(move || {
        let world = World::new(hashes, there);
        let other = world.clone();
        let writer = checker::spawn(move || write(&other));
        read(&world);
        writer.join().unwrap();
    });
}

/// Every step of a growth: linked, copied bucket by bucket, readers sent on.
#[test]
fn growth_hides_nothing() {
    model(
        &[LOW[0], LOW[1], LOW[2], HIGH],
        4,
        |world| {
            world.write(Tables::grow);
            world.copy();
            world.copy();
            assert!(!world.tables.lock().is_growing());
        },
        |world| {
            // The third did not fit into its home.
            assert_eq!(world.find(LOW[2]), Some(2));
            assert_eq!(world.find(HIGH), Some(3));
            assert_eq!(world.find(LOW[0]), Some(0));
        },
    );
}

/// An overwrite, before and after its bucket was copied.
#[test]
fn growth_and_overwrites_show_no_old_value_after_a_new_one() {
    model(
        &[LOW[0], LOW[1], LOW[2], LOW[2], LOW[2]],
        3,
        |world| {
            let put = |index| {
                world.write(|tables| {
                    let place = tables.place_of(LOW[2], index - 1).expect("stored");
                    tables.replace(&place, index);
                });
            };
            world.write(Tables::grow);
            put(3);
            world.copy();
            world.copy();
            put(4);
        },
        |world| {
            let seen = [world.find(LOW[2]), world.find(LOW[2])];
            assert!(seen.is_sorted() && seen[0].is_some(), "{seen:?}");
        },
    );
}

/// Entries that went past a full bucket are found while others come and go around them.
#[test]
fn churn_hides_no_one_else() {
    model(
        &[LOW[0], LOW[1], LOW[2], LOW[3], LOW[0]],
        3,
        |world| {
            world.remove(0);
            world.insert(3);
            world.remove(1);
            world.insert(4);
        },
        |world| {
            assert_eq!(world.find(LOW[2]), Some(2));
            let seen = [world.find(LOW[3]), world.find(LOW[3])];
            assert!(seen[0].is_none() || seen[1].is_some(), "seen, then missed");
        },
    );
}

/// What went past a bucket is not lost when the last one that did so before it goes.
#[test]
fn a_new_entry_is_not_lost_again() {
    model(
        &[LOW[0], LOW[1], LOW[2], LOW[3]],
        3,
        |world| {
            world.insert(3);
            world.remove(2);
        },
        |world| {
            let seen = [world.find(LOW[3]), world.find(LOW[3])];
            assert!(seen[0].is_none() || seen[1].is_some(), "seen, then missed");
        },
    );
}

/// An iteration meets what stays while it is copied. One entry, first or last: two make as many interleavings as all
/// other models together.
#[test]
fn iteration_meets_what_stays() {
    for hashes in [&[LOW[0]], &[HIGH]] {
        model(
            hashes,
            1,
            |world| {
                world.write(Tables::grow);
                world.copy();
                world.copy();
            },
            |world| assert_eq!(world.each(), world.hashes),
        );
    }
}

/// Another hash with the same tag comes and goes in the slots that a search looks at.
#[test]
fn a_hash_of_the_same_tag_is_not_taken_for_it() {
    model(
        &[LOW[0], LOW[0] | 0x100, LOW[0]],
        1,
        |world| {
            world.insert(1);
            world.remove(0);
            world.insert(2);
            world.remove(1);
        },
        |world| {
            let seen = [world.find(LOW[0] | 0x100), world.find(LOW[0])];
            assert!(matches!(seen, [None | Some(1), None | Some(0 | 2)]), "{seen:?}");
        },
    );
}
