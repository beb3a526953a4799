//! Readers of a table against its one writer. Buckets have two slots here, and a write copies one bucket.
//! Tables that were outgrown are kept to the end: freeing them is the reclaimer's business.

use super::*;
use crate::sync::checker::{Builder, thread};
use crate::sync::{Arc, Mutex};

/// Homes in the first bucket of any table with up to four.
const LOW: [u32; 4] = [1, 2, 3, 4];
const HIGH: u32 = 0xF000_0000;

struct World {
    root: Root,
    tables: Mutex<Tables>,
    outgrown: Mutex<Vec<Table>>,
}

impl World {
    /// A table of two buckets that holds these hashes, each under its place in the list.
    fn new(hashes: &[u32]) -> Arc<Self> {
        let mut tables = Tables::new(0);
        let root = tables.root();
        tables.grow();
        drop(tables.copy(&root, 1));
        for (index, &hash) in (0..).zip(hashes) {
            tables.insert(hash, index);
        }
        Arc::new(World { root, tables: Mutex::new(tables), outgrown: Mutex::new(Vec::new()) })
    }

    #[allow(unsafe_code)]
    fn find(&self, hash: u32) -> Option<u32> {
        // SAFETY: no table is freed before the model ends.
        unsafe { self.root.find(hash, |_| true) }
    }

    #[allow(unsafe_code)]
    fn each(&self) -> Vec<u32> {
        let (mut from, mut all) = (Some(0), Vec::new());
        while let Some(at) = from {
            // SAFETY: as above.
            let Some(hash) = (unsafe { self.root.next_hash(at, &mut Vec::new()) }) else { break };
            all.push(hash);
            from = hash.checked_add(1);
        }
        all
    }

    fn write(&self, change: impl FnOnce(&mut Tables)) {
        let mut tables = self.tables.lock();
        change(&mut tables);
        assert_eq!(tables.check(), Ok(()));
    }

    fn copy(&self) {
        self.write(|tables| self.outgrown.lock().extend(tables.copy(&self.root, COPIED_PER_WRITE)));
    }

    fn remove(&self, hash: u32, index: u32) {
        self.write(|tables| {
            let place = tables.place_of(hash, index).expect("stored");
            tables.remove(&place);
        });
    }
}

fn model(hashes: &'static [u32], write: fn(&World), read: fn(&World)) {
    let mut builder = Builder::new();
    builder.max_branches = 50_000;
    builder.check(move || {
        let world = World::new(hashes);
        let other = world.clone();
        let writer = thread::spawn(move || write(&other));
        read(&world);
        writer.join().unwrap();
    });
}

/// Every step of a growth: linked, copied bucket by bucket, readers sent on.
#[test]
fn growth_hides_nothing() {
    model(
        &[LOW[0], LOW[1], LOW[2], HIGH],
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
        &[LOW[0], LOW[1], LOW[2]],
        |world| {
            let put = |index| {
                world.write(|tables| {
                    let place = tables.place_of(LOW[2], index - 1).expect("stored");
                    tables.replace(&place, LOW[2], index);
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
        &[LOW[0], LOW[1], LOW[2]],
        |world| {
            world.remove(LOW[0], 0);
            world.write(|tables| tables.insert(LOW[3], 9));
            world.remove(LOW[1], 1);
            world.write(|tables| tables.insert(LOW[0], 8));
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
        &[LOW[0], LOW[1], LOW[2]],
        |world| {
            world.write(|tables| tables.insert(LOW[3], 9));
            world.remove(LOW[2], 2);
        },
        |world| {
            let seen = [world.find(LOW[3]), world.find(LOW[3])];
            assert!(seen[0].is_none() || seen[1].is_some(), "seen, then missed");
        },
    );
}

/// An iteration meets all that stays while it is copied.
#[test]
fn iteration_meets_all_that_stays() {
    model(
        &[LOW[0], HIGH],
        |world| {
            world.write(Tables::grow);
            world.copy();
            world.copy();
        },
        |world| assert_eq!(world.each(), [LOW[0], HIGH]),
    );
}
