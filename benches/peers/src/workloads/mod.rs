//! The workloads, and the list of all of them.

mod churn;
mod hit;
mod hot;
mod memory;
mod mixed;
mod overshoot;
mod tail;
mod trace;
mod ttl;
mod write;

use crate::args::Args;
use crate::peer::{BATCH, Key, Peer, Size, Value};
use std::time::Instant;

macro_rules! list {
    ($($name:literal: $run:path),* $(,)?) => {
        /// The names of all workloads, in the order in which they are run.
        pub const NAMES: &[&str] = &[$($name),*];

        /// Runs one of them.
        pub fn run(name: &str, args: &Args) {
            match name {
                $($name => $run(args),)*
                _ => unreachable!("the command line knows the names"),
            }
        }
    };
}

list! {
    "hit": hit::run,
    "hot": hot::run,
    "ttl": ttl::run,
    "mixed": mixed::run,
    "trace": trace::run,
    "write": write::run,
    "tail": tail::run,
    "overshoot": overshoot::run,
    "memory": memory::run,
    "churn": churn::run,
}

/// Makes a peer and fills it with the pairs of `0..resident`, or as far as it comes within the limit.
fn filled<K: Key, V: Value, P: Peer<K, V>>(
    args: &Args,
    mut peer: P,
    size: Size,
    pair: impl Fn(u64) -> (K, V),
) -> (P, bool) {
    let deadline = Instant::now() + args.limit();
    let mut over = false;
    for first in (0..size.resident as u64).step_by(BATCH) {
        for number in first..(first + BATCH as u64).min(size.resident as u64) {
            let (key, value) = pair(number);
            peer.put(key, value);
        }
        // What a peer does later it does for a batch at a time here, so that no queue of its overflows.
        peer.settle();
        over = Instant::now() > deadline;
        if over {
            break;
        }
    }
    (peer, over)
}

/// The slice of `ops` keys that begins at `start`, over the end and around, in pieces.
fn window(keys: &[u32], start: u64, ops: usize) -> impl Iterator<Item = &[u32]> {
    let first = (start % keys.len() as u64) as usize;
    let head = &keys[first..(first + ops).min(keys.len())];
    let mut left = ops - head.len();
    let around = std::iter::from_fn(move || {
        let piece = &keys[..left.min(keys.len())];
        left -= piece.len();
        (!piece.is_empty()).then_some(piece)
    });
    std::iter::once(head).chain(around)
}
