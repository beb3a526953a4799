//! A cache in use: get, and insert what was not there.

use super::window;
use crate::args::Args;
use crate::gang::{self, Run, Share};
use crate::keys::{key, zipf};
use crate::peer::{Kind, Peer, Size};
use crate::peers::{Visit, each};
use crate::report::Line;
use crate::rounds::{Amount, Plan, Subject, alternate};
use std::hint::black_box;

struct Setup<'a> {
    args: &'a Args,
    capacity: usize,
    keys: &'a [u32],
    /// Requests before anything is timed.
    warm: u64,
    subjects: Vec<Subject<'a>>,
}

impl Visit<u64, u64> for Setup<'_> {
    fn visit<P: Peer<u64, u64>>(&mut self, name: &'static str) {
        if P::KIND != Kind::Cache {
            return;
        }
        let (peer, keys) = (P::new(Size::full(self.capacity)), self.keys);
        let plan = Plan { threads: 1, ops: self.warm, start: 0, limit: self.args.limit() };
        let over = requests(&peer, keys, plan).over;
        let mut subject = Subject::new(name, move |plan| requests(&peer, keys, plan));
        subject.over = over;
        self.subjects.push(subject);
    }
}

/// Requests by every thread, each its own part of the sequence.
pub fn requests<P: Peer<u64, u64>>(peer: &P, keys: &[u32], plan: Plan) -> Run {
    gang::run(plan.threads, plan.limit, |thread, deadline| {
        let start = plan.start + thread as u64 * plan.ops;
        let (mut share, mut sum) = (Share::default(), 0u64);
        share.batches(plan.ops, deadline, |share, done, batch| {
            let reader = peer.reader();
            for piece in window(keys, start + done, batch) {
                for &number in piece {
                    let key = key(u64::from(number));
                    match P::look(&reader, &key, |&value| value) {
                        Some(value) => {
                            share.hits += 1;
                            sum = sum.wrapping_add(value);
                        }
                        None => peer.insert(key, u64::from(number)),
                    }
                }
            }
        });
        black_box(sum);
        share
    })
}

pub fn run(args: &Args) {
    let population = args.size(10_000_000, 100_000);
    let (warm, each_run) = args.size((4_000_000, 250_000), (50_000, 20_000));
    let runs = (args.runs as u64 + 1) * args.threads.iter().sum::<usize>() as u64;
    for theta in [0.9, 1.0] {
        let keys = zipf(population, theta, (warm + runs * each_run) as usize, 2);
        for capacity in args.size([100_000, 1_000_000], [1_000, 10_000]) {
            eprintln!("mixed, capacity {capacity}, zipf {theta}");
            let mut setup = Setup { args, capacity, keys: &keys, warm, subjects: Vec::new() };
            each(&|name| args.wants(name), &mut setup);
            let mut start = warm;
            for &threads in &args.threads {
                for row in alternate(&mut setup.subjects, args, threads, Amount::Fixed(each_run), &mut start)
                {
                    let line = Line::new("mixed").exact("capacity", capacity).number("theta", theta);
                    row.print(line.exact("keys", population));
                }
            }
        }
    }
}
