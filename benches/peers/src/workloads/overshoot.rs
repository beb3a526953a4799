//! How far above its capacity a cache goes while two threads insert.

use crate::args::Args;
use crate::gang::{self, Share};
use crate::keys::key;
use crate::peer::{Kind, Peer, Size};
use crate::peers::{Visit, each};
use crate::report::Line;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

struct Writers<'a> {
    args: &'a Args,
    capacity: usize,
}

/// The most that was seen.
#[derive(Clone, Copy, Default)]
struct Most {
    weight: u64,
    held: usize,
    looks: u64,
}

impl Visit<u64, u64> for Writers<'_> {
    fn visit<P: Peer<u64, u64>>(&mut self, name: &'static str) {
        if P::KIND != Kind::Cache {
            return;
        }
        let (peer, each_thread) = (P::new(Size::full(self.capacity)), 10 * self.capacity as u64);
        let (most, written) = watched(&peer, each_thread, self.args.limit() / 2);
        peer.settle();
        // What is really there, asked key by key: some caches count an entry only some time after they keep it.
        let reader = peer.reader();
        let there = |thread: u64| (0..written).map(move |nth| key(thread * each_thread + nth));
        let kept = there(0).chain(there(1)).filter(|key| P::look(&reader, key, |_| ()).is_some()).count();
        let over = |count: f64| count / self.capacity as f64;
        eprintln!(
            "  {name:<20} weight up to {:.4}, entries up to {:.4}, afterwards {:.4} of the capacity",
            over(most.weight as f64),
            over(most.held as f64),
            over(kept as f64)
        );
        let line =
            Line::new("overshoot").exact("capacity", self.capacity).text("peer", name).exact("threads", 2);
        let line = line.exact("weight", most.weight).exact("entries", most.held).exact("kept", kept);
        line.number("ratio", over(most.weight as f64)).exact("looks", most.looks).print();
    }
}

/// Two writers of fresh keys, watched until they have ended: the most that was seen, and how much each wrote at least.
fn watched<P: Peer<u64, u64>>(peer: &P, each_thread: u64, limit: Duration) -> (Most, u64) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = Most::default();
            while !done.load(Ordering::Relaxed) {
                most.weight = most.weight.max(peer.weight());
                most.held = most.held.max(peer.held());
                most.looks += 1;
                // Counting locks the shards of some caches: the writers must get through.
                std::thread::sleep(Duration::from_micros(50));
            }
            most
        });
        let run = gang::run(2, limit, |thread, deadline| {
            let first = thread as u64 * each_thread;
            let mut share = Share::default();
            share.batches(each_thread, deadline, |_, done, batch| {
                (done..done + batch as u64).for_each(|nth| peer.insert(key(first + nth), nth));
            });
            share
        });
        done.store(true, Ordering::Relaxed);
        (watcher.join().expect("the watcher does not panic"), each_thread.min(run.ops))
    })
}

pub fn run(args: &Args) {
    let capacity = args.size(100_000, 10_000);
    eprintln!("overshoot, capacity {capacity}");
    each(&|name| args.wants(name), &mut Writers { args, capacity });
}
