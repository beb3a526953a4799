//! A recorded trace, replayed into an empty cache: get, and insert what was not there.

use super::mixed::requests;
use crate::args::Args;
use crate::peer::{Kind, Peer, Size};
use crate::peers::{Fold, Visit, each};
use crate::report::Line;
use crate::rounds::{Amount, Subject, alternate};
use std::collections::HashMap;

const NAME: &str = "source-tree";
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/traces/source-tree.u64.zst");

struct Setup<'a> {
    capacity: usize,
    keys: &'a [u32],
    subjects: Vec<Subject<'a>>,
}

impl Visit<u64, u64> for Setup<'_> {
    fn visit<P: Peer<u64, u64>>(&mut self, name: &'static str) {
        if P::KIND == Kind::Cache {
            let (keys, capacity) = (self.keys, self.capacity);
            self.subjects
                .push(Subject::new(name, move |plan| requests(&P::new(Size::full(capacity)), keys, plan)));
        }
    }
}

/// The requests, each distinct key numbered from 0, and how many there are.
fn read() -> (Vec<u32>, usize) {
    let file = std::fs::File::open(PATH).unwrap_or_else(|error| panic!("{PATH} cannot be read: {error}"));
    let records = zstd::decode_all(file).expect("the trace is a sound zstd file");
    let mut numbers: HashMap<&[u8], u32, Fold> = HashMap::default();
    let mut keys = Vec::new();
    for record in records.chunks_exact(8) {
        let fresh = numbers.len() as u32;
        keys.push(*numbers.entry(record).or_insert(fresh));
    }
    (keys, numbers.len())
}

pub fn run(args: &Args) {
    let (keys, unique) = read();
    let keys = &keys[..args.size(keys.len(), keys.len().min(50_000))];
    let capacity = unique / 20;
    let mut setup = Setup { capacity, keys, subjects: Vec::new() };
    each(&|name| args.wants(name), &mut setup);
    eprintln!("trace {NAME}, capacity {capacity} (5 %)");
    // Each run begins at the first request: the sequence is as long as a run.
    for row in alternate(&mut setup.subjects, args, 1, Amount::Fixed(keys.len() as u64), &mut 0) {
        let line = Line::new("trace").text("trace", NAME).exact("capacity", capacity);
        row.print(line.exact("requests", keys.len()).exact("unique", unique));
    }
}
