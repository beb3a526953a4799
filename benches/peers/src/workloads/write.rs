//! Fresh keys into a full cache: every insert evicts, or is turned away.

use super::filled;
use crate::args::Args;
use crate::gang::{self, Run, Share};
use crate::keys::key;
use crate::peer::{Kind, Peer, Size};
use crate::peers::{Visit, each};
use crate::report::Line;
use crate::rounds::{Amount, Plan, Subject, alternate};
use std::time::{Duration, Instant};

/// One insert in so many is timed by itself: no power of two, with which some caches keep step.
const STRIDE: u64 = 61;

struct Setup<'a> {
    args: &'a Args,
    capacity: usize,
    subjects: Vec<Subject<'a>>,
    /// The same with every insert timed.
    exact: Vec<Subject<'a>>,
}

impl Visit<u64, u64> for Setup<'_> {
    fn visit<P: Peer<u64, u64>>(&mut self, name: &'static str) {
        if P::KIND != Kind::Cache {
            return;
        }
        // A third more than fits, so that every shard is full.
        let more = Size { capacity: self.capacity, resident: self.capacity * 4 / 3 };
        let (peer, over) = filled(self.args, P::new(Size::full(self.capacity)), more, |n| (key(n), n));
        let peer = std::rc::Rc::new((peer, std::cell::Cell::new(more.resident as u64)));
        for (list, stride) in [(&mut self.subjects, STRIDE), (&mut self.exact, 1)] {
            let shared = peer.clone();
            let mut subject = Subject::new(name, move |plan| {
                let first = shared.1.get();
                shared.1.set(first + plan.ops * plan.threads as u64);
                writes(&shared.0, first, stride, plan)
            });
            subject.over = over;
            list.push(subject);
        }
    }
}

/// Inserts by every thread, of keys from `first` on that nobody has seen.
fn writes<P: Peer<u64, u64>>(peer: &P, first: u64, stride: u64, plan: Plan) -> Run {
    gang::run(plan.threads, plan.limit, |thread, deadline| {
        let first = first + thread as u64 * plan.ops;
        let (mut share, mut next_timed) = (Share::default(), 0);
        share.batches(plan.ops, deadline, |share, done, batch| {
            for nth in done..done + batch as u64 {
                let number = first + nth;
                if nth == next_timed {
                    next_timed += stride;
                    let start = Instant::now();
                    peer.insert(key(number), number);
                    share.latencies.add(start.elapsed().as_nanos() as u64);
                } else {
                    peer.insert(key(number), number);
                }
            }
        });
        share
    })
}

pub fn run(args: &Args) {
    let capacity = args.size(1_000_000, 20_000);
    let mut setup = Setup { args, capacity, subjects: Vec::new(), exact: Vec::new() };
    each(&|name| args.wants(name), &mut setup);
    for &threads in args.threads.iter().filter(|&&threads| threads <= 2) {
        eprintln!("write, capacity {capacity}");
        for row in alternate(&mut setup.subjects, args, threads, Amount::Timed(20_000), &mut 0) {
            row.print(Line::new("write").exact("capacity", capacity));
        }
    }
    exact(args, &mut setup);
}

/// One long run of each with every insert timed: for the rare ones.
fn exact(args: &Args, setup: &mut Setup<'_>) {
    for subject in setup.exact.iter_mut().filter(|subject| !subject.over) {
        let plan =
            Plan { threads: 1, ops: args.size(1_000_000, 20_000), start: 0, limit: Duration::from_secs(3) };
        let run = (subject.run)(plan);
        eprintln!(
            "  {:<20} every insert: p50 {} p99 {} p99.9 {} max {} ns",
            subject.name,
            run.latencies.quantile(0.5),
            run.latencies.quantile(0.99),
            run.latencies.quantile(0.999),
            run.latencies.max
        );
        let line = Line::new("write-each").exact("capacity", setup.capacity).text("peer", &subject.name);
        line.exact("threads", 1).number("ns", run.ns).exact("ops", run.ops).latencies(&run.latencies).print();
    }
}
